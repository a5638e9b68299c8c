"""`smgw daily --emp`: readings of billing days go to an EMP by order alone, once, and each retrieval is logged."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from captures_made import MIDNIGHT, SECOND, capture, energy
from small_emp import OK, Answer, SmallEmp
from smgw.cli import main
from smgw.cosem import DeviceId
from smgw.profiles.toml_importer import load
from smgw.reports.health import examine
from smgw.services.sent_log import SentLog
from smgw.store import paths
from smgw.store.lmn.store import LmnStore
from smgw.store.lmn.view import LmnView
from smgw.store.records import ListKind, Record
from smgw.store.wan.store import WanStore
from smgw.store.wan.view import WanView

DAY = 86_400 * SECOND
DEVICE = DeviceId.evaluation(6, bytes(10))
CONFIGURATION = """\
[gateway]
device_id = "ESMG0000000001"
[[meter]]
name = "house"
protocol = "sml-push"
port = "/dev/ttyUSB0"
[[evaluation]]
name = "move"
taf = 6
meters = ["house"]
consumer = "anna"
emps = ["utility", "private"]
[[emp]]
name = "utility"
url = "{url}"
insecure = true
[[emp]]
name = "other"
url = "{url}"
insecure = true
[[emp]]
name = "private"
url = "{url}"
insecure = true
pseudonym_days = 7
"""


@pytest.fixture
def emp() -> Iterator[SmallEmp]:
    with SmallEmp() as running:
        yield running


@pytest.fixture
def place(tmp_path: Path, emp: SmallEmp) -> Path:
    """A gateway with a row of the meter, and three of billing days: numbers 2 to 4."""
    for name in ("lmn", "wan"):
        (tmp_path / name).mkdir()
    (tmp_path / "g.toml").write_text(CONFIGURATION.format(url=emp.url), encoding="utf-8")
    with LmnStore.open(tmp_path / "lmn", ballast_bytes=0) as store:
        store.append([Record(capture(MIDNIGHT, energy(7)), MIDNIGHT)])
        for day in range(3):
            one = capture(MIDNIGHT + day * DAY, energy(100 * day), meter="move", device=DEVICE)
            store.append([Record(one, MIDNIGHT + day * DAY, list=ListKind.DAILY)])
    return tmp_path


def smgw(place: Path, command: str, *more: str) -> int:
    return main([command, *more, "--config", str(place / "g.toml"), "--state", str(place)])


def logged(place: Path, book: str) -> list[str]:
    with LmnView.open(place / "lmn") as view:
        return [entry.subject for entry in view.log_entries(10, book)]


def test_nothing_goes_by_itself(place: Path, emp: SmallEmp) -> None:
    assert smgw(place, "deliver", "utility") == 0
    assert emp.numbers() == []


def test_they_go_by_order_and_the_retrieval_is_logged(place: Path, emp: SmallEmp) -> None:
    assert smgw(place, "daily", "move", "--emp", "utility") == 0
    assert emp.numbers() == [2, 3, 4]
    assert {put.document.device for put in emp.puts} == {DEVICE}
    for book in ("system", "consumer anna"):
        (text,) = logged(place, book)
        assert text.startswith("evaluation move: 3 daily values, 2026-03-01T00:00:00Z to 2026-03-03T00:00:00Z, ")
        assert text.endswith(" for EMP utility")


def test_one_day_goes_alone(place: Path, emp: SmallEmp) -> None:
    day = ("--from", "2026-03-02T00:00Z", "--to", "2026-03-02T23:00Z")
    assert smgw(place, "daily", "move", "--emp", "utility", *day) == 0
    assert emp.numbers() == [3]


def test_they_go_again_by_another_order(place: Path, emp: SmallEmp) -> None:
    for _ in range(2):
        assert smgw(place, "daily", "move", "--emp", "utility") == 0
    assert emp.numbers() == [2, 3, 4]
    assert emp.again == 3
    assert len(logged(place, "system")) == 2


def test_the_consumers_log_tells_what_was_sent(place: Path) -> None:
    smgw(place, "daily", "move", "--emp", "utility")
    with contextlib.closing(WanStore.open(paths.wan_directory(place))) as store:
        stamp = capture(MIDNIGHT, energy(1)).stamp
        SentLog(store, {"move": ("anna",)}, lambda: stamp).enter()
    with WanView.open(paths.wan_directory(place)) as view:
        (entry,) = view.log_entries(10, "consumer anna")
    assert entry.subject == f"3 rows of move, device {DEVICE} sent to EMP utility: as a person ordered"


def test_while_the_emp_is_away_they_wait(place: Path, emp: SmallEmp, capsys: pytest.CaptureFixture[str]) -> None:
    emp.answer = lambda _: Answer(503)
    assert smgw(place, "daily", "move", "--emp", "utility") == 1
    assert "EMP utility: 0 records acknowledged, 3 waiting, 0 quarantined" in capsys.readouterr().out
    emp.answer = lambda _: OK
    assert smgw(place, "deliver", "utility") == 0
    assert emp.numbers() == [2, 3, 4]


def test_a_refused_one_is_quarantined(place: Path, emp: SmallEmp) -> None:
    emp.answer = lambda put: Answer(422, b"no") if 3 in put.numbers else Answer(201)
    assert smgw(place, "daily", "move", "--emp", "utility") == 1
    (report,) = [one for one in examine(load(place / "g.toml"), place).emps if one["name"] == "utility"]
    assert (report["backlog"], report["set_aside"]) == (0, 1)


@pytest.mark.parametrize("name", ["other", "private", "nobody"])
def test_only_an_emp_of_the_evaluation_that_gets_no_pseudonyms_may_have_them(
    place: Path, emp: SmallEmp, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert smgw(place, "daily", "move", "--emp", name) == 2
    assert f"EMP {name!r} may not have evaluation move; utility may" in capsys.readouterr().err
    assert (emp.numbers(), logged(place, "system")) == ([], [])


def test_nobody_waits_for_them_when_the_evaluation_is_left_out(place: Path) -> None:
    smgw(place, "daily", "move", "--emp", "utility")
    text = (place / "g.toml").read_text()
    begin, end = text.index("[[evaluation]]"), text.index("[[emp]]")
    (place / "g.toml").write_text(text[:begin] + text[end:])
    assert not [
        reason for reason in examine(load(place / "g.toml"), place).reasons if "which no profile names" in reason
    ]

"""`smgw daily`: readings of billing days leave on request alone, and each retrieval is logged."""

import csv
import io
from pathlib import Path

import pytest
from captures_made import DEVICE, MIDNIGHT, SECOND, capture, energy
from smgw.cli import main
from smgw.cosem import DeviceId
from smgw.store.lmn.store import LmnStore
from smgw.store.lmn.view import LmnView
from smgw.store.records import ListKind, Record

DAY = 86_400 * SECOND
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
[[evaluation]]
name = "sparing"
taf = 1
meters = ["house"]
"""


@pytest.fixture
def place(tmp_path: Path) -> Path:
    (tmp_path / "lmn").mkdir()
    (tmp_path / "g.toml").write_text(CONFIGURATION, encoding="utf-8")
    device = DeviceId.evaluation(6, bytes(10))
    with LmnStore.open(tmp_path / "lmn", ballast_bytes=0) as store:
        store.append([Record(capture(MIDNIGHT, energy(7)), MIDNIGHT)])
        for day in range(3):
            one = capture(MIDNIGHT + day * DAY, energy(100 * day), meter="move", device=device)
            store.append([Record(one, MIDNIGHT + day * DAY, list=ListKind.DAILY)])
    assert device != DEVICE
    return tmp_path


def daily(place: Path, *more: str) -> int:
    return main(["daily", "--config", str(place / "g.toml"), "--state", str(place), *more])


def logged(place: Path, book: str) -> list[tuple[str, str]]:
    with LmnView.open(place / "lmn") as view:
        return [(entry.event, entry.subject) for entry in view.log_entries(10, book)]


def test_daily_readings_are_printed_and_logged(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert daily(place, "move") == 0
    assert capsys.readouterr().out.splitlines() == [
        "2026-03-01T00:00:00Z  1-0:1.8.0*255                   0.0 Wh",
        "2026-03-02T00:00:00Z  1-0:1.8.0*255                  10.0 Wh",
        "2026-03-03T00:00:00Z  1-0:1.8.0*255                  20.0 Wh",
    ]
    for book in ("system", "consumer anna"):
        ((event, text),) = logged(place, book)
        assert event == "values-retrieved"
        assert text.startswith("evaluation move: 3 daily values, 2026-03-01T00:00:00Z to 2026-03-03T00:00:00Z, ")


def test_one_day_is_given_alone(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert daily(place, "move", "--from", "2026-03-02T00:00Z", "--to", "2026-03-02T23:00Z", "--csv") == 0
    assert list(csv.reader(io.StringIO(capsys.readouterr().out)))[1:] == [
        ["2026-03-02T00:00:00Z", "1-0:1.8.0*255", "10.0", "Wh"]
    ]
    assert len(logged(place, "system")) == 1


def test_a_range_without_readings_is_not_logged(place: Path) -> None:
    assert daily(place, "move", "--to", "2026-02-01T00:00Z") == 1
    assert logged(place, "system") == []


def test_what_cannot_be_logged_is_not_printed(
    place: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise OSError(13, "Permission denied")

    monkeypatch.setattr("smgw.cli.daily.write_beside", fail)
    assert daily(place, "move") == 2
    assert capsys.readouterr().out == ""


def test_an_evaluation_of_another_use_case_has_none(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert daily(place, "sparing") == 2
    assert "has no evaluation 'sparing' with TAF 6; it has move" in capsys.readouterr().err

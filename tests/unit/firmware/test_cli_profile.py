"""`smgw profile`, against smgw's own SML server on a TCP socket."""

import csv
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from dlms_line_meter import ENERGY, LOAD_PROFILE, DlmsMeter, Model
from line_meter import Head, PolledMeter
from profiled_model import QUARTER, ProfiledModel
from smgw.cli import main
from smgw.cli.profile_rows import FORMATS, Table
from smgw.cosem import AttributeName, Data, DataType, Obis, Reading
from smgw.dlms.data import encode
from smgw.dlms.meter.access import Admission
from smgw.dlms.security.hls import Password
from smgw.dlms.security.secret import Secret
from smgw.lmn import profile_job
from smgw.ports import LineSettings, open_port
from smgw.store.lmn.store import LmnStore
from smgw.store.lmn.view import LmnView
from smgw.store.ranges import Range
from smgw.store.records import ProfileName, ProfileRow

MIDNIGHT = int(datetime(2026, 3, 1, tzinfo=UTC).timestamp())
DAY = range(MIDNIGHT + QUARTER, MIDNIGHT + 86_400 + 1, QUARTER)
WANTED = ("house", "--from", "2026-03-01T00:15Z", "--to", "2026-03-02T00:00Z")
CONFIGURATION = """\
[gateway]
device_id = "ESMG0000000001"
[[meter]]
name = "house"
protocol = "sml-poll"
port = "{port}"
timeout = 1
retries = 0
[[meter]]
name = "roof"
protocol = "sml-push"
port = "/dev/ttyUSB9"
"""


@pytest.fixture(autouse=True)
def quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(profile_job, "_FIRST_PAUSE", 0.01)


@pytest.fixture
def model() -> ProfiledModel:
    return ProfiledModel(DAY)


@pytest.fixture
def meter(model: ProfiledModel, tmp_path: Path) -> Iterator[PolledMeter]:
    with PolledMeter(model) as made:
        (tmp_path / "gateway.toml").write_text(CONFIGURATION.format(port=made.url))
        (tmp_path / "state").mkdir()
        yield made


def smgw(tmp_path: Path, *arguments: str, state: str = "state") -> int:
    return main(["profile", "--config", str(tmp_path / "gateway.toml"), "--state", str(tmp_path / state), *arguments])


def test_a_day_comes_as_csv_in_utc_with_units(
    meter: PolledMeter, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert smgw(tmp_path, *WANTED, "--csv") == 0
    shown = capsys.readouterr()
    rows = list(csv.reader(shown.out.splitlines()))
    assert rows[0] == ["time", "status", "1-0:1.8.0*255 [Wh]", "1-0:2.8.0*255 [Wh]"]
    assert rows[1] == [
        "2026-03-01T00:15:00Z",
        "0x4",
        f"{DAY[0] // 10}.{DAY[0] % 10}",
        f"{DAY[0] // 5}.{DAY[0] * 2 % 10}",
    ]
    assert [row[0][11:16] for row in rows[1:]] == [f"{n // 4 % 24:02}:{n % 4 * 15:02}" for n in range(1, 97)]
    assert "96 rows read, up to 2026-03-02T00:00:00Z, 100 %" in shown.err


def test_as_json_each_row_is_an_object(meter: PolledMeter, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert smgw(tmp_path, *WANTED, "--json") == 0
    first = json.loads(capsys.readouterr().out.splitlines()[0])
    assert (first["time"], first["status"]) == ("2026-03-01T00:15:00Z", "0x4")
    assert [(one["obis"], one["unit"]) for one in first["values"]] == [("1-0:1.8.0*255", "Wh"), ("1-0:2.8.0*255", "Wh")]


def test_what_is_kept_is_printed_without_asking_the_meter(
    meter: PolledMeter, model: ProfiledModel, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert smgw(tmp_path, *WANTED) == 0
    first = capsys.readouterr().out
    files = len(meter.files)
    assert smgw(tmp_path, *WANTED) == 0
    assert capsys.readouterr().out == first
    assert len(meter.files) == files


def test_only_what_is_not_kept_is_asked(
    meter: PolledMeter, model: ProfiledModel, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert smgw(tmp_path, "house", "--from", "2026-03-01T06:00Z", "--to", "2026-03-01T12:00Z") == 0
    model.asked.clear()
    capsys.readouterr()
    assert smgw(tmp_path, *WANTED, "--csv") == 0
    assert len(capsys.readouterr().out.splitlines()) == 97
    assert not any(begin < MIDNIGHT + 12 * 3600 and end > MIDNIGHT + 6 * 3600 for begin, end in model.asked)


def test_a_gap_before_what_is_kept_is_asked_once(
    meter: PolledMeter, model: ProfiledModel, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert smgw(tmp_path, "house", "--from", "2026-03-01T12:00Z", "--to", "2026-03-02T00:00Z") == 0
    assert smgw(tmp_path, *WANTED) == 0
    files = len(meter.files)
    assert smgw(tmp_path, *WANTED) == 0
    assert len(meter.files) == files


def test_a_break_costs_nothing_and_the_same_command_goes_on(
    meter: PolledMeter, model: ProfiledModel, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model._most = 20
    meter.answer = lambda octets: [octets] if len(model.asked) < 3 else [None]
    assert smgw(tmp_path, *WANTED, "--csv") == 1
    shown = capsys.readouterr()
    assert len(shown.out.splitlines()) == 41
    assert "not complete" in shown.err
    assert "the same command goes on from here" in shown.err
    meter.answer = lambda octets: [octets]
    model.asked.clear()
    assert smgw(tmp_path, *WANTED, "--csv") == 0
    assert len(capsys.readouterr().out.splitlines()) == 97
    assert min(begin for begin, _ in model.asked) > DAY[39]


def test_one_lost_answer_is_not_told_as_a_failure(
    meter: PolledMeter, model: ProfiledModel, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model._most = 20
    lost: list[int] = []

    def answer(octets: bytes) -> list[bytes | float | None]:
        if len(model.asked) == 3 and not lost:
            lost.append(1)
            return [None]
        return [octets]

    meter.answer = answer
    assert smgw(tmp_path, *WANTED, "--csv") == 0
    assert lost
    assert len(capsys.readouterr().out.splitlines()) == 97


def test_while_the_gateway_runs_it_reads_what_is_kept_and_keeps_nothing(
    meter: PolledMeter, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert smgw(tmp_path, "house", "--from", "2026-03-01T00:15Z", "--to", "2026-03-01T12:00Z") == 0
    capsys.readouterr()
    name = ProfileName("house", ProfiledModel(()).device, Obis.parse("1-0:99.1.0"))
    with LmnStore.open(tmp_path / "state" / "lmn", ballast_bytes=0):
        assert smgw(tmp_path, *WANTED, "--csv") == 0
        shown = capsys.readouterr()
    assert len(shown.out.splitlines()) == 97
    assert "the rows are not kept: the gateway runs" in shown.err
    with LmnView.open(tmp_path / "state" / "lmn") as view:
        assert len(view.profile_rows(name, Range(0, 2**62), 1000)) == 48


def test_a_port_that_the_running_gateway_has_is_told_at_once_and_what_to_do(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    head = Head(tmp_path / "head")
    (tmp_path / "gateway.toml").write_text(CONFIGURATION.format(port=head.link))
    (tmp_path / "state").mkdir()
    with LmnStore.open(tmp_path / "state" / "lmn", ballast_bytes=0), open_port(str(head.link), LineSettings()):
        assert smgw(tmp_path, *WANTED) == 1
    head.unplug()
    assert "fetches by itself what load_profile in its configuration names" in capsys.readouterr().err


def test_without_a_state_directory_it_prints_and_keeps_nothing(
    meter: PolledMeter, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert smgw(tmp_path, *WANTED, "--csv", state="nowhere") == 0
    shown = capsys.readouterr()
    assert len(shown.out.splitlines()) == 97
    assert "there is no state directory" in shown.err
    assert not (tmp_path / "nowhere").exists()


def test_a_profile_that_the_meter_has_not_is_told(
    meter: PolledMeter, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert smgw(tmp_path, *WANTED, "--profile", "1-0:99.2.0") == 1
    assert "1-0:99.2.0*255: not complete: the meter refuses" in capsys.readouterr().err


def test_a_wrong_password_is_not_tried_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Some meters lock themselves after a few."""
    (tmp_path / "state").mkdir()
    (tmp_path / "secret").write_text("hunter2\n")
    (tmp_path / "secret").chmod(0o600)
    with DlmsMeter(admissions={1: Admission(Password(Secret(b"12345678")))}) as line:
        text = CONFIGURATION.format(port=line.url).replace("sml-poll", "dlms")
        dlms = 'password_file = "secret"\ndlms = { client = 1, authentication = "lls" }\n'
        (tmp_path / "gateway.toml").write_text(text.replace("timeout = 1\n", f"timeout = 1\n{dlms}", 1))
        assert smgw(tmp_path, *WANTED) == 1
        assert line.links == 1
    shown = capsys.readouterr().err
    assert "the meter rejects the association" in shown
    assert "hunter2" not in shown


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("attic",), "no meter 'attic'; it has house, roof"),
        (("roof",), "roof pushes and is never asked"),
        (("house", "--from", "2026-03-02", "--to", "2026-03-01"), "is before --from"),
    ],
)
def test_what_cannot_be_asked_is_told(
    meter: PolledMeter, tmp_path: Path, arguments: tuple[str, ...], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert smgw(tmp_path, *arguments) == 2
    assert told in capsys.readouterr().err


@pytest.mark.parametrize("wrong", [("--from", "yesterday"), ("--profile", "load"), ("--csv", "--json")])
def test_a_wrong_argument_is_told(
    meter: PolledMeter, tmp_path: Path, wrong: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        smgw(tmp_path, "house", *wrong)
    assert ended.value.code == 2
    assert "error: argument" in capsys.readouterr().err


def event_log(tmp_path: Path, period: int, *seconds: int) -> DlmsMeter:
    """A DLMS meter whose load profile has rows of these seconds after midnight."""
    model = Model([MIDNIGHT + second for second in seconds])
    model.extra[AttributeName(7, LOAD_PROFILE, 4)] = encode(Data(DataType.DOUBLE_LONG_UNSIGNED, period))
    line = DlmsMeter(model)
    text = CONFIGURATION.format(port=line.url).replace("sml-poll", "dlms")
    (tmp_path / "gateway.toml").write_text(text)
    return line


@pytest.mark.parametrize(("period", "rows"), [(0, 4), (900, 3)])
@pytest.mark.parametrize("state", ["state", "nowhere"])
def test_two_events_of_one_second_are_two_rows_and_two_rows_of_a_period_are_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], period: int, rows: int, state: str
) -> None:
    (tmp_path / "state").mkdir()
    with event_log(tmp_path, period, 1000, 2000, 2000, 3000):
        assert smgw(tmp_path, *WANTED, "--json", state=state) == 0
    assert len(capsys.readouterr().out.splitlines()) == rows


def test_events_of_one_second_are_not_torn_apart_between_two_pages(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(profile_job, "_PAGE", 2)
    (tmp_path / "state").mkdir()
    with event_log(tmp_path, 0, 1000, 2000, 2000, 2000, 3000):
        assert smgw(tmp_path, *WANTED, "--json") == 0
    assert len(capsys.readouterr().out.splitlines()) == 5


def test_a_captured_scaler_stands_in_a_column_of_its_own_as_two_numbers(capsys: pytest.CaptureFixture[str]) -> None:
    scaler = Data(DataType.STRUCTURE, (Data(DataType.INTEGER, -1), Data(DataType.ENUM, 30)))
    value = Reading(ENERGY, Data(DataType.DOUBLE_LONG_UNSIGNED, 5))
    row = ProfileRow(MIDNIGHT * 1_000_000, None, (value, value._replace(value=scaler, attribute=3)))
    for form in ("csv", "json"):
        Table(FORMATS[form]).take(row)
    head, cells, text = capsys.readouterr().out.splitlines()
    assert head == "time,status,1-0:1.8.0*255,1-0:1.8.0*255 attribute 3"
    assert cells == '2026-03-01T00:00:00Z,,5,"-1, 30"'
    assert json.loads(text)["values"][1] == {
        "obis": "1-0:1.8.0*255", "attribute": 3, "value": "-1, 30", "unit": None,
    }  # fmt: skip

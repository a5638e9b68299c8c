"""`smgw evaluate`: a tariff is tried over stored readings, and nothing is changed."""

import csv
import io
from pathlib import Path

import pytest
from captures_made import MIDNIGHT, SECOND, capture, energy
from smgw.cli import main
from smgw.cosem import Obis
from smgw.cosem.quality import history_status
from smgw.store.lmn.store import LmnStore
from smgw.store.records import Origin, Record

QUARTER = 900 * SECOND
PROFILE = """\
[[evaluation]]
name = "day-night"
taf = 2
meters = ["house"]
zone = "UTC"
[evaluation.calendar]
zone = "UTC"
days = { day = { "00:00" = 2, "02:00" = 1 } }
season = [{ name = "year", week = { mon-sun = "day" } }]
"""


@pytest.fixture
def state(tmp_path: Path) -> Path:
    (tmp_path / "lmn").mkdir()
    (tmp_path / "tariff.toml").write_text(PROFILE, encoding="utf-8")
    with LmnStore.open(tmp_path / "lmn", ballast_bytes=0) as store:
        for place in (*range(7), *range(9, 13)):
            one = capture(MIDNIGHT + place * QUARTER, energy(10 * place))
            store.append([Record(one, MIDNIGHT + place * QUARTER)])
    return tmp_path


def evaluate(state: Path, *more: str, begin: str = "2026-03-01T00:00Z", end: str = "2026-03-02T00:00Z") -> int:
    arguments = ["--state", str(state), "--profile", str(state / "tariff.toml"), "--from", begin, "--to", end]
    return main(["evaluate", *arguments, *more])


def test_a_bill_has_steps_error_register_total_and_the_check(state: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = (state / "lmn" / "lmn.db").read_bytes()
    assert evaluate(state) == 0
    assert capsys.readouterr().out.splitlines() == [
        "evaluation day-night: TAF 2 of house, 1-0:1.8.0*255",
        "  2026-03-01T00:00:00Z to 2026-03-01T03:00:00Z",
        "    step 1                            3.0 Wh",
        "    step 2                            6.0 Wh",
        "    error register 63                 3.0 Wh",
        "    total                            12.0 Wh",
        "    the sum of steps and error register is the total",
        "  2026-03-01T00:00:00Z the first reading counts; energy before it is in no register",
    ]
    assert (state / "lmn" / "lmn.db").read_bytes() == before


def test_a_row_of_the_meters_own_load_profile_fills_a_gap(state: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with LmnStore.open(state / "lmn", ballast_bytes=0) as store:
        for place in (7, 8):
            one = capture(MIDNIGHT + 90 * QUARTER, energy(10 * place))
            target = MIDNIGHT + place * QUARTER
            name = Obis.parse("1-0:99.1.0")
            store.append([Record(one, target, history_status(one), origin=Origin.HISTORY, profile=name)])
    assert evaluate(state) == 0
    assert "error register 63                 0.0 Wh" in capsys.readouterr().out


def test_only_readings_of_the_range_take_part(state: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert evaluate(state, begin="2026-03-01T00:30Z", end="2026-03-01T01:00Z") == 0
    assert "total                             2.0 Wh" in capsys.readouterr().out


def test_csv_has_every_register_at_every_registration_time(state: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert evaluate(state, "--csv") == 0
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    derived = [row for row in rows if row["list"] == "derived"]
    assert len(derived) == 4 * 11
    assert derived[-4:] == [
        {"evaluation": "day-night", "time": "2026-03-01T03:00:00Z", "list": "derived", "unit": "Wh", **pair}
        for pair in (
            {"register": "1-0:1.8.0*255", "value": "12.0"},
            {"register": "1-0:1.8.1*255", "value": "3.0"},
            {"register": "1-0:1.8.2*255", "value": "6.0"},
            {"register": "1-0:1.8.63*255", "value": "3.0"},
        )
    ]


def test_a_range_without_readings_ends_with_1(state: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert evaluate(state, begin="2025-01-01T00:00Z", end="2025-01-02T00:00Z") == 1
    assert "no reading of this range has the register" in capsys.readouterr().out


def test_readings_at_period_ends_are_printed(state: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (state / "tariff.toml").write_text(
        '[[evaluation]]\nname = "sparing"\ntaf = 1\nmeters = ["house"]\nzone = "UTC"\n', encoding="utf-8"
    )
    assert evaluate(state) == 0
    assert "2026-03-01T00:00:00Z              0.0 Wh" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "tariff.toml:1: [[evaluation]]: there is none; write [[evaluation]] and its keys"),
        (PROFILE.replace("taf = 2", "taf = 5"), "cannot be used: the gateway has no source of outside events yet"),
        (PROFILE.replace("mon-sun", "mon-sat"), "gap: sun has no day profile"),
        (
            '[[evaluation]]\nname = "series"\ntaf = 7\nmeters = ["house"]\n',
            "evaluation series: TAF 7 has no registers to try: it sends the meter's own readings",
        ),
    ],
)
def test_a_profile_that_cannot_be_tried_says_why(
    state: Path, capsys: pytest.CaptureFixture[str], text: str, said: str
) -> None:
    (state / "tariff.toml").write_text(text, encoding="utf-8")
    assert evaluate(state) == 2
    assert said in capsys.readouterr().err


def test_a_range_that_ends_before_it_begins_is_refused(state: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert evaluate(state, end="2026-02-01T00:00Z") == 2
    assert "is not after --from" in capsys.readouterr().err


def test_a_time_without_an_offset_is_local_time_of_the_tariff(state: Path, capsys: pytest.CaptureFixture[str]) -> None:
    profile = state / "tariff.toml"
    profile.write_text(PROFILE.replace('zone = "UTC"\n[', 'zone = "Asia/Tokyo"\n['), encoding="utf-8")
    assert evaluate(state, begin="2026-03-01T10:00", end="2026-03-01T10:30") == 0
    assert "  2026-03-01T01:00:00Z to 2026-03-01T01:30:00Z" in capsys.readouterr().out.splitlines()


def test_a_wrong_time_and_an_absent_file_are_told_in_a_sentence(
    state: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        evaluate(state, begin="yesterday")
    assert "--from: 'yesterday' is no time; write one such as 2026-03-01" in capsys.readouterr().err
    (state / "tariff.toml").unlink()
    assert evaluate(state) == 2
    assert "there is no such file; --profile names a file with [[evaluation]]" in capsys.readouterr().err

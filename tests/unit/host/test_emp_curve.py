"""The curve of a register: on the grid, by captures, or thinned, and never empty where there are values."""

from datetime import date

import pytest
from emp.answers import curve as module
from emp.answers.curve import Kind, Range, Window, curve
from emp.store.sqlite_storage import SqliteStorage
from emp_process import DEVICE, GATEWAY, STORE
from emp_year import ENERGY, POWER, QUARTER_HOUR_US, us
from smgw.cosem.data import Data, DataType
from smgw.cosem.status_word import GatewayStatus, StatusWord
from smgw.cosemxml.document import Document, Register, Row
from smgw.look.times import Zone

DAY = date(2025, 3, 20)
NOON = us(2025, 3, 20, 12)
NOW = us(2025, 3, 25)
_STATUS = StatusWord(int(GatewayStatus.FIXED), 0)


@pytest.fixture
def storage(tmp_path):
    opened = SqliteStorage(tmp_path / "emp.db")
    yield opened
    opened.close()


def put(storage: SqliteStorage, first: int, register: Register, values: list[tuple[int, int]], *, grid: bool) -> None:
    """Rows of one register: (time, value)."""
    rows = [
        Row(first + place, time_us, time_us if grid else None, True, _STATUS, (Data(DataType.LONG64, value),))
        for place, (time_us, value) in enumerate(values)
    ]
    for start in range(0, len(rows), 1000):
        document = Document(GATEWAY, STORE, DEVICE, (register,), tuple(rows[start : start + 1000]))
        storage.deposit(document, rows[-1].capture_time_us or 0).result(60)


def load_profile(storage: SqliteStorage, register: Register = ENERGY) -> None:
    put(storage, 1, register, [(NOON + place * QUARTER_HOUR_US, 100 * place) for place in range(8)], grid=True)


def drawn(storage: SqliteStorage, register: Register, day: date = DAY, *, kind: Kind, range_: Range = Range.DAY):
    window = Window.parse(
        {"day": str(day), "as": kind.value, "range": range_.value}, Zone("UTC"), None, register.column
    )
    return curve(storage, DEVICE, register.column, window, NOW)


def values(found) -> list[int]:
    return [int(point.value) for point in found.points if point.value is not None]


def test_live_readings_are_shown_although_the_device_has_a_load_profile(storage):
    load_profile(storage)
    put(storage, 100, POWER, [(NOON + second * 1_000_000, second) for second in range(60)], grid=False)
    found = drawn(storage, POWER, kind=Kind.READING)
    assert values(found) == list(range(60))
    assert found.gaps == 0


def test_live_readings_of_a_register_of_the_profile_are_shown_as_readings(storage):
    load_profile(storage)
    put(storage, 100, ENERGY, [(NOON + second * 1_000_000, second) for second in range(60)], grid=False)
    assert len(values(drawn(storage, ENERGY, kind=Kind.READING))) == 68


def test_its_energy_is_shown_on_the_grid(storage):
    load_profile(storage)
    put(storage, 100, ENERGY, [(NOON + second * 1_000_000, second) for second in range(60)], grid=False)
    found = drawn(storage, ENERGY, kind=Kind.INTERVAL)
    assert (found.period_us, values(found)) == (QUARTER_HOUR_US, [10] * 7)


def test_a_day_without_a_value_of_the_profile_is_missing(storage):
    load_profile(storage)
    found = drawn(storage, ENERGY, date(2025, 3, 21), kind=Kind.READING)
    assert (len(found.points), found.gaps) == (96, 96)


def test_a_day_without_a_live_reading_is_empty_and_not_missing(storage):
    load_profile(storage)
    put(storage, 100, POWER, [(NOON, 5)], grid=False)
    assert drawn(storage, POWER, date(2025, 3, 21), kind=Kind.READING).points == []


@pytest.fixture
def few(monkeypatch):
    monkeypatch.setattr(module, "MAX_POINTS", 500)
    monkeypatch.setattr(module, "PIECES", 240)


def test_thinning_shows_the_whole_time_and_hides_no_peak(storage, few):
    seconds = 4000
    peak, dip = 1234, 3210
    level = [{peak: 90_000, dip: -5}.get(second, 200 + second % 7) for second in range(seconds)]
    put(storage, 1, POWER, [(NOON + second * 1_000_000, value) for second, value in enumerate(level)], grid=False)
    found = drawn(storage, POWER, kind=Kind.READING)
    assert found.piece_us == 86_400_000_000 // 240
    assert (min(values(found)), max(values(found))) == (-5, 90_000)
    times = [point.time_us for point in found.points if point.value is not None]
    assert times == sorted(times)
    assert [times[0] - NOON, times[-1] >= NOON + 3960 * 1_000_000] == [0, True]


def test_a_pause_is_a_gap_in_what_is_thinned(storage, few):
    both = [*range(1000), *range(20_000, 21_000)]
    put(storage, 1, POWER, [(NOON + second * 1_000_000, 7) for second in both], grid=False)
    found = drawn(storage, POWER, kind=Kind.READING)
    assert found.gaps == 1
    assert values(found) == [7] * 7  # pieces of 360 s that have one: three, and four


def test_a_changed_scaler_is_thinned_by_its_own(storage, few):
    hours = POWER._replace(scaler=1)
    put(storage, 1, POWER, [(NOON + second * 1_000_000, 7) for second in range(400)], grid=False)
    put(storage, 500, hours, [(NOON + second * 1_000_000, 7) for second in range(400, 800)], grid=False)
    assert sorted(set(values(drawn(storage, POWER, kind=Kind.READING)))) == [7, 70]


def test_a_week_shows_all_of_it(storage, few):
    put(storage, 1, POWER, [(us(2025, 3, 17) + minute * 60_000_000, minute) for minute in range(7 * 1440)], grid=False)
    found = drawn(storage, POWER, range_=Range.WEEK, kind=Kind.READING)
    assert (min(values(found)), max(values(found))) == (0, 7 * 1440 - 1)

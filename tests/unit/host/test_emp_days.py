"""Local days and their grid: 92, 96 and 100 quarter hours, what is missing, and curves of it."""

from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from emp.answers.curve import Kind, Range, Window, curve
from emp.answers.days import Gap, completeness, gaps, month_of, period_of, slots, week_of
from emp.store.sqlite_storage import SqliteStorage
from emp.store.storage import Presence
from emp_process import DEVICE, GATEWAY, STORE
from smgw.cosem import CaptureObject
from smgw.cosem.data import NULL, Data, DataType
from smgw.cosem.obis import Obis
from smgw.cosem.status_word import StatusWord
from smgw.cosemxml.document import Document, Register, Row
from smgw.look.times import Zone, ZoneError, duration, iso
from smgw.webservice.error import BadRequest

BERLIN = Zone()
QUARTER = 900_000_000
ENERGY = Register(Obis.parse("1-0:1.8.0*255"), -1, 30)
COLUMN = CaptureObject(3, ENERGY.obis, 2)
SPRING, AUTUMN, WINTER = date(2025, 3, 30), date(2025, 10, 26), date(2025, 1, 15)


def us(*moment):
    return int(datetime(*moment, tzinfo=UTC).timestamp()) * 1_000_000


def full(day):
    return [Presence(at, True) for at in slots(BERLIN.midnight(day), BERLIN.midnight(following(day)), QUARTER)]


def following(day):
    return date.fromordinal(day.toordinal() + 1)


@pytest.mark.parametrize(("day", "count"), [(SPRING, 92), (AUTUMN, 100), (WINTER, 96)])
def test_a_complete_day_has_as_many_quarter_hours_as_its_clock(day, count):
    (told,), missing = completeness(full(day), BERLIN, [day], 0, us(2026, 1, 1))
    assert (told.slots, told.expected, told.present, told.percent) == (count, count, count, "100.0 %")
    assert missing == []


def test_every_day_of_a_year_has_its_quarter_hours():
    counts = [
        len(slots(BERLIN.midnight(day), BERLIN.midnight(following(day)), QUARTER))
        for day in map(date.fromordinal, range(date(2025, 1, 1).toordinal(), date(2026, 1, 1).toordinal()))
    ]
    assert (counts.count(96), counts.count(92), counts.count(100)) == (363, 1, 1)


def test_what_is_missing_is_told_as_gaps_across_midnight():
    every = full(WINTER) + full(following(WINTER))
    lost = {us(2025, 1, 15, 22, 30), us(2025, 1, 15, 22, 45), us(2025, 1, 15, 23, 0), us(2025, 1, 16, 5)}
    found = [entry for entry in every if entry.target_time_us not in lost]
    days, missing = completeness(found, BERLIN, [WINTER, following(WINTER)], 0, us(2026, 1, 1))
    assert [(day.expected, day.present, day.missing, day.percent) for day in days] == [
        (96, 94, 2, "97.9 %"),
        (96, 94, 2, "97.9 %"),
    ]
    assert missing == [
        Gap(us(2025, 1, 15, 22, 30), us(2025, 1, 15, 23, 15), 3, False),
        Gap(us(2025, 1, 16, 5), us(2025, 1, 16, 5, 15), 1, False),
    ]


def test_a_gap_that_the_gateway_told_of_is_another_than_one_it_did_not():
    at = us(2025, 1, 15, 3)
    found = [Presence(entry.target_time_us, entry.target_time_us != at) for entry in full(WINTER)]
    (day,), (gap,) = completeness(found, BERLIN, [WINTER], 0, us(2026, 1, 1))
    assert (day.missing, day.told, gap.told) == (1, 1, True)


def test_nothing_is_expected_before_the_first_value_and_after_now():
    noon = us(2025, 1, 15, 11)
    (day,), missing = completeness([], BERLIN, [WINTER], noon, noon + 4 * QUARTER)
    assert (day.slots, day.expected, day.present, day.percent) == (96, 4, 0, "0.0 %")
    assert [gap.slots for gap in missing] == [4]
    (before,), _ = completeness([], BERLIN, [WINTER], us(2025, 2, 1), us(2025, 3, 1))
    assert (before.expected, before.percent) == (0, "–")


def test_one_missing_of_a_thousand_is_not_a_hundred_percent():
    found = [
        Presence(at, True) for at in slots(BERLIN.midnight(WINTER), BERLIN.midnight(following(WINTER)), 60_000_000)
    ]
    (day,), _ = completeness(found[:-1], BERLIN, [WINTER], 0, us(2026, 1, 1))
    assert (day.expected, day.missing, day.percent) == (1440, 1, "99.9 %")


def test_the_period_is_what_the_target_times_have_in_common():
    assert period_of([]) == QUARTER
    assert period_of([0, 3_600_000_000]) == QUARTER  # too few to tell
    assert period_of([n * 60_000_000 for n in range(8)]) == 60_000_000
    assert period_of([n * 3_600_000_000 for n in range(1, 9)]) == 3_600_000_000


def test_gaps_of_nothing_are_none():
    assert gaps([], QUARTER, frozenset()) == []


def test_weeks_and_months():
    assert (week_of(SPRING)[0], week_of(SPRING)[-1]) == (date(2025, 3, 24), SPRING)
    assert [len(month_of(date(2024, month, 5))) for month in (1, 2, 4)] == [31, 29, 30]


def test_times_in_a_zone():
    assert BERLIN.local(us(2025, 3, 30, 0, 59)) == "2025-03-30 01:59:00 CET"
    assert BERLIN.local(us(2025, 3, 30, 1) + 340_000) == "2025-03-30 03:00:00.34 CEST"
    assert Zone("UTC").midnight(SPRING) == us(2025, 3, 30)
    assert iso(us(1970, 1, 1)) == "1970-01-01T00:00:00.00Z"
    assert iso(us(2025, 12, 31, 23, 59, 59) + 999_999) == "2025-12-31T23:59:59.99Z"
    assert [duration(n * 1_000_000) for n in (0, 5, 300)] == ["0.0 s", "5 s", "5 min"]
    for wrong in ("Mars/Olympus", "", "../../etc/passwd", "/etc/localtime"):
        with pytest.raises(ZoneError, match="is no time zone"):
            Zone(wrong)


def window(day=SPRING, kind=Kind.READING, **query):
    return Window.parse({"day": day.isoformat(), "as": kind.value, **query}, BERLIN, None, COLUMN)


@pytest.mark.parametrize(("query", "hours"), [({}, 23), ({"range": "week"}, 167), ({"range": "month"}, 743)])
def test_a_window_is_local_days(query, hours):
    found = window(**query)
    assert (found.to_us - found.from_us) / 3_600_000_000 == hours


def test_a_window_by_default_is_the_day_of_the_latest_value_and_what_a_counter_used():
    found = Window.parse({}, BERLIN, us(2025, 3, 30, 22, 30), COLUMN)
    assert (found.day, found.range, found.kind) == (date(2025, 3, 31), Range.DAY, Kind.INTERVAL)
    power = CaptureObject(3, Obis.parse("1-0:16.7.0*255"), 2)
    assert Window.parse({}, BERLIN, 0, power).kind is Kind.READING
    assert found.moved(-1) == SPRING
    assert window(range="month").moved(1) == date(2025, 4, 1)
    assert window(range="month").moved(-1) == date(2025, 2, 1)
    assert window(range="week").moved(1) == date(2025, 4, 6)


@pytest.mark.parametrize(
    "query", [{"day": "yesterday"}, {"day": "0001-01-01"}, {"day": "9999-12-31"}, {"range": "year"}, {"as": "x"}]
)
def test_a_window_that_is_none_is_a_bad_request(query):
    with pytest.raises(BadRequest):
        Window.parse(query, BERLIN, 0, COLUMN)


@pytest.fixture
def storage(tmp_path):
    opened = SqliteStorage(tmp_path / "emp.db")
    yield opened
    opened.close()


def keep(storage, rows, register=ENERGY, store=STORE):
    storage.deposit(Document(GATEWAY, store, DEVICE, (register,), tuple(rows)), 0).result(10)


def on_grid(target_us, value, *, valid=True):
    data = NULL if value is None else Data(DataType.LONG64_UNSIGNED, value)
    return Row(target_us // QUARTER, target_us + 1_000_000, target_us, valid, StatusWord(5), (data,))


def test_what_a_counter_used_is_the_exact_difference_and_a_gap_takes_both_its_sides(storage):
    start = BERLIN.midnight(SPRING)
    values = {slot: 1_000 + 7 * number for number, slot in enumerate(range(start, start + 93 * QUARTER, QUARTER))}
    values[start + 10 * QUARTER] = None
    del values[start + 20 * QUARTER]
    keep(storage, [on_grid(slot, value, valid=slot != start) for slot, value in values.items()])
    found = curve(storage, DEVICE, COLUMN, window(kind=Kind.INTERVAL), us(2026, 1, 1))
    assert (len(found.points), found.unit, found.period_us) == (92, "Wh", QUARTER)
    assert {point.text for point in found.points} == {"0.7", None}
    assert [number for number, point in enumerate(found.points) if point.text is None] == [9, 10, 19, 20]
    assert [number for number, point in enumerate(found.points) if not point.time_valid] == [0]
    readings = curve(storage, DEVICE, COLUMN, window(), us(2026, 1, 1))
    assert (len(readings.points), readings.gaps) == (92, 2)
    assert readings.points[0].value == Decimal("100.0")


def test_an_interval_that_has_not_ended_is_no_gap(storage):
    start = BERLIN.midnight(WINTER)
    keep(storage, [on_grid(start + n * QUARTER, 10 * n) for n in range(10)])
    now = start + 9 * QUARTER + 60_000_000
    found = curve(storage, DEVICE, COLUMN, window(WINTER, Kind.INTERVAL), now)
    assert [point.text for point in found.points] == ["1.0"] * 9
    later = curve(storage, DEVICE, COLUMN, window(WINTER, Kind.INTERVAL), now + 2 * QUARTER)
    assert [point.text for point in later.points[9:]] == [None, None]


def test_a_changed_scaler_changes_no_difference_and_a_changed_unit_is_a_gap(storage):
    start = BERLIN.midnight(WINTER)
    keep(storage, [on_grid(start, 1000)])
    keep(storage, [on_grid(start + QUARTER, 101)], ENERGY._replace(scaler=0))
    keep(storage, [on_grid(start + 2 * QUARTER, 102)], ENERGY._replace(scaler=0, unit=31))
    found = curve(storage, DEVICE, COLUMN, window(WINTER, Kind.INTERVAL), start + 3 * QUARTER)
    assert [point.text for point in found.points[:2]] == ["1.0", None]
    assert found.unit == "VAh / Wh"


def test_a_value_that_came_twice_is_shown_once_and_beats_none(storage):
    start = BERLIN.midnight(WINTER)
    keep(storage, [on_grid(start, 5)])
    keep(storage, [on_grid(start, None), on_grid(start + QUARTER, 6)], store="cd" * 16)
    found = curve(storage, DEVICE, COLUMN, window(WINTER), start + QUARTER + 1)
    assert [point.text for point in found.points] == ["0.5", "0.6"]


def test_captures_without_a_grid_have_a_gap_where_they_stayed_away_long(storage):
    start = BERLIN.midnight(WINTER)
    seconds = [*range(0, 60, 2), *range(120, 180, 2)]
    rows = [
        Row(second, start + second * 1_000_000, None, True, StatusWord(5), (Data(DataType.LONG64_UNSIGNED, second),))
        for second in seconds
    ]
    keep(storage, rows)
    found = curve(storage, DEVICE, COLUMN, window(WINTER, Kind.INTERVAL), start)
    assert (found.period_us, found.kind, found.gaps, len(found.points)) == (None, Kind.READING, 1, 61)
    assert found.points[30].text is None
    assert start + 58_000_000 < found.points[30].time_us < start + 120_000_000


def test_octets_and_floats_are_told_but_not_drawn(storage):
    start = BERLIN.midnight(WINTER)
    raw = Data(DataType.FLOAT32, bytes.fromhex("3f800000"))
    keep(storage, [on_grid(start, 1)._replace(values=(raw,))])
    (point,) = curve(storage, DEVICE, COLUMN, window(WINTER), start + 1).points
    assert (point.value, point.text) == (None, "3f800000")


def test_a_grid_finer_than_a_minute_is_counted_by_the_minute(storage):
    start = BERLIN.midnight(WINTER)
    rows = [on_grid(start, 1)._replace(record_number=n, target_time_us=start + n * 10_000) for n in range(12_001)]
    keep(storage, rows)
    presence = storage.presence(DEVICE, start, start + 86_400_000_000)
    assert [entry.target_time_us for entry in presence] == [start, start + 60_000_000, start + 120_000_000]
    found = curve(storage, DEVICE, COLUMN, window(WINTER), start + 120_000_000)
    assert found.points[0].text == "0.1"
    assert found.points[0].time_us == start

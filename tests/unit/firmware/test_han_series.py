"""Marks of local time, amounts between them, closing values and gaps: exact, with whatever is missing."""

from collections.abc import Iterable, Sequence
from datetime import date, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from captures_made import DEVICE, ENERGY, MIDNIGHT, SECOND, capture, energy
from house_state import FLAT, HOUSE, TEXT, opened
from hypothesis import given, settings
from hypothesis import strategies as st
from smgw.cosem import Capture, DeviceId, GatewayStatus, Obis
from smgw.han import series
from smgw.han.calendar import Step, day_of, marks, midnight, pieces
from smgw.han.rights import NotYoursError
from smgw.han.series import Amount
from smgw.store import paths
from smgw.store.lmn.by_time import Sample
from smgw.store.lmn.store import LmnStore
from smgw.store.lmn.view import LmnView
from smgw.store.ranges import Range
from smgw.store.records import Origin, ProfileName, Record
from stored import keep

SLOT = 900 * SECOND
HOUR = 4 * SLOT
BERLIN = "Europe/Berlin"
ZONES = (BERLIN, "UTC", "Asia/Kathmandu", "Australia/Lord_Howe", "Africa/Cairo", "America/St_Johns", "Pacific/Apia")


def us(text: str, zone: str = BERLIN) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp()) * SECOND


@pytest.mark.parametrize(
    ("day", "hours"), [("2026-03-29", 23), ("2026-10-25", 25), ("2026-07-01", 24)], ids=["spring", "autumn", "summer"]
)
def test_a_day_has_as_many_hours_as_the_clock_says(day: str, hours: int) -> None:
    begin, end = marks(Step.DAY, Range(us(day), us(day) + 1), BERLIN, 99)
    assert end - begin == hours * HOUR
    assert len(marks(Step.QUARTER, Range(begin, end), BERLIN, 999)) == hours * 4 + 1


def test_months_and_years_begin_at_local_midnight() -> None:
    months = marks(Step.MONTH, Range(us("2026-02-15"), us("2026-05-02")), BERLIN, 99)
    assert months == [us(f"2026-{month:02d}-01") for month in (2, 3, 4, 5, 6)]
    years = marks(Step.YEAR, Range(us("2024-06-01"), us("2025-06-01")), BERLIN, 99)
    assert years == [us(f"{year}-01-01") for year in (2024, 2025, 2026)]


def test_a_mark_at_the_end_of_a_range_is_the_last() -> None:
    assert marks(Step.DAY, Range(us("2026-02-01"), us("2026-02-03")), BERLIN, 99)[-1] == us("2026-02-03")


def test_no_more_marks_come_than_are_asked_for() -> None:
    for step in Step:
        assert len(marks(step, Range(0, us("2030-01-01")), BERLIN, 10)) == 10


@given(
    st.sampled_from(ZONES),
    st.sampled_from(list(Step)),
    st.integers(400 * 86_400, 4_000_000_000),
    st.integers(0, 40 * 86_400),
)
def test_marks_enclose_the_range_and_follow_each_other(zone: str, step: Step, since_s: int, length_s: int) -> None:
    wanted = Range(since_s * SECOND, (since_s + length_s) * SECOND)
    found = marks(step, wanted, zone, 10_000)
    assert found[0] <= wanted.since
    assert found[-1] >= wanted.until
    assert all(begin < end for begin, end in pairwise(found))
    assert all(one < wanted.until for one in found[:-1])


@given(st.sampled_from(ZONES), st.integers(400 * 86_400, 4_000_000_000))
def test_an_instant_lies_in_its_local_day(zone: str, at_s: int) -> None:
    day = day_of(at_s * SECOND, zone)
    assert day == datetime.fromtimestamp(at_s, ZoneInfo(zone)).date()
    assert midnight(day, zone) <= at_s * SECOND < midnight(day + timedelta(days=1), zone)


def test_a_midnight_that_does_not_exist_is_the_jump() -> None:
    """Cairo, 2026-04-24: the clock goes from 00:00 to 01:00."""
    assert midnight(date(2026, 4, 24), "Africa/Cairo") == us("2026-04-24T01:00", "Africa/Cairo")


@given(st.sampled_from(list(Step)), st.integers(400 * 86_400, 2_000_000_000), st.integers(1, 90 * 86_400))
def test_pieces_have_the_marks_of_the_whole(step: Step, since_s: int, length_s: int) -> None:
    wanted = Range(since_s * SECOND, (since_s + length_s) * SECOND)
    found: list[int] = []
    for part in pieces(step, wanted, BERLIN, 10_000):
        own = marks(step, part, BERLIN, 10_000)
        assert (own[0], own[-1]) == part
        assert not found or own[0] == found[-1]
        found += own[1:] if found else own
    assert found == marks(step, wanted, BERLIN, 10_000)


# Series of samples


def sample(slot: int, value: int | None, *, good: bool = True, unit: int = 30, scaler: int = -1) -> Sample:
    status = int(GatewayStatus.FIXED | (0 if good else GatewayStatus.TIME_INVALID))
    return Sample(slot * SLOT, slot, slot * SLOT, good, status, 0, 1, ENERGY, scaler, unit, value)


class Given:
    """Samples as the database gives them; slots are counted from 1970."""

    def __init__(self, samples: Sequence[Sample]) -> None:
        self.samples = samples
        self.newest_us = max((one.target_us for one in samples), default=0)

    def at(self, times: Sequence[int]) -> Iterable[Sample]:
        return [one for one in self.samples if one.target_us in set(times)]

    def between(self, wanted: Range) -> Iterable[Sample]:
        return [one for one in self.samples if wanted.since <= one.target_us <= wanted.until]

    def amounts(self, slots: Sequence[int]) -> list[Amount]:
        return series.amounts([one * SLOT for one in slots], self.newest_us, self.at, self.between)


FIRST = 2_000_000
_POINTS = st.dictionaries(st.integers(0, 40), st.tuples(st.integers(0, 50), st.booleans()), max_size=41)


@settings(max_examples=300)
@given(_POINTS, st.lists(st.integers(0, 44), min_size=2, max_size=12, unique=True).map(sorted))
def test_amounts_add_up_to_what_the_register_counted(points: dict[int, tuple[int, bool]], cuts: list[int]) -> None:
    counter, samples = 1000, []
    for slot, (step, good) in sorted(points.items()):
        counter += step
        samples.append(sample(FIRST + slot, counter, good=good))
    found = Given(samples).amounts([FIRST + cut for cut in cuts])
    usable = [one for one in samples if series.usable(one) and one.target_us <= (FIRST + cuts[-1]) * SLOT]
    before = [one for one in usable if one.target_us <= (FIRST + cuts[0]) * SLOT]
    begin = before[-1:] or usable[:1]
    expected = (usable[-1].value or 0) - (begin[0].value or 0) if usable else 0
    assert sum(one.value or 0 for one in found) == expected
    times = {one.target_us for one in usable}
    for one in found:
        assert one.exact == ({one.begin_us, one.end_us} <= times)


def test_a_day_without_its_last_reading_ends_with_the_one_before_and_is_not_exact() -> None:
    known = Given([sample(FIRST, 10), sample(FIRST + 3, 40), sample(FIRST + 5, 70), sample(FIRST + 8, 90)])
    first, second = known.amounts([FIRST, FIRST + 4, FIRST + 8])
    assert (first.value, first.exact) == (30, False)
    assert (second.value, second.exact) == (50, False)


def test_a_register_that_was_set_back_has_no_amount() -> None:
    (one,) = Given([sample(FIRST, 10), sample(FIRST + 4, 3)]).amounts([FIRST, FIRST + 4])
    assert (one.value, one.exact) == (None, False)


def test_a_finer_scaler_is_exact() -> None:
    known = Given([sample(FIRST, 10), sample(FIRST + 4, 1234, scaler=-3)])
    (one,) = known.amounts([FIRST, FIRST + 4])
    assert (one.value, one.scaler) == (234, -3)


def test_another_unit_is_no_amount() -> None:
    (one,) = Given([sample(FIRST, 10), sample(FIRST + 4, 12, unit=27)]).amounts([FIRST, FIRST + 4])
    assert one.value is None


def test_several_devices_are_added_and_the_sum_of_an_exchange_is_not_exact() -> None:
    old = Given([sample(FIRST, 100), sample(FIRST + 2, 120)]).amounts([FIRST, FIRST + 4, FIRST + 8])
    new = Given([sample(FIRST + 3, 0), sample(FIRST + 4, 5), sample(FIRST + 8, 9)]).amounts(
        [FIRST, FIRST + 4, FIRST + 8]
    )
    found = series.total([old, new])
    assert [(one.value, one.exact) for one in found] == [(25, False), (4, True)]


@given(st.sets(st.integers(1, 24)), st.sets(st.integers(1, 24)))
def test_each_registration_time_is_present_missing_or_unusable(good: set[int], bad: set[int]) -> None:
    samples = [sample(FIRST + one, 1) for one in sorted(good)]
    samples += [sample(FIRST + one, 1, good=False) for one in sorted(bad)]
    at = [(FIRST + cut) * SLOT for cut in (0, 10, 24)]
    found = series.gaps(at, SLOT, 0, at[-1], samples)
    assert [one.expected for one in found] == [10, 14]

    def slots(ranges: Iterable[Range]) -> set[int]:
        return {one // SLOT - FIRST for part in ranges for one in range(part.since, part.until + 1, SLOT)}

    missing = {one for day in found for one in slots(day.missing)}
    unusable = {one for day in found for one in slots(day.unusable)}
    assert missing == set(range(1, 25)) - good - bad
    assert unusable == bad - good
    assert sum(one.present for one in found) == len(good)


# The same with a database

HOME = TEXT.split("[[evaluation]]")[0] + '[[consumer]]\nname = "anna"\nmeters = ["house"]\n'
EVER = Range(0, 1 << 61)
PROFILE = ProfileName("house", DEVICE, Obis.parse("1-0:99.1.0"))


def stored(state: Path, records: Sequence[Record], history: Sequence[Record] = ()) -> Path:
    (state / "gateway.toml").write_text(HOME)
    with LmnStore.open(paths.lmn_directory(state), ballast_bytes=0) as store:
        store.append(list(records))
        if history:
            times = [one.target_time_us or 0 for one in history]
            keep(store, PROFILE, history, Range(min(times), max(times)))
        store.flush(now=True)
    return state


def row(
    slot: int, value: int, *, device: DeviceId = DEVICE, good: bool = True, origin: Origin = Origin.MEASURED
) -> Record:
    one: Capture = capture(MIDNIGHT + slot * SLOT, energy(value), device=device, synchronised=good)
    status = int(GatewayStatus.FIXED | (0 if good else GatewayStatus.TIME_INVALID))
    return Record(one, MIDNIGHT + slot * SLOT, status, origin=origin)


def test_rows_of_the_meter_s_own_load_profile_fill_gaps(tmp_path: Path) -> None:
    stored(tmp_path, [row(0, 0), row(1, 10), row(4, 40)], [row(place, 10 * place) for place in (1, 2, 3)])
    with LmnView.open(paths.lmn_directory(tmp_path)) as view:
        house = opened(tmp_path, view, MIDNIGHT + 4 * SLOT)
        found = [(one.target_us, one.value, one.origin) for one in house.samples("anna", HOUSE, EVER)]
        rows = [one.target_time_us for one in house.readings("anna", HOUSE, EVER)]
        (day,) = house.gaps("anna", "house", ENERGY, Step.HOUR, Range(MIDNIGHT, MIDNIGHT + HOUR))
    assert [time for time, _, _ in found] == rows == [MIDNIGHT + place * SLOT for place in range(5)]
    assert [origin for _, _, origin in found] == [1, 1, 2, 2, 1]
    assert (day.expected, day.present) == (4, 4)


def test_a_row_that_counts_is_shown_in_place_of_one_with_a_wrong_time(tmp_path: Path) -> None:
    stored(tmp_path, [row(0, 0), row(1, 99, good=False)], [row(1, 10)])
    with LmnView.open(paths.lmn_directory(tmp_path)) as view:
        house = opened(tmp_path, view, MIDNIGHT + 4 * SLOT)
        assert [one.value for one in house.samples("anna", HOUSE, EVER)] == [0, 10]
        assert [one.readings[0].value.value for one in house.readings("anna", HOUSE, EVER)] == [0, 10]


def test_an_exchanged_meter_counts_on_with_its_second_device(tmp_path: Path) -> None:
    records = [row(place, 100 + place) for place in range(5)]
    records += [row(place, place, device=FLAT) for place in range(6, 13)]
    stored(tmp_path, records)
    with LmnView.open(paths.lmn_directory(tmp_path)) as view:
        house = opened(tmp_path, view, MIDNIGHT + 12 * SLOT)
        found = house.amounts("anna", "house", ENERGY, Step.HOUR, Range(MIDNIGHT, MIDNIGHT + 3 * HOUR))
        devices = [one.device for one in house.meter("anna", "house").sources]
    assert devices == [DEVICE, FLAT]
    assert [(one.value, one.exact) for one in found] == [(4, True), (2, False), (4, True)]


def test_a_device_that_came_after_a_consumer_s_time_is_not_theirs(tmp_path: Path) -> None:
    records = [row(place, 100 + place) for place in range(5)]
    records += [row(place, place, device=FLAT) for place in range(6, 13)]
    stored(tmp_path, records)
    text = HOME + "end = 2026-03-01T01:00:00Z\n" + '[[consumer]]\nname = "bert"\nmeters = ["house"]\n'
    (tmp_path / "gateway.toml").write_text(text + "begin = 2026-03-01T01:30:00Z\n")
    with LmnView.open(paths.lmn_directory(tmp_path)) as view:
        house = opened(tmp_path, view, MIDNIGHT + 12 * SLOT)
        assert [one.device for one in house.meter("anna", "house").sources] == [DEVICE]
        assert [one.device for one in house.meter("bert", "house").sources] == [FLAT]
        with pytest.raises(NotYoursError):
            house.source("anna", str(FLAT))


def telegram(second: int) -> Record:
    return Record(capture(MIDNIGHT + second * SECOND, energy(second)), None)


def test_telegrams_of_a_range_come_without_rows_of_the_grid(tmp_path: Path) -> None:
    stored(tmp_path, [row(0, 7), *(telegram(second) for second in range(3000)), row(1, 9)])
    wanted = Range(MIDNIGHT + 2000 * SECOND, MIDNIGHT + 2100 * SECOND)
    with LmnView.open(paths.lmn_directory(tmp_path)) as view:
        house = opened(tmp_path, view, MIDNIGHT + HOUR)
        found = [one.stamp.utc_us for one in house.telegrams("anna", HOUSE, wanted, (ENERGY,))]
    assert found == [MIDNIGHT + second * SECOND for second in range(2000, 2101)]


@settings(max_examples=25, deadline=None)
@given(st.sets(st.integers(0, 30), min_size=1), st.sets(st.integers(0, 30)), st.integers(0, 30), st.integers(0, 30))
def test_samples_and_records_of_any_range_are_those_of_the_database(
    tmp_path_factory: pytest.TempPathFactory, measured: set[int], profile: set[int], first: int, last: int
) -> None:
    state = tmp_path_factory.mktemp("any")
    history = [row(place, place) for place in sorted(profile)]
    stored(state, [row(place, place) for place in sorted(measured)], history)
    wanted = Range(MIDNIGHT + first * SLOT, MIDNIGHT + last * SLOT)
    with LmnView.open(paths.lmn_directory(state)) as view:
        house = opened(state, view, MIDNIGHT + 40 * SLOT)
        samples = [one.target_us for one in house.samples("anna", HOUSE, wanted)]
        records = [one.target_time_us for one in house.readings("anna", HOUSE, wanted)]
    expected = [MIDNIGHT + one * SLOT for one in sorted(measured | profile) if first <= one <= last]
    assert samples == records == expected


@given(st.sets(st.integers(0, 60), max_size=12), st.lists(st.integers(0, 70), min_size=2, max_size=40, unique=True))
def test_a_long_gap_is_read_at_once_and_says_the_same_as_each_mark_alone(there: set[int], wanted: list[int]) -> None:
    at_marks = sorted(wanted)
    samples = [Sample(slot, slot, slot, True, 5, 0, 1, ENERGY, -1, 30, slot * 10) for slot in sorted(there)]
    newest, asked = max(there, default=0), 0

    def at(times: Sequence[int]) -> Iterable[Sample]:
        return [one for one in samples if one.target_us in times]

    def between(part: Range) -> Iterable[Sample]:
        nonlocal asked
        asked += 1
        return [one for one in samples if part.since <= one.target_us <= part.until]

    together = series.closings(at_marks, newest, at, between)
    assert asked <= 2 * series._FEW + 4
    alone = [max((one for one in samples if one.target_us <= mark), default=None) for mark in at_marks]
    assert [one and one.value for one in together] == [one and one.value for one in alone]

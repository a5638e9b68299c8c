"""The grid rule, held against a slow and plain one."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from captures_made import MIDNIGHT, SECOND, capture
from hypothesis import given, settings
from hypothesis import strategies as st
from smgw.cosem import Capture, Stamp
from smgw.metering.grid import Grid, Slot

QUARTER = 900 * SECOND


def tolerance(period_us: int) -> int:
    return max(period_us // 100, 2 * SECOND)


def nearest(target: int, captures: Sequence[Capture], period_us: int) -> Capture | None:
    near = [one for one in captures if abs(one.stamp.utc_us - target) <= tolerance(period_us)]
    return min(near, key=lambda one: (abs(one.stamp.utc_us - target), one.stamp.utc_us), default=None)


def taken(grid: Grid, captures: Sequence[Capture]) -> list[Slot]:
    return [slot for one in captures for slot in grid.take(one)]


def at(*seconds: float, synchronised: bool = True) -> list[Capture]:
    return [capture(MIDNIGHT + round(second * SECOND), synchronised=synchronised) for second in seconds]


def now(seconds: float, *, synchronised: bool = True) -> Stamp:
    return at(seconds, synchronised=synchronised)[0].stamp


def stepped(by: float, *captures: Capture) -> list[Capture]:
    """The same moments by a system clock that was set by so many seconds."""
    return [one._replace(stamp=one.stamp._replace(utc_us=one.stamp.utc_us + round(by * SECOND))) for one in captures]


def times(slots: Sequence[Slot]) -> list[int]:
    return [(slot.target_time_us - MIDNIGHT) // SECOND for slot in slots]


def test_the_nearest_value_before_or_after_is_taken_with_its_own_time() -> None:
    captures = at(890, 899.5, 900.7, 901.5, 1799, 1801.1)
    slots = taken(Grid(900), captures)
    assert slots == [Slot(MIDNIGHT + QUARTER, captures[1]), Slot(MIDNIGHT + 2 * QUARTER, captures[4])]


@pytest.mark.parametrize(("period", "reach"), [(900, 9.0), (60, 2.0), (86_400, 864.0)])
def test_the_window_is_a_hundredth_of_the_period_or_two_seconds(period: int, reach: float) -> None:
    inside = at(1, period - reach, period + period / 2)
    outside = at(1, period - reach - 0.000001, period + period / 2)
    assert taken(Grid(period), inside)[-1].capture is inside[1]
    assert taken(Grid(period), outside)[-1].capture is None


def test_a_first_capture_close_behind_a_target_time_stands_for_it() -> None:
    (close,) = at(908.9)
    assert taken(Grid(900), [close]) == [Slot(MIDNIGHT + QUARTER, close)]
    assert taken(Grid(900), at(909.1)) == []


def test_a_gap_is_written_out_slot_by_slot() -> None:
    captures = at(899, 900, 5 * 900 - 3, 5 * 900 + 1)
    slots = taken(Grid(900), captures)
    assert times(slots) == [900, 1800, 2700, 3600, 4500]
    assert [slot.capture for slot in slots] == [captures[1], None, None, None, captures[3]]


def test_the_last_value_before_a_gap_is_not_forgotten() -> None:
    captures = at(10, 895, 4000)
    slots = taken(Grid(900), captures)
    assert [slot.capture for slot in slots] == [captures[1], None, None, None]


def test_a_jump_of_a_clock_that_is_not_synchronised_is_no_gap() -> None:
    before = at(10, 895, synchronised=False)
    after = stepped(39_000, *at(1000, 1500.5, synchronised=False))
    slots = taken(Grid(900), [*before, *after])
    assert slots == [Slot(MIDNIGHT + QUARTER, before[1]), Slot(MIDNIGHT + 45 * QUARTER, after[1])]


def test_a_clock_that_is_not_synchronised_tells_of_a_gap_while_it_runs_evenly() -> None:
    captures = at(10, 895, 4000, synchronised=False)
    slots = taken(Grid(900), captures)
    assert [slot.capture for slot in slots] == [captures[1], None, None, None]


def test_a_small_step_of_a_clock_that_is_not_synchronised_hides_no_gap() -> None:
    before = at(10, 895, synchronised=False)
    slots = taken(Grid(900), [*before, *stepped(8, *at(4000, synchronised=False))])
    assert times(slots) == [900, 1800, 2700, 3600]


def test_a_restart_without_a_synchronised_clock_invents_no_gap() -> None:
    """How long the board was off, its clock does not know."""
    (first,) = at(86_400 + 5, synchronised=False)
    grid = Grid(900, MIDNIGHT)
    assert grid.take(first) == [Slot(MIDNIGHT + 86_400 * SECOND, first)]
    assert times(grid.tick(now(86_400 + 2720, synchronised=False))) == [87_300, 88_200, 89_100]


def test_a_gap_before_a_short_time_without_synchronisation_is_told_afterwards() -> None:
    """The board was off until 02:05; its clock was right all along, and synchronised at 02:06."""
    unsure, sure = at(7500, synchronised=False), at(7560, 8100)
    slots = taken(Grid(900, MIDNIGHT + 5400 * SECOND), [*unsure, *sure])
    assert [slot.capture for slot in slots] == [None, None, sure[1]]


def test_a_gap_before_a_long_time_without_synchronisation_is_told_afterwards_too() -> None:
    """The board was off until 02:05; its clock was right all along, and synchronised at 02:40."""
    unsure, sure = at(7500, 8100.5, 9000, synchronised=False), at(9600)
    slots = taken(Grid(900, MIDNIGHT + 5400 * SECOND), [*unsure, *sure])
    assert times(slots) == [8100, 9000, 6300, 7200]
    assert [slot.capture for slot in slots] == [*unsure[1:], None, None]


def test_a_slot_that_the_last_value_before_a_jump_has_is_no_gap_afterwards() -> None:
    stale = at(5410, 6299, synchronised=False)
    right = stepped(3600, *at(6300, synchronised=False), *at(6350))
    slots = taken(Grid(900, MIDNIGHT + 5400 * SECOND), [*stale, *right])
    assert times(slots) == [6300, 9900, 7200, 8100, 9000]
    assert [slot.capture for slot in slots] == [stale[1], right[0], None, None, None]


def test_a_silent_meter_is_missing_after_a_clock_was_set_back_too() -> None:
    grid = Grid(900)
    taken(grid, at(86_405, synchronised=False))
    set_back = stepped(-86_400, *at(86_410, 88_220, synchronised=False))
    assert [times(grid.tick(one.stamp)) for one in set_back] == [[], [900, 1800]]


def test_a_gap_is_told_once_the_clock_is_synchronised_again() -> None:
    """The board was off from 00:15 to 02:00 and came up with the time at which it went down."""
    stale, true = at(1000, 1800.5, synchronised=False), at(7201, 7300)
    slots = taken(Grid(900, MIDNIGHT + QUARTER), [*stale, *true])
    assert times(slots) == [1800, 2700, 3600, 4500, 5400, 6300, 7200]
    assert [slot.capture for slot in slots] == [stale[1], None, None, None, None, None, true[0]]


def test_a_clock_that_steps_when_it_is_synchronised_tells_of_no_gap_until_it_ran_evenly_for_an_hour() -> None:
    stale = at(10, 900, synchronised=False)
    true = stepped(6 * 3600, *at(*(step * 900 for step in range(2, 9))))
    slots = taken(Grid(900, MIDNIGHT), [*stale, *true[:4]])
    assert [slot.capture for slot in slots] == [stale[1], *true[:4]]
    grid = Grid(900, MIDNIGHT)
    slots = taken(grid, [*stale, *true])
    assert times([slot for slot in slots if slot.capture is None]) == list(range(1800, 6 * 3600 + 1800, 900))
    assert [slot.capture for slot in slots if slot.capture] == [stale[1], *true]


def test_a_lie_of_six_hours_leaves_no_gap_in_the_slots_to_come() -> None:
    """The clock is synchronised, invalid for a moment, half an hour six hours ahead, and right again."""
    before, lost = at(10, 900, 1800), at(2000, synchronised=False)
    lie = stepped(6 * 3600, *at(2100, 2700, 3600))
    found, after = at(3700, synchronised=False), at(3800, *range(4500, 15 * 3600, 900))
    slots = taken(Grid(900), [*before, *lost, *lie, *found, *after])
    future = [slot for slot in slots if slot.target_time_us > MIDNIGHT + 3600 * SECOND]
    assert [slot.capture for slot in future if slot.capture not in lie] == after[1:]


def test_of_two_steps_forward_without_synchronisation_both_are_told_afterwards() -> None:
    unsure = [
        *at(10, 900, synchronised=False),
        *stepped(3600, *at(1800, synchronised=False)),
        *stepped(7200, *at(2700, synchronised=False), *at(2800)),
    ]
    slots = taken(Grid(900, MIDNIGHT), unsure)
    assert times([slot for slot in slots if slot.capture is None]) == [1800, 2700, 3600, 4500, 6300, 7200, 8100, 9000]
    assert times([slot for slot in slots if slot.capture]) == [900, 5400, 9900]


def test_a_gap_is_told_although_the_clock_was_wrong_by_a_day_meanwhile() -> None:
    for wrong in (-86_400, 86_400):
        stale, true = at(wrong + 905, wrong + 1800, synchronised=False), at(2701)
        slots = taken(Grid(900, MIDNIGHT), [*stale, *true])
        assert times(slots)[-3:] == [900, 1800, 2700]
        assert [slot.capture for slot in slots][-3:] == [None, None, true[0]]


def test_a_new_gateway_whose_clock_was_years_behind_invents_no_gap() -> None:
    old, true = [capture(100 * QUARTER + SECOND, synchronised=False)], at(905.5, 1000, 1800)
    slots = taken(Grid(900), [*old, *true])
    assert [slot.capture for slot in slots] == [old[0], true[0], true[2]]


def test_target_times_of_a_clock_that_was_set_back_a_day_come_again() -> None:
    day = 86_400
    first, again = at(day + 900, day + 1800, synchronised=False), at(900.1, 1800.1, synchronised=False)
    slots = taken(Grid(900), [*first, *again])
    assert times(slots) == [day + 900, day + 1800, 900, 1800]
    assert all(slot.capture for slot in slots)


def test_a_last_target_time_from_a_clock_that_was_ahead_does_not_stop_registration() -> None:
    (true,) = at(900)
    assert taken(Grid(900, MIDNIGHT + 86_400 * SECOND), [true]) == [Slot(MIDNIGHT + QUARTER, true)]


def test_a_silent_meter_is_missing_when_its_window_is_long_over() -> None:
    grid = Grid(900)
    captures = at(10, 898)
    taken(grid, captures)
    assert grid.tick(now(909)) == []
    (slot,) = grid.tick(now(919))
    assert slot == Slot(MIDNIGHT + QUARTER, captures[1])
    assert grid.tick(now(1000)) == []
    assert times(grid.tick(now(3700))) == [1800, 2700, 3600]


def test_a_capture_that_takes_long_on_the_line_is_still_in_time() -> None:
    grid = Grid(60)
    taken(grid, at(1))
    assert grid.tick(now(71)) == []
    (late,) = at(61.9)
    assert grid.take(late) == [Slot(MIDNIGHT + 60 * SECOND, late)]


def test_a_silent_meter_is_missing_without_a_synchronised_clock_too() -> None:
    grid = Grid(900)
    taken(grid, at(10, synchronised=False))
    assert times(grid.tick(now(2719.9, synchronised=False))) == [900, 1800, 2700]


def test_nothing_is_missing_before_the_first_capture() -> None:
    assert Grid(900).tick(now(0)) == []


def test_a_gap_longer_than_a_year_is_not_written_out() -> None:
    grid = Grid(900, MIDNIGHT - 400 * 86_400 * SECOND)
    captures = at(899, 901)
    assert taken(grid, captures) == [Slot(MIDNIGHT + QUARTER, captures[0])]


@pytest.mark.parametrize(
    ("day", "quarters"), [((2026, 3, 28), 96), ((2026, 3, 29), 92), ((2026, 10, 25), 100), ((2026, 12, 31), 96)]
)
def test_a_local_day_has_its_92_96_or_100_quarter_hours(day: tuple[int, int, int], quarters: int) -> None:
    berlin = ZoneInfo("Europe/Berlin")
    begin = datetime(*day, tzinfo=berlin)
    after = datetime.combine((begin + timedelta(days=1)).date(), begin.time(), berlin)
    begin_us, end_us = (int(moment.timestamp()) * SECOND for moment in (begin, after))
    grid = Grid(900, begin_us)
    slots = taken(grid, [capture(moment) for moment in range(begin_us + SECOND // 2, end_us + SECOND, 5 * SECOND)])
    local = [datetime.fromtimestamp(slot.target_time_us / SECOND, berlin) for slot in slots]
    assert len(slots) == quarters
    assert all(slot.capture for slot in slots)
    assert local[-1] == after


PERIODS = st.sampled_from([1, 2, 3, 4, 10, 60, 300, 900, 3600])


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_with_a_good_clock_every_slot_has_its_nearest_value_or_says_that_it_is_missing(data: st.DataObject) -> None:
    period = data.draw(PERIODS)
    period_us = period * SECOND
    steps = st.one_of(st.integers(1, 3 * SECOND), st.integers(1, 5 * period_us))
    moments = [MIDNIGHT + data.draw(st.integers(0, 3 * period_us))]
    for step in data.draw(st.lists(steps, max_size=30)):
        moments.append(moments[-1] + step)
    captures = [capture(moment) for moment in moments]
    grid, slots = Grid(period), []
    for place, one in enumerate(captures):
        slots += grid.take(one)
        following = moments[place + 1] if place + 1 < len(moments) else moments[-1] + 3 * period_us
        if data.draw(st.booleans()):  # ticks come up to the moment at which the next capture is handed over
            slots += grid.tick(capture(data.draw(st.integers(one.stamp.utc_us, following + 10 * SECOND - 1))).stamp)
    decided = [slot.target_time_us for slot in slots]
    assert decided == list(range(decided[0], decided[-1] + 1, period_us)) if decided else True
    for slot in slots:
        assert slot.capture is nearest(slot.target_time_us, captures, period_us)
    expected_first = moments[0] - moments[0] % period_us
    if moments[0] - expected_first > tolerance(period_us):
        expected_first += period_us
    if decided:
        assert decided[0] == expected_first
    assert len(decided) >= (moments[-1] - moments[-1] % period_us - expected_first) // period_us + 1


clock_steps = st.tuples(
    st.sampled_from(["jitter"] * 6 + ["gap", "back", "forward"]), st.integers(0, 10**6), st.booleans()
)


@settings(max_examples=150, deadline=None)
@given(PERIODS, st.lists(clock_steps, max_size=40))
def test_whatever_the_clock_does_a_target_time_comes_once_and_values_in_order_until_it_is_set_back(
    period: int, steps: list[tuple[int, int, bool]]
) -> None:
    grid, now = Grid(period), MIDNIGHT
    decided: set[int] = set()
    highest = 0  # of the slots with a value
    seen: list[Capture] = []
    set_by = 0
    for kind, amount, synchronised in steps:
        now += (3 * period if kind == "gap" else 1) * SECOND + amount
        if kind == "back":
            set_by -= 86_400 * SECOND + 3 * period * SECOND
            decided, highest = set(), 0
        elif kind == "forward":
            set_by += 86_400 * SECOND
        seen += stepped(set_by / SECOND, capture(now, synchronised=synchronised))
        for slot in grid.take(seen[-1]):
            assert slot.target_time_us % (period * SECOND) == 0
            assert slot.target_time_us not in decided
            decided.add(slot.target_time_us)
            if slot.capture is not None:
                assert slot.target_time_us > highest
                highest = slot.target_time_us
                assert slot.capture in seen[-2:]
                assert abs(slot.capture.stamp.utc_us - slot.target_time_us) <= tolerance(period * SECOND)


@settings(max_examples=60, deadline=None)
@given(PERIODS, st.lists(st.integers(1, 4000), min_size=2, max_size=30), st.integers(1, 29))
def test_a_restart_goes_on_where_it_was(period: int, steps: list[int], cut: int) -> None:
    moments = [MIDNIGHT + sum(steps[: place + 1]) * SECOND // 2 for place in range(len(steps))]
    captures = [capture(moment) for moment in moments]
    cut = min(cut, len(captures) - 1)
    slots = taken(Grid(period), captures[:cut])
    last = slots[-1].target_time_us if slots else None
    slots += taken(Grid(period, last), captures[cut:])
    decided = [slot.target_time_us for slot in slots]
    assert decided == sorted(set(decided))
    if last is not None:
        assert decided == list(range(decided[0], decided[-1] + 1, period * SECOND))

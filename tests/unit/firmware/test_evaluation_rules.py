"""The rules of a time-variable tariff (TAF 2) and of readings at boundaries (TAF 1, 6), each case by its name."""

import itertools
from collections.abc import Iterable
from datetime import datetime
from zoneinfo import ZoneInfo

import pytest
from smgw.metering.evaluation.bills import bills, period_rows
from smgw.metering.evaluation.counting import counts, ptb_status
from smgw.metering.evaluation.evaluation import (
    CALCULATED,
    DAILY,
    PERIOD_END,
    Evaluated,
    EventKind,
    Offer,
    Row,
    current,
    evaluate,
)
from smgw.metering.evaluation.plan import Plan
from smgw.metering.evaluation.state import Part, Slot, State
from smgw.profiles.calendar import Calendar, DayProfile, MonthDay, Season, Switch
from smgw.profiles.evaluation import EvaluationProfile, Load

BERLIN = ZoneInfo("Europe/Berlin")
QUARTER = 900


def at(text: str, fold: int = 0) -> int:
    """Seconds UTC of a local time."""
    return int(datetime.fromisoformat(text).replace(tzinfo=BERLIN, fold=fold).timestamp())


def calendar(*switches: tuple[str, int]) -> Calendar:
    minutes = tuple(Switch(int(text[:2]) * 60 + int(text[3:]), step) for text, step in switches)
    season = Season("year", MonthDay(1, 1), MonthDay(12, 31), ("day",) * 7)
    return Calendar("Europe/Berlin", (DayProfile("day", minutes),), (season,))


DAY_NIGHT = calendar(("00:00", 2), ("06:00", 1), ("22:00", 2))


def profile(switches: Calendar = DAY_NIGHT, **fields: object) -> EvaluationProfile:
    return EvaluationProfile("test", 2, ("house",), calendar=switches)._replace(**fields)  # type: ignore[arg-type]


def run(profile: EvaluationProfile, offers: Iterable[Offer], *, history: bool = False) -> Evaluated:
    return evaluate(offers, Plan.of(profile, history=history), State())


def offers(
    begin: str, end: str, *, period: int = QUARTER, missing: tuple[str, ...] = (), each: int = 10
) -> list[Offer]:
    """Readings that grow by `each` every period, without those at or between the pairs of `missing`."""
    left_out = {at(one) for one in missing}
    first = at(begin)
    times = range(first, at(end) + 1, period)
    return [Offer(0, "aa", t, (t - first) // period * each) for t in times if t not in left_out]


def between(begin: str, end: str) -> tuple[str, ...]:
    """All quarter hours from begin to end, both included, as texts."""
    return tuple(
        datetime.fromtimestamp(t, BERLIN).strftime("%Y-%m-%d %H:%M") for t in range(at(begin), at(end) + 1, QUARTER)
    )


def amounts(evaluated: Evaluated) -> tuple[dict[int, int], int, int]:
    state = evaluated.state
    return dict(state.steps), state.error, state.total


def kinds(evaluated: Evaluated) -> list[EventKind]:
    return [event.kind for event in evaluated.events]


def test_energy_goes_to_the_step_that_holds() -> None:
    found = run(profile(), offers("2026-01-10 00:00", "2026-01-11 00:00"))
    assert amounts(found) == ({1: 640, 2: 320}, 0, 960)


def test_a_gap_inside_one_step_goes_to_that_step() -> None:
    missing = between("2026-01-10 10:00", "2026-01-10 14:00")
    assert amounts(run(profile(), offers("2026-01-10 06:00", "2026-01-10 20:00", missing=missing)))[:2] == (
        {1: 560, 2: 0},
        0,
    )


def test_a_gap_over_a_switch_goes_to_the_error_register_once() -> None:
    missing = ("2026-01-10 06:00",)
    assert amounts(run(profile(), offers("2026-01-10 05:00", "2026-01-10 07:00", missing=missing))) == (
        {1: 30, 2: 30},
        20,
        80,
    )


def test_a_gap_over_more_switches_goes_to_the_error_register_once() -> None:
    missing = between("2026-01-10 05:00", "2026-01-10 23:00")
    found = run(profile(), offers("2026-01-10 04:00", "2026-01-11 00:00", missing=missing))
    assert amounts(found) == ({1: 0, 2: 60}, 740, 800)


def test_a_gap_that_ends_at_a_switch_goes_to_the_step_before_it() -> None:
    missing = between("2026-01-10 05:00", "2026-01-10 05:45")
    assert amounts(run(profile(), offers("2026-01-10 04:00", "2026-01-10 07:00", missing=missing)))[:2] == (
        {1: 40, 2: 80},
        0,
    )


def test_a_gap_that_begins_at_a_switch_goes_to_the_step_after_it() -> None:
    missing = between("2026-01-10 06:15", "2026-01-10 07:00")
    assert amounts(run(profile(), offers("2026-01-10 05:00", "2026-01-10 08:00", missing=missing)))[:2] == (
        {1: 80, 2: 40},
        0,
    )


@pytest.mark.parametrize(
    ("gateway", "meter", "status", "takes_part"),
    [
        (0b101, 0, 0, True),
        (1 << 12, 0, 1, True),
        (1 << 13, 0, 2, True),
        (1 << 9, 0, 3, False),
        (1 << 14, 0, 3, False),
        (0, 1 << 9, 3, False),
        (0, 1 << 10, 3, False),
        (1 << 8, 0, 4, False),
        (0, 1 << 17, 4, False),
    ],
)
def test_the_ptb_status_comes_from_both_status_words(gateway: int, meter: int, status: int, takes_part: bool) -> None:
    assert (ptb_status(gateway, meter), counts(gateway, meter)) == (status, takes_part)


def test_a_value_that_does_not_count_is_as_missing() -> None:
    given = offers("2026-01-10 05:00", "2026-01-10 07:00")
    place = next(place for place, one in enumerate(given) if one.time_s == at("2026-01-10 06:00"))
    given[place] = given[place]._replace(value=None)
    assert amounts(run(profile(), given)) == ({1: 30, 2: 30}, 20, 80)


def test_an_hourly_reading_over_a_switch_at_half_past_goes_to_the_error_register() -> None:
    switches = calendar(("00:00", 2), ("06:30", 1))
    found = run(profile(switches), offers("2026-01-10 05:00", "2026-01-10 08:00", period=3600))
    assert amounts(found) == ({1: 10, 2: 10}, 10, 30)


def test_daily_readings_with_two_steps_a_day_go_to_the_error_register() -> None:
    found = run(profile(), offers("2026-01-10 01:00", "2026-01-14 01:00", period=86_400))
    assert amounts(found) == ({1: 0, 2: 0}, 40, 40)  # 01:00 local is midnight UTC: it is a registration time of a day
    daily = profile(registration_period=86_400)
    assert amounts(run(daily, offers("2026-01-10 01:00", "2026-01-14 01:00", period=86_400))) == ({1: 0, 2: 0}, 40, 40)


def test_without_a_reading_at_the_begin_the_first_one_counts_and_the_log_says_so() -> None:
    found = run(profile(begin=at("2026-01-10 00:00")), offers("2026-01-10 10:00", "2026-01-10 12:00"))
    assert amounts(found) == ({1: 80, 2: 0}, 0, 80)
    assert found.events[0].kind is EventKind.BEGUN


def test_a_profile_that_begins_in_mid_period_counts_from_its_first_reading() -> None:
    found = run(profile(begin=at("2026-01-10 10:00")), offers("2026-01-10 08:00", "2026-01-10 12:00"))
    assert amounts(found)[2] == 80


def test_readings_after_the_end_of_the_profile_do_not_count() -> None:
    found = run(profile(end=at("2026-01-10 10:00")), offers("2026-01-10 08:00", "2026-01-10 12:00"))
    assert amounts(found)[2] == 80


def test_at_the_end_of_its_validity_the_final_registers_are_formed_once() -> None:
    given = offers("2026-01-10 08:00", "2026-01-10 12:00")
    found = run(profile(end=at("2026-01-10 10:00")), given)
    ends = [row for row in found.rows if row.list == PERIOD_END]
    assert [(row.time_s, dict(row.registers)[0]) for row in ends] == [
        (at("2026-01-10 08:00"), 0),
        (at("2026-01-10 10:00"), 80),
    ]


def test_energy_between_two_meters_of_an_exchange_does_not_count() -> None:
    old = offers("2026-01-10 08:00", "2026-01-10 10:00")
    new = [Offer(0, "bb", at("2026-01-10 11:00") + QUARTER * place, 7_000_000 + 10 * place) for place in range(5)]
    found = run(profile(), [*old, *new])
    assert amounts(found) == ({1: 120, 2: 0}, 0, 120)
    assert EventKind.EXCHANGED in kinds(found)


def test_a_meter_that_was_exchanged_does_not_come_back() -> None:
    old = offers("2026-01-10 08:00", "2026-01-10 10:00")
    new = [Offer(0, "bb", at("2026-01-10 10:15") + QUARTER * place, 10 * place) for place in range(2)]
    again = Offer(0, "aa", at("2026-01-10 10:45"), 9000)
    assert amounts(run(profile(), [*old, *new, again]))[2] == 90


def test_a_reading_that_falls_does_not_count_and_is_logged_once() -> None:
    given = offers("2026-01-10 08:00", "2026-01-10 10:00")
    given[3] = given[3]._replace(value=0)
    given[4] = given[4]._replace(value=1)
    found = run(profile(), given)
    assert amounts(found)[2] == 80
    assert kinds(found).count(EventKind.FELL) == 1


def test_of_two_readings_for_one_time_the_first_one_counts() -> None:
    given = offers("2026-01-10 08:00", "2026-01-10 10:00")
    given.insert(3, given[2]._replace(value=25))
    assert amounts(run(profile(), given))[2] == 80


def test_of_two_readings_for_one_time_the_first_may_be_invalid() -> None:
    given = offers("2026-01-10 08:00", "2026-01-10 10:00", missing=("2026-01-10 09:00",))
    given[4:4] = [Offer(0, "aa", at("2026-01-10 09:00"), None), Offer(0, "aa", at("2026-01-10 09:00"), 40)]
    found = run(profile(calendar(("00:00", 2), ("09:00", 1))), given)
    assert amounts(found) == ({1: 40, 2: 40}, 0, 80)


def test_a_reading_off_the_grid_is_ignored() -> None:
    given = offers("2026-01-10 08:00", "2026-01-10 10:00")
    given.insert(3, Offer(0, "aa", given[2].time_s + 60, 10**6))
    assert amounts(run(profile(), given))[2] == 80


def test_a_day_of_march_has_92_intervals() -> None:
    switches = calendar(("00:00", 2), ("03:00", 1))
    found = run(profile(switches), offers("2026-03-29 00:00", "2026-03-30 00:00"))
    assert amounts(found) == ({1: 840, 2: 80}, 0, 920)


@pytest.mark.parametrize("switch", ["02:00", "02:15", "02:45"])
def test_in_march_the_interval_before_three_goes_to_the_error_register_if_a_switch_does_not_exist(switch: str) -> None:
    found = run(profile(calendar(("00:00", 2), (switch, 1))), offers("2026-03-29 00:00", "2026-03-29 04:00"))
    assert amounts(found) == ({1: 40, 2: 70}, 10, 120)


def test_a_day_of_october_has_100_intervals() -> None:
    found = run(profile(), offers("2026-10-25 00:00", "2026-10-26 00:00"))
    assert amounts(found) == ({1: 640, 2: 360}, 0, 1000)


def test_in_october_a_switch_after_two_is_the_first_one_of_summer_time() -> None:
    switches = calendar(("00:00", 2), ("02:30", 1), ("03:00", 2))
    found = run(profile(switches), offers("2026-10-25 00:00", "2026-10-25 04:00"))
    # From 02:30 of summer time until 03:00: 30 minutes, and the hour that comes twice.
    assert amounts(found) == ({1: 60, 2: 140}, 0, 200)


def test_a_period_ends_with_the_reading_of_its_last_instant() -> None:
    found = run(profile(), offers("2026-01-31 20:00", "2026-02-01 01:00"))
    (begin, end) = [row for row in found.rows if row.list == PERIOD_END]
    assert (end.time_s, dict(end.registers)) == (at("2026-02-01 00:00"), {0: 160, 1: 80, 2: 80, 63: 0})
    assert begin.time_s == at("2026-01-31 20:00")
    assert kinds(found) == [EventKind.BEGUN, EventKind.CLOSED]


def test_without_a_reading_at_its_end_a_period_ends_with_the_last_one() -> None:
    missing = between("2026-01-31 23:00", "2026-02-01 00:30")
    given = profile()
    found = run(given, offers("2026-01-31 20:00", "2026-02-01 02:00", missing=missing))
    plan = Plan.of(given)
    made = list(bills(period_rows(found.rows, current(plan, found.state)), plan.boundaries))
    assert [(one.begin_s, one.end_s, one.total) for one in made] == [
        (at("2026-01-31 20:00"), at("2026-01-31 22:45"), 110),
        (at("2026-02-01 00:45"), at("2026-02-01 02:00"), 50),
    ]
    assert EventKind.CLOSED_EARLY in kinds(found)
    assert amounts(found)[2] == 240  # the registers go on


def test_a_silent_meter_leaves_its_period_open_for_a_day_and_then_it_ends() -> None:
    given = offers("2026-01-31 20:00", "2026-01-31 23:00")
    silent = [Offer(0, "aa", at("2026-01-31 23:15") + QUARTER * place, None) for place in range(101)]
    open_ = run(profile(), [*given, *silent[:97]], history=True)
    assert EventKind.CLOSED_EARLY not in kinds(open_)
    assert kinds(run(profile(), [*given, *silent], history=True)).count(EventKind.CLOSED_EARLY) == 1


def test_a_row_of_the_meters_own_load_profile_fills_a_gap_before_it_is_judged() -> None:
    given = offers("2026-01-10 05:00", "2026-01-10 07:00")
    late = given.pop(4)
    assert late.time_s == at("2026-01-10 06:00")
    found = run(profile(begin=given[0].time_s), [*given, late], history=True)
    assert amounts(found) == ({1: 40, 2: 40}, 0, 80)


def _fetched(given: list[Offer], came_s: int) -> list[Offer]:
    """The same readings as rows of the load profile."""
    return [one._replace(came_s=came_s) for one in given]


def test_a_period_that_ended_while_the_gateway_was_off_waits_for_the_load_profile() -> None:
    given = offers("2026-01-31 20:00", "2026-02-10 12:00")
    before, missed, live = given[:9], given[9:-1], given[-1]
    gaps = [one._replace(value=None) for one in _fetched(missed, live.time_s)]
    found = run(profile(), [*before, *gaps, live, *_fetched(missed, live.time_s)], history=True)
    assert kinds(found) == [EventKind.BEGUN, EventKind.CLOSED]
    assert [row.time_s for row in found.rows if row.list == PERIOD_END] == [given[0].time_s, at("2026-02-01 00:00")]
    assert amounts(found)[1:] == (0, 10 * (len(given) - 1))


def test_a_period_that_ended_while_the_gateway_was_off_ends_a_day_after_it_is_back() -> None:
    given = offers("2026-01-31 20:00", "2026-02-12 12:00")
    before, live = given[:9], [one for one in given if one.time_s >= at("2026-02-10 12:00")]
    assert EventKind.CLOSED_EARLY not in kinds(run(profile(), [*before, *live[:96]], history=True))
    found = run(profile(), [*before, *live], history=True)
    assert kinds(found).count(EventKind.CLOSED_EARLY) == 1
    assert found.state.last == Slot(live[-1].time_s, (Part("aa", live[-1].value or 0),))


def test_a_validity_that_ended_while_the_gateway_was_off_waits_for_the_load_profile() -> None:
    given = offers("2026-01-10 05:00", "2026-01-20 12:00")
    until = profile(end=at("2026-01-15 12:00"))
    before, missed, live = given[:9], given[9:-1], given[-1]
    found = run(until, [*before, live, *_fetched(missed, live.time_s)], history=True)
    assert found.state.last is not None
    assert found.state.last.time_s == at("2026-01-15 12:00")
    assert kinds(found) == [EventKind.BEGUN]
    later = [live._replace(time_s=live.time_s + QUARTER * place) for place in range(1, 98)]
    closed = evaluate(later, Plan.of(until, history=True), found.state)
    assert [row.time_s for row in closed.rows] == [at("2026-01-15 12:00")]


def test_a_gap_that_waited_when_the_gateway_went_off_still_waits_when_it_is_back() -> None:
    given = offers("2026-01-10 05:00", "2026-01-20 07:00")
    late = given.pop(4)
    before, missed, live = given[:8], given[8:-1], given[-1]
    rows = _fetched([late, *missed], live.time_s)
    found = run(profile(begin=given[0].time_s), [*before, live, *rows], history=True)
    assert amounts(found)[1:] == (0, 10 * len(given))


def test_an_evaluation_begins_with_the_load_profile_though_a_reading_comes_first() -> None:
    given = offers("2026-01-10 05:00", "2026-01-20 07:00")
    found = run(profile(), [given[-1], *_fetched(given[:-1], given[-1].time_s)], history=True)
    assert amounts(found)[1:] == (0, 10 * (len(given) - 1))


def test_a_load_profile_that_is_older_than_a_period_gives_the_bill_of_that_period() -> None:
    given = offers("2026-01-10 05:00", "2026-02-20 07:00")
    found = run(profile(), [given[-1], *_fetched(given[:-1], given[-1].time_s)], history=True)
    assert kinds(found) == [EventKind.BEGUN, EventKind.CLOSED]
    assert kinds(run(profile(), _fetched(given, given[-1].time_s), history=True)) == kinds(found)


def test_an_evaluation_without_a_load_profile_in_its_first_day_begins_with_its_first_reading() -> None:
    given = offers("2026-01-10 05:00", "2026-01-11 05:00")
    assert run(profile(), given[:-1], history=True).state.last is None
    assert amounts(run(profile(), given, history=True))[2] == 10 * (len(given) - 1)


def test_a_gateway_that_is_off_each_night_still_ends_a_gap() -> None:
    given = [one for day in range(10, 20) for one in offers(f"2026-01-{day} 08:00", f"2026-01-{day} 18:00")]
    values = [one._replace(value=10 * place) for place, one in enumerate(given)]
    found = run(profile(), values, history=True)
    assert found.state.last is not None
    assert found.state.last.time_s >= at("2026-01-13 08:00")


def test_a_gap_that_nothing_fills_is_judged_after_a_day() -> None:
    given = offers("2026-01-10 05:00", "2026-01-11 06:15", missing=("2026-01-10 06:00",))
    assert amounts(run(profile(), given[:-1], history=True))[1] == 0
    assert amounts(run(profile(), given, history=True))[1] == 20


def test_history_that_comes_after_the_gap_was_judged_changes_nothing() -> None:
    given = offers("2026-01-10 05:00", "2026-01-10 07:00")
    late = given.pop(4)
    assert amounts(run(profile(), [*given, late])) == ({1: 30, 2: 30}, 20, 80)


def test_the_switch_list_has_the_registers_at_each_switch() -> None:
    found = run(profile(), offers("2026-01-10 05:00", "2026-01-10 23:00"))
    rows = [row for row in found.rows if row.list == CALCULATED]
    assert [(row.time_s, dict(row.registers)) for row in rows] == [
        (at("2026-01-10 06:00"), {0: 40, 1: 0, 2: 40, 63: 0}),
        (at("2026-01-10 22:00"), {0: 680, 1: 640, 2: 40, 63: 0}),
    ]


def _two(begin: str, end: str, first: int = 10, second: int = 4) -> list[Offer]:
    one = offers(begin, end, each=first)
    other = [offer._replace(part=1, device="bb") for offer in offers(begin, end, each=second)]
    return sorted([*one, *other], key=lambda offer: (offer.time_s, offer.part))


def test_the_readings_of_two_meters_are_added() -> None:
    found = run(profile(meters=("house", "shed")), _two("2026-01-10 08:00", "2026-01-10 10:00"))
    assert amounts(found)[2] == 112


def test_the_readings_of_a_meter_are_subtracted() -> None:
    found = run(profile(subtract=("solar",)), _two("2026-01-10 08:00", "2026-01-10 10:00"))
    assert amounts(found)[2] == 48


def test_a_difference_may_be_negative() -> None:
    found = run(profile(subtract=("solar",)), _two("2026-01-10 08:00", "2026-01-10 10:00", 4, 10))
    assert amounts(found)[2] == -48


def test_a_slot_counts_only_if_all_meters_have_a_value() -> None:
    given = _two("2026-01-10 05:00", "2026-01-10 07:00")
    given = [one for one in given if (one.part, one.time_s) != (1, at("2026-01-10 06:00"))]
    assert amounts(run(profile(meters=("house", "shed")), given)) == ({1: 42, 2: 42}, 28, 112)


def test_a_finer_scaler_gives_all_registers_more_digits() -> None:
    given = [Offer(0, "aa", one.time_s, one.value, 1) for one in offers("2026-01-10 08:00", "2026-01-10 09:00")]
    finer = [Offer(0, "aa", at("2026-01-10 09:15"), 455, 0)]
    found = run(profile(), [*given, *finer])
    assert (found.state.scaler, found.state.total) == (0, 455)


def test_a_reading_in_another_unit_does_not_count() -> None:
    given = offers("2026-01-10 08:00", "2026-01-10 09:00")
    found = run(profile(), [*given, Offer(0, "aa", at("2026-01-10 09:15"), 10**6, 0, 32)])
    assert (found.state.total, kinds(found)[-1]) == (40, EventKind.UNIT)


def _rows(found: Evaluated, kind: int) -> list[Row]:
    return [row for row in found.rows if row.list == kind]


def test_taf_1_gives_one_reading_at_the_end_of_a_period_and_nothing_finer() -> None:
    given = profile(taf=1, calendar=None)
    found = run(given, offers("2026-01-31 20:00", "2026-02-01 01:00"))
    assert [(row.time_s, row.registers) for row in found.rows] == [(at("2026-02-01 00:00"), ((0, 160),))]


def test_taf_1_without_a_reading_at_the_end_of_a_period_gives_none_and_says_so() -> None:
    given = profile(taf=1, calendar=None)
    found = run(given, offers("2026-01-31 20:00", "2026-02-01 01:00", missing=("2026-02-01 00:00",)))
    assert found.rows == []
    assert EventKind.CLOSED_EARLY in kinds(found)


def test_taf_1_of_three_months_ends_with_the_quarter() -> None:
    given = profile(taf=1, calendar=None, billing_months=3)
    found = run(given, offers("2026-01-31 00:00", "2026-04-02 00:00"))
    assert [row.time_s for row in found.rows] == [at("2026-04-01 00:00")]


def test_taf_6_gives_a_daily_reading_at_the_begin_of_the_billing_day() -> None:
    given = profile(taf=6, calendar=None, day_begin=360)
    found = run(given, offers("2026-03-28 00:00", "2026-03-30 12:00"))
    assert [row.time_s for row in _rows(found, DAILY)] == [at(f"2026-03-{day} 06:00") for day in (28, 29, 30)]
    assert _rows(found, DAILY) == found.rows


def test_taf_3_enters_a_step_above_its_power_and_leaves_it_below_another() -> None:
    given = profile(taf=3, calendar=None, loads=(Load(2, 4000, 2000),))
    watts = [1000, 5000, 3000, 1000]  # the third stays in the step: it is not below 2000
    values = [0, 250, 1500, 2250, 2500]
    times = [at("2026-01-10 08:00") + QUARTER * place for place in range(5)]
    found = run(given, [Offer(0, "aa", t, value) for t, value in zip(times, values, strict=True)])
    assert [4 * (b - a) for a, b in itertools.pairwise(values)] == watts
    assert amounts(found) == ({1: 500, 2: 2000}, 0, 2500)


def test_taf_4_divides_the_energy_at_a_tier_exactly() -> None:
    given = profile(taf=4, calendar=None, tiers=(25, 40))
    assert amounts(run(given, offers("2026-01-10 08:00", "2026-01-10 10:00"))) == ({1: 25, 2: 15, 3: 40}, 0, 80)


def test_taf_4_begins_with_the_first_step_in_each_period() -> None:
    given = profile(taf=4, calendar=None, tiers=(25,))
    found = run(given, offers("2026-01-31 23:00", "2026-02-01 00:30"))
    assert amounts(found) == ({1: 45, 2: 15}, 0, 60)


def test_a_state_in_the_database_is_the_state() -> None:
    given = _two("2026-01-10 05:00", "2026-01-10 07:00")[:-1]
    state = run(profile(meters=("house", "shed")), given, history=True).state
    assert state.waiting
    assert State.decode(state.encode()) == state

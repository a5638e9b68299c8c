"""Random cases of a time-variable tariff, for the evaluation and for the plain implementation beside it.

A case has some days with gaps, duplicates, invalid values, exchanges, values that fall and readings off the grid. Its
tariff has up to five steps, seasons, holidays and special days. Many begin near a change of the clock or of the month.
"""

import random
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

from plain_tariff import Calendar, Case, Reading, Season
from smgw.metering.evaluation.bills import Bill, bills, period_rows
from smgw.metering.evaluation.counting import counts
from smgw.metering.evaluation.evaluation import Evaluated, Offer, current, evaluate
from smgw.metering.evaluation.plan import Plan
from smgw.metering.evaluation.state import State
from smgw.profiles import calendar as own
from smgw.profiles.evaluation import EvaluationProfile

_ZONES = ("Europe/Berlin",) * 8 + ("Europe/London", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu")
_TROUBLES = (1 << 8, 1 << 9, 1 << 14)
_METER_TROUBLES = (1 << 9, 1 << 10, 1 << 17)
_HARMLESS = (1 << 1, 1 << 12, 1 << 13, 1 << 16)


def case_of(seed: int) -> Case:
    """The case of a seed."""
    chance = random.Random(seed)
    zone = chance.choice(_ZONES)
    first = _first_day(chance, zone)
    days = chance.choice((1, 2, 3, 3, 4, 7))
    period = chance.choice((900,) * 6 + (1800, 3600, 86_400))
    begin = int(datetime.combine(first, datetime.min.time(), ZoneInfo(zone)).astimezone(UTC).timestamp())
    times = range(begin - begin % period, begin + days * 86_400 + 1, period)
    meters = chance.choice((("a",),) * 5 + (("a", "b"), ("a", "b", "c")))
    split = chance.randint(1, len(meters))
    readings = sorted(
        (one for meter in meters for one in _readings(chance, meter, times, period)), key=lambda one: one.time_s
    )
    return Case(
        _calendar(chance, zone, first, days),
        period,
        chance.choice((1, 1, 1, 2, 3, 6, 12)),
        chance.choice((None, None, None, begin + chance.randrange(0, days * 86_400, 300))),
        chance.choice((None, None, None, begin + chance.randrange(days * 43_200, days * 86_400, 300))),
        meters[:split],
        meters[split:],
        tuple(readings),
    )


def _first_day(chance: random.Random, zone: str) -> date:
    year = chance.randint(2024, 2029)
    kind = chance.randrange(4)
    if kind == 0:  # near a change of the clock
        midnights = [datetime(year, 1, 1, tzinfo=ZoneInfo(zone)) + timedelta(days=day) for day in range(365)]
        changes = [one.date() for one, other in pairwise(midnights) if one.utcoffset() != other.utcoffset()]
        if changes:
            return chance.choice(changes) - timedelta(days=chance.randint(0, 2))
    if kind == 1:  # near a change of the month
        return date(year, chance.randint(1, 12), 1) - timedelta(days=chance.randint(0, 3))
    return date(year, 1, 1) + timedelta(days=chance.randrange(365))


def _calendar(chance: random.Random, zone: str, first: date, days: int) -> Calendar:
    steps = chance.choice((1, 2, 2, 2, 3, 4, 5))
    profiles = {}
    for name in ("w", "x", "y", "z")[: chance.randint(1, 4)]:
        grid = chance.choice((15, 15, 30, 60, 5))
        minutes = {0, *(chance.randrange(0, 1440, grid) for _ in range(chance.randint(0, 5)))}
        if chance.random() < 0.4:  # in the hour that a change of the clock skips or repeats
            minutes.add(120 + chance.choice((0, 15, 30, 45, 60)))
        profiles[name] = tuple((minute, chance.randint(1, steps)) for minute in sorted(minutes))
    names = sorted(profiles)

    def week() -> tuple[str, ...]:
        return tuple(chance.choice(names) for _ in range(7))

    begins = sorted({(chance.randint(1, 12), chance.randint(1, 28)) for _ in range(chance.randint(1, 3))})
    near = [first + timedelta(days=day) for day in range(-1, days + 2)]
    return Calendar(
        zone,
        profiles,
        tuple(Season(begin, week(), chance.choice(names)) for begin in begins),
        frozenset(day for day in near if chance.random() < 0.1),
        {day: chance.choice(names) for day in near if chance.random() < 0.1},
    )


def _readings(chance: random.Random, meter: str, times: range, period: int) -> list[Reading]:
    found: list[Reading] = []
    device, value = f"{meter}1", chance.randrange(10**6)
    gap = trouble = 0
    rate = chance.choice((0.0, 0.01, 0.05, 0.2))
    for time_s in times:
        value += chance.randrange(chance.choice((1, 50, 5000)) + 1)
        if gap:
            gap -= 1
            continue
        if chance.random() < rate:
            what = chance.randrange(8)
            if what <= 2:
                gap = chance.choice((0, 1, 1, 3, 10, 50, 100))
                continue
            if what == 3:
                trouble = chance.choice((1, 1, 4, 30))
            elif what == 4:  # exchanged
                device, value = f"{device}'", chance.randrange(10**6)
            elif what == 5:  # twice
                found.append(Reading(meter, device, time_s, value, 5 | _trouble(chance), 0))
                value += chance.randrange(100)
            elif what == 6:  # off the grid
                found.append(Reading(meter, device, time_s - period + chance.randrange(1, period), value, 5, 4))
            else:  # a value that falls, for once
                found.append(Reading(meter, device, time_s, max(0, value - chance.randrange(1, 10**5)), 5, 4))
                continue
        gateway, own_status = 5 | chance.choice((0, 0, 0, *_HARMLESS)), 4
        if trouble:
            trouble -= 1
            gateway |= chance.choice((0, *_TROUBLES))
            own_status |= chance.choice(_METER_TROUBLES) if gateway == 5 else 0
        found.append(Reading(meter, device, time_s, value, gateway, own_status))
    return found


def _trouble(chance: random.Random) -> int:
    return chance.choice((0, 0, *_TROUBLES))


def profile_of(case: Case) -> EvaluationProfile:
    """The profile of a case."""
    return EvaluationProfile(
        "case",
        2,
        case.add,
        case.subtract,
        begin=case.valid_from_s,
        end=case.valid_to_s,
        zone=case.calendar.zone,
        registration_period=case.period_s,
        billing_months=case.billing_months,
        calendar=calendar_of(case.calendar),
    )


def calendar_of(plain: Calendar) -> own.Calendar:
    """The same calendar as a profile."""
    days = tuple(
        own.DayProfile(name, tuple(own.Switch(*switch) for switch in switches)) for name, switches in plain.days.items()
    )
    seasons = []
    for place, season in enumerate(plain.seasons):
        following = plain.seasons[(place + 1) % len(plain.seasons)].begin
        last = date(2023, *following) - timedelta(days=1)
        seasons.append(
            own.Season(
                f"s{place}",
                own.MonthDay(*season.begin),
                own.MonthDay(2, 29) if (last.month, last.day) == (2, 28) else own.MonthDay(last.month, last.day),
                tuple(season.week),
                season.holiday,
            )
        )
    return own.Calendar(
        plain.zone,
        days,
        tuple(seasons),
        tuple(day.isoformat() for day in plain.holidays),
        tuple((day.isoformat(), name) for day, name in plain.special.items()),
    )


def offers_of(case: Case) -> list[Offer]:
    """The readings of a case, as the evaluation gets them."""
    places = {name: place for place, name in enumerate(case.add + case.subtract)}
    return [
        Offer(
            places[one.meter],
            one.device,
            one.time_s,
            one.value if counts(one.gateway_status, one.meter_status) else None,
        )
        for one in case.readings
    ]


def whole(case: Case) -> tuple[Plan, Evaluated]:
    """The case evaluated at once."""
    plan = Plan.of(profile_of(case))
    return plan, evaluate(offers_of(case), plan, State())


def bills_of(plan: Plan, evaluated: Evaluated) -> list[Bill]:
    """The bills of what was evaluated, the open period too."""
    rows = period_rows(evaluated.rows, current(plan, evaluated.state))
    return list(bills(rows, plan.boundaries))

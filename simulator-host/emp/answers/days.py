"""Completeness of days: the received quarter hours of the grid, day by day (92, 96 or 100), and the gaps."""

from collections.abc import Sequence
from datetime import date, timedelta
from math import gcd
from typing import NamedTuple

from smgw.look.times import FALSE_AHEAD_US, Zone

from emp.store.storage import Presence

QUARTER_HOUR_US = 900_000_000
_ENOUGH = 8  # target times needed to find the period


class Gap(NamedTuple):
    """Consecutive target times without a value: from the first to the one after the last."""

    from_us: int
    to_us: int
    slots: int
    told: bool  # True: the gateway sent a gap row for each; False: some did not arrive at all


class Day(NamedTuple):
    """One local day. `expected`: target times up to now, of `slots` in all."""

    date: date
    slots: int
    expected: int
    present: int
    told: int  # missing, with a gap row of the gateway

    @property
    def missing(self) -> int:
        """Number of expected target times without a value."""
        return self.expected - self.present

    @property
    def percent(self) -> str:
        """Percent to a tenth; never 100 for a day that lacks a value."""
        if not self.expected:
            return "–"
        tenths = self.present * 1000 // self.expected
        return f"{tenths // 10}.{tenths % 10} %"


def period_of(times: Sequence[int]) -> int:
    """The grid's period in microseconds: the largest that fits all target times; a quarter hour if there are few."""
    if len(times) < _ENOUGH:
        return QUARTER_HOUR_US
    return gcd(*times) or QUARTER_HOUR_US


def known_until(last_target_us: int, now_us: int) -> int:
    """The time up to which values are expected: now, or the last one's if the gateway's clock is a little ahead."""
    return last_target_us if now_us < last_target_us <= now_us + FALSE_AHEAD_US else now_us


def slots(from_us: int, to_us: int, period_us: int) -> range:
    """The target times of a grid in a time span; its end is not included."""
    return range(-(-from_us // period_us) * period_us, to_us, period_us)


def completeness(
    presence: Sequence[Presence], zone: Zone, days: Sequence[date], first_us: int, now_us: int
) -> tuple[list[Day], list[Gap]]:
    """Days and gaps. Nothing is expected before `first_us`, the device's first target time, or after `now_us`."""
    found: dict[int, bool] = dict(presence)
    period_us = period_of(list(found))
    told: list[Day] = []
    missing: list[int] = []
    for day in days:
        from_us, to_us = zone.midnight(day), zone.midnight(day + timedelta(days=1))
        expected = slots(max(from_us, first_us), min(to_us, now_us), period_us)
        lacking = [target_us for target_us in expected if not found.get(target_us)]
        missing += lacking
        told.append(
            Day(
                day,
                len(slots(from_us, to_us, period_us)),
                len(expected),
                len(expected) - len(lacking),
                sum(target_us in found for target_us in lacking),
            )
        )
    return told, gaps(missing, period_us, frozenset(found))


def gaps(missing: Sequence[int], period_us: int, told: frozenset[int]) -> list[Gap]:
    """Missing target times, in order, as gaps."""
    found: list[Gap] = []
    for target_us in missing:
        is_told = target_us in told
        if found and found[-1].to_us == target_us:
            last = found[-1]
            found[-1] = Gap(last.from_us, target_us + period_us, last.slots + 1, last.told and is_told)
        else:
            found.append(Gap(target_us, target_us + period_us, 1, is_told))
    return found


def month_of(day: date) -> list[date]:
    """All days of a day's month."""
    first = day.replace(day=1)
    return [
        first + timedelta(days=number) for number in range(31) if (first + timedelta(days=number)).month == day.month
    ]


def week_of(day: date) -> list[date]:
    """Monday to Sunday."""
    monday = day - timedelta(days=day.weekday())
    return [monday + timedelta(days=number) for number in range(7)]

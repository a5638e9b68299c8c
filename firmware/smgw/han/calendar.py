"""The marks between which a series counts: quarter hours, hours, days, months and years of local time, as instants.

A day has 23, 24 or 25 hours. Nothing here counts with 24.
"""

from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum

from smgw.cosem.zone import time_zone
from smgw.metering.evaluation.steps import instant
from smgw.store.ranges import Range

_SECOND = 1_000_000
_HOUR_US = 3_600 * _SECOND
#: Days that a calendar knows: instants outside are refused before any day is counted.
_FIRST, _LAST = date(1971, 1, 1), date(9000, 1, 1)


class Step(StrEnum):
    """How far it is from one mark to the next."""

    QUARTER = "quarter-hour"
    HOUR = "hour"
    DAY = "day"
    MONTH = "month"
    YEAR = "year"


_MARKS_AT_ONCE = 960
_QUARTER_US = _HOUR_US // 4
_EVEN = {Step.QUARTER: _QUARTER_US, Step.HOUR: _HOUR_US}


def midnight(day: date, zone: str) -> int:
    """The first instant of a local day, in microseconds UTC."""
    return instant(datetime.combine(day, time(), time_zone(zone)))[0] * _SECOND


def day_of(at_us: int, zone: str) -> date:
    """The local day of an instant; the first or last day that is known for one outside."""
    seconds = min(max(at_us // _SECOND, _known(_FIRST)), _known(_LAST))
    return datetime.fromtimestamp(seconds, UTC).astimezone(time_zone(zone)).date()


def marks(step: Step, wanted: Range, zone: str, most: int) -> list[int]:
    """Marks from the last one at or before `wanted.since` to the first one at or after `wanted.until`, at most `most`.

    Quarter hours and hours are even in UTC: all zones of today differ from it by whole quarter hours. So an hour of a
    zone that differs by half an hour begins at its half.
    """
    every = _EVEN.get(step)
    if every:
        first = wanted.since // every * every
        last = min(-(-wanted.until // every) * every, first + every * (most - 1))
        return list(range(first, last + 1, every))
    found = []
    for day in _days(step, day_of(wanted.since, zone)):
        found.append(midnight(day, zone))
        if found[-1] >= wanted.until or len(found) >= most or day >= _LAST:
            break
    return found


def pieces(step: Step, wanted: Range, zone: str, most: int) -> Iterator[Range]:
    """The same marks in pieces that touch each other, so that a year of quarter hours needs no memory."""
    at = marks(step, wanted, zone, most)
    for place in range(0, max(len(at) - 1, 1), _MARKS_AT_ONCE):
        yield Range(at[place], at[min(place + _MARKS_AT_ONCE, len(at) - 1)])


def _days(step: Step, first: date) -> Iterator[date]:
    begin, following = _STEPS[step]
    day = begin(first)
    while True:
        yield day
        day = following(day)


_STEPS: Mapping[Step, tuple[Callable[[date], date], Callable[[date], date]]] = {
    Step.DAY: (lambda day: day, lambda day: day + timedelta(days=1)),
    Step.MONTH: (lambda day: day.replace(day=1), lambda day: (day + timedelta(days=31)).replace(day=1)),
    Step.YEAR: (lambda day: day.replace(month=1, day=1), lambda day: day.replace(year=day.year + 1)),
}


def _known(day: date) -> int:
    return int(datetime.combine(day, time(), UTC).timestamp())

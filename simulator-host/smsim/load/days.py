"""German days: legal time, public holidays, and the day types and seasons of the VDEW 1999 load profiles."""

import functools
from datetime import UTC, date, datetime, timedelta
from enum import IntEnum
from typing import NamedTuple

QUARTER_HOUR_S = 900
_DAY_S = 86_400
_HOUR_S = 3_600
_EPOCH = date(1970, 1, 1).toordinal()

#: Public holidays of all German states with a fixed date, as (month, day).
_FIXED_HOLIDAYS = ((1, 1), (5, 1), (10, 3), (12, 25), (12, 26))
#: Movable holidays, as days from Easter Sunday: Good Friday, Easter Monday, Ascension Day, Whit Monday.
_EASTER_HOLIDAYS = (-2, 1, 39, 50)
#: Count as Saturdays unless they are Sundays.
_HALF_HOLIDAYS = ((12, 24), (12, 31))


class DayType(IntEnum):
    """The three kinds of days of a VDEW 1999 profile."""

    WORKDAY = 0
    SATURDAY = 1
    SUNDAY = 2


class Season(IntEnum):
    """The three seasons of a VDEW 1999 profile."""

    WINTER = 0  # 1 November to 20 March
    SUMMER = 1  # 15 May to 14 September
    TRANSITION = 2  # between them


class LocalQuarter(NamedTuple):
    """A quarter hour on a clock: days since 1970-01-01, and which of that day's 96 positions."""

    day: int
    position: int


def easter(year: int) -> date:
    """Easter Sunday of the Gregorian calendar (the computus after Meeus, Jones and Butcher)."""
    golden = year % 19
    century, rest = divmod(year, 100)
    correction = (century - (century + 8) // 25 + 1) // 3
    epact = (19 * golden + century - century // 4 - correction + 15) % 30
    weekday = (32 + 2 * (century % 4) + 2 * (rest // 4) - epact - rest % 4) % 7
    late = (golden + 11 * epact + 22 * weekday) // 451
    month, day = divmod(epact + weekday - 7 * late + 114, 31)
    return date(year, month, day + 1)


@functools.lru_cache(maxsize=8)
def holidays(year: int) -> frozenset[date]:
    """The nine public holidays that all German states share."""
    sunday = easter(year)
    return frozenset(
        [date(year, month, day) for month, day in _FIXED_HOLIDAYS]
        + [sunday + timedelta(days=distance) for distance in _EASTER_HOLIDAYS]
    )


def day_type(day: date) -> DayType:
    """The kind of a day: the row of the profile."""
    weekday = day.isoweekday()
    if weekday == 7 or day in holidays(day.year):
        return DayType.SUNDAY
    if weekday == 6 or (day.month, day.day) in _HALF_HOLIDAYS:
        return DayType.SATURDAY
    return DayType.WORKDAY


def season(day: date) -> Season:
    """The season of a day: the table of the profile."""
    month_day = (day.month, day.day)
    if month_day >= (11, 1) or month_day <= (3, 20):
        return Season.WINTER
    if (5, 15) <= month_day <= (9, 14):
        return Season.SUMMER
    return Season.TRANSITION


@functools.lru_cache(maxsize=8)
def _summer_time(year: int) -> tuple[int, int]:
    """First and last moment of summer time in seconds since 1970: the last Sundays of March and October, 01:00 UTC."""
    begin, end = (
        int(datetime(year, month, 31 - date(year, month, 31).isoweekday() % 7, 1, tzinfo=UTC).timestamp())
        for month in (3, 10)
    )
    return begin, end


def utc_offset_s(utc_s: int) -> int:
    """German legal time minus UTC, in seconds, by the rule in force since 1996: no time-zone database is needed."""
    begin, end = _summer_time(date_of(utc_s // _DAY_S).year)
    return 2 * _HOUR_S if begin <= utc_s < end else _HOUR_S


def date_of(day: int) -> date:
    """The date that is `day` days after 1970-01-01."""
    return date.fromordinal(_EPOCH + day)


def local_quarter(quarter: int) -> LocalQuarter:
    """The clock position of a quarter hour (counted in UTC since 1970): 92, 96 or 100 of them make a local day."""
    utc_s = quarter * QUARTER_HOUR_S
    day, second = divmod(utc_s + utc_offset_s(utc_s), _DAY_S)
    return LocalQuarter(day, second // QUARTER_HOUR_S)


def standard_quarter(quarter: int) -> LocalQuarter:
    """The same in Central European Standard Time all year, which follows the sun."""
    day, second = divmod(quarter * QUARTER_HOUR_S + _HOUR_S, _DAY_S)
    return LocalQuarter(day, second // QUARTER_HOUR_S)


def utc_of_local(local: datetime) -> int:
    """Seconds since 1970 of a German legal time without offset; of the doubled hour in October the first one.

    ValueError for a time in the missing hour in March.
    """
    clock = int(local.replace(tzinfo=UTC, microsecond=0).timestamp())
    for offset in (2 * _HOUR_S, _HOUR_S):
        if utc_offset_s(clock - offset) == offset:
            return clock - offset
    raise ValueError(f"{local} does not exist: the clocks go from 02:00 to 03:00 on that day")

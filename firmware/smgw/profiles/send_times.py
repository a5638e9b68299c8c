"""When the rows of an evaluation go to its EMPs (RW08 of TR-03109-1): at local times, or at ends of billing periods.

A row goes at the first send time that is not before its target time. A row without a target time goes by its capture
time. So what was missed while the gateway was off goes afterwards. A row with a time that has not come yet goes at
once: the gateway's clock was wrong then.
"""

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from typing import NamedTuple

from smgw.cosem.zone import time_zone

_SECOND = 1_000_000
_MONTHS = 12
#: A target time is a little ahead of its capture, and two processes do not know the time equally well.
_AHEAD_US = 3600 * _SECOND


class SendTimes(NamedTuple):
    """Local times of each day (minutes), or begins of every n-th month, counted from January."""

    zone: str
    minutes: tuple[int, ...] = ()
    months: int = 0  # 0: at `minutes`

    def allows(self, time_us: int, now_us: int) -> bool:
        """Whether a row of this time goes now."""
        return time_us > now_us + _AHEAD_US or time_us <= self.last(now_us // _SECOND) * _SECOND

    def last(self, at_s: int) -> int:
        """The newest send time up to this instant, seconds UTC."""
        return max(one for one in self._around(at_s) if one <= at_s)

    def next(self, at_s: int) -> int:
        """The first send time after this instant."""
        return min(one for one in self._around(at_s) if one > at_s)

    def _around(self, at_s: int) -> Iterator[int]:
        """Send times near an instant, at least one on each side."""
        zone = time_zone(self.zone)
        today = datetime.fromtimestamp(at_s, UTC).date()
        minutes = (0,) if self.months else self.minutes
        for day in self._begins(today) if self.months else (today + timedelta(days=n) for n in (-2, -1, 0, 1, 2)):
            for minute in minutes:
                yield int(datetime.combine(day, time(minute // 60, minute % 60), zone).timestamp())

    def _begins(self, day: date) -> Iterator[date]:
        first = (day.year * _MONTHS + day.month - 1) // self.months * self.months
        for number in (first - self.months, first, first + self.months, first + 2 * self.months):
            years, month = divmod(number, _MONTHS)
            yield date(years, month + 1, 1)

    def __str__(self) -> str:
        if self.months:
            return "at the end of each billing period"
        return "at " + ", ".join(f"{minute // 60:02d}:{minute % 60:02d}" for minute in self.minutes)

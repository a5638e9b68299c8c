"""Begins of billing periods and of billing days, in seconds UTC."""

from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache

from smgw.cosem.zone import time_zone
from smgw.metering.evaluation.steps import instant

_DAY_S = 86_400


@lru_cache(maxsize=16)
def boundaries(zone: str, months: int, minute: int = 0) -> "Boundaries":
    """Those of a zone. Many evaluations share them: one thread evaluates."""
    return Boundaries(zone, months, minute)


class Boundaries:
    """Local midnights of the first of every n-th month from January on, or a local time of every day (n = 0)."""

    def __init__(self, zone: str, months: int, minute: int = 0) -> None:
        self._zone = time_zone(zone)
        self._months = months
        self._time = time(minute // 60, minute % 60)
        self._from = self._until = 0

    def after(self, at_s: int) -> int:
        """The first boundary after this instant."""
        if not self._from <= at_s < self._until:
            self._find(at_s)
        return self._until

    def before(self, at_s: int) -> int:
        """The last boundary that is not after this instant."""
        self.after(at_s)
        return self._from

    def is_one(self, at_s: int) -> bool:
        """Whether this instant is a boundary."""
        return self.after(at_s - 1) == at_s

    def _find(self, at_s: int) -> None:
        day = datetime.fromtimestamp(at_s - 2 * _DAY_S, UTC).date()
        begin = day.replace(month=(day.month - 1) // self._months * self._months + 1, day=1) if self._months else day
        while (until := self._instant(following := self._next(begin))) <= at_s:
            begin = following
        self._from, self._until = self._instant(begin), until

    def _next(self, begin: date) -> date:
        if not self._months:
            return begin + timedelta(days=1)
        years, month = divmod(begin.month - 1 + self._months, 12)
        return date(begin.year + years, month + 1, 1)

    def _instant(self, day: date) -> int:
        return instant(datetime.combine(day, self._time, self._zone))[0]

"""Which step of a tariff holds when: a calendar, compiled into instants of UTC.

Switch times are local wall time. In autumn a time that comes twice is the first one, so a step goes on through the
second one. In spring a time that does not exist is passed at the jump. The interval that ends at the jump then belongs
to no one step, as in TRuDI: the local times that do not exist count as part of it.
"""

from typing import TYPE_CHECKING, NamedTuple

from smgw.cosem.zone import time_zone
from smgw.profiles.calendar import Calendar, within

if TYPE_CHECKING:
    from datetime import datetime

_DAY = 86_400
_EPOCH = 719_163  # the ordinal of 1970-01-01
#: Times that are no date of a calendar belong to no step.
_LATEST = 253_370_764_800 - 3 * _DAY  # the year 9999
#: Days whose switches are remembered.
_REMEMBERED = 64


class Change(NamedTuple):
    """From this instant on the step holds. `skipped`: its local time does not exist."""

    at_s: int
    step: int
    skipped: bool


class Steps:
    """The steps of one calendar. Times are seconds since 1970 UTC. Neighbouring questions are answered at once."""

    def __init__(self, calendar: Calendar) -> None:
        self._calendar = calendar
        self._zone = time_zone(calendar.zone)
        self._switches = {day.name: day.switches for day in calendar.days}
        self._holidays = frozenset(calendar.holidays)
        self._special = dict(calendar.special)
        self._known: dict[int, tuple[Change, ...]] = {}
        # What is known now: the step holds from `_from` to `_until`. `_open`: perhaps longer.
        self._from = self._until = 0
        self._step = 0
        self._open = self._skipped = False
        self._next_day = 0

    def of(self, begin_s: int, end_s: int) -> int | None:
        """The step that holds from begin to end, without a change between; None if it changes."""
        if not self._from <= begin_s < self._until:
            if not _DAY <= begin_s < end_s < _LATEST:
                return None
            self._find(begin_s)
        while self._open and self._until <= end_s < _LATEST:
            self._extend()
        if end_s < self._until or (end_s == self._until and not self._skipped):
            return self._step
        return None

    def _find(self, at_s: int) -> None:
        """The stretch around an instant, as far as one day knows it."""
        day = at_s // _DAY + 2  # a local day may begin earlier than that of UTC
        while True:
            day -= 1
            changes = self._changes(day)
            before = [one for one in changes if one.at_s <= at_s]
            if before:
                break
        self._from, self._step, _ = before[-1]
        self._open, self._skipped = True, False
        self._until, self._next_day = at_s + 1, day
        self._scan(changes[len(before) :])

    def _extend(self) -> None:
        self._scan(self._changes(self._next_day))

    def _scan(self, changes: tuple[Change, ...]) -> None:
        self._next_day += 1
        for at_s, step, skipped in changes:
            if step != self._step:
                self._until, self._skipped, self._open = at_s, skipped, False
                return
            self._until = max(self._until, at_s)

    def _changes(self, day: int) -> tuple[Change, ...]:
        """The switches of a local day, which is counted from 1970-01-01."""
        if day not in self._known:
            if len(self._known) >= _REMEMBERED:
                self._known.clear()
            self._known[day] = self._made(day)
        return self._known[day]

    def _made(self, day: int) -> tuple[Change, ...]:
        from datetime import date

        today = date.fromordinal(day + _EPOCH)
        found = []
        for minute, step in self._switches[self._profile_of(today.isoformat(), today.weekday())]:
            at_s, skipped = instant(self._zone_time(today, minute))
            found.append(Change(at_s, step, skipped))
        return tuple(found)

    def _profile_of(self, date: str, weekday: int) -> str:
        yearly = date[5:]
        special = self._special.get(date) or self._special.get(yearly)
        if special:
            return special
        month_day = int(yearly[:2]), int(yearly[3:])
        season = next(one for one in self._calendar.seasons if within(one, month_day))
        if season.holiday and (date in self._holidays or yearly in self._holidays):
            return season.holiday
        return season.week[weekday]

    def _zone_time(self, today: "object", minute: int) -> "datetime":
        from datetime import date, datetime, time

        assert isinstance(today, date)
        return datetime.combine(today, time(minute // 60, minute % 60), self._zone)


def instant(local: "datetime") -> tuple[int, bool]:
    """The first instant (seconds UTC) of a local time; the jump, and True, for a time that does not exist."""
    from datetime import UTC, datetime, timedelta

    def second(one: "datetime") -> int:
        return (one.astimezone(UTC) - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(seconds=1)

    def offset(at_s: int) -> "timedelta | None":
        return datetime.fromtimestamp(at_s, local.tzinfo).utcoffset()

    first = second(local.replace(fold=0))
    if local.replace(fold=0).utcoffset() == offset(first):
        return first, False
    low, high = second(local.replace(fold=1)), first  # before the jump, and at or after it
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if offset(middle) == offset(low) else (low, middle)
    return high, True

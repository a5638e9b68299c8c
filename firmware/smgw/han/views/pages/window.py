"""The time that a page of energy shows: a day, a week, a month or a year of local time, and its neighbours."""

from collections.abc import Mapping
from datetime import date, timedelta
from enum import StrEnum
from typing import NamedTuple

from smgw.han.calendar import Step
from smgw.look.language import Language
from smgw.look.times import Zone
from smgw.store.ranges import Range

#: Years that a page shows; other days are answered as the nearest of them.
MIN_YEAR, MAX_YEAR = 2000, 2199
_FIRST, _LAST = date(MIN_YEAR, 1, 1), date(MAX_YEAR, 12, 31)


class Span(StrEnum):
    """How much a page shows."""

    DAY = "day"
    WEEK = "week"
    MONTH = "month"
    YEAR = "year"


#: What one bar is.
STEPS = {Span.DAY: Step.HOUR, Span.WEEK: Step.DAY, Span.MONTH: Step.DAY, Span.YEAR: Step.MONTH}


class Window(NamedTuple):
    """The first day, and the first day that is not in it any more."""

    span: Span
    first: date
    end: date

    @classmethod
    def parse(cls, query: Mapping[str, str], today: date) -> "Window":
        """The window of a query; what is wrong in it, or missing, is today or a day."""
        named = query.get("range", "")
        span = Span(named) if named in list(Span) else Span.DAY
        return cls.around(span, parse_day(query.get("day", "")) or today)

    @classmethod
    def around(cls, span: Span, day: date) -> "Window":
        """The window with this day in it."""
        day = min(max(day, _FIRST), _LAST)
        if span is Span.WEEK:
            first = day - timedelta(days=day.weekday())
            return cls(span, first, first + timedelta(days=7))
        if span is Span.MONTH:
            first = day.replace(day=1)
            return cls(span, first, (first + timedelta(days=31)).replace(day=1))
        if span is Span.YEAR:
            return cls(span, date(day.year, 1, 1), date(day.year + 1, 1, 1))
        return cls(span, day, day + timedelta(days=1))

    def before(self) -> "Window":
        """The one before."""
        return self.around(self.span, self.first - timedelta(days=1))

    def after(self) -> "Window":
        """The next one."""
        return self.around(self.span, self.end)

    def range(self, zone: Zone) -> Range:
        """In microseconds UTC, both marks."""
        return Range(zone.midnight(self.first), zone.midnight(self.end))

    def title(self, language: Language) -> str:
        """For people."""
        _ = language.text
        if self.span is Span.YEAR:
            return str(self.first.year)
        if self.span is Span.MONTH:
            return language.month(self.first)
        named = {"weekday": language.weekday(self.first), "date": language.date(self.first)}
        if self.span is Span.WEEK:
            return _("Week %(week)s, from %(weekday)s, %(date)s") % {**named, "week": self.first.isocalendar().week}
        return _("%(weekday)s, %(date)s") % named


def parse_day(text: str) -> date | None:
    """`2026-11-29`; None for anything else."""
    try:
        return date.fromisoformat(text) if len(text) == 10 else None
    except ValueError:
        return None

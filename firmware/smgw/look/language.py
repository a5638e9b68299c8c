"""A language of the pages: its words, and how it writes numbers, dates and durations.

English stands in the source. Formats are messages too, so a translator needs no program. Data (CSV, JSON, XML) know no
language.
"""

import datetime
import re
from collections.abc import Callable, Container

from smgw.cosem.duration import period_text, span_text
from smgw.look.times import Zone, ago, duration

SOURCE = "en"
_NUMBER = re.compile(r"-?\d+\.\d+")
_WEIGHED = re.compile(r"\s*([A-Za-z]{1,8})(?:-[A-Za-z0-9-]*)?\s*(?:;\s*q\s*=\s*([01](?:\.\d{0,3})?))?\s*")


def N_(text: str) -> str:  # noqa: N802 - gettext's name: a text for the catalogue, translated where it is shown
    """The text itself."""
    return text


class Language:
    """One language. `text` translates a text, `context` a text that is another one in another context."""

    def __init__(self, code: str, text: Callable[[str], str], context: Callable[[str, str], str]) -> None:
        _ = text
        self.code = code
        self.text = text
        self.context = context
        self.name = context("name of this language", "English")
        self._point = context("decimal point", ".")
        self._separator = context("thousands separator", ",")
        self._date = context("date, as strftime takes it", "%Y-%m-%d")
        self._weekdays = _("Monday Tuesday Wednesday Thursday Friday Saturday Sunday").split()
        self._short_weekdays = _("Mon Tue Wed Thu Fri Sat Sun").split()
        months = _("January February March April May June July August September October November December")
        self._months = months.split()

    def number(self, count: int) -> str:
        """`1,234` in English."""
        return f"{count:,}".replace(",", self._separator)

    def decimal(self, text: str) -> str:
        """A value with this language's decimal point; what is no number stays as it is."""
        return text.replace(".", self._point) if _NUMBER.fullmatch(text) else text

    def percent(self, text: str) -> str:
        """`99.9 %`."""
        return " ".join(map(self.decimal, text.split(" ")))

    def date(self, day: datetime.date) -> str:
        """`2025-03-30` in English."""
        return f"{day:{self._date}}"

    def weekday(self, day: datetime.date) -> str:
        """`Sunday`."""
        return self._weekdays[day.weekday()]

    def short_weekday(self, day: datetime.date) -> str:
        """`Sun`."""
        return self._short_weekdays[day.weekday()]

    def month(self, day: datetime.date) -> str:
        """`March 2025`."""
        return f"{self.month_name(day)} {day.year}"

    def month_name(self, day: datetime.date) -> str:
        """`March`."""
        return self._months[day.month - 1]

    def time(self, zone: Zone, utc_us: int) -> str:
        """Date and time of day in a zone."""
        return zone.local(utc_us, self._date, self._point)

    def ago(self, utc_us: int, now_us: int) -> str:
        """`5 min ago`."""
        _ = self.text
        said = ago(utc_us, now_us)
        if said == N_("just now"):
            return _("just now")
        return _("%(duration)s ago") % {"duration": self.duration(now_us - utc_us)}

    def duration(self, microseconds: int) -> str:
        """`5 min`."""
        return self._units(duration(microseconds))

    def span(self, microseconds: int) -> str:
        """`2 h 45 min`, of a gap: exact, not rounded."""
        return self._units(span_text(microseconds // 1_000_000))

    def period(self, seconds: int) -> str:
        """`15 min`, of a grid."""
        return self._units(period_text(seconds))

    def _units(self, text: str) -> str:
        context = self.context
        units = {"d": context("days, short", "d")}
        return " ".join(units.get(word) or self.decimal(word) for word in text.split(" "))


def preferred(accepted: str, known: Container[str]) -> str | None:
    """The code that a browser prefers (Accept-Language) of those that are known; None if it wants none of them."""
    wanted = []
    for place, part in enumerate(accepted[:1000].split(",")):
        if match := _WEIGHED.fullmatch(part):
            wanted.append((-float(match[2] or 1), place, match[1].lower()))
    return next((code for weight, _, code in sorted(wanted) if weight and code in known), None)

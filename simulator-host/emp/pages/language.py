"""The languages of the pages: words from gettext catalogues, and how numbers and dates are written.

English stands in the source. Every other language is one file `locale/<code>/LC_MESSAGES/emp.po`, compiled at build.
Its formats are messages too, so a translator needs no program. Data (CSV, JSON, XML) know no language.
"""

import datetime
import gettext
import re
from collections.abc import Iterator
from pathlib import Path

from smgw.cosem.duration import period_text, span_text

from emp.times import Zone, ago, duration

DOMAIN = "emp"
LOCALE = Path(__file__).parent.parent / "locale"
SOURCE = "en"
_NUMBER = re.compile(r"-?\d+\.\d+")
_WEIGHED = re.compile(r"\s*([A-Za-z]{1,8})(?:-[A-Za-z0-9-]*)?\s*(?:;\s*q\s*=\s*([01](?:\.\d{0,3})?))?\s*")


def N_(text: str) -> str:  # noqa: N802 - gettext's name: a text for the catalogue, translated where it is shown
    """The text itself."""
    return text


class Language:
    """One language: `words` has its texts."""

    def __init__(self, code: str, locale: Path = LOCALE) -> None:
        self.code = code
        self.words = gettext.translation(DOMAIN, str(locale), [code], fallback=code == SOURCE)
        _ = self.words.gettext
        context = self.words.pgettext
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
        return f"{self._months[day.month - 1]} {day.year}"

    def time(self, zone: Zone, utc_us: int) -> str:
        """Date and time of day in a zone."""
        return zone.local(utc_us, self._date, self._point)

    def ago(self, utc_us: int, now_us: int) -> str:
        """`5 min ago`."""
        _ = self.words.gettext
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
        units = {"d": self.words.pgettext("days, short", "d")}
        return " ".join(units.get(word) or self.decimal(word) for word in text.split(" "))


class Languages:
    """All that have a compiled catalogue, and English."""

    def __init__(self, locale: Path = LOCALE) -> None:
        codes = sorted(file.parent.parent.name for file in locale.glob(f"*/LC_MESSAGES/{DOMAIN}.mo"))
        self._known = {code: Language(code, locale) for code in (SOURCE, *codes)}

    def __iter__(self) -> Iterator[Language]:
        return iter(self._known.values())

    def get(self, code: str | None) -> Language | None:
        """The language of this code, if there is one."""
        return self._known.get(code or "")

    def chosen(self, cookie: str | None, accepted: str) -> Language:
        """What the user chose before, else what the browser prefers (Accept-Language), else English."""
        return self.get(cookie) or self._preferred(accepted) or self._known[SOURCE]

    def _preferred(self, accepted: str) -> Language | None:
        wanted = []
        for place, part in enumerate(accepted[:1000].split(",")):
            if match := _WEIGHED.fullmatch(part):
                wanted.append((-float(match[2] or 1), place, match[1].lower()))
        return next((self._known[code] for weight, _, code in sorted(wanted) if weight and code in self._known), None)

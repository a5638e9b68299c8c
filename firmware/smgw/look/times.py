"""Times on pages: in one time zone and in UTC, the bounds of its days, and ages."""

from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache

from smgw.cosem.duration import duration_text
from smgw.cosem.zone import DEFAULT_ZONE, time_zone
from smgw.errors import SmgwError

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
#: The first moment that no document may name and no page shows. The year 9999 ends within it in no time zone.
END_OF_TIME_US = (datetime(9999, 1, 1, tzinfo=UTC) - _EPOCH) // _MICROSECOND
#: A later time than now is false if it is later by more than this: two clocks that are well never differ so much.
FALSE_AHEAD_US = 3_600_000_000


class ZoneError(SmgwError):
    """The system has no time zone of this name."""


class Zone:
    """The time zone of days and times: the legal time of the meters, not of the browser.

    So a quarter hour belongs to the same day for every user.
    """

    def __init__(self, name: str = DEFAULT_ZONE) -> None:
        try:
            self._zone = time_zone(name)
        except (KeyError, ValueError, OSError):
            raise ZoneError(
                f"{name!r:.60} is no time zone on this computer; {DEFAULT_ZONE} and UTC are (Debian package tzdata)"
            ) from None
        self.name = name

    def at(self, utc_us: int) -> datetime:
        """A moment in this zone; a time outside the years that documents may name is shown as the nearest of them."""
        return (_EPOCH + timedelta(microseconds=_shown(utc_us))).astimezone(self._zone)

    def local(self, utc_us: int | None, date_format: str = "%Y-%m-%d", point: str = ".") -> str:
        """`2025-03-30 03:15:00.50 CEST`; without hundredths where they are 0."""
        if utc_us is None:
            return "–"
        moment = self.at(utc_us)
        hundredths = f"{point}{moment.microsecond // 10_000:02d}" if moment.microsecond >= 10_000 else ""
        return f"{moment:{date_format} %H:%M:%S}{hundredths} {moment:%Z}"

    def midnight(self, day: date) -> int:
        """The begin of a day, in microseconds UTC."""
        return (datetime.combine(day, time(), self._zone) - _EPOCH) // _MICROSECOND


def iso(utc_us: int | None) -> str | None:
    """ISO 8601 in UTC with hundredths, or None."""
    if utc_us is None:
        return None
    # Formatted by hand: an export of a million rows has three million times.
    day, hundredths = divmod(_shown(utc_us) // 10_000, 8_640_000)
    minutes, hundredths = divmod(hundredths, 6000)
    seconds, hundredths = divmod(hundredths, 100)
    return f"{_date(day)}T{minutes // 60:02d}:{minutes % 60:02d}:{seconds:02d}.{hundredths:02d}Z"


def _shown(utc_us: int) -> int:
    return max(0, min(utc_us, END_OF_TIME_US - 1))


@lru_cache(maxsize=64)
def _date(day: int) -> str:
    return (_EPOCH + timedelta(days=day)).strftime("%Y-%m-%d")


def ago(utc_us: int, now_us: int) -> str:
    """How long ago: `just now`, `42 s ago`, `5 min ago`, `3 h ago`, `12 d ago`."""
    past_us = now_us - utc_us
    return "just now" if past_us < 1_950_000 else f"{duration(past_us)} ago"


def duration(microseconds: int) -> str:
    """As the gateway's commands write it, rounded: `0.4 s`, `42 s`, `5 min`, `3 h`, `12 d`."""
    return duration_text(microseconds / 1_000_000)

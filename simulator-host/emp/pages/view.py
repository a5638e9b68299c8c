"""How one page is seen: now, in a time zone, in a language."""

from typing import NamedTuple

from smgw.look.times import FALSE_AHEAD_US, Zone, iso

from emp.pages.language import Language
from emp.store.storage import Rhythm

_MINUTE_US = 60 * 1_000_000
_USUAL_US = 15 * _MINUTE_US  # the gateway's default period
_MARGIN_US = 5 * _MINUTE_US
#: What is older is late where nothing is known of a rhythm: two periods and a margin.
LATE_US = 2 * _USUAL_US + _MARGIN_US


def late_after(rhythm: Rhythm | None) -> tuple[int, int]:
    """From what age on in microseconds the newest arrival of a device, and its newest value, are late.

    A value waits for its own period to end and for the next delivery. No rhythm is faster than the default one.
    """
    arrivals_us = max(_USUAL_US, rhythm.arrivals_us) if rhythm else _USUAL_US
    values_us = max(_USUAL_US, rhythm.values_us) if rhythm else _USUAL_US
    return 2 * arrivals_us + _MARGIN_US, arrivals_us + values_us + _MARGIN_US


class Moment(NamedTuple):
    """A time as a page shows it."""

    local: str
    utc: str
    ago: str
    late: bool


class View(NamedTuple):
    """What the variables of a page need to become texts."""

    zone: Zone
    language: Language
    now_us: int

    def moment(self, utc_us: int | None, late_us: int = LATE_US) -> Moment | None:
        """A time for users; None where there is none. It is late if it is older than `late_us`."""
        if utc_us is None:
            return None
        local = self.language.time(self.zone, utc_us)
        if utc_us > self.now_us + FALSE_AHEAD_US:  # a clock was wrong
            return Moment(local, iso(utc_us) or "", local, True)
        late = self.now_us - utc_us > late_us
        return Moment(local, iso(utc_us) or "", self.language.ago(utc_us, self.now_us), late)

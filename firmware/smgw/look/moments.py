"""Times as a page shows them: local, in UTC, and their age."""

from typing import NamedTuple

from smgw.look.language import Language
from smgw.look.times import FALSE_AHEAD_US, Zone, iso

_MINUTE_US = 60 * 1_000_000
USUAL_US = 15 * _MINUTE_US  # the default period of a gateway
MARGIN_US = 5 * _MINUTE_US
#: What is older is late where nothing is known of a rhythm: two periods and a margin.
LATE_US = 2 * USUAL_US + MARGIN_US


class Moment(NamedTuple):
    """A time as a page shows it."""

    local: str
    utc: str
    ago: str
    late: bool


class Shown(NamedTuple):
    """What the variables of a page need to become texts: a time zone, a language, and now in microseconds UTC."""

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

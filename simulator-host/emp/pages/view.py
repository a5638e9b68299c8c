"""How one page is seen: now, in a time zone, in a language."""

from typing import NamedTuple

from emp.pages.language import Language
from emp.times import FALSE_AHEAD_US, Zone, iso

LATE_US = 15 * 60 * 1_000_000  # a gateway that was silent for a registration period is worth a glance


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

    def moment(self, utc_us: int | None) -> Moment | None:
        """A time for users; None where there is none."""
        if utc_us is None:
            return None
        local = self.language.time(self.zone, utc_us)
        if utc_us > self.now_us + FALSE_AHEAD_US:  # a clock was wrong
            return Moment(local, iso(utc_us) or "", local, True)
        late = self.now_us - utc_us > LATE_US
        return Moment(local, iso(utc_us) or "", self.language.ago(utc_us, self.now_us), late)

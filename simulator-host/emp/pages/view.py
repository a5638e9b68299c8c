"""How one page is seen: now, in a time zone, in a language."""

from smgw.look.moments import LATE_US as LATE_US
from smgw.look.moments import MARGIN_US, USUAL_US
from smgw.look.moments import Moment as Moment
from smgw.look.moments import Shown as View

from emp.store.storage import Rhythm

__all__ = ["LATE_US", "Moment", "View", "late_after"]


def late_after(rhythm: Rhythm | None) -> tuple[int, int]:
    """From what age on in microseconds the newest arrival of a device, and its newest value, are late.

    A value waits for its own period to end and for the next delivery. No rhythm is faster than the default one.
    """
    arrivals_us = max(USUAL_US, rhythm.arrivals_us) if rhythm else USUAL_US
    values_us = max(USUAL_US, rhythm.values_us) if rhythm else USUAL_US
    return 2 * arrivals_us + MARGIN_US, arrivals_us + values_us + MARGIN_US

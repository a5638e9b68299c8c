"""Light codes of status LEDs: what a lamp does at a moment. Patterns are data; nothing here waits or drives a line.

pattern      light
OFF, ON      steady
SLOW         1 s on, 1 s off
FAST         0.1 s on, 0.1 s off
flashes(n)   n times 0.2 s on and 0.3 s off, then 1.5 s off more: count them
"""

from itertools import accumulate
from typing import NamedTuple


class Pattern(NamedTuple):
    """Seconds on, off, on, off, and so on, again and again. Empty: steady."""

    steps: tuple[float, ...] = ()
    steady: bool = False

    def at(self, seconds: float) -> tuple[bool, float]:
        """(whether it is lit, seconds until that changes) so long after the pattern began; steady lasts for ever."""
        if not self.steps:
            return self.steady, float("inf")
        ends = list(accumulate(self.steps))
        phase = seconds % ends[-1]
        place = next((number for number, end in enumerate(ends) if phase < end), 0)
        return place % 2 == 0, ends[place] - phase


OFF, ON = Pattern(), Pattern(steady=True)
SLOW, FAST = Pattern((1.0, 1.0)), Pattern((0.1, 0.1))
_PAUSE_S = 1.5


def flashes(amount: int) -> Pattern:
    """So many flashes, then a pause."""
    steps = [0.2, 0.3] * amount
    steps[-1] += _PAUSE_S
    return Pattern(tuple(steps))

"""A clock that a test sets, for the registrar."""

from captures_made import BOOT, MIDNIGHT
from smgw.cosem import ClockState, Stamp


class Clock:
    """UTC as the test sets it; the time since boot goes with it."""

    def __init__(self, state: ClockState = ClockState.SYNCHRONISED) -> None:
        self.now_us = MIDNIGHT
        self.ahead_us = 0  # how far the time is ahead of the true one
        self.state = state

    def stamp(self) -> Stamp:
        """As a gateway clock."""
        return Stamp(BOOT, (self.now_us - self.ahead_us) * 1000, self.now_us, 5000, self.state)

"""The simulated calendar: maps the PC's running time to simulated time.

Time is counted in ticks. One tick is 1/(1000 · S) of a simulated second, where S is the number of seconds that a
simulated quarter hour takes on the PC. So one millisecond of the PC is exactly 900 ticks for any S.
"""

from typing import NamedTuple

from smsim.load.days import QUARTER_HOUR_S


class TimeLapse(NamedTuple):
    """start_utc_s: the simulated moment at the start of the simulator; resolution_ms: the step of the registers."""

    start_utc_s: int
    seconds_per_quarter_hour: int = 4
    resolution_ms: int = 1000

    @property
    def ticks_per_second(self) -> int:
        """Ticks of one simulated second."""
        return 1000 * self.seconds_per_quarter_hour

    @property
    def ticks_per_quarter(self) -> int:
        """Ticks of one simulated quarter hour."""
        return QUARTER_HOUR_S * self.ticks_per_second

    @property
    def start(self) -> int:
        """The start in ticks since 1970-01-01 UTC."""
        return self.start_utc_s * self.ticks_per_second

    def ticks(self, elapsed_ms: int) -> int:
        """The moment (ticks since 1970) after `elapsed_ms` on the PC, on the step of the resolution."""
        return self.start + elapsed_ms // self.resolution_ms * self.resolution_ms * QUARTER_HOUR_S

    def utc_s(self, ticks: int) -> int:
        """A simulated moment in whole seconds since 1970."""
        return ticks // self.ticks_per_second

"""How the offset moves towards what a sample said: never faster than 500 ppm, so the time never goes back."""

from typing import NamedTuple

from smgw.clock.sample import TimeSample

# What NTP and the kernel allow a disciplined clock at most (RFC 5905, 11.3).
MAX_SLEW_PPM = 500


class Slew(NamedTuple):
    """From BOOTTIME `start_ns` on, the offset moves from `offset_ns` to the offset of `sample`; before, it stands."""

    start_ns: int
    offset_ns: int
    sample: TimeSample

    def offset_at(self, boottime_ns: int) -> int:
        """UTC minus BOOTTIME in nanoseconds."""
        residual = self.sample.offset_us * 1000 - self.offset_ns
        reach = max(0, boottime_ns - self.start_ns) * MAX_SLEW_PPM // 1_000_000
        return self.offset_ns + max(-reach, min(reach, residual))

    def dispersion_at(self, boottime_ns: int) -> int:
        """Microseconds by which the time may be off: the sample's, aged, and what is still to be slewed."""
        residual = abs(self.sample.offset_us * 1000 - self.offset_at(boottime_ns))
        return self.sample.dispersion_at(boottime_ns) + -(-residual // 1000)

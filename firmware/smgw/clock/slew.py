"""Moves the offset towards a sample's offset: never faster than 500 ppm, so the time never goes back."""

from typing import NamedTuple

from smgw.clock.sample import TimeSample

# The fastest slew that NTP and the kernel allow (RFC 5905, 11.3).
MAX_SLEW_PPM = 500


class Slew(NamedTuple):
    """From BOOTTIME `start_ns` on, the offset moves from `offset_ns` to the offset of `sample`; before, it is fixed."""

    start_ns: int
    offset_ns: int
    sample: TimeSample

    def offset_at(self, boottime_ns: int) -> int:
        """UTC minus BOOTTIME in nanoseconds."""
        residual = self.sample.offset_us * 1000 - self.offset_ns
        reach = max(0, boottime_ns - self.start_ns) * MAX_SLEW_PPM // 1_000_000
        return self.offset_ns + max(-reach, min(reach, residual))

    def dispersion_at(self, boottime_ns: int) -> int:
        """The possible error in microseconds: that of the sample, aged, and the rest of the slew."""
        residual = abs(self.sample.offset_us * 1000 - self.offset_at(boottime_ns))
        return self.sample.dispersion_at(boottime_ns) + -(-residual // 1000)

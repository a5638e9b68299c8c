"""One measurement of the time, and the choice of the best of several."""

from collections import deque
from typing import NamedTuple

# How fast an undisciplined clock may drift: the frequency tolerance PHI of NTP (RFC 5905, 7.2), 15 us a second.
# The kernel lengthens CLOCK_BOOTTIME's second as timesyncd or chrony tell it, so in service it drifts less.
FREQUENCY_TOLERANCE_PPM = 15

# How many samples compete: the depth of NTP's clock filter (RFC 5905, section 10).
FILTER_DEPTH = 8


class TimeSample(NamedTuple):
    """At BOOTTIME `boottime_ns` of boot `boot_id`, UTC minus BOOTTIME was `offset_us`, give or take `dispersion_us`."""

    boot_id: str
    boottime_ns: int
    offset_us: int
    dispersion_us: int
    source: str

    def dispersion_at(self, boottime_ns: int) -> int:
        """Microseconds by which the offset may be off at another moment of the same boot, earlier or later."""
        return self.dispersion_us + drift_us(boottime_ns - self.boottime_ns)


def drift_us(age_ns: int) -> int:
    """Microseconds, rounded up, that a clock may have drifted in `age_ns` (either sign)."""
    return -(-abs(age_ns) * FREQUENCY_TOLERANCE_PPM // 1_000_000_000)


class SampleFilter:
    """Keeps the newest samples and says which to believe: the one whose dispersion, aged to a common moment, is least.

    This is NTP's clock filter without its jitter statistics. A sample's error lies mostly in what its packets waited on
    the way, which its round trip bounds; so the quickest exchange of the last few is the best, averaging would only mix
    the bad ones in, and a server that answers late now and then never moves the clock. All samples age at one rate, so
    the order among them does not depend on when one asks.
    """

    def __init__(self) -> None:
        self._samples: deque[TimeSample] = deque(maxlen=FILTER_DEPTH)

    def add(self, sample: TimeSample) -> TimeSample:
        """Take a sample in (the oldest leaves) and return the best; among equals the newest."""
        self._samples.append(sample)
        return min(reversed(self._samples), key=lambda candidate: candidate.dispersion_at(sample.boottime_ns))

    def clear(self) -> None:
        """Forget all: they belong to a time that turned out to be wrong."""
        self._samples.clear()

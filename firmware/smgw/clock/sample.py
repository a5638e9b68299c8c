"""One measurement of the time, and the choice of the best of several."""

from collections import deque
from typing import NamedTuple

# How fast an undisciplined clock may drift: the frequency tolerance PHI of NTP (RFC 5905, 7.2), 15 us a second.
# timesyncd or chrony correct the rate of CLOCK_BOOTTIME, so in service it drifts less.
FREQUENCY_TOLERANCE_PPM = 15

# Number of samples to choose from: the depth of NTP's clock filter (RFC 5905, section 10).
FILTER_DEPTH = 8


class TimeSample(NamedTuple):
    """At BOOTTIME `boottime_ns` of boot `boot_id`, UTC minus BOOTTIME was `offset_us` ± `dispersion_us`."""

    boot_id: str
    boottime_ns: int
    offset_us: int
    dispersion_us: int
    source: str

    @property
    def name(self) -> str:
        """How its source counts: `system clock (chrony)` is `system clock`. No host name has a blank."""
        return self.source.partition(" (")[0]

    def dispersion_at(self, boottime_ns: int) -> int:
        """The possible error of the offset in microseconds at another moment of the same boot, earlier or later."""
        return self.dispersion_us + drift_us(boottime_ns - self.boottime_ns)


def drift_us(age_ns: int) -> int:
    """The possible drift of a clock in `age_ns` (either sign), in microseconds, rounded up."""
    return -(-abs(age_ns) * FREQUENCY_TOLERANCE_PPM // 1_000_000_000)


class SampleFilter:
    """Stores the newest samples and selects the one with the least dispersion, aged to a common moment.

    This is NTP's clock filter without its jitter statistics. Most of a sample's error is the delay of its packets, and
    the round trip bounds it. So the fastest of the last exchanges is the best one; an average would include bad
    samples. A server that answers late now and then never moves the clock. All samples age at the same rate, so their
    order does not depend on the time of the call.

    Samples that the newest one contradicts are dropped: the source was set meanwhile.
    """

    def __init__(self) -> None:
        self._samples: deque[TimeSample] = deque(maxlen=FILTER_DEPTH)

    def __len__(self) -> int:
        return len(self._samples)

    def add(self, sample: TimeSample) -> TimeSample:
        """Add a sample (the oldest is dropped) and return the best one; among equals the newest."""
        for other in [one for one in self._samples if contradict(one, sample)]:
            self._samples.remove(other)
        self._samples.append(sample)
        return self.best(sample.boottime_ns)

    def best(self, boottime_ns: int) -> TimeSample:
        """The sample with the least dispersion at a moment; among equals the newest. There must be one."""
        return min(reversed(self._samples), key=lambda candidate: candidate.dispersion_at(boottime_ns))


def contradict(one: TimeSample, other: TimeSample) -> bool:
    """True if two samples of one boot cannot both be true."""
    apart_us = abs(one.offset_us - other.offset_us)
    return apart_us > one.dispersion_at(other.boottime_ns) + other.dispersion_us

"""Which sources of time agree: the intersection algorithm of NTP (RFC 5905, 11.2.1), as pure functions."""

from collections.abc import Sequence
from typing import NamedTuple

from smgw.clock.sample import TimeSample

#: Added to what a source says of its own error. Cheap crystals drift more than samples allow for, and the two ways over
#: a slow link may differ. A lie of this size does no harm.
SLACK_US = 250_000


class Agreement(NamedTuple):
    """`sample`: the time of the sources that agree, at the moment of the comparison; `sources`: their names."""

    sample: TimeSample
    sources: frozenset[str]


def needed(total: int) -> int:
    """How many of so many sources must agree: the majority."""
    return total // 2 + 1


def agree(samples: Sequence[TimeSample], total: int, boottime_ns: int) -> Agreement | None:
    """The agreement of a majority of `total` sources; `samples` has one of each that was heard. None if there is none.

    The time is the middle one of those that agree. While true sources are the majority, it lies between two of them,
    whatever precision a false one claims. The dispersion reaches so far that it covers at least one true source.
    """
    found = intersection(samples, boottime_ns)
    if found is None:
        return None
    agreeing = sorted((one for one in samples if found[0] <= one.offset_us <= found[1]), key=lambda one: one.offset_us)
    if len(agreeing) < needed(total):
        return None
    middles = agreeing[(len(agreeing) - 1) // 2 : len(agreeing) // 2 + 1]
    middle = min(middles, key=lambda one: one.dispersion_at(boottime_ns))
    reaches = sorted(abs(one.offset_us - middle.offset_us) + one.dispersion_at(boottime_ns) for one in agreeing)
    most_false = total - needed(total)
    label = ", ".join(sorted(one.source for one in agreeing))
    sample = TimeSample(middle.boot_id, boottime_ns, middle.offset_us, reaches[most_false], label)
    return Agreement(sample, frozenset(one.name for one in agreeing))


def intersection(samples: Sequence[TimeSample], boottime_ns: int) -> tuple[int, int] | None:
    """The offsets in which the least possible number of sources is false; None if that would be half of them."""
    edges: list[tuple[int, int]] = []
    for sample in samples:
        reach = sample.dispersion_at(boottime_ns) + SLACK_US
        edges += [(sample.offset_us - reach, 1), (sample.offset_us, 2), (sample.offset_us + reach, 3)]
    edges.sort()
    for false in range((len(samples) + 1) // 2):
        low, before = _edge(edges, 1, 3, len(samples) - false)
        high, behind = _edge(edges[::-1], 3, 1, len(samples) - false)
        if low is not None and high is not None and low <= high and before + behind <= false:
            return low, high
    return None


def _edge(edges: Sequence[tuple[int, int]], opening: int, closing: int, wanted: int) -> tuple[int | None, int]:
    """Where first so many intervals overlap, and how many midpoints lie before that."""
    inside = midpoints = 0
    for offset_us, kind in edges:
        inside += (kind == opening) - (kind == closing)
        if inside >= wanted:
            return offset_us, midpoints
        midpoints += kind == 2
    return None, midpoints

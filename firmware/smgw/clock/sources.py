"""The sources of time that were heard, each with its newest samples, and which of them have a voice.

A source is authenticated if it proved who it is: a time server over TLS. Where one is configured, only authenticated
sources have a voice. The others are sampled and shown, and never set the clock: not by their number, and not while the
authenticated ones are silent. Otherwise somebody on the way could cut the connection to these, and forge the others.
"""

from collections.abc import Collection

from smgw.clock.agreement import Agreement, agree, needed
from smgw.clock.sample import SampleFilter, TimeSample
from smgw.profiles.checks import TLS_TIME


def is_authenticated(name: str) -> bool:
    """Whether a source proved who it is; its name says so."""
    return name.startswith(TLS_TIME)


class Sources:
    """`names`: the configured sources, a majority of whose voices must agree. None: whoever is heard counts."""

    def __init__(self, names: Collection[str] | None = None) -> None:
        self._names: frozenset[str] | None = None
        self._filters: dict[str, SampleFilter] = {}
        self.expect(names)

    def expect(self, names: Collection[str] | None) -> None:
        """Other sources are configured now. Those that stay keep their samples."""
        self._names = None if names is None else frozenset(names)
        self._filters = {name: one for name, one in self._filters.items() if self.knows(name)}

    def knows(self, name: str) -> bool:
        """Whether the source is configured."""
        return self._names is None or name in self._names

    @property
    def voices(self) -> frozenset[str]:
        """The names of those that have a voice, heard or not: the authenticated ones, or all if there are none."""
        names = frozenset(self._filters) if self._names is None else self._names
        return frozenset(filter(is_authenticated, names)) or names

    @property
    def total(self) -> int:
        """How many have a voice."""
        return len(self.voices)

    @property
    def enough(self) -> bool:
        """Whether so many of these were heard that they could agree."""
        return len(self.heard) >= self.needed

    @property
    def needed(self) -> int:
        """How many must agree."""
        return needed(self.total)

    @property
    def heard(self) -> list[str]:
        """The names of those with a voice that were heard."""
        return sorted(self.voices & self._filters.keys())

    def add(self, sample: TimeSample) -> int:
        """Take a sample in; returns how many samples of this source, one after the other, do not contradict it."""
        found = self._filters.setdefault(sample.name, SampleFilter())
        found.add(sample)
        return len(found)

    def agreement(self, boottime_ns: int, most_us: int) -> Agreement | None:
        """The time of a majority at a moment. Samples with an error above `most_us` are left out."""
        best = [self._filters[name].best(boottime_ns) for name in self.heard]
        return agree([one for one in best if one.dispersion_at(boottime_ns) <= most_us], self.total, boottime_ns)

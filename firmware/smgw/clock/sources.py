"""The sources of time that were heard, each with its newest samples."""

from collections.abc import Collection

from smgw.clock.agreement import Agreement, agree, needed
from smgw.clock.sample import SampleFilter, TimeSample


class Sources:
    """`names`: the configured sources, a majority of which must agree. None: whoever is heard counts."""

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
    def total(self) -> int:
        """How many sources there are, heard or not."""
        return len(self._filters if self._names is None else self._names)

    @property
    def enough(self) -> bool:
        """Whether so many were heard that they could agree."""
        return len(self._filters) >= self.needed

    @property
    def needed(self) -> int:
        """How many must agree."""
        return needed(self.total)

    @property
    def heard(self) -> list[str]:
        """The names of those that were heard."""
        return sorted(self._filters)

    def add(self, sample: TimeSample) -> int:
        """Take a sample in; returns how many samples of this source, one after the other, do not contradict it."""
        found = self._filters.setdefault(sample.name, SampleFilter())
        found.add(sample)
        return len(found)

    def agreement(self, boottime_ns: int, most_us: int) -> Agreement | None:
        """The time of a majority at a moment. Samples with an error above `most_us` are left out."""
        best = [one.best(boottime_ns) for one in self._filters.values()]
        return agree([one for one in best if one.dispersion_at(boottime_ns) <= most_us], self.total, boottime_ns)

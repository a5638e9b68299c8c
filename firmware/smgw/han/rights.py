"""What a consumer may see: the one place that decides it. Whatever is not given here does not exist for them.

- A contract is an evaluation that names the consumer. Its derived registers are those of devices whose profile named
  the consumer when they were written.
- A meter is one of a contract, or of a table [[consumer]]. Its values are shown for the time of the contract or table.
  Who lived here before, and who comes after, is another consumer.
- A meter that a contract subtracts is not shown if it is another consumer's. The contract's registers say enough.
"""

import json
from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

from smgw.errors import SmgwError
from smgw.profiles.evaluation import EvaluationProfile
from smgw.profiles.gateway import Configuration
from smgw.store.ranges import Range, merged
from smgw.store.records import Source

_SECOND = 1_000_000
#: A time that is never reached, in microseconds UTC.
NEVER_US = 1 << 62
ALWAYS = Range(0, NEVER_US)


class NotYoursError(SmgwError):
    """There is no such thing, or it is another's. Both are told in the same words."""

    def __init__(self) -> None:
        super().__init__("there is no such thing here")


class Share(NamedTuple):
    """A source, and the times whose values the consumer may see (microseconds UTC, ends included, in order)."""

    source: Source
    spans: tuple[Range, ...]
    derived: bool

    def covers(self, at_us: int) -> bool:
        """Whether a value of this time may be seen."""
        return any(since <= at_us <= until for since, until in self.spans)

    def parts(self, wanted: Range) -> list[Range]:
        """What of a range may be seen, in order."""
        cut = (Range(max(one.since, wanted.since), min(one.until, wanted.until)) for one in self.spans)
        return [one for one in cut if one.since <= one.until]


class Rights:
    """The rights that a configuration grants. `content_of`: the profile of a derived source, as canonical JSON."""

    def __init__(self, configuration: Configuration, content_of: Callable[[Source], str | None]) -> None:
        self._configuration = configuration
        self._content_of = content_of
        self._consumers: dict[Source, str] = {}  # of derived sources: it never changes

    def contracts(self, consumer: str) -> tuple[EvaluationProfile, ...]:
        """The evaluations that name the consumer."""
        return tuple(one for one in self._configuration.evaluations if consumer and one.consumer == consumer)

    def meters(self, consumer: str) -> Mapping[str, tuple[Range, ...]]:
        """The names of the consumer's meters in the order of the file, each with its times."""
        found: dict[str, list[Range]] = {}
        others = self._meters_of_others(consumer)
        for one in self.contracts(consumer):
            for name in (*one.meters, *(part for part in one.subtract if part not in others)):
                found.setdefault(name, []).append(_span(one.begin, one.end))
        for resident in self._configuration.residents:
            if resident.name == consumer:
                for name in resident.meters:
                    found.setdefault(name, []).append(_span(resident.begin, resident.end))
        order = [one.name for one in self._configuration.meters]
        return {name: tuple(merged(found[name])) for name in order if name in found}

    def _meters_of_others(self, consumer: str) -> frozenset[str]:
        """Meters that another consumer's contract adds, or another's table [[consumer]] names."""
        evaluations, residents = self._configuration.evaluations, self._configuration.residents
        added = [one.meters for one in evaluations if one.consumer not in ("", consumer)]
        return frozenset().union(*added, *(one.meters for one in residents if one.name != consumer))

    def shares(self, consumer: str, sources: Iterable[Source]) -> list[Share]:
        """What of these sources the consumer may see, in their order."""
        meters = self.meters(consumer)
        contracts = {one.name for one in self.contracts(consumer)}
        found = []
        for source in sources:
            if source.meter in meters:
                found.append(Share(source, meters[source.meter], derived=False))
            elif source.meter in contracts and self._consumer(source) == consumer:
                found.append(Share(source, (ALWAYS,), derived=True))
        return found

    def _consumer(self, source: Source) -> str:
        """Whom the profile of a derived source names; "" for nobody."""
        if source not in self._consumers:
            content = self._content_of(source)
            if content is None:
                return ""
            named = json.loads(content).get("consumer", "")
            self._consumers[source] = named if isinstance(named, str) else ""
        return self._consumers[source]


def _span(begin_s: int | None, end_s: int | None) -> Range:
    return Range(0 if begin_s is None else begin_s * _SECOND, NEVER_US if end_s is None else end_s * _SECOND)

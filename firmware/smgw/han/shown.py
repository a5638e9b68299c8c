"""What the `House` answers with, and what it is asked for a file."""

from collections.abc import Callable, Iterator
from typing import NamedTuple

from smgw.clock.gateway_clock import Saved
from smgw.cosem.obis import Obis
from smgw.profiles.evaluation import EvaluationProfile
from smgw.profiles.feed import Grant
from smgw.profiles.meter import MeterProfile
from smgw.store.ranges import Range
from smgw.store.records import MeterState, Source


class Meter(NamedTuple):
    """A meter of the consumer: its devices in the order in which they came, and the times that may be seen."""

    profile: MeterProfile
    sources: tuple[Source, ...]
    spans: tuple[Range, ...]
    states: tuple[MeterState, ...]

    @property
    def allowed(self) -> tuple[Obis, ...]:
        """The registers that the operator's profile stores; none: whatever the meter sends."""
        return self.profile.objects


class Contract(NamedTuple):
    """An evaluation of the consumer, and the devices of its registers: the last one is that of the present version."""

    profile: EvaluationProfile
    sources: tuple[Source, ...]

    @property
    def name(self) -> str:
        """The name of the evaluation."""
        return self.profile.name


class Recipient(NamedTuple):
    """An EMP that may have values of a meter or a contract. `last_us`: when it last acknowledged a delivery.

    The consumer's log book says how many, and when.
    """

    grant: Grant
    last_us: int | None


class Wanted(NamedTuple):
    """A file of AR 2418-6: a contract, and registration times in seconds UTC, both ends included."""

    consumer: str
    contract: str
    begin_s: int
    end_s: int
    now_us: int
    with_log: bool = True


#: Gives the file, or that of the registers as they are now. Errors: SmgwError, which says why.
TransparencyFile = Callable[[Wanted, bool], Iterator[bytes]]


class Clock(NamedTuple):
    """The time of the gateway, and what is known of its quality; None before the clock was ever saved."""

    now_us: int
    saved: Saved | None

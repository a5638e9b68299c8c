"""The two contracts that a protocol can offer, and what a loop and a meter tell each other.

A meter that is asked is a `PolledMeter`, one that speaks by itself a `PushedMeter`. Neither has a thread, a loop or a
clock of its own: `polling` drives the one, `listening` the other, and `Surroundings` hands in the time.
"""

import time
from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

from smgw.cosem import DeviceId, MeterTime, Obis, Reading, Stamp
from smgw.lmn.load_profile import ProfileSource
from smgw.ports import Port
from smgw.store.ranges import Range
from smgw.store.records import CacheKind, CounterKind
from smgw.wire import Refused


class Clock(Protocol):
    """What is needed of the gateway's clock."""

    def stamp(self) -> Stamp:
        """Now."""


class CounterKeeper(Protocol):
    """Where counters are reserved, durably."""

    def reserve(self, kind: CounterKind, scope: str, holder: str, least: int, amount: int) -> int:
        """The first of `amount` numbers that nobody of this scope had before, `least` at least. Raises StoreError."""


class HoldKeeper(Protocol):
    """Where it is stored which meters refused which secret. Raises StoreError."""

    def hold(self, meter: str, secret: bytes, reason: str) -> None:
        """This meter refused this secret."""

    def held(self, meter: str, secret: bytes | None = None) -> str | None:
        """The reason if the meter refused this secret, or any; None if it is not held, or not any more."""

    def release(self, meter: str) -> None:
        """The meter accepts us."""


class Cache(NamedTuple):
    """What meters are asked once and not again: (kind, device, firmware) -> octets."""

    get: Callable[[CacheKind, DeviceId, bytes], bytes | None]
    put: Callable[[CacheKind, DeviceId, bytes, bytes], None]


NO_CACHE = Cache(lambda *_: None, lambda *_: None)


class Patience(NamedTuple):
    """How long a meter waits for an answer, in seconds, and how often it asks again."""

    timeout: float
    retries: int


class Surroundings(NamedTuple):
    """What a meter has beside its profile and its secrets. Times are monotonic seconds."""

    clock: Clock
    cache: Cache = NO_CACHE
    counters: CounterKeeper | None = None
    holds: HoldKeeper | None = None
    now: Callable[[], float] = time.monotonic
    stopping: Callable[[], bool] = lambda: False  # every wait ends soon once it is true
    tick: Callable[[], None] = lambda: None  # to be called now and then, however long one answer takes


class Values(NamedTuple):
    """What a telegram or poll gave of one device."""

    device: DeviceId
    stamp: Stamp  # of the first octets: the values are no younger
    meter_time: MeterTime | None
    readings: tuple[Reading, ...]
    signature: bytes | None = None  # of the whole list
    advice: str = ""  # the meter hides values: what a person has to do
    flags: int = 0  # bits of GatewayStatus for all of these values, such as NOT_VALIDATED
    remark: str = ""  # what is to be said of the quality, such as a clock that is wrong


#: One telegram or poll: values of each device in it, or why it gave none.
Heard = tuple[Values, ...] | Refused


class PolledMeter(Protocol):
    """One meter that answers, behind a port that somebody else opens and closes.

    All verbs raise PollError (no answer, or one that makes no sense), RemoteProtocolError or another SmgwError of the
    protocol, and PortError, after which the port has to be opened anew. After any of them a verb may be called again,
    but for AccessRefusedError: a meter that is asked again with the same password may lock itself.
    """

    patience: Patience

    @property
    def idle_s(self) -> float:
        """How long a session stays open while nothing is asked; if the next poll is later, it is closed before."""

    @property
    def unanswered(self) -> bool:
        """True if a late answer could be taken for another: the port has to be opened anew before the next poll."""

    def identify(self, port: Port) -> DeviceId:
        """Who answers."""

    def poll(self, port: Port) -> Sequence[Heard]:
        """Ask once for what the profile wants; also what the meter pushed meanwhile."""

    def load_profile(self, profile: Obis, wanted: Range) -> ProfileSource:
        """Begin to fetch a range (microseconds UTC) of a load profile of the meter that was identified."""

    def listen(self, port: Port, until: float) -> Sequence[Heard]:
        """Until a moment, or until something came: late answers are recognised and dropped, pushes are taken."""

    def close(self, port: Port) -> None:
        """End the session, so that the meter takes the next one at once. Never raises. The next verb begins anew."""


class PushedMeter(Protocol):
    """The meters that speak by themselves on one line."""

    @property
    def receiving(self) -> bool:
        """True while a telegram has begun and not ended."""

    @property
    def lacks(self) -> int:
        """How many octets the telegram under way lacks if it is as long as the one before; 0 if nothing is known."""

    @property
    def pause_s(self) -> float:
        """A telegram that pauses for longer has ended, whatever it lacks: `finish` is due."""

    def receive(self, octets: bytes, stamp: Stamp) -> Sequence[Heard]:
        """Take octets that came at this moment; what they completed."""

    def finish(self) -> Sequence[Heard]:
        """The line is silent: what has begun has ended."""

"""The two contracts that a protocol can offer, and the data between a loop and a meter.

A `PolledMeter` is asked; a `PushedMeter` sends by itself. Neither has a thread, a loop or a clock of its own: `polling`
drives the first, `listening` the second, and `Surroundings` passes the time.
"""

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple, Protocol

from smgw.cosem import DeviceId, MeterTime, Obis, Reading, Stamp
from smgw.lmn.load_profile import ProfileSource
from smgw.ports import Port
from smgw.store.ranges import Range
from smgw.store.records import CacheKind, CounterKind
from smgw.wire import Refused


class Clock(Protocol):
    """The part of the gateway's clock that meters need."""

    def stamp(self) -> Stamp:
        """Now."""


class CounterKeeper(Protocol):
    """Reserves counters durably."""

    def reserve(self, kind: CounterKind, scope: str, holder: str, least: int, amount: int) -> int:
        """The first of `amount` new numbers of this scope, at least `least`. Raises StoreError."""

    def skip(self, scope: str, holder: str, step: int, expected: int) -> bool:
        """True if so many counters of a key may be skipped; else a person must allow it. Raises StoreError."""


class PushKeeper(Protocol):
    """Stores the newest counter of pushes, so that an old push is refused after a restart, too."""

    def newest(self, scope: str, title: bytes) -> int | None:
        """The stored newest counter of a key and a system title. Raises StoreError."""

    def note(self, scope: str, meter: str, title: bytes, counter: int) -> None:
        """Store it, in one commit with the capture that follows. Must not block."""


class PulseCount(NamedTuple):
    """The count of a meter's pulses."""

    pulses: int  # since the dial was zero
    ordered: int = 0  # number of the last order of a person in it
    line: int = 0  # the state of the line, as `s0.pulse` has it; 0: unknown


class PulseKeeper(Protocol):
    """Stores the counts of pulses. An order of a person has a number above 0; a later order has a larger one."""

    def count(self, meter: str) -> PulseCount | None:
        """The newest stored count; None if the meter was never counted. Raises StoreError."""

    def write(self, meter: str, count: PulseCount) -> None:
        """Store it at once, so that it survives a kill of this process. Never raises."""

    def note(self, meter: str, pulses: int, ordered: int) -> None:
        """Store it durably, in one commit with the capture that follows or within a minute. Must not block."""

    def order(self, meter: str) -> tuple[int, int] | None:
        """The number of an order that waits, and the count that a person ordered. Raises StoreError."""

    def tell(self, meter: str, text: str) -> None:
        """An order was obeyed: for the log."""


class HoldKeeper(Protocol):
    """Stores which meters refused which secret. Raises StoreError."""

    def hold(self, meter: str, secret: bytes, reason: str) -> None:
        """Store that this meter refused this secret."""

    def held(self, meter: str, secret: bytes | None = None) -> str | None:
        """The reason if the meter refused this secret, or any; None if it is not held."""

    def release(self, meter: str) -> None:
        """Remove the hold: the meter accepts us."""


class Cache(NamedTuple):
    """Answers of meters that are asked once: (kind, device, firmware) -> octets."""

    get: Callable[[CacheKind, DeviceId, bytes], bytes | None]
    put: Callable[[CacheKind, DeviceId, bytes, bytes], None]


NO_CACHE = Cache(lambda *_: None, lambda *_: None)


class Patience(NamedTuple):
    """The time-out of an answer in seconds, and the number of retries."""

    timeout: float
    retries: int


class Surroundings(NamedTuple):
    """The surroundings of a meter, besides its profile and secrets. Times are monotonic seconds."""

    clock: Clock
    cache: Cache = NO_CACHE
    counters: CounterKeeper | None = None
    holds: HoldKeeper | None = None
    pushes: PushKeeper | None = None
    pulses: PulseKeeper | None = None
    now: Callable[[], float] = time.monotonic
    stopping: Callable[[], bool] = lambda: False  # true: every wait ends soon
    tick: Callable[[], None] = lambda: None  # called now and then, also during a long answer
    trust: Path | None = None  # the trust folder, for tls:// ports


class Values(NamedTuple):
    """The values of one device from a telegram or poll."""

    device: DeviceId
    stamp: Stamp  # of the first octets: the values are not newer
    meter_time: MeterTime | None
    readings: tuple[Reading, ...]
    signature: bytes | None = None  # of the whole list
    advice: str = ""  # the meter hides values: advice for the user
    flags: int = 0  # bits of GatewayStatus for all of these values, such as NOT_VALIDATED
    remark: str = ""  # remark about the quality, such as a wrong clock


#: One telegram or poll: values of each device in it, or the reason for none.
Heard = tuple[Values, ...] | Refused


class Addressed(NamedTuple):
    """What a line with several pushing meters heard of one of them.

    Without a meter's name it is a telegram of somebody else, or octets that nobody can assign.
    """

    meter: str
    heard: Heard = ()


class PolledMeter(Protocol):
    """One meter that answers. Its driver opens and closes the port.

    All verbs raise PollError (no answer, or a senseless one), RemoteProtocolError or another SmgwError of the protocol,
    and PortError, after which the port must be opened again. After each of them a verb may be called again, except
    after AccessRefusedError: a meter that is asked again with the same password may lock itself.
    """

    patience: Patience

    @property
    def idle_s(self) -> float:
        """Longest idle time of a session. If the next poll is later, the session is closed before."""

    @property
    def unanswered(self) -> bool:
        """True if a late answer could be mistaken for another: the port must be opened again before the next poll."""

    def identify(self, port: Port) -> DeviceId:
        """The identity of the meter that answers."""

    def poll(self, port: Port) -> Sequence[Heard]:
        """Read the objects of the profile once; also returns pushes received in the meantime."""

    def load_profile(self, profile: Obis, wanted: Range) -> ProfileSource:
        """Begin to fetch a range (microseconds UTC) of a load profile of the meter that was identified."""

    def listen(self, port: Port, until: float) -> Sequence[Heard]:
        """Wait until a moment, or until octets come. Late answers are dropped, pushes are accepted."""

    def close(self, port: Port) -> None:
        """End the session, so that the meter accepts the next one at once. Never raises. The next verb begins anew."""


class PushedMeter(Protocol):
    """The meters that send by themselves on one line."""

    @property
    def receiving(self) -> bool:
        """True while a telegram is unfinished."""

    @property
    def lacks(self) -> int:
        """Missing octets of the present telegram if it is as long as the one before; 0 if unknown."""

    @property
    def pause_s(self) -> float:
        """Longest pause in a telegram, in seconds. After it `finish` is due."""

    def receive(self, octets: bytes, stamp: Stamp) -> Sequence[Heard]:
        """Take octets received at this moment; returns the telegrams that they complete."""

    def finish(self) -> Sequence[Heard]:
        """The line is silent: end an unfinished telegram."""


class PushedLine(Protocol):
    """Several meters, each with a profile of its own, that send by themselves on one line. As `PushedMeter`."""

    @property
    def receiving(self) -> bool:
        """True while a telegram is unfinished."""

    @property
    def lacks(self) -> int:
        """Missing octets of the present telegram; 0 if unknown."""

    @property
    def pause_s(self) -> float:
        """Longest pause in a telegram, in seconds."""

    def receive(self, octets: bytes, stamp: Stamp) -> Sequence[Addressed]:
        """Take octets received at this moment; returns the telegrams that they complete."""

    def finish(self) -> Sequence[Addressed]:
        """The line is silent: end an unfinished telegram."""

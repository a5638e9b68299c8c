"""Drives a line with pushing meters.

`Listening` handles octets and decides what to wait for, but never waits itself. `PushLoop` waits for many lines in one
thread, `turns` for one port.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Generic, NamedTuple, Protocol, TypeVar

from smgw.cosem import Stamp
from smgw.lmn.contract import Surroundings
from smgw.ports import Port
from smgw.ports.port import GATHER_S

_TICK = 1.0
#: On a line with known speed, octets gather until a telegram of the usual length is there: two wake-ups a telegram.
_MOST_SLEPT, _MOST_OCTETS = 0.5, 2048  # the kernel holds 4096 octets of a tty
_MARGIN = 0.01
_PAUSE_S = 5.0  # a telegram with a longer pause may be cut: Landis+Gyr E450 pauses 3 s


class Wait(NamedTuple):
    """A wait: until a moment (monotonic seconds), or earlier for octets if `readable`."""

    until: float
    readable: bool


E = TypeVar("E")
E_co = TypeVar("E_co", covariant=True)
E_contra = TypeVar("E_contra", contravariant=True)


class Talker(Protocol[E_co]):
    """Makes telegrams of octets: a `PushedMeter` or a `PushedLine`."""

    @property
    def receiving(self) -> bool: ...
    @property
    def lacks(self) -> int: ...
    @property
    def pause_s(self) -> float: ...
    def receive(self, octets: bytes, stamp: Stamp) -> Sequence[E_co]: ...
    def finish(self) -> Sequence[E_co]: ...


class Hearer(Protocol[E_contra]):
    """Receives telegrams of a line, such as a `Watch`."""

    def heard(self, heard: Sequence[E_contra], /) -> bool:
        """Take telegrams; true if they show that the line is well."""

    def tick(self) -> None:
        """Handle the passing of time."""


class Listening(Generic[E]):
    """The state of a pushing line: its next wait, and its actions. The port is open while it is used."""

    def __init__(self, meter: Talker[E], watch: Hearer[E], surroundings: Surroundings) -> None:
        self._meter = meter
        self._watch = watch
        self._clock = surroundings.clock
        self._now = surroundings.now
        self._began = 0.0  # begin of the silence
        self._gathering: float | None = None  # octets gather until then
        self._first: Stamp | None = None  # stamp of octets that may begin a telegram
        self._taken = self._usual = 0  # octets since the last silence; how many the last telegram took, 0 if unknown

    @property
    def idle(self) -> bool:
        """True if no telegram is unfinished."""
        if self._gathering is not None:
            return False
        return not self._meter.receiving or self._now() - self._began >= _PAUSE_S

    def opened(self) -> Wait:
        """The port was opened. Drop an unfinished telegram: its rest was sent while the port was closed."""
        self._watch.heard(self._meter.finish())
        self._began = self._now()
        self._gathering = self._first = None
        self._taken = self._usual = 0
        return Wait(self._began + _TICK, readable=True)

    def turn(self, port: Port, *, readable: bool, since: float = 0.0) -> tuple[bool, Wait]:
        """The wait is over. Returns true if there were values, and the next wait. PortError.

        `since`: the octets may have begun to come so many seconds ago.
        """
        now = self._now()
        if not readable and self._gathering is None:
            heard = False
            if self._meter.receiving and now - self._began >= self._meter.pause_s:
                heard = self._watch.heard(self._meter.finish())
            self._watch.tick()
            return heard, Wait(now + _TICK, readable=True)
        if self._gathering is None and self._usual and port.paced and not self._meter.receiving:
            # A telegram begins. It is read when it is whole.
            self._first = stamp = self._clock.stamp()
            if since:
                self._first = _earlier(stamp, min(since, port.waiting * port.settings.octet_time))
            self._gathering = now + self._duration(self._usual, port)
            return False, Wait(self._gathering, readable=False)
        self._gathering = None
        octets, heard = self._read(port, now)
        self._watch.tick()
        if not octets or (self._first is None and not self._meter.receiving):
            return heard, Wait(now + _TICK, readable=True)
        self._gathering = now + (self._duration(self._meter.lacks, port) if port.paced else GATHER_S)
        return heard, Wait(self._gathering, readable=False)

    def _read(self, port: Port, now: float) -> tuple[bool, bool]:
        """Take what is there. Returns true if there were octets, and true if they gave values."""
        first, self._first = self._first, None
        stamp = first or self._clock.stamp()
        octets = port.read()
        if octets:
            self._began = now
        self._taken += len(octets)
        if first is not None and 0 < self._usual < len(octets):  # another telegram may have begun behind this one
            events = [
                *self._meter.receive(octets[: self._usual], first),
                *self._meter.receive(octets[self._usual :], self._begin(first, len(octets) - self._usual, port)),
            ]
        else:
            events = list(self._meter.receive(octets, stamp))
        heard = self._watch.heard(events)
        if octets and not events and not self._meter.receiving:  # noise, or a telegram's first octets
            self._first = stamp
        elif not self._meter.receiving:
            self._usual, self._taken = self._taken if heard else 0, 0
        return bool(octets), heard

    def _begin(self, first: Stamp, octets: int, port: Port) -> Stamp:
        """When the last so many octets began to come: not before `first`."""
        now = self._clock.stamp()
        long = (now.boottime_ns - first.boottime_ns) / 1e9
        return _earlier(now, min(octets * port.settings.octet_time, long)) if port.paced else now

    def _duration(self, octets: int, port: Port) -> float:
        """Seconds that so many octets take on a line with a speed, within bounds."""
        return min(max(min(octets, _MOST_OCTETS) * port.settings.octet_time + _MARGIN, GATHER_S), _MOST_SLEPT)


def _earlier(stamp: Stamp, seconds: float) -> Stamp:
    """A moment shortly before."""
    ns = round(seconds * 1e9)
    return stamp._replace(boottime_ns=stamp.boottime_ns - ns, utc_us=stamp.utc_us - ns // 1000)


def turns(line: Listening[Any], port: Port, now: Callable[[], float], stopping: Callable[[], bool]) -> Iterator[bool]:
    """Serve an open port until `stopping`: yields after each turn, true if it gave values. Raises PortError."""
    wait = line.opened()
    while not stopping():
        seconds = max(0.0, wait.until - now())
        readable = False
        if wait.readable:
            readable = port.wait(seconds)
        else:
            port.gather(seconds)
        if stopping():
            return
        heard, wait = line.turn(port, readable=readable)
        yield heard

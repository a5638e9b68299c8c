"""Drives a line with pushing meters.

`Listening` handles octets and decides what to wait for, but never waits itself. `_serve` waits, for one line in one
thread. One loop over many lines can use the same two verbs.
"""

import threading
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple, Protocol

from smgw.cosem import Stamp
from smgw.lmn.contract import Heard, PushedMeter, Surroundings
from smgw.lmn.driver import Driver
from smgw.lmn.sink import Sink
from smgw.ports import Port
from smgw.ports.port import GATHER_S
from smgw.profiles.entries import resolve
from smgw.profiles.meter import MeterProfile
from smgw.profiles.secrets import Secrets

_TICK = 1.0
#: On a line with known speed, the thread sleeps for the rest of a telegram of the usual length: half the wake-ups.
_MOST_SLEPT, _MOST_OCTETS = 0.5, 2048  # the kernel holds 4096 octets of a tty
_MARGIN = 0.01
_PAUSE_S = 5.0  # a telegram with a longer pause may be cut: Landis+Gyr E450 pauses 3 s


class Wait(NamedTuple):
    """A wait: until a moment (monotonic seconds), or earlier for octets if `readable`."""

    until: float
    readable: bool


class Hearer(Protocol):
    """Receives telegrams of a line, such as a `Watch`."""

    def heard(self, heard: Sequence[Heard], /) -> bool:
        """Take telegrams; true if they hold values."""

    def tick(self) -> None:
        """Handle the passing of time."""


class Listening:
    """The state of a pushing line: its next wait, and its actions. The port is open while it is used."""

    def __init__(self, meter: PushedMeter, watch: Hearer, surroundings: Surroundings) -> None:
        self._meter = meter
        self._watch = watch
        self._clock = surroundings.clock
        self._now = surroundings.now
        self._began = 0.0  # begin of the silence
        self._gathering: float | None = None  # octets gather until then
        self._first: Stamp | None = None  # stamp of octets that may begin a telegram

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
        return Wait(self._began + _TICK, readable=True)

    def turn(self, port: Port, readable: bool) -> tuple[bool, Wait]:
        """The wait is over. Returns true if there were values, and the next wait. PortError."""
        now = self._now()
        if not readable and self._gathering is None:
            heard = False
            if self._meter.receiving and now - self._began >= self._meter.pause_s:
                heard = self._watch.heard(self._meter.finish())
            self._watch.tick()
            return heard, Wait(now + _TICK, readable=True)
        self._gathering = None
        stamp = self._first or self._clock.stamp()
        self._first = None
        octets = port.read()
        if octets:
            self._began = now
        events = self._meter.receive(octets, stamp)
        heard = self._watch.heard(events)
        self._watch.tick()
        perhaps = bool(octets) and not events and not self._meter.receiving  # noise, or a telegram's first octets
        if not perhaps and not self._meter.receiving:
            return heard, Wait(now + _TICK, readable=True)
        self._first = stamp if perhaps else None
        self._gathering = now + self._rest(port)
        return heard, Wait(self._gathering, readable=False)

    def _rest(self, port: Port) -> float:
        """Time for the missing octets if the line has a speed; else the shortest gathering time."""
        if not port.paced:
            return GATHER_S
        octets = min(self._meter.lacks, _MOST_OCTETS)
        return min(max(octets * port.settings.octet_time + _MARGIN, GATHER_S), _MOST_SLEPT)


class ListeningDriver(Driver):
    """A thread for one pushing line."""

    def __init__(
        self, profile: MeterProfile, secrets: Secrets, surroundings: Surroundings, sink: Sink, stop: threading.Event
    ) -> None:
        super().__init__([profile], surroundings, sink, stop)
        meter: PushedMeter = resolve(profile.entry.meter)(profile, secrets, surroundings)
        self._line = Listening(meter, self.watches[profile.name], surroundings)

    def _serve(self, port: Port) -> float:
        for heard in turns(self._line, port, self._now, self._stop.is_set):
            if heard:
                self._heard()
            elif self._reopening.due and (self._line.idle or self._reopening.overdue):
                self._reopen_silent(port)
                self._line.opened()
        return 0.0


def turns(line: Listening, port: Port, now: Callable[[], float], stopping: Callable[[], bool]) -> Iterator[bool]:
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
        heard, wait = line.turn(port, readable)
        yield heard

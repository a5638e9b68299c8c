"""The lines of the LMN process: one loop for the meters that push, a thread for each line that is polled."""

import threading
import time
from collections.abc import Callable, Mapping
from typing import Generic, TypeVar

from smgw.lmn.driver import Driver
from smgw.lmn.push_line import PushLine
from smgw.lmn.push_loop import GATHER_LONG_S, GATHER_SHORT_S, PushLoop
from smgw.services.fleet import Fleet, Words
from smgw.services.workers import Employed, Worker, stop_all

_Order = TypeVar("_Order")


class Lines(Generic[_Order]):
    """A fleet of lines, and the thread of the loop."""

    def __init__(
        self, words: Words, make: Callable[[_Order], Driver | PushLine], stop_seconds: float, patience: float
    ) -> None:
        """`patience`: after so many seconds without a turn, the loop counts as dead."""
        self._stop_seconds = stop_seconds
        self._loop = PushLoop()
        self._stopping = threading.Event()
        self._looping = Worker("push lines", self._loop.run, self._stopping, patience)
        self._loop.beat = self._looping.beat
        self._started = False
        self._fleet: Fleet[_Order, Driver | PushLine] = Fleet(words, make, stop_seconds, self._employ)

    def apply(self, orders: Mapping[str, _Order]) -> list[str]:
        """As `Fleet.apply`. An unchanged line notices nothing."""
        changes = self._fleet.apply(orders)
        if not self._started and any(isinstance(line, PushLine) for line in self.members.values()):
            self._started = True
            self._looping.start()
        return changes

    def stop(self) -> list[str]:
        """Stop all; returns the names of the threads that hang."""
        left = self._fleet.stop()
        self._stopping.set()
        self._loop.stop()
        return left + (stop_all([self._looping], self._stop_seconds) if self._started else [])

    def gather(self, *, long: bool) -> None:
        """Telegrams may wait for those of other lines: `long` where nobody wants each immediately."""
        self._loop.gather = GATHER_LONG_S if long else GATHER_SHORT_S

    @property
    def members(self) -> dict[str, Driver | PushLine]:
        """Name -> line."""
        return self._fleet.members

    @property
    def workers(self) -> list[Employed]:
        """The lines and the loop, for the watchdog."""
        return [*self._fleet.workers, *([self._looping] if self._started else [])]

    def _employ(self, name: str, line: Driver | PushLine, stopping: threading.Event) -> Employed:
        if isinstance(line, PushLine):
            return _OnLoop(name, line, self._loop)
        return Worker(name, line.run, stopping)


class _OnLoop:
    """A line that the loop serves. The loop itself is supervised as one worker."""

    sound = True

    def __init__(self, name: str, line: PushLine, loop: PushLoop) -> None:
        self.name = line.name = name
        self._line = line
        self._loop = loop

    @property
    def alive(self) -> bool:
        """False once the line has ended."""
        return not self._line.ended.is_set()

    def start(self) -> None:
        """Begin to open the port."""
        self._line.start(self._loop)

    def join(self, deadline: float) -> bool:
        """Wait for the end until `deadline` (monotonic seconds); False if the line is still used."""
        return self._line.ended.wait(max(0.0, deadline - time.monotonic()))

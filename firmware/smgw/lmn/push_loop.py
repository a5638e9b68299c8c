"""One thread that serves all lines with pushing meters."""

import queue
import threading
import time
from collections.abc import Callable
from typing import Protocol

from smgw.lmn.push_line import Errand, PushLine
from smgw.ports.poll import Poll
from smgw.ports.port import GATHER_S

_IDLE_S = 30.0  # most seconds of a wait: the watchdog wants to see turns
_LATE_TICK_S = 1.0  # a silent line may be looked at so much later
#: Seconds by which the reading of a whole telegram may be put off, so that several are read together. The second is for
#: a gateway that forwards immediately.
GATHER_LONG_S, GATHER_SHORT_S = 0.25, GATHER_S


#: From so many lines on, first octets are looked for at most 20 times a second.
_MANY, _REST_S = 24, 0.05
_BLOCKED_S = 0.001  # a wait that took longer ended with the octets that came


class AnyPoll(Protocol):
    """What the loop waits with; see `Poll`."""

    def add(self, descriptor: int, /) -> None: ...
    def listen(self, descriptor: int, /) -> None: ...
    def remove(self, descriptor: int, /) -> None: ...
    def wait(self, seconds: float, /) -> list[int]: ...
    def wake(self) -> None: ...


def in_a_thread(name: str, errand: Errand) -> None:
    """Run an errand in a thread of its own."""
    threading.Thread(target=errand, name=name, daemon=True).start()


class PushLoop:
    """Lines come by `take`, and leave when they stop or lose their port.

    The first octets of a telegram give it its time, and nothing else is done. With few lines they end the wait at once.
    With many, the loop looks for them every 50 ms, and their number says when they began to come.
    The telegram is read when it is whole, up to `gather` seconds later and together with those of other lines.
    """

    def __init__(
        self,
        now: Callable[[], float] = time.monotonic,
        poll: AnyPoll | None = None,
        spawn: Callable[[str, Errand], None] = in_a_thread,
        rest: Callable[[float], object] = time.sleep,
    ) -> None:
        self.spawn = spawn
        self.gather = GATHER_LONG_S
        self.beat: Callable[[], None] = lambda: None  #: called at every turn
        self._rest = rest
        self._now = now
        self._poll = Poll() if poll is None else poll
        self._coming: queue.SimpleQueue[PushLine] = queue.SimpleQueue()
        self._lines: dict[int, PushLine] = {}  # by the descriptors of their ports
        self._heard: set[int] = set()  # descriptors with octets that are not read yet
        self._latest = now()  # until then all waits that end may be put off
        self._looked = now()  # when the last wait ended
        self._news = False  # lines come or shall stop
        self._stopping = False

    def take(self, line: PushLine) -> None:
        """Serve this line, which is open. From any thread."""
        self._coming.put(line)
        self.look()

    def look(self) -> None:
        """A line shall stop. From any thread."""
        self._news = True
        self._poll.wake()

    def stop(self) -> None:
        """End `run` soon. From any thread; the lines stop before."""
        self._stopping = True
        self._poll.wake()

    def run(self) -> None:
        """Serve until `stop`."""
        while not self._stopping:
            self.turn()

    def turn(self) -> None:
        """Wait once, then serve the lines with octets. If a wait must not be put off longer, serve all that are due."""
        self.beat()
        if len(self._lines) >= _MANY and not self._news:
            self._rest(_REST_S)
        began = self._now()
        found = self._poll.wait(self._latest - began)
        now = self._now()
        since = began - self._looked if now - began < _BLOCKED_S else 0.0
        self._looked = now
        for descriptor in found:
            if (line := self._lines.get(descriptor)) is not None:
                self._heard.add(descriptor)
                line.since = since
                self._serve(descriptor, line, readable=True)
        if self._news:
            self._news = False
            self._come_and_go()
        now = self._now()
        if now >= self._latest:
            for descriptor, line in [item for item in self._lines.items() if item[1].wait.until <= now]:
                self._serve(descriptor, line, readable=False)
            self._latest = min(map(self._latest_of, self._lines.values()), default=now + _IDLE_S)

    def _latest_of(self, line: PushLine) -> float:
        """The moment until which the line's wait may be put off: with one line there is nothing to wait for."""
        until, readable = line.wait
        if len(self._lines) == 1:
            return until
        return until + (_LATE_TICK_S if readable else min(self.gather, line.slack))

    def _come_and_go(self) -> None:
        while not self._coming.empty():
            line = self._coming.get()
            descriptor = line.port.fileno()
            try:
                self._poll.add(descriptor)
            except OSError:
                self.spawn(line.name, line.fail())
            else:
                self._lines[descriptor] = line
                self._latest = min(self._latest, self._latest_of(line))
        for descriptor, line in list(self._lines.items()):
            if line.stopping:
                self._drop(descriptor, line, line.end)

    def _serve(self, descriptor: int, line: PushLine, *, readable: bool) -> None:
        errand = line.turn(readable=readable)
        if errand is not None:
            self._drop(descriptor, line, errand)
            return
        self._latest = min(self._latest, self._latest_of(line))
        if line.wait.readable and descriptor in self._heard:
            self._poll.listen(descriptor)
            self._heard.remove(descriptor)

    def _drop(self, descriptor: int, line: PushLine, errand: Errand) -> None:
        del self._lines[descriptor]
        self._heard.discard(descriptor)
        self._poll.remove(descriptor)
        self.spawn(line.name, errand)

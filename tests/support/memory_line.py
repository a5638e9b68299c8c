"""A line in memory with a time of its own: octets arrive when the fake time gets there, and nothing waits."""

import heapq
import itertools
from collections.abc import Callable, Sequence

from captures_made import BOOT
from smgw.cosem import ClockState, Stamp
from smgw.lmn.push_line import PushLine
from smgw.lmn.push_loop import PushLoop
from smgw.ports import LineSettings

#: Gets what we sent; gives what a meter answers, empty if it says nothing.
Peer = Callable[[bytes], bytes]

START_US = 1_767_225_600_000_000  # 2026-01-01, a target time of every registration period

_descriptors = itertools.count(1000)


class FakeTime:
    """Monotonic seconds that pass only by `sleep`; also the gateway's clock."""

    def __init__(self) -> None:
        self.now = 1000.0
        self._begin = self.now
        self._due: list[tuple[float, int, Callable[[], object]]] = []
        self._count = itertools.count()

    def __call__(self) -> float:
        return self.now

    @property
    def passed(self) -> float:
        """Seconds since the start."""
        return self.now - self._begin

    def stamp(self) -> Stamp:
        """As a synchronised clock."""
        utc_us = START_US + round(self.passed * 1e6)
        return Stamp(BOOT, round(self.now * 1e9), utc_us, 5000, ClockState.SYNCHRONISED)

    def after(self, seconds: float, call: Callable[[], object]) -> None:
        """Call something when the time has come."""
        heapq.heappush(self._due, (self.now + seconds, next(self._count), call))

    @property
    def next_due(self) -> float:
        """When something that was asked for by `after` happens next."""
        return self._due[0][0] if self._due else float("inf")

    def sleep(self, seconds: float) -> None:
        """Let time pass, with all that is due meanwhile."""
        until = self.now + max(0.0, seconds)
        while self._due and self._due[0][0] <= until:
            moment, _, call = heapq.heappop(self._due)
            self.now = max(self.now, moment)
            call()
        self.now = until


class MemoryPort:
    """A port whose other end are peers that answer `latency` seconds after the last octet was on the wire."""

    paced = True
    url = "memory"
    outdated = False

    def __init__(self, time: FakeTime, peers: Sequence[Peer] = (), latency: float = 0.05) -> None:
        self.settings = LineSettings(9600)
        self.peers = list(peers)
        self.sent: list[tuple[float, bytes]] = []  # when, and what
        self.woken = False
        self.tap: Callable[[bytes], None] = lambda _: None
        self.reopened: list[float] = []  # when
        self._time = time
        self._latency = latency
        self._incoming: list[tuple[float, bytes]] = []
        self._descriptor = next(_descriptors)

    def fileno(self) -> int:
        """A number of its own, for `MemoryPoll`."""
        return self._descriptor

    @property
    def arrives(self) -> float:
        """When the first octets that were not read yet are there."""
        return self._incoming[0][0] if self._incoming else float("inf")

    @property
    def waiting(self) -> int:
        """As `Port.waiting`."""
        return sum(len(octets) for moment, octets in self._incoming if moment <= self._time.now)

    def close(self) -> None:
        """As `Port.close`."""

    def say(self, octets: bytes, delay: float = 0.0) -> None:
        """The other end sends octets, which are there after `delay`."""
        self._incoming.append((self._time.now + delay, octets))
        self._incoming.sort(key=lambda one: one[0])

    def wait(self, timeout: float) -> bool:
        """As `Port.wait`."""
        ends = self._time.now + max(0.0, timeout)
        while not self.woken:
            if self._incoming and self._incoming[0][0] <= self._time.now:
                return True
            if self._time.now >= ends:
                return False
            arrives = self._incoming[0][0] if self._incoming else ends
            self._time.sleep(min(arrives, ends, self._time.next_due) - self._time.now)
        return False

    def gather(self, seconds: float = 0.05) -> None:
        """As `Port.gather`."""
        ends = self._time.now + seconds
        while not self.woken and self._time.now < ends:
            self._time.sleep(min(ends, self._time.next_due) - self._time.now)

    def read(self) -> bytes:
        """All that has arrived."""
        octets = b""
        while self._incoming and self._incoming[0][0] <= self._time.now:
            octets += self._incoming.pop(0)[1]
        self.tap(octets)
        return octets

    def write(self, data: bytes) -> None:
        """Hand octets to the peers."""
        self.sent.append((self._time.now, data))
        on_the_wire = len(data) * self.settings.octet_time
        for peer in self.peers:
            if answer := peer(data):
                self.say(answer, on_the_wire + self._latency + len(answer) * self.settings.octet_time)

    def change_baud(self, baudrate: int) -> None:
        """As `Port.change_baud`."""
        self.settings = self.settings._replace(baudrate=baudrate)

    def rearm(self) -> None:
        """As `Port.rearm`."""
        self.woken = False

    def reopen(self, settings: LineSettings) -> None:
        """As `Port.reopen`. What has not been read is lost, as on a real port."""
        self.reopened.append(self._time.now)
        self.read()
        self.settings = settings


class MemoryPoll:
    """As `Poll`, for ports in memory."""

    def __init__(self, time: FakeTime, ports: Sequence[MemoryPort]) -> None:
        self._time = time
        self._ports = {port.fileno(): port for port in ports}
        self._armed: set[int] = set()
        self._woken = False

    def add(self, descriptor: int) -> None:
        """Report it once."""
        self._armed.add(descriptor)

    listen = add

    def remove(self, descriptor: int) -> None:
        """Forget it."""
        self._armed.discard(descriptor)

    def wait(self, seconds: float) -> list[int]:
        """Let time pass until there are octets."""
        ends = self._time.now + max(0.0, seconds)
        while True:
            found = [one for one in self._armed if self._ports[one].arrives <= self._time.now]
            if found or self._woken or self._time.now >= ends:
                break
            arrives = min((self._ports[one].arrives for one in self._armed), default=ends)
            self._time.sleep(min(arrives, ends, self._time.next_due) - self._time.now)
        self._armed.difference_update(found)
        self._woken = False
        return found

    def wake(self) -> None:
        """End the wait."""
        self._woken = True


def in_the_loop(time: FakeTime, lines: Sequence[tuple[PushLine, MemoryPort]]) -> PushLoop:
    """A loop on fake time that serves these lines. Their errands are run at once."""
    loop = PushLoop(time, MemoryPoll(time, [port for _, port in lines]), lambda _, errand: errand(), time.sleep)
    for line, port in lines:
        line._loop = loop
        line.opened(port)  # type: ignore[arg-type]
        loop.take(line)
    return loop

"""Wrong passwords by peer: after some of them the peer's next check waits, for longer each time."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from smgw.webservice.error import ServiceUnavailable

_FREE = 3  # wrong passwords without a delay
_FIRST_S = 0.5
_LONGEST_S = 30.0
_FORGOTTEN_S = 900.0  # after the last wrong password
_MOST_PEERS = 10_000
_MOST_WAITING = 4  # of one peer


class _Peer:
    def __init__(self) -> None:
        self.lock = asyncio.Lock()
        self.waiting = 0


class Attempts:
    """Counts wrong passwords, and gives each peer one check at a time."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._wrong: dict[str, tuple[int, float]] = {}  # how many, and when the last one; the oldest first
        self._peers: dict[str, _Peer] = {}

    def has_failed(self, peer: str) -> bool:
        """True if a password of this peer was wrong lately."""
        number, at = self._wrong.get(peer, (0, 0.0))
        return number > 0 and self._clock() - at < _FORGOTTEN_S

    def delay(self, peer: str) -> float:
        """Seconds until the next password of a peer is checked."""
        if not self.has_failed(peer):
            return 0.0
        number, at = self._wrong[peer]
        if number < _FREE:
            return 0.0
        whole = min(_LONGEST_S, _FIRST_S * 2.0 ** min(number - _FREE, 16))
        return max(0.0, at + whole - self._clock())

    def failed(self, peer: str) -> int:
        """Count a wrong password; returns how many there were in a row."""
        number = self._wrong[peer][0] if self.has_failed(peer) else 0
        self._wrong.pop(peer, None)
        self._wrong[peer] = number + 1, self._clock()
        if len(self._wrong) > _MOST_PEERS:
            del self._wrong[next(iter(self._wrong))]
        return number + 1

    def succeeded(self, peer: str) -> None:
        """Forget the wrong passwords of a peer."""
        self._wrong.pop(peer, None)

    @asynccontextmanager
    async def turn(self, peer: str) -> AsyncIterator[None]:
        """The peer's turn, after its delay. ServiceUnavailable if too many of its checks wait."""
        state = self._peers.setdefault(peer, _Peer())
        if state.waiting >= _MOST_WAITING:
            raise ServiceUnavailable("too many passwords are being checked", 2)
        state.waiting += 1
        try:
            async with state.lock:
                await asyncio.sleep(self.delay(peer))
                yield
        finally:
            state.waiting -= 1
            if not state.waiting:
                del self._peers[peer]

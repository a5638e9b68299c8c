"""The few threads in which views work: bounded, and no address gets all of them."""

import asyncio
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Final, TypeVar

from smgw.han.refusal import RefusedError

T = TypeVar("T")

THREADS: Final = 3
#: Requests of one address at work at once, and all that may wait.
_OF_ONE: Final = 2
_WAITING_MOST: Final = 64
#: An answer comes within 20 s (TR-03109-1); what is slower is given up.
ANSWER_S: Final = 18.0


class Work:
    """Calls views in threads."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="view")
        self._turns: dict[str, asyncio.Semaphore] = {}
        self._users: dict[str, int] = {}
        self._waiting = 0

    async def run(self, peer: str, body: Callable[[], T], seconds: float = ANSWER_S) -> T:
        """What `body` returns; RefusedError if there are too many requests, or it takes too long."""
        if self._waiting >= _WAITING_MOST:
            raise RefusedError(503, "Too many requests wait. Try again.", closing=False, headers={"Retry-After": "2"})
        turn = self._turns.setdefault(peer, asyncio.Semaphore(_OF_ONE))
        self._users[peer] = self._users.get(peer, 0) + 1
        self._waiting += 1
        try:
            async with asyncio.timeout(seconds):
                await turn.acquire()
                return await asyncio.wrap_future(self._begin(peer, turn, body))
        except TimeoutError:
            text = "The answer takes too long. Ask for a shorter time."
            raise RefusedError(503, text, closing=False, headers={"Retry-After": "5"}) from None
        finally:
            self._waiting -= 1
            self._leave(peer)

    def _begin(self, peer: str, turn: asyncio.Semaphore, body: Callable[[], T]) -> Future[T]:
        """A thread that was given up keeps its turn until it has ended."""
        loop = asyncio.get_running_loop()
        self._users[peer] += 1

        def over() -> None:
            turn.release()
            self._leave(peer)

        future = self._threads.submit(body)
        future.add_done_callback(lambda _: None if loop.is_closed() else loop.call_soon_threadsafe(over))
        return future

    def _leave(self, peer: str) -> None:
        self._users[peer] -= 1
        if not self._users[peer]:
            del self._users[peer], self._turns[peer]

    def close(self) -> None:
        """Begin nothing more."""
        self._threads.shutdown(wait=False, cancel_futures=True)

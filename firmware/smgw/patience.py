"""Ways to wait: pauses that double between tries or failures, and a time limit on a call that blocks."""

import contextlib
import queue
import threading
import time
from collections.abc import Callable
from typing import Generic, NamedTuple, Protocol, TypeVar

T = TypeVar("T")

_SLICE = 0.05  # s; how soon the end of patience is noticed
_FIRST_RESTART, _LATEST_RESTART, _SOUND = 1.0, 60.0, 300.0


class Chance(Protocol):
    """The part of random.Random that jitter needs."""

    def uniform(self, a: float, b: float) -> float:
        """A number between a and b."""


class Early(NamedTuple):
    """The longest pause during the first `seconds` of pauses."""

    longest: float
    seconds: float


class BackOff:
    """Pauses between tries, in seconds: each is twice the one before, from `first` up to `longest`.

    A `jitter` of 0.25 changes each pause by up to 25 % in either direction, so that many gateways do not return in the
    same second. `chance` is the source of the jitter. `early` bounds the pauses until they sum up to that many
    seconds: who comes back soon is not kept waiting.
    """

    def __init__(
        self,
        first: float,
        longest: float,
        jitter: float = 0.0,
        chance: Chance | None = None,
        early: Early | None = None,
    ) -> None:
        self._first = self._next = min(first, longest)
        self._longest = longest
        self._jitter = jitter
        self._early = early
        self._waited = 0.0
        self._chance = chance
        if jitter and chance is None:
            from random import Random  # here, because the reading process has no use for it

            self._chance = Random()  # noqa: S311 - jitter is no secret

    def next(self) -> float:
        """A try failed: seconds until the next one."""
        pause = self._next
        if self._early is not None and self._waited < self._early.seconds:
            pause = min(pause, self._early.longest / (1 + self._jitter))  # the jitter included, none is longer
        self._next = min(2 * pause, self._longest)
        if self._chance is not None:
            pause *= self._chance.uniform(1 - self._jitter, 1 + self._jitter)
        self._waited += pause
        return pause

    def reset(self) -> None:
        """A try succeeded: the next pause is the first one again."""
        self._next = self._first
        self._waited = 0.0


class Restarts:
    """Pauses before something that failed begins again: 1 s, doubling to a minute. After 5 min they begin anew."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._pauses = BackOff(_FIRST_RESTART, _LATEST_RESTART)
        self._began = now()

    def began(self) -> None:
        """It begins, or begins again."""
        self._began = self._now()

    def failed(self) -> float:
        """It failed; returns the pause in seconds."""
        if self._now() - self._began > _SOUND:
            self._pauses.reset()
        return self._pauses.next()


def patiently(
    name: str, call: Callable[[], T], seconds: float, ended: Callable[[], bool], late: Callable[[T], None] | None = None
) -> T:
    """What `call` returns or raises; TimeoutError after so many seconds, or as soon as `ended()` is true.

    The call runs in a thread `name` of its own, which is left behind where it takes longer. What it returns then goes
    to `late`, so that it can be closed.
    """
    left = _Left(late)
    threading.Thread(target=left.run, args=(call,), name=name, daemon=True).start()
    deadline = time.monotonic() + seconds
    while not ended() and time.monotonic() < deadline:
        with contextlib.suppress(queue.Empty):
            return left.result(_SLICE)
    left.give_up()
    raise TimeoutError("stopping" if ended() else f"no answer within {seconds:g} s")


class _Left(Generic[T]):
    """A call in a thread, and whether somebody still waits for it."""

    def __init__(self, late: Callable[[T], None] | None) -> None:
        self._late = late
        self._results: queue.SimpleQueue[tuple[T] | Exception] = queue.SimpleQueue()
        self._given_up = threading.Event()

    def run(self, call: Callable[[], T]) -> None:
        try:
            self._results.put((call(),))
        except Exception as error:  # raised where it is waited for
            self._results.put(error)
        if self._given_up.is_set():
            self._discard()

    def result(self, seconds: float) -> T:
        """Raises queue.Empty if there is none yet."""
        result = self._results.get(timeout=seconds)
        if isinstance(result, Exception):
            raise result
        return result[0]

    def give_up(self) -> None:
        self._given_up.set()
        self._discard()  # both sides do, so that none comes between

    def _discard(self) -> None:
        with contextlib.suppress(queue.Empty):
            left = self._results.get_nowait()
            if self._late is not None and not isinstance(left, Exception):
                self._late(left[0])

"""Ends exchanges that take too long as a whole: the time-outs of a connection are for single reads."""

import threading
import time
from collections.abc import Callable

_LOOKS = 4  # in the time that an exchange may take


class Guard:
    """Calls `abort` if an exchange takes more than `seconds`, at most a quarter of that time later.

    One thread serves many exchanges. It wakes now and then, and ends once no exchange is under way.
    """

    def __init__(self, seconds: float, abort: Callable[[], None]) -> None:
        self._seconds = seconds
        self._abort = abort
        self._lock = threading.Lock()
        self._until: float | None = None  # monotonic seconds
        self._watching = False
        self._ended = threading.Event()

    def __enter__(self) -> None:
        """An exchange begins."""
        with self._lock:
            self._until = time.monotonic() + self._seconds
            if self._watching:
                return
            self._watching = True
        threading.Thread(target=self._watch, name="exchange guard", daemon=True).start()

    def __exit__(self, *_: object) -> None:
        """The exchange is over."""
        with self._lock:
            self._until = None

    def end(self) -> None:
        """No further exchange begins."""
        self._ended.set()

    def _watch(self) -> None:
        while not self._ended.wait(self._seconds / _LOOKS):
            with self._lock:
                if self._until is None:
                    self._watching = False
                    return
                if time.monotonic() >= self._until:
                    self._abort()

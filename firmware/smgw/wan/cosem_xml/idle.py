"""Closes a connection that nobody uses: a session of TLS ends soon after its last exchange."""

import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager


class Idle:
    """Calls `close` once nothing was used for `seconds`. `busy` is held while something is used.

    One thread waits while a connection is open, and ends with it.
    """

    def __init__(self, seconds: float, busy: AbstractContextManager[object], close: Callable[[], None]) -> None:
        self._seconds = seconds
        self._busy = busy
        self._close = close
        self._used = 0.0  # monotonic seconds
        self._watching = False
        self._ended = threading.Event()

    def used(self) -> None:
        """A use ends now; the caller holds `busy`."""
        self._used = time.monotonic()
        if not self._watching and not self._ended.is_set():
            self._watching = True
            threading.Thread(target=self._watch, name="idle connection", daemon=True).start()

    def end(self) -> None:
        """Close nothing any more."""
        self._ended.set()

    def _watch(self) -> None:
        pause = self._seconds
        while not self._ended.wait(pause):
            with self._busy:
                pause = self._used + self._seconds - time.monotonic()
                if pause <= 0:
                    self._watching = False
                    self._close()
                    return

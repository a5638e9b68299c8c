"""A flag that interrupts waits on a port: a thread waits for it together with a file descriptor."""

import contextlib
import os
import select
import threading
from types import TracebackType
from typing import Self


class Wake:
    """As `threading.Event`, but selectable: it stays set for all waiting threads until it is cleared.

    One Wake may serve several ports, and all sleeps, of a thread. `set` may be called from any thread and from a signal
    handler.
    """

    def __init__(self) -> None:
        self._set = False
        self._closed = True
        # Without it a late `set` could write into a file that got the descriptor after `close`. Reentrant, because a
        # signal handler runs in the thread that may hold it.
        self._lock = threading.RLock()
        self._read_end, self._write_end = os.pipe()
        self._closed = False
        os.set_blocking(self._read_end, False)
        os.set_blocking(self._write_end, False)

    def __del__(self) -> None:
        """A driver that ends with its thread is nobody's to close."""
        self.close()

    def set(self) -> None:
        """End all present and future waits at once."""
        with self._lock:
            known, self._set = self._set, True  # before the octet: a thread that it wakes asks `is_set`
            if not self._closed and not known:
                os.write(self._write_end, b"\0")

    def is_set(self) -> bool:
        """True between `set` and `clear`."""
        return self._set

    def clear(self) -> None:
        """Clear the flag, so that waits block again."""
        with self._lock, contextlib.suppress(BlockingIOError):
            self._set = False
            while not self._closed and os.read(self._read_end, 64):
                pass

    def wait(self, timeout: float | None = None) -> bool:
        """Sleep for `timeout` seconds (None: without end) or until set; True if set."""
        return self._set or bool(select.select([self._read_end], [], [], timeout)[0])

    def fileno(self) -> int:
        """The descriptor that is readable while set."""
        return self._read_end

    def close(self) -> None:
        """Close the descriptors. No thread may wait any more; `set` may still be called."""
        with self._lock:
            if not self._closed:
                self._closed = True
                os.close(self._read_end)
                os.close(self._write_end)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

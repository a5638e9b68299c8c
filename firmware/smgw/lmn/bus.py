"""Ports that several readers share: the meters of an RS-485 bus are asked one after the other."""

import contextlib
import os
import threading
from collections.abc import Iterator

_POLL_S = 0.2  # how soon a stop ends the wait for a turn


class Bus:
    """One port. Whoever has the turn may open it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._users = 0

    @property
    def shared(self) -> bool:
        """True if another reader wants this port, too: then nobody keeps it between two polls."""
        return self._users > 1

    @contextlib.contextmanager
    def used(self) -> Iterator[None]:
        """For as long as a reader wants this port, whether it has the turn or not."""
        with _lock:
            self._users += 1
        try:
            yield
        finally:
            with _lock:
                self._users -= 1

    @contextlib.contextmanager
    def turn(self, stop: threading.Event) -> Iterator[bool]:
        """Wait for the turn and have it; without it (False) where `stop` came first."""
        held = False
        while not held and not stop.is_set():
            held = self._lock.acquire(timeout=_POLL_S)
        try:
            yield held
        finally:
            if held:
                self._lock.release()


_buses: dict[str, Bus] = {}
_lock = threading.Lock()


def bus_of(port: str) -> Bus:
    """The bus behind a port, whatever link leads to it."""
    name = port if "://" in port else os.path.realpath(port)
    with _lock:
        return _buses.setdefault(name, Bus())

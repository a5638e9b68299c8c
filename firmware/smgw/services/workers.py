"""Supervised threads: a failed thread logs the cause and is restarted."""

import logging
import threading
import time
from collections.abc import Callable, Sequence
from typing import Protocol

from smgw.cosem.duration import duration_text
from smgw.patience import Restarts

log = logging.getLogger(__name__)


class Employed(Protocol):
    """Something at work, as the watchdog and a stop need it; see `Worker`."""

    name: str

    @property
    def alive(self) -> bool:
        """False once it has ended."""

    @property
    def sound(self) -> bool:
        """True while it works, and after a request to stop."""

    def start(self) -> None:
        """Begin."""

    def join(self, deadline: float) -> bool:
        """Wait for the end until `deadline` (monotonic seconds); False if it still works."""


class Worker:
    """A thread whose body runs until it returns. An exception is logged with its cause; then the body runs again.

    A body that calls `beat` in its loop is also checked for hanging: without a beat for `patience` seconds it counts as
    dead.
    """

    def __init__(
        self, name: str, body: Callable[[], None], stopping: threading.Event, patience: float | None = None
    ) -> None:
        self.name = name
        self._body = body
        self._stopping = stopping
        self._patience = patience
        self._beaten = time.monotonic()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        """Begin."""
        self.beat()
        self._thread.start()

    def beat(self) -> None:
        """Called by the body to show that it does not hang."""
        self._beaten = time.monotonic()

    @property
    def alive(self) -> bool:
        """False once the body has returned."""
        return self._thread.is_alive()

    @property
    def sound(self) -> bool:
        """True while it runs and does not hang, and after a request to stop."""
        if self._stopping.is_set():
            return True
        return self.alive and (self._patience is None or time.monotonic() - self._beaten < self._patience)

    def join(self, deadline: float) -> bool:
        """Wait for the end until `deadline` (monotonic seconds); False if it is still running."""
        self._thread.join(max(0.0, deadline - time.monotonic()))
        return not self._thread.is_alive()

    def _run(self) -> None:
        restarts = Restarts()
        while not self._stopping.is_set():
            restarts.began()
            try:
                self._body()
            except Exception:
                pause = restarts.failed()
                log.exception(
                    "%s failed; it starts again in %s",
                    self.name, duration_text(pause), extra={"event": "worker-failed", "WORKER": self.name},
                )  # fmt: skip
                self._stopping.wait(pause)
                self.beat()
            else:
                return


def stop_all(workers: Sequence[Employed], seconds: float) -> list[str]:
    """Join all; returns the names of those still at work after `seconds` (they are daemons: exit ends them)."""
    deadline = time.monotonic() + seconds
    return [worker.name for worker in workers if not worker.join(deadline)]

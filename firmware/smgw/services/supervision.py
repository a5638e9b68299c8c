"""Notifications to systemd: ready, alive while all threads are, and the state."""

import logging
from collections.abc import Callable, Iterable

from smgw.board.notify import Notifier
from smgw.services import process
from smgw.services.workers import Employed

log = logging.getLogger(__name__)


class Supervision:
    """Called by a main loop at every turn. `status` is called only if systemd listens."""

    def __init__(
        self, notifier: Notifier, workers: Callable[[], Iterable[Employed]], status: Callable[[], str]
    ) -> None:
        self._notifier = notifier
        self._workers = workers
        self._status = status
        self._dead: set[str] = set()
        self.ready = False

    @property
    def interval(self) -> float:
        """Most seconds between two turns."""
        return self._notifier.interval

    def become_ready(self) -> None:
        """The service is ready."""
        self.ready = True
        self._notifier.ready()

    def tick(self) -> None:
        """Feed the watchdog if all threads live. Log once which thread does not; then systemd restarts the process."""
        process.log_repetitions()
        dead = {worker.name for worker in self._workers() if not worker.sound}
        for name in sorted(dead - self._dead):
            log.critical(
                "%s does not live any more; the watchdog is not fed, so that systemd starts this process again",
                name, extra={"event": "worker-dead", "WORKER": name},
            )  # fmt: skip
        self._dead = dead
        if not dead:
            self._notifier.alive()
        if self._notifier.heard:
            self._notifier.status(self._status())

    def reload(self, body: Callable[[], None]) -> None:
        """Tell systemd before and after."""
        self._notifier.reloading()
        try:
            body()
        finally:
            self._notifier.ready()

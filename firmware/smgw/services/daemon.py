"""The life of a daemon: start, ready, supervision, reload, drain, stop."""

import gc
import logging
from collections.abc import Callable, Sequence
from typing import Protocol

from smgw.board.notify import Notifier
from smgw.errors import SmgwError
from smgw.profiles.gateway import Configuration
from smgw.services.process import Signals
from smgw.services.supervision import Supervision
from smgw.services.workers import Employed

#: Longest drain (SIGUSR1). Remaining work is done after the next start.
DRAIN_SECONDS = 10.0
#: Seconds between two checks of a service that starts, and of one that drains.
_STARTING, _DRAINING = 0.05, 0.1


class Service(Protocol):
    """The part that is specific to one daemon. The main thread calls every method."""

    log: logging.Logger

    def start(self) -> None:
        """Start all threads."""

    def is_ready(self) -> bool:
        """True as soon as the service works; asked every 50 ms until then."""

    def ready_text(self) -> str:
        """The ready parts, for the log."""

    def workers(self) -> Sequence[Employed]:
        """The threads that must live as long as the process does."""

    def status(self) -> str:
        """The state of the service in one line for `systemctl status`."""

    def take(self, configuration: Configuration) -> str:
        """Use this configuration from now on; returns the changes in words. SmgwError: nothing has changed."""

    def taken(self, changes: str) -> None:
        """Write to the log book that a configuration was loaded."""

    def drain(self, seconds: float) -> bool:
        """Begin to finish waiting work within this time. False: this service has none."""

    def drained(self) -> bool:
        """True when a drain is over."""

    def stop(self) -> list[str]:
        """Stop all threads and close everything. Returns the names of the threads that did not stop in time."""


class Daemon:
    """Runs one service. SIGTERM stops it, SIGHUP reloads its configuration, SIGUSR1 drains it."""

    def __init__(self, load: Callable[[], Configuration], make: Callable[[Configuration], Service]) -> None:
        """`load` reads the configuration, now and at every reload; `make` opens the service. Raises SmgwError."""
        self._notifier = Notifier()  # before any store is opened: it may raise NotifyUnavailable
        self._load = load
        self._service = make(load())

    def run(self, signals: Signals) -> int:
        """Serve until told to stop; returns the exit code 0."""
        service = self._service
        supervision = Supervision(self._notifier, service.workers, service.status)
        gc.collect()  # importing and opening leave about 0.4 MB of garbage
        gc.freeze()  # loaded objects stay, so later collections can skip them
        service.start()
        draining = False
        while not signals.stop:
            if not supervision.ready and service.is_ready():
                service.log.info("ready: %s", service.ready_text(), extra={"event": "ready"})
                supervision.become_ready()
            if signals.drain and not draining:
                signals.drain = False
                draining = service.drain(DRAIN_SECONDS)
                if draining:
                    self._notifier.stopping()
            if draining and service.drained():
                break
            if signals.reload and not draining:
                signals.reload = False
                supervision.reload(self._reload)
            if not draining:  # threads may end now; the process ends before the watchdog would notice
                supervision.tick()
            signals.wait(_DRAINING if draining else supervision.interval if supervision.ready else _STARTING)
        self._notifier.stopping()
        if left := service.stop():
            service.log.warning("did not stop in time: %s", ", ".join(left))
        return 0

    def _reload(self) -> None:
        """Load the present configuration. A wrong one changes nothing."""
        try:
            changes = self._service.take(self._load())
        except SmgwError as error:
            self._service.log.error(  # noqa: TRY400 - the text says all there is
                "the configuration is not taken, the one before stays: %s", error,
                extra={"event": "configuration-refused"},
            )  # fmt: skip
            return
        self._service.taken(changes)
        self._service.log.info("the configuration is taken: %s", changes, extra={"event": "configuration-taken"})

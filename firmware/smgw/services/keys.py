"""The agent of keys: holds the private keys for signature and encryption, and uses them for other processes.

It has no network. Who asks is known by the socket (SO_PEERCRED), and what that user may do by a table (`keys_desk`).
"""

import logging
import threading
import time
from collections.abc import Sequence
from pathlib import Path

from smgw import BUILT_S
from smgw.profiles.gateway import Configuration
from smgw.services.keys_desk import Desk
from smgw.services.workers import Employed, Worker, stop_all
from smgw.store import paths
from smgw.store.run_directory import make_run_directory
from smgw.trust.keys.calls import SOCKET
from smgw.trust.keys.held import HeldKeys
from smgw.trust.keys.holder import held_here
from smgw.trust.own import active_triple
from smgw.trust.validity import Moment

log = logging.getLogger(__name__)

_STOP_SECONDS = 1.6
#: A chip card may need seconds for a call. One that needs more hangs, and the watchdog starts the agent again.
_PATIENCE_S = 60.0


class KeysService:
    """What is specific to the agent; see `smgw.services.daemon.Service`."""

    log = log

    def __init__(self, configuration: Configuration, state: Path) -> None:
        """Opens the socket; SmgwError."""
        self._trust = paths.trust_directory(state)
        self._keys = self._open(configuration)
        self._told: tuple[str, ...] = ()
        self._stopping = threading.Event()
        state.mkdir(parents=True, exist_ok=True)
        make_run_directory(state)
        self._desk = Desk(paths.run_directory(state) / SOCKET, self._keys, self._look, self._answer)
        self._worker = Worker("keys", self._serve, self._stopping, _PATIENCE_S)

    def start(self) -> None:
        """Read the keys, then serve."""
        self._look()
        self._worker.start()

    def is_ready(self) -> bool:
        """At once. Keys may come later: a gateway has none before the first `smgw keys request`."""
        return True

    def ready_text(self) -> str:
        """The keys."""
        return self._keys.described

    def workers(self) -> Sequence[Employed]:
        """The one thread."""
        return (self._worker,)

    def status(self) -> str:
        """Keys, calls and faults."""
        faults = f"; {len(self._keys.faults)} cannot be used" if self._keys.faults else ""
        return f"{self._keys.described}{faults}; {self._desk.answered} calls"

    def take(self, configuration: Configuration) -> str:
        """Read the keys again, also where the table [keys] did not change. What is wrong with them is logged."""
        old, self._keys = self._keys, self._open(configuration)
        self._desk.keys = self._keys
        old.close()
        self._look()
        return self._keys.described

    def taken(self, changes: str) -> None:
        """The agent has no log book."""

    def drain(self, seconds: float) -> bool:  # noqa: ARG002 - nothing waits
        """A call is too short for it."""
        return False

    def drained(self) -> bool:
        """Nothing ever waits."""
        return True

    def stop(self) -> list[str]:
        """Close the socket and forget the keys."""
        self._stopping.set()
        self._desk.stop()
        left = stop_all([self._worker], _STOP_SECONDS)
        if not left:
            self._desk.close()
            self._keys.close()
        log.info("stopped", extra={"event": "stopping"})
        return left

    def _open(self, configuration: Configuration) -> HeldKeys:
        return held_here(self._trust, configuration.keys, configuration.directory)

    def _serve(self) -> None:
        self._desk.run(self._worker.beat)

    def _answer(self, digest: bytes) -> bytes:
        """An answer to the house, signed with the key that signs values."""
        from smgw.trust.cms.signed import sign_answer  # nothing of it is needed until a consumer asks

        now_s = int(time.time())
        now = Moment(now_s, trusted=now_s >= BUILT_S)
        return sign_answer(digest, self._keys, active_triple(self._trust, now).signature)

    def _look(self) -> None:
        """Notice new and changed keys; log each fault once."""
        keys = self._keys
        if keys.refresh():
            log.info("keys: %s", keys.described)
        faults = tuple(map(str, keys.faults))
        for fault in faults:
            if fault not in self._told:
                log.error("%s", fault, extra={"event": "keys-unusable"})
        self._told = faults

"""The process of the HAN: answers the house by the views of the configuration, and hands live values on.

It reads lmn.db, wan.db and the live values, and writes han.db: accounts and their log book. It has no key of the
gateway but that of its own certificate for TLS.
"""

import asyncio
import logging
import socket
import ssl
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from smgw.board.activation import inherited_sockets
from smgw.errors import SmgwError, reason
from smgw.han.certificate import self_signed
from smgw.han.exchange import Answer, Request, View, problem
from smgw.han.server.head import Head, RefusedError
from smgw.han.server.listener import Listener, listen
from smgw.han.server.router import Router
from smgw.han.server.rules import own_names
from smgw.han.server.talk import Admitted, Shared
from smgw.han.views import load
from smgw.profiles.gateway import Configuration
from smgw.profiles.han import SELF_SIGNED, HanProfile
from smgw.services.workers import Employed, Worker, stop_all
from smgw.store import paths
from smgw.trust.han_tls import HAN, in_groups, own_files, read_own, server_context

log = logging.getLogger(__name__)

_STOP_S = 1.6
#: Without a beat for so long the loop hangs, and the watchdog starts the process again.
_PATIENCE_S = 30.0
_BEAT_S = 5.0


class _Closed:
    """No account yet: only what needs no login is shown."""

    def admit(self, view: View, head: Head, address: str, certificate: bytes | None) -> Admitted:  # noqa: ARG002
        """Whether the view needs no login."""
        refused = None if view.role is None else RefusedError(401, "Log in.", closing=False)
        return Admitted(refused)


class HanService:
    """What is specific to this process; see `smgw.services.daemon.Service`."""

    log = log

    def __init__(self, configuration: Configuration, state: Path) -> None:
        """Opens the port and the certificate; SmgwError."""
        self._state = state
        self._inherited = inherited_sockets()
        self._configuration = configuration
        self._begin()

    def _begin(self) -> None:
        self._ending = threading.Event()
        self._up = threading.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._listener: Listener | None = None
        self._workers: list[Worker] = []
        self._text = "the configuration has no [han]: nothing is to be done"
        profile = self._configuration.han
        if profile is None:
            return
        directory = paths.han_directory(self._state)
        directory.mkdir(mode=0o750, parents=True, exist_ok=True)
        gateway_id = str(self._configuration.gateway.device_id)
        if profile.certificate == SELF_SIGNED:
            own = self_signed(directory, gateway_id)
        else:
            own = own_files(paths.trust_directory(self._state) / HAN)
        certificate = read_own(own)
        context = server_context(own)
        shared = self._shared(profile, gateway_id)
        sockets = self._sockets(profile)
        self._text = f"{_places(sockets)}; views {', '.join(profile.views)}"
        log.info("the certificate for the HAN has the SHA-256 fingerprint %s", in_groups(certificate.fingerprint))
        self._workers = [
            Worker("server", lambda: self._serve(sockets, shared, context), self._ending, _PATIENCE_S),
        ]

    def _shared(self, profile: HanProfile, gateway_id: str) -> Shared:
        return Shared(Router(load(profile.views)), _Closed(), own_names(gateway_id, profile.names), self._ask)

    def _ask(self, view: View, request: Request) -> Answer:
        """In a thread of the server."""
        try:
            return view.answer(request, None)
        except SmgwError as error:
            log.warning("%s %s: %s", request.method, view.name, error)
            return problem(503, "The gateway's data cannot be read now.", {"Retry-After": "5"})
        except Exception:
            log.exception("the view %s failed", view.name, extra={"event": "worker-failed", "WORKER": view.name})
            return problem(500, "This answer failed. The gateway's journal says why.")

    def _sockets(self, profile: HanProfile) -> list[socket.socket]:
        if self._inherited:
            return [one.dup() for one in self._inherited]
        try:
            return listen(*profile.listen)
        except OSError as error:
            raise SmgwError(f"[han] cannot listen at {profile.listen} ({reason(error)}); mend `listen`") from error

    def _serve(self, sockets: list[socket.socket], shared: Shared, context: ssl.SSLContext) -> None:
        (worker, *_) = self._workers
        asyncio.run(self._run(sockets, shared, context, worker.beat))

    async def _run(
        self, sockets: list[socket.socket], shared: Shared, context: ssl.SSLContext, beat: Callable[[], None]
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._over = asyncio.Event()
        self._listener = Listener(sockets, shared, lambda: context)
        self._up.set()
        try:
            while not self._ending.is_set():
                beat()
                try:
                    async with asyncio.timeout(_BEAT_S):
                        await self._over.wait()
                except TimeoutError:
                    continue
        finally:
            self._listener.close()
            self._loop = None

    def start(self) -> None:
        """Start all threads."""
        for worker in self._workers:
            worker.start()

    def is_ready(self) -> bool:
        """When it listens."""
        return not self._workers or self._up.is_set()

    def ready_text(self) -> str:
        """Where it listens, and the views."""
        return self._text

    def workers(self) -> Sequence[Employed]:
        """All threads."""
        return tuple(self._workers)

    def status(self) -> str:
        """Views and connections."""
        listener = self._listener
        return f"{self._text}; {listener.connections} connections" if listener is not None else self._text

    def take(self, configuration: Configuration) -> str:
        """Begin anew, with all that the house may see. Open connections end."""
        before, old = self._configuration, self._text
        left = self._end()
        if left:
            raise SmgwError(f"did not stop in time: {', '.join(left)}")
        self._configuration = configuration
        try:
            self._begin()
        except SmgwError:
            self._configuration = before
            self._begin()
            self.start()
            raise
        self.start()
        return "nothing changed where it listens" if self._text == old else self._text

    def taken(self, changes: str) -> None:
        """The two other processes log it."""

    def drain(self, seconds: float) -> bool:  # noqa: ARG002 - nothing waits
        """There is nothing to finish."""
        return False

    def drained(self) -> bool:
        """Nothing ever waits."""
        return True

    def stop(self) -> list[str]:
        """End all connections."""
        left = self._end()
        for one in self._inherited:
            one.close()
        log.info("stopped", extra={"event": "stopping"})
        return left

    def _end(self) -> list[str]:
        self._ending.set()
        loop = self._loop
        if loop is not None:
            loop.call_soon_threadsafe(self._over.set)
        return stop_all(self._workers, _STOP_S)


def _places(sockets: Sequence[socket.socket]) -> str:
    found: list[tuple[Any, ...]] = [one.getsockname() for one in sockets]
    return ", ".join(
        f"https://[{name[0]}]:{name[1]}" if ":" in name[0] else f"https://{name[0]}:{name[1]}" for name in found
    )

"""The process of the HAN: answers the house by the views of the configuration, and hands live values on.

It reads lmn.db, wan.db and the live values, and writes han.db: accounts and their log book. It has no key of the
gateway but that of its own certificate for TLS.
"""

import asyncio
import contextlib
import socket
import ssl
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from smgw.board.activation import inherited_sockets
from smgw.errors import SmgwError, reason
from smgw.han.accounts import Accounts
from smgw.han.certificate import self_signed
from smgw.han.door import HanDoor
from smgw.han.refusal import RefusedError
from smgw.han.server.listener import Listener, listen
from smgw.han.server.router import Router
from smgw.han.server.rules import own_names
from smgw.han.server.talk import Shared
from smgw.han.set_up.desk import SetUp, make_code
from smgw.han.views import load
from smgw.profiles.gateway import Configuration
from smgw.profiles.han import SELF_SIGNED, HanProfile
from smgw.services.han_houses import Houses
from smgw.services.han_live import LiveOutlets
from smgw.services.han_log import HanLog, log
from smgw.services.workers import Employed, Worker, stop_all
from smgw.store import paths
from smgw.store.file.log_book import Level
from smgw.store.han.store import HanStore
from smgw.store.han.view import HanView
from smgw.trust.han_tls import HAN, in_groups, learn, own_files, read_own, server_context

_STOP_S = 1.6
#: Without a beat for so long the loop hangs, and the watchdog starts the process again.
_PATIENCE_S = 30.0
_BEAT_S = 5.0


class HanService:
    """What is specific to this process; see `smgw.services.daemon.Service`."""

    log = log

    def __init__(self, configuration: Configuration, state: Path, file: Path | None = None) -> None:
        """Opens the port and the certificate; SmgwError. `file`: that of the configuration."""
        self._state = state
        self._file = file
        self._inherited = inherited_sockets()
        self._configuration = configuration
        self._live = LiveOutlets(state)
        self._begin()

    def _begin(self) -> None:
        self._ending = threading.Event()
        self._up = threading.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._listener: Listener | None = None
        self._workers: list[Worker] = []
        self._store: HanStore | None = None
        self._book: HanLog | None = None
        self._view: HanView | None = None
        self._houses: Houses | None = None
        self._sockets: list[socket.socket] = []
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
        sockets = self._sockets = self._open(profile)
        try:
            store = self._store = HanStore.open(directory)
            book = self._book = HanLog(store, self._state)
            self._view = HanView.open(directory)
            self._houses = Houses(self._configuration, self._state, book, self._file)
            shared = self._shared(profile, gateway_id, context)
        except BaseException:
            self._close()
            raise
        if "setup" in profile.views and SetUp(self._state, self._file, book.stamp).is_open():
            make_code(self._state)
            log.info("no consumer has a login: /setup is open; its code: sudo smgw setup --code")
        self._text = f"{_places(sockets)}; views {', '.join(profile.views)}"
        log.info("the certificate for the HAN has the SHA-256 fingerprint %s", in_groups(certificate.fingerprint))
        self._workers = [
            Worker(
                "server", lambda: self._serve(sockets, shared, context, profile.listen.host), self._ending, _PATIENCE_S
            ),
            Worker("log book", lambda: book.run(self._ending, self._workers[1].beat), self._ending, _PATIENCE_S),
        ]

    def _shared(self, profile: HanProfile, gateway_id: str, context: ssl.SSLContext) -> Shared:
        """What the connections use; the accounts stay open in it until `_end`."""
        assert self._book is not None
        assert self._view is not None
        assert self._houses is not None
        book, realm = self._book, gateway_id.lower()
        accounts = Accounts(self._view, realm, lambda ders: learn(context, ders))
        door = HanDoor(accounts, realm, book.note, now=lambda: book.stamp().utc_us / 1_000_000)

        def refused(error: RefusedError, address: str) -> None:
            book.note("request-refused", Level.WARNING, f"a request from {address} was refused: {error.text}")

        page: Callable[[int, str, str], bytes] | None = None
        if "pages" in profile.views:
            from smgw.han.views.pages.errors import error_page  # loads templates

            page = error_page
        router = Router(load(profile.views))
        return Shared(router, door, own_names(gateway_id, profile.names), self._houses.ask, page, refused)

    def _open(self, profile: HanProfile) -> list[socket.socket]:
        """The sockets of systemd; one of its own where none of them has the port."""
        found = [one.dup() for one in self._inherited]
        if any(one.getsockname()[1] == profile.listen.port for one in found):
            return found
        try:
            return [*found, *listen(*profile.listen)]
        except OSError as error:
            raise SmgwError(f"[han] cannot listen at {profile.listen} ({reason(error)}); mend `listen`") from error

    def _serve(self, sockets: list[socket.socket], shared: Shared, context: ssl.SSLContext, host: str) -> None:
        (worker, *_) = self._workers
        asyncio.run(self._run(sockets, shared, context, host, worker.beat))

    async def _run(
        self,
        sockets: list[socket.socket],
        shared: Shared,
        context: ssl.SSLContext,
        host: str,
        beat: Callable[[], None],
    ) -> None:
        self._over = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        own = [one.dup() for one in sockets]  # a second run of this body needs them again
        self._listener = Listener(own, shared, lambda: context, host)
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
        self._live.apply(self._configuration)

    def is_ready(self) -> bool:
        """When it listens."""
        return not self._workers or self._up.is_set()

    def ready_text(self) -> str:
        """Where it listens, and the views."""
        return "; ".join(filter(None, (self._text, self._live.text)))

    def workers(self) -> Sequence[Employed]:
        """All threads."""
        return (*self._workers, *self._live.workers)

    def status(self) -> str:
        """Views, connections and live values."""
        listener = self._listener
        connections = "" if listener is None else f"{listener.connections} connections"
        return "; ".join(filter(None, (self._text, connections, self._live.text)))

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
        left = self._live.stop() + self._end()
        for one in self._inherited:
            one.close()
        log.info("stopped", extra={"event": "stopping"})
        return left

    def _end(self) -> list[str]:
        self._ending.set()
        loop = self._loop
        if loop is not None:
            with contextlib.suppress(RuntimeError):  # it has just ended by itself
                loop.call_soon_threadsafe(self._over.set)
        if self._book is not None:
            self._book.wake()
        left = stop_all(self._workers, _STOP_S)
        if not left:
            self._close()
        return left

    def _close(self) -> None:
        for one in (*self._sockets, self._houses, self._view, self._store):
            if one is not None:
                one.close()


def _places(sockets: Sequence[socket.socket]) -> str:
    found: list[tuple[Any, ...]] = [one.getsockname() for one in sockets]
    return ", ".join(
        f"https://[{name[0]}]:{name[1]}" if ":" in name[0] else f"https://{name[0]}:{name[1]}" for name in found
    )

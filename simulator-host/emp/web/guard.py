"""Access control for reading and deleting: local users, or users with the password. Gateways need neither.

Without a password, the header Host must also name this computer. Otherwise a page of another site in a local browser
could reach this server under a name of its own (DNS rebinding). The same holds for deliveries where only this computer
reaches the listener. A proxy on this computer sends `Host: localhost`, or `emp serve --name` has the name
that it sends.
"""

import asyncio
import base64
import binascii
import ipaddress
import logging
from collections.abc import Collection
from concurrent.futures import ThreadPoolExecutor

from aiohttp import web
from smgw.webservice.error import Forbidden, ServiceUnavailable, Unauthorized

from emp.web.attempts import Attempts
from emp.web.password import Password
from emp.web.peers import peer_of
from emp.web.seldom import Seldom

_LOG = logging.getLogger(__name__)
_MAX_CHECKS = 8


def is_loopback(host: str) -> bool:
    """True if an address, or the name localhost, is this computer's own."""
    name = host.strip().removeprefix("[").removesuffix("]")
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return name.lower() == "localhost"


class Guard:
    """Checks every request that shows or deletes readings."""

    def __init__(self, password: Password | None = None, names: Collection[str] = ()) -> None:
        self._password = password
        self._names = frozenset(name.lower() for name in names)
        self._local_ports: set[int] = set()
        self._attempts = Attempts()
        self._told = Seldom(_LOG)
        # Two slots of one thread each: who guesses never uses that of peers without a wrong password.
        self._unsuspected, self._suspected = _Slot(), _Slot()

    async def admit(self, request: web.Request) -> None:
        """Unauthorized, Forbidden or ServiceUnavailable unless the request may read."""
        if self._password is None:
            self._require_this_computer(request)
            return
        candidate = _basic(request.headers.get("Authorization"))
        if candidate is None:
            raise Unauthorized("the password is asked for (HTTP Basic; any user name)")
        if self._password.is_known(candidate):
            return
        peer = peer_of(request)
        async with self._attempts.turn(peer):
            slot = self._suspected if self._attempts.has_failed(peer) else self._unsuspected
            if self._password.is_known(candidate) or await slot.check(self._password, candidate):
                self._attempts.succeeded(peer)
                return
            number = self._attempts.failed(peer)
        self._told.say(logging.WARNING, peer, "a wrong password from %s, %d in a row", peer, number)
        raise Unauthorized("the password is not right; emp password sets another")

    def refuse_other_sites(self, request: web.Request) -> None:
        """Forbidden for requests that a page of another site caused: the browser would add the password."""
        origin = request.headers.get("Origin")
        foreign = origin is not None and origin.partition("://")[2] != request.headers.get("Host", "")
        if foreign or request.headers.get("Sec-Fetch-Site", "none") not in ("none", "same-origin"):
            raise Forbidden("a page of another site may not send this")

    def listens(self, host: str, port: int) -> None:
        """Note the address of a listener. Where only this computer reaches it, requests must name this computer."""
        if is_loopback(host):
            self._local_ports.add(port)

    def refuse_other_names(self, request: web.Request) -> None:
        """Forbidden for a request to a listener of this computer under another name."""
        local = request.get_extra_info("sockname")
        if local and local[1] in self._local_ports and is_loopback(str(local[0])):
            self._require_name(request)

    def close(self) -> None:
        """End the threads."""
        self._unsuspected.close()
        self._suspected.close()

    def _require_this_computer(self, request: web.Request) -> None:
        local = request.get_extra_info("sockname")
        if not local or not is_loopback(str(local[0])):
            raise Forbidden(
                "only this computer may read here; for others: emp password FILE, then emp serve --password FILE"
            )
        self._require_name(request)

    def _require_name(self, request: web.Request) -> None:
        host = request.headers.get("Host", "").strip()
        name = host[: host.find("]") + 1] if host.startswith("[") else host.partition(":")[0]
        if not is_loopback(name) and name.lower() not in self._names:
            raise Forbidden(
                f"{host!r:.80} is not this computer's name; write http://127.0.0.1 or http://localhost. "
                "A proxy on this computer sends Host: localhost, or the name that emp serve --name has"
            )


class _Slot:
    """Checks passwords one at a time, so that guessing is slow and uses at most one core."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, "emp-password")
        self._checks = 0

    async def check(self, password: Password, candidate: bytes) -> bool:
        """True if the password is right; ServiceUnavailable if too many wait."""
        if self._checks >= _MAX_CHECKS:
            raise ServiceUnavailable("too many passwords are being checked", 2)
        self._checks += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, password.check, candidate)
        finally:
            self._checks -= 1

    def close(self) -> None:
        self._thread.shutdown(wait=False, cancel_futures=True)


def _basic(header: str | None) -> bytes | None:
    """The password in `Basic <base64 of user:password>`."""
    scheme, _, encoded = (header or "").partition(" ")
    if scheme.lower() != "basic" or len(encoded) > 4096:
        return None
    try:
        _, colon, password = base64.b64decode(encoded.strip(), validate=True).partition(b":")
    except binascii.Error:
        return None
    return password if colon else None

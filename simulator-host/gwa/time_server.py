"""The time for gateways by NTP inside TLS (detail specification to TR-03109-1, chapter 14): the server's side.

A connection carries requests of 48 octets, each in one piece, and their answers. Anything else ends it. It does not
discipline a clock. With an upstream, an NTP server such as chronyd on the same computer, each request goes there, and
its answer comes back with the stratum one higher. Without, this computer's clock answers.
"""

import asyncio
import contextlib
import logging
import socket
import ssl
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, NamedTuple

from smgw.clock.system_clock import kernel_time
from smgw.errors import reason
from smgw.trust.certificate import Purpose
from smgw.trust.chain import Expected
from smgw.trust.errors import TrustError
from smgw.trust.folder import AUTHORITIES, AuthoritiesFolder
from smgw.trust.names import Role
from smgw.trust.own import Triple, active_triple, check_role
from smgw.trust.tls import SESSION_S, Own, Peer, PeerRefusedError, server_context
from smgw.trust.validity import Moment

from gwa.packet import OCTETS, ServerClock, answer, is_request, passed_on

HANDSHAKE_S = 10.0
IDLE_S = 20.0  # for one request
CONNECTIONS: Final = 256
_UPSTREAM_S = 1.0
#: Of a computer that does not know from where it has the time (chrony uses the same for `local`).
_STRATUM: Final = 10

_log = logging.getLogger(__name__)


class Upstream(NamedTuple):
    """Another NTP server, asked over UDP."""

    family: socket.AddressFamily
    address: Any

    @classmethod
    def resolved(cls, host: str, port: int) -> "Upstream":
        """OSError if there is no such host."""
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM)[0]
        return cls(family, address)

    async def ask(self, request: bytes) -> bytes | None:
        """Its answer, from one stratum further on; None if there is none within a second."""
        loop = asyncio.get_running_loop()
        with contextlib.suppress(OSError, TimeoutError), socket.socket(self.family, socket.SOCK_DGRAM) as endpoint:
            endpoint.setblocking(False)
            async with asyncio.timeout(_UPSTREAM_S):
                await loop.sock_connect(endpoint, self.address)
                sent_ns = time.monotonic_ns()
                await loop.sock_sendall(endpoint, request)
                while True:
                    answered = await loop.sock_recv(endpoint, 1024)
                    delay_us = (time.monotonic_ns() - sent_ns) // 1000
                    if found := passed_on(request, answered, delay_us):
                        return found
        return None


def own_clock() -> ServerClock | None:
    """This computer's clock, if the kernel says that a service synchronises it."""
    try:
        found = kernel_time()
    except OSError:
        return None
    return ServerClock(_STRATUM, found.error_us) if found.synchronised else None


class TimeServer:
    """Serves gateways by the certificates of a trust folder, as `smgw-pki export` writes it for the administrator."""

    def __init__(
        self,
        trust: Path,
        passphrase: Callable[[], bytes] = bytes,
        upstream: Upstream | None = None,
        clock: Callable[[], ServerClock | None] = own_clock,
    ) -> None:
        """:raises TrustError: the folder cannot be used; the error names the file."""
        self._trust = trust
        self._passphrase = passphrase
        self._upstream = upstream
        self._clock = clock
        self._authorities = AuthoritiesFolder(trust / AUTHORITIES)
        self._made: tuple[Triple, float, ssl.SSLContext] | None = None
        self._serving = 0
        self._context()

    async def serve(self, host: str, port: int, ready: Callable[[int], None]) -> None:
        """Serve until it is cancelled; `ready` gets the port. OSError if the address cannot be had."""
        server = await asyncio.start_server(self._connected, host, port)
        async with server:
            ready(server.sockets[0].getsockname()[1])
            await server.serve_forever()

    def _context(self) -> ssl.SSLContext:
        """That of the certificate in use; a new one every day, so that sessions end."""
        triple = active_triple(self._trust, _now())
        if self._made is None or self._made[0] != triple or time.monotonic() - self._made[1] > SESSION_S / 2:
            check_role(
                triple, Role.GWA, "Make certificates with `smgw-pki gwa NAME`, and export the folder of that name."
            )
            own = Own(triple.certificate_file(Purpose.TLS), triple.key_file(Purpose.TLS), self._passphrase)
            expected = Expected(Purpose.TLS, frozenset({Role.SMGW}), triple.tls.curve)
            made = server_context(own, Peer(expected, self._authorities, _now))
            self._made = triple, time.monotonic(), made
        return self._made[2]

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        who = "{}".format((writer.get_extra_info("peername") or ("?",))[0])
        if self._serving >= CONNECTIONS:
            _log.warning("%s: refused, there are %d connections", who, self._serving)
            writer.transport.abort()
            return
        self._serving += 1
        try:
            async with asyncio.timeout(HANDSHAKE_S):
                await writer.start_tls(self._context())
            peer = writer.get_extra_info("ssl_object").peer
            await self._exchange(reader, writer, f"{who} ({peer.subject.owner})")
        except PeerRefusedError as error:
            _log.warning("%s: refused: %s", who, error)
        except TrustError as error:
            _log.error("%s: refused, because of this server: %s", who, error)
        except (OSError, TimeoutError) as error:
            _log.info("%s: %s", who, reason(error) if isinstance(error, OSError) else "too slow")
        finally:
            self._serving -= 1
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    async def _exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, who: str) -> None:
        while True:
            request = b""
            async with asyncio.timeout(IDLE_S):
                while len(request) < OCTETS:
                    if not (octets := await reader.read(2 * OCTETS)):
                        return
                    request += octets
            received_ns = time.time_ns()
            if not is_request(request):
                _log.warning("%s: %d octets that are no request; the connection ends", who, len(request))
                return
            answered = await self._upstream.ask(request) if self._upstream else None
            if answered is None:
                clock = None if self._upstream else self._clock()
                answered = answer(request, clock, received_ns, time.time_ns())
            writer.write(answered)
            await writer.drain()
            _log.debug("%s: has the time", who)


def _now() -> Moment:
    return Moment(int(time.time()))

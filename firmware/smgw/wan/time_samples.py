"""Samples of the time by NTP over UDP (RFC 5905), for the gateway's clock.

The exchange is our own, because that of ntplib has three faults. It uses the system clock, which may be stepped in
between. It accepts an answer to another request. It waits as long as a stranger keeps sending.
"""

import logging
import re
import select
import socket
from collections.abc import Callable, Sequence
from threading import Event
from typing import Any, NamedTuple

from smgw.clock.sample import TimeSample
from smgw.clock.source import Source
from smgw.errors import SmgwError
from smgw.patience import patiently
from smgw.wan.time_packet import PACKET_OCTETS, Exchange, Refusal, Refused, judge, request
from smgw.wan.time_polls import SLICE_S, Sampler, Tell, tell_nobody

NTP_PORT = 123
ANSWER_TIMEOUT_S = 1.5

_RESOLVE_TIMEOUT_S = 10

_SERVER = re.compile(r"(?:\[(?P<v6>[0-9A-Fa-f:.]+)\]|(?P<name>[^\s:\[\]/]+))(?::(?P<port>[0-9]{1,5}))?")
_BARE_V6 = re.compile(r"[0-9A-Fa-f.]*(?::[0-9A-Fa-f.]*){2,}")

Address = tuple[int, tuple[Any, ...]]  # family and what connect() wants

_log = logging.getLogger(__name__)


class NtpServerError(SmgwError, ValueError):
    """A text that names no NTP server."""

    def __init__(self, given: str) -> None:
        super().__init__(
            f"{given!r} is no NTP server; write host or host:port, an IPv6 address with port as [address]:port"
        )
        self.given = given


class NtpServer(NamedTuple):
    """Whom to ask."""

    host: str
    port: int = NTP_PORT

    @classmethod
    def parse(cls, text: str) -> "NtpServer":
        """Read `host`, `host:port`, `[IPv6]`, `[IPv6]:port` or a bare IPv6 address; NtpServerError otherwise."""
        text = text.strip()
        if _BARE_V6.fullmatch(text):
            return cls(text)
        match = _SERVER.fullmatch(text)
        if match is None:
            raise NtpServerError(text)
        port = int(match["port"] or NTP_PORT)
        if not 0 < port < 65536:
            raise NtpServerError(text)
        return cls(match["v6"] or match["name"], port)

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == NTP_PORT else f"{host}:{self.port}"


class UdpServer:
    """A time server that is asked by datagrams."""

    def __init__(self, server: NtpServer, source: Source) -> None:
        self._server = server
        self._source = source

    def __str__(self) -> str:
        return str(self._server)

    def ask(self, stop: Event) -> TimeSample | Refused:
        """Ask the server's addresses in turn, until one can be sent to."""
        addresses = resolve(self._server, socket.SOCK_DGRAM, stop)
        if isinstance(addresses, Refused):
            return addresses
        unreachable = OSError("no address")
        for family, address in addresses:
            try:
                with socket.socket(family, socket.SOCK_DGRAM) as endpoint:
                    endpoint.setblocking(False)
                    endpoint.connect(address)  # from now on the kernel passes only this peer's datagrams
                    return self._exchange(endpoint, stop)
            except OSError as error:
                unreachable = error
        raise unreachable

    def _exchange(self, endpoint: socket.socket, stop: Event) -> TimeSample | Refused:
        asked = request()
        sent_ns = self._source.boottime_ns()
        endpoint.send(asked)
        outcome: TimeSample | Refusal = Refusal.SILENT
        while not stop.is_set():
            left_s = ANSWER_TIMEOUT_S - (self._source.boottime_ns() - sent_ns) / 1_000_000_000
            if left_s <= 0:
                break
            if not select.select([endpoint], [], [], min(left_s, SLICE_S))[0]:
                continue
            try:
                answer = endpoint.recv(2 * PACKET_OCTETS)
            except ConnectionRefusedError:
                outcome = Refusal.CLOSED
                break
            exchange = Exchange(asked[40:48], answer, sent_ns, self._source.boottime_ns())
            outcome = judge(exchange, self._source.boot_id, str(self))
            if outcome is not Refusal.GARBAGE:  # a forged or late datagram does not keep the true answer out
                break
        else:
            outcome = Refusal.STOPPED
        return outcome if isinstance(outcome, TimeSample) else Refused(outcome)


def resolve(server: NtpServer, kind: socket.SocketKind, stop: Event) -> list[Address] | Refused:
    """The server's addresses."""

    def look_up() -> list[Address]:
        found = socket.getaddrinfo(server.host, server.port, type=kind)
        return [(family, address) for family, _, _, _, address in found]

    try:
        return patiently(f"resolve {server.host}", look_up, _RESOLVE_TIMEOUT_S, stop.is_set)
    except (OSError, UnicodeError):
        _log.debug("time server %s", server, exc_info=True)
        return Refused(Refusal.STOPPED if stop.is_set() else Refusal.UNRESOLVED)


class NtpSampler(Sampler):
    """Asks NTP servers over UDP."""

    def __init__(
        self,
        servers: Sequence[str],
        source: Source,
        sink: Callable[[TimeSample], None],
        tell: Tell = tell_nobody,
    ) -> None:
        """`servers` as `host[:port]` (NtpServerError); the rest as of the base class."""
        named = [NtpServer.parse(server) for server in dict.fromkeys(servers)]
        super().__init__([UdpServer(server, source) for server in named], source, sink, tell)

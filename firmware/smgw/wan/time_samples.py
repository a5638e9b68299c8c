"""Samples of the time, by NTP (RFC 5905), for the gateway's clock.

ntplib codes and decodes the packets. The exchange is our own, because that of ntplib has three faults. It uses the
system clock, which may be stepped in between. It accepts an answer to another request. It waits as long as a stranger
keeps sending. Here CLOCK_BOOTTIME is used, which cannot be stepped. The transmit timestamp of the request is random.
Only an answer that repeats it is accepted.
"""

import logging
import re
import secrets
import select
import socket
from collections.abc import Callable, Sequence
from enum import StrEnum
from threading import Event
from typing import Any, NamedTuple

import ntplib

from smgw.clock.sample import TimeSample
from smgw.clock.source import Source
from smgw.cosem.duration import duration_text
from smgw.errors import SmgwError, reason
from smgw.patience import patiently

NTP_PORT = 123
PACKET_OCTETS = 48

ANSWER_TIMEOUT_S = 1.5
ROUND_TRIP_LIMIT_S = 9  # detail specification to TR-03109-1, chapter 14: discard beyond
ROOT_DISTANCE_LIMIT_S = 16  # RFC 5905, 7.2, MAXDISP: who may be off by more knows nothing

POLL_GOOD_S = 256  # after a sample was taken
POLL_FAILED_S = 64  # after none was; the detail specification, chapter 14, allows one poll a minute
POLL_UNSENT_S = 8  # nothing left the board (no route, no name service yet), so nobody is bothered
POLL_KISSED_S = 3600  # after a kiss of death

_KISSES = frozenset({b"DENY", b"RSTR", b"RATE"})  # RFC 5905, 7.4: those that ask a client to stop
_RESOLVE_TIMEOUT_S = 10
_SLICE_S = 0.25  # how soon a wait notices the stop
_ERA_S = 1 << 32  # NTP's seconds wrap in 2036; we read them as a time
_FIRST_UTC_S = 1_577_836_800  # from 2020 on

_SERVER = re.compile(r"(?:\[(?P<v6>[0-9A-Fa-f:.]+)\]|(?P<name>[^\s:\[\]/]+))(?::(?P<port>[0-9]{1,5}))?")
_BARE_V6 = re.compile(r"[0-9A-Fa-f.]*(?::[0-9A-Fa-f.]*){2,}")

_Address = tuple[int, tuple[Any, ...]]  # family and what connect() wants

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


class Refusal(StrEnum):
    """Why an exchange gave no sample."""

    UNRESOLVED = "its name cannot be resolved"
    UNREACHABLE = "it cannot be reached"
    CLOSED = "nothing gives the time on its port"
    SILENT = "it does not answer"
    GARBAGE = "what it answers is no answer to an NTP request"
    KISS_OF_DEATH = "it asks not to be asked (kiss of death)"
    UNSYNCHRONISED = "its own clock is not synchronised"
    IMPRECISE = "it says that it may be off by 16 s or more"
    SLOW = "its answer took more than 9 s"
    INCONSISTENT = "its timestamps contradict each other"
    STOPPED = "the gateway is stopping"


_UNSENT = frozenset({Refusal.UNRESOLVED, Refusal.UNREACHABLE, Refusal.STOPPED})


class Exchange(NamedTuple):
    """One request and answer: the answer's octets, and BOOTTIME before sending and after receiving."""

    transmit: bytes  # the request's transmit timestamp, 8 octets, which the answer repeats as origin
    answer: bytes
    sent_ns: int
    received_ns: int


def judge(exchange: Exchange, boot_id: str, source: str) -> TimeSample | Refusal:
    """Make a sample of an exchange, or return the reason why not (RFC 5905, 8 and 9.2; detail specification, ch. 14).

    The offset is the server's mean time minus BOOTTIME's mean. Its dispersion is the server's own (half its root delay,
    its root dispersion, its precision) plus half of the round trip, because the two directions may differ.
    """
    packet = ntplib.NTPStats()
    if len(exchange.answer) < PACKET_OCTETS or exchange.answer[24:32] != exchange.transmit:
        return Refusal.GARBAGE
    packet.from_data(exchange.answer)
    if packet.version < 4 or packet.mode != 4:
        return Refusal.GARBAGE
    if packet.stratum == 0 and exchange.answer[12:16] in _KISSES:
        return Refusal.KISS_OF_DEATH
    if packet.leap == 3 or not 1 <= packet.stratum <= 15:
        return Refusal.UNSYNCHRONISED
    precision_s = 2.0**packet.precision
    root_distance_s = packet.root_delay / 2 + packet.root_dispersion + precision_s
    if root_distance_s >= ROOT_DISTANCE_LIMIT_S:
        return Refusal.IMPRECISE
    round_trip_ns = exchange.received_ns - exchange.sent_ns
    if round_trip_ns > ROUND_TRIP_LIMIT_S * 1_000_000_000:
        return Refusal.SLOW
    received, transmitted = packet.recv_timestamp, packet.tx_timestamp
    held_ns = round((transmitted - received) * 1_000_000_000)
    slack_ns = round(precision_s * 1_000_000_000) + 1_000_000  # two clocks, neither of them perfect
    if not received or not -slack_ns <= held_ns <= round_trip_ns + slack_ns:
        return Refusal.INCONSISTENT
    if packet.ref_timestamp and (transmitted - packet.ref_timestamp) % _ERA_S > _ERA_S / 2:
        return Refusal.INCONSISTENT  # last set after it answered
    utc_us = round(((received + transmitted) / 2 - ntplib.NTP.NTP_DELTA) * 1_000_000)
    if utc_us < _FIRST_UTC_S * 1_000_000:
        utc_us += _ERA_S * 1_000_000
    middle_ns = (exchange.sent_ns + exchange.received_ns) // 2
    delay_us = max(0, round_trip_ns - held_ns) / 1000
    dispersion_us = round(root_distance_s * 1_000_000 + delay_us / 2) + 1
    return TimeSample(boot_id, exchange.received_ns, utc_us - middle_ns // 1000, dispersion_us, source)


class _Poll:
    """One server: when to ask it next, and what it was last heard to be."""

    def __init__(self, server: NtpServer) -> None:
        self.server = server
        self.due_ns = 0
        self._told: Refusal | None = Refusal.STOPPED  # nothing yet: that one is never told

    def note(self, refusal: Refusal | None, now_ns: int, detail: str) -> None:
        """Set the next poll and log what changed, once."""
        if refusal is None:
            wait_s = POLL_GOOD_S
        elif refusal in _UNSENT:
            wait_s = POLL_UNSENT_S
        else:
            wait_s = POLL_KISSED_S if refusal is Refusal.KISS_OF_DEATH else POLL_FAILED_S
        self.due_ns = now_ns + wait_s * 1_000_000_000
        if refusal in (Refusal.STOPPED, self._told):
            return
        self._told = refusal
        if refusal is None:
            about = {"event": "time-server-answers", "SERVER": str(self.server)}
            _log.info("time server %s: gives the time", self.server, extra=about)
        else:
            because = f" ({detail})" if detail else ""
            about = {"event": "time-server-refused", "SERVER": str(self.server)}
            _log.warning(
                "time server %s: %s%s; asked again in %s",
                self.server,
                refusal,
                because,
                duration_text(wait_s),
                extra=about,
            )


class NtpSampler:
    """Asks NTP servers for the time: each at once, then every 256 s, never more often than once a minute."""

    def __init__(self, servers: Sequence[str], source: Source, sink: Callable[[TimeSample], None]) -> None:
        """`servers` as `host[:port]` (NtpServerError); `sink` is given each sample, in the caller's thread."""
        self._source = source
        self._sink = sink
        self._stop = Event()
        self._polls = [_Poll(NtpServer.parse(server)) for server in dict.fromkeys(servers)]

    def run(self, stop: Event) -> None:
        """Poll until `stop` is set, which is noticed within a quarter of a second."""
        self._stop = stop
        while not stop.is_set():
            self.poll_once()
            now_ns = self._source.boottime_ns()
            wait_ns = min((poll.due_ns - now_ns for poll in self._polls), default=POLL_GOOD_S * 1_000_000_000)
            stop.wait(max(_SLICE_S, wait_ns / 1_000_000_000))

    def poll_once(self) -> list[TimeSample]:
        """Ask every server that is due; the samples go to the sink and are returned. No fault of the network raises."""
        samples = []
        for poll in self._polls:
            if self._stop.is_set() or self._source.boottime_ns() < poll.due_ns:
                continue
            detail = ""
            try:
                outcome = self._ask(poll.server)
            except OSError as error:
                outcome, detail = Refusal.UNREACHABLE, reason(error)
            refusal = outcome if isinstance(outcome, Refusal) else None
            poll.note(refusal, self._source.boottime_ns(), detail)
            if isinstance(outcome, TimeSample):
                samples.append(outcome)
                self._sink(outcome)
        return samples

    def _ask(self, server: NtpServer) -> TimeSample | Refusal:
        """Ask the server's addresses in turn, until one can be sent to."""
        addresses = self._resolve(server)
        if isinstance(addresses, Refusal):
            return addresses
        unreachable = OSError("no address")
        for family, address in addresses:
            try:
                with socket.socket(family, socket.SOCK_DGRAM) as endpoint:
                    endpoint.setblocking(False)
                    endpoint.connect(address)  # from now on the kernel passes only this peer's datagrams
                    return self._exchange(endpoint, str(server))
            except OSError as error:
                unreachable = error
        raise unreachable

    def _exchange(self, endpoint: socket.socket, name: str) -> TimeSample | Refusal:
        number = secrets.randbits(51)  # a float, ntplib's timestamp, holds 53 bits
        request = ntplib.NTPPacket(version=4, mode=3, tx_timestamp=number / (1 << 19)).to_data()
        sent_ns = self._source.boottime_ns()
        endpoint.send(request)
        outcome: TimeSample | Refusal = Refusal.SILENT
        while not self._stop.is_set():
            left_s = ANSWER_TIMEOUT_S - (self._source.boottime_ns() - sent_ns) / 1_000_000_000
            if left_s <= 0:
                return outcome
            if not select.select([endpoint], [], [], min(left_s, _SLICE_S))[0]:
                continue
            try:
                answer = endpoint.recv(2 * PACKET_OCTETS)
            except ConnectionRefusedError:
                return Refusal.CLOSED
            exchange = Exchange(request[40:48], answer, sent_ns, self._source.boottime_ns())
            outcome = judge(exchange, self._source.boot_id, name)
            if outcome is not Refusal.GARBAGE:  # a forged or late datagram does not keep the true answer out
                return outcome
        return Refusal.STOPPED

    def _resolve(self, server: NtpServer) -> list[_Address] | Refusal:
        """The server's addresses."""

        def look_up() -> list[_Address]:
            found = socket.getaddrinfo(server.host, server.port, type=socket.SOCK_DGRAM)
            return [(family, address) for family, _, _, _, address in found]

        try:
            return patiently(f"resolve {server.host}", look_up, _RESOLVE_TIMEOUT_S, self._stop.is_set)
        except (OSError, UnicodeError):
            _log.debug("time server %s", server, exc_info=True)
            return Refusal.STOPPED if self._stop.is_set() else Refusal.UNRESOLVED

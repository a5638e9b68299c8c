"""Samples of the time by NTP inside TLS (detail specification to TR-03109-1, chapter 14), from a gateway administrator.

A poll is one connection: TCP, TLS, 48 octets there and back, close. It is made anew each time. So the certificate and
the revocation lists are judged at each poll, neither side holds a connection that is idle for four minutes, and no
session gets old. A ticket makes the handshake short.

Certificates need a time, and the time needs a certificate. So a handshake is judged without the time: chain,
revocation, role, curve and pin must be right. Then the time is taken, and certificates and lists must be valid at that
time. Where the gateway's own time is trusted, they must be valid at that too. Only then the sample is believed.
"""

import errno
import os
import select
import socket
import ssl
import time
from collections.abc import Callable
from pathlib import Path
from threading import Event
from typing import Final, TypeVar

from smgw.clock.sample import TimeSample
from smgw.clock.source import Source
from smgw.errors import reason
from smgw.profiles.checks import TLS_TIME
from smgw.trust.certificate import Certificate, Purpose, utc
from smgw.trust.chain import Expected, check_chain, check_time
from smgw.trust.crl import RevocationList
from smgw.trust.errors import ExpiredError, FileError, NotYetValidError, TrustError
from smgw.trust.folder import AUTHORITIES, PEERS, AuthoritiesFolder
from smgw.trust.names import Role
from smgw.trust.own import Triple, active_triple
from smgw.trust.peers import PeersFolder
from smgw.trust.tls import Context, Own, Peer, PeerRefusedError, client_context, explained, hung_up
from smgw.trust.validity import Moment
from smgw.wan.time_packet import PACKET_OCTETS, ROUND_TRIP_LIMIT_S, Exchange, Refusal, Refused, judge, request
from smgw.wan.time_polls import SLICE_S
from smgw.wan.time_samples import NtpServer, NtpServerError, resolve

CONNECT_S = 10  # for TCP and TLS together, for each address
_ADDRESSES = 4  # tried in one poll
#: The clock of an authority may be ahead of ours, and it signs its lists by it.
_LIST_SLACK_S: Final = 300

#: The server may have refused our certificate.
_BY_PEER: Final = frozenset({Refusal.CUT_OFF, Refusal.UNTRUSTED})

_T = TypeVar("_T")


class TlsTrust:
    """Who the gateway is to a time server and whom it believes, by the trust folder, which is read again each time."""

    def __init__(self, trust: Path, now: Callable[[], Moment], passphrase: Callable[[], bytes] = bytes) -> None:
        """`now`: the gateway's time, trusted or not; `passphrase`: of the private key for TLS."""
        self._now = now
        self._trust = trust
        self._passphrase = passphrase
        self._authorities = AuthoritiesFolder(trust / AUTHORITIES)
        self._peers = PeersFolder(trust / PEERS)
        self._own: tuple[Own, bytes] | None = None
        self._context: Context | None = None
        self.own_fault: TrustError | None = None
        """Why one's own certificates are not valid now, by the gateway's time."""

    def context(self) -> Context:
        """For the next connection. It is the same while one's own certificate is, so that sessions are resumed.

        :raises TrustError: something is missing or wrong in the folder.
        """
        triple = self._triple()
        own = Own(triple.certificate_file(Purpose.TLS), triple.key_file(Purpose.TLS), self._passphrase)
        pinned = [one for one in self._peers.every() if (one.subject.role, one.purpose) == (Role.GWA, Purpose.TLS)]
        if not pinned:
            if self._peers.faults:
                raise self._peers.faults[0]
            raise FileError(
                "there is no certificate for TLS of a gateway administrator (GWA)",
                "Copy it here: `smgw-pki gwa` makes it, `smgw keys install` takes it over.",
                file=self._peers.folder,
            )
        pins = frozenset(one.fingerprint for one in pinned)
        expected = Expected(Purpose.TLS, frozenset({Role.GWA}), triple.tls.curve, pins=pins)
        peer = Peer(expected, self._authorities, self._untrusted, time_later=True)
        if self._context is None or self._own != (own, triple.tls.der):
            self._context, self._own = client_context(own, peer), (own, triple.tls.der)
        self._context.peer = peer
        return self._context

    def _triple(self) -> Triple:
        """One's own triple. One that is not valid now is used too: perhaps the gateway's time is wrong."""
        self.own_fault = None
        try:
            return active_triple(self._trust, self._now())
        except (ExpiredError, NotYetValidError) as error:
            self.own_fault = error
            return active_triple(self._trust, self._untrusted())

    def believe(self, sample: TimeSample, certificate: Certificate) -> Refused | None:
        """None if the certificate and the revocation lists behind it are valid at the time of the sample."""
        its = Moment((sample.offset_us + sample.boottime_ns // 1000) // 1_000_000)
        own = self._now()
        try:
            vouched = check_chain(certificate, self._authorities.current())
        except TrustError as error:  # the folder changed meanwhile
            return refused(error)
        by_its = _fault(vouched, its)
        by_own = _fault(vouched, own) if own.trusted else None
        if by_own and by_its:
            return refused(by_own, Refusal.EXPIRED)
        if by_its:
            return refused(by_its, Refusal.FALSE_TIME if own.trusted else Refusal.UNPROVEN)
        if by_own:
            return Refused(Refusal.CLOCKS_DIFFER, f"it gives {utc(its.utc_s)}; {by_own}", type(by_own).__name__)
        newest = max(vouched[1], key=lambda one: one.this_update_s)
        if its.utc_s < newest.this_update_s - _LIST_SLACK_S:
            detail = f"{newest.file}: this revocation list was made at {utc(newest.this_update_s)}, "
            return Refused(Refusal.PAST, f"{detail}and it gives {utc(its.utc_s)}")
        return None

    def _untrusted(self) -> Moment:
        return self._now()._replace(trusted=False)


def _fault(vouched: tuple[tuple[Certificate, ...], list[RevocationList]], moment: Moment) -> TrustError | None:
    try:
        check_time(*vouched, moment)
    except TrustError as error:
        return error
    return None


def refused(error: TrustError, refusal: Refusal = Refusal.UNTRUSTED) -> Refused:
    """A refusal that says what the error says."""
    return Refused(refusal, str(error), f"{type(error).__name__} {error.subject}")


class TlsServer:
    """A time server that is asked over TLS."""

    def __init__(self, server: str, source: Source, trust: TlsTrust) -> None:
        """`server` as `tls://host:port` (NtpServerError)."""
        if not server.startswith(TLS_TIME):
            raise NtpServerError(server)
        self._server = NtpServer.parse(server.removeprefix(TLS_TIME))
        self._name = server
        self._source = source
        self._trust = trust

    def __str__(self) -> str:
        return self._name

    def ask(self, stop: Event) -> TimeSample | Refused:
        """One poll: at most 10 s for each address and 9 s for the answer. OSError where no address can be reached."""
        try:
            context = self._trust.context()
        except TrustError as error:
            return refused(error, Refusal.UNPREPARED)
        except PeerRefusedError as error:  # a file of `authorities`
            return refused(error.refusal, Refusal.UNPREPARED)
        addresses = resolve(self._server, socket.SOCK_STREAM, stop)
        if isinstance(addresses, Refused):
            return addresses
        unreachable = OSError(errno.EADDRNOTAVAIL, "no address")
        for family, address in addresses[:_ADDRESSES]:
            with socket.socket(family, socket.SOCK_STREAM) as plain:
                waits = _Waits(stop, CONNECT_S)
                try:
                    waits.connect(plain, address)
                except OSError as error:
                    unreachable = error
                    continue
                except _StoppedError:
                    return Refused(Refusal.STOPPED)
                outcome = self._ask(context, plain, waits)
                if (fault := self._trust.own_fault) and isinstance(outcome, Refused) and outcome.refusal in _BY_PEER:
                    return refused(fault, Refusal.EXPIRED)
                return outcome
        if isinstance(unreachable, ConnectionRefusedError):
            return Refused(Refusal.CLOSED)
        if isinstance(unreachable, TimeoutError):
            return Refused(Refusal.SILENT, f"no connection within {CONNECT_S} s", "connection")
        raise unreachable

    def _ask(self, context: Context, plain: socket.socket, waits: "_Waits") -> TimeSample | Refused:
        """TLS and the exchange over a connection of TCP."""
        secured: ssl.SSLSocket | None = None
        try:
            secured = context.wrap_socket(plain, server_hostname=self._server.host, do_handshake_on_connect=False)
            waits.until(secured, secured.do_handshake)
            return self._exchange(secured, waits.stop)
        except _StoppedError:
            return Refused(Refusal.STOPPED)
        except TimeoutError:
            return Refused(Refusal.SILENT, f"no end of the handshake within {CONNECT_S} s", "handshake")
        except PeerRefusedError as error:
            return refused(error.refusal)
        except ConnectionError as error:
            return Refused(Refusal.CUT_OFF, reason(error))
        except ssl.SSLError as error:  # an alert of TLS 1.3 comes after our handshake
            return Refused(Refusal.CUT_OFF, "in the handshake") if hung_up(error) else refused(explained(error))
        finally:
            if secured is not None:
                secured.close()

    def _exchange(self, secured: ssl.SSLSocket, stop: Event) -> TimeSample | Refused:
        asked = request()
        waits = _Waits(stop, ROUND_TRIP_LIMIT_S)
        sent_ns = received_ns = self._source.boottime_ns()
        waits.until(secured, lambda: secured.send(asked))
        answer, ended = b"", ""
        while len(answer) < PACKET_OCTETS and not ended:
            try:
                octets = waits.until(secured, lambda: secured.recv(2 * PACKET_OCTETS))
            except TimeoutError:
                if not answer:
                    return Refused(Refusal.SILENT, f"within {ROUND_TRIP_LIMIT_S} s")
                ended = ", then silence"
            else:
                received_ns = self._source.boottime_ns()
                answer += octets
                ended = "" if octets else ", then the end"
        if not answer:
            return Refused(Refusal.CUT_OFF)
        if len(answer) != PACKET_OCTETS:
            return Refused(Refusal.GARBAGE, f"{len(answer)} octets in place of {PACKET_OCTETS}{ended}")
        certificate: Certificate = secured.peer  # type: ignore[attr-defined]
        name = f"{self} ({certificate.subject.common_name})"
        sample = judge(Exchange(asked[40:48], answer, sent_ns, received_ns), self._source.boot_id, name)
        if sample is Refusal.KISS_OF_DEATH:
            sample = Refusal.UNSYNCHRONISED  # the detail specification knows no kisses
        if not isinstance(sample, TimeSample):
            return Refused(sample)
        return self._trust.believe(sample, certificate) or sample


class _StoppedError(Exception):
    """The gateway stops."""


class _Waits:
    """Waits for a socket that end after a time all together, and at a stop."""

    def __init__(self, stop: Event, seconds: float) -> None:
        """From now on."""
        self.stop = stop
        self._ends = time.monotonic() + seconds

    def connect(self, plain: socket.socket, address: tuple[object, ...]) -> None:
        """Connect a socket of TCP; OSError, TimeoutError."""
        plain.setblocking(False)
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # a request must not wait for the handshake's ACK
        code = plain.connect_ex(address)
        if code == errno.EINPROGRESS:
            self._wait(plain, writing=True)
            code = plain.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if code:
            raise OSError(code, os.strerror(code))

    def until(self, secured: ssl.SSLSocket, call: Callable[[], _T]) -> _T:
        """What the call returns, when TLS can."""
        while True:
            try:
                return call()
            except ssl.SSLWantReadError:
                self._wait(secured, writing=False)
            except ssl.SSLWantWriteError:
                self._wait(secured, writing=True)

    def _wait(self, endpoint: socket.socket, *, writing: bool) -> None:
        """TimeoutError, _StoppedError."""
        while not self.stop.is_set():
            left = self._ends - time.monotonic()
            if left <= 0:
                raise TimeoutError(errno.ETIMEDOUT, os.strerror(errno.ETIMEDOUT))
            waiting = [endpoint]
            ready = select.select([] if writing else waiting, waiting if writing else [], [], min(left, SLICE_S))
            if any(ready):
                return
        raise _StoppedError

"""TLS contexts of client and server, from files of a triple, with the suites and curves of TR-03116-3.

TLS 1.2, and 1.3 where the curve can: OpenSSL before 3.2 knows no brainpool in TLS 1.3, and this Python can name one
curve only. So a context has one curve, that of its own certificate. No OPENSSL_CONF is needed, and nothing depends on
the environment. TLS 1.3 offers ChaCha20 too, since this Python cannot choose its suites: such a connection is refused.

OpenSSL checks the chain of the peer in the handshake, without the time, since it knows the system's clock only. Then,
before an octet of the application, `chain.check` judges the certificate: after each handshake, also a resumed one.
So a certificate that was revoked, or a ticket of its time, is refused at the next connection.
"""

import contextlib
import ssl
import time
from collections.abc import Callable
from typing import Any, Final, NamedTuple

from smgw.trust.certificate import Certificate, Purpose
from smgw.trust.chain import Authorities, Expected, Moment, check
from smgw.trust.errors import ClockNotTrustedError, NoCertificateError, TrustError, WrongPurposeError
from smgw.trust.folder import AuthoritiesFolder
from smgw.trust.keys.private_file import read_private
from smgw.trust.tls_rules import SUITES as SUITES
from smgw.trust.tls_rules import Own as Own
from smgw.trust.tls_rules import check_suite, load_own, restrict
from smgw.trust.tls_rules import explained as explained
from smgw.trust.tls_rules import hung_up as hung_up

#: A session, with all that resume it, ends after this time (TR-03116-3: 48 h in the WAN).
SESSION_S: Final = 48 * 3600
#: Python is asked for a session at most once in this time.
ASKED_S: Final = 1800.0


class Peer(NamedTuple):
    """Who may be at the other side. `now` is the trusted time, or what there is of it."""

    expected: Expected
    authorities: AuthoritiesFolder
    now: Callable[[], Moment]
    time_later: bool = False
    """While the time is not trusted, the peer is believed without it. The caller must check it then (time over TLS)."""


class PeerRefusedError(ssl.SSLError):
    """A handshake that failed: `refusal` says why. It is an SSLError, so that every library closes the connection."""

    def __init__(self, refusal: TrustError) -> None:
        super().__init__(str(refusal))
        self.refusal = refusal

    def __str__(self) -> str:
        return str(self.refusal)


class Counters:
    """Handshakes of one context since its start."""

    __slots__ = ("full", "refused", "resumed")

    def __init__(self) -> None:
        self.full = self.resumed = self.refused = 0


class Context(ssl.SSLContext):
    """A context whose connections exist only if the peer is believed. Made by `client_context`, `server_context`."""

    own: Certificate
    peer: Peer
    counters: Counters
    _known: Authorities | None
    _session: ssl.SSLSession | None
    _session_begun_s: float
    _asked_s: float

    def wrap_socket(self, sock: Any, server_side: bool = False, *args: Any, **named: Any) -> ssl.SSLSocket:
        """As of the base class; a client resumes the newest session, if it is not older than SESSION_S."""
        self._learn()
        if not server_side and len(args) < 4:
            named.setdefault("session", self._resumable())
        return super().wrap_socket(sock, server_side, *args, **named)

    def wrap_bio(self, *args: Any, **named: Any) -> ssl.SSLObject:
        """As of the base class."""
        self._learn()
        return super().wrap_bio(*args, **named)

    def judge(self, connection: "_Socket | _Object") -> Certificate:
        """The peer's certificate, after a handshake.

        :raises TrustError: the peer is not to be believed.
        """
        check_suite(connection.cipher())
        der = connection.getpeercert(True)
        if not der:
            raise NoCertificateError("the peer sent no certificate", "Install a certificate for TLS at the peer.")
        certificate = Certificate(der)
        try:
            check(certificate, self.peer.expected, self.peer.authorities.current(), self.peer.now())
        except ClockNotTrustedError:  # it comes last: all else is right
            if not self.peer.time_later:
                raise
        return certificate

    def judge_again(self, connection: ssl.SSLSocket) -> None:
        """Judge the peer of an open connection by what the folders and the clock say now.

        :raises TrustError: the peer is not to be believed any more.
        """
        assert isinstance(connection, _Socket)
        check(connection.peer, self.peer.expected, self.peer.authorities.current(), self.peer.now())

    @property
    def session_is_over(self) -> bool:
        """True if the newest session of a client is older than SESSION_S."""
        return time.clock_gettime(time.CLOCK_BOOTTIME) - self._session_begun_s > SESSION_S

    def remember(self, connection: ssl.SSLSocket) -> None:
        """Keep the session of a client's full handshake for the next connections.

        Python 3.11 loses some 8 kB of memory each time that it is asked for a session. So it is asked now and then: a
        peer may refuse every ticket.
        """
        now_s = time.clock_gettime(time.CLOCK_BOOTTIME)
        if now_s - self._asked_s < ASKED_S:
            return
        self._asked_s = now_s
        session = connection.session
        if session is not None and session.has_ticket:
            self._session = session

    def begun(self, *, resumed: bool) -> None:
        """Count a handshake; a full one begins a session."""
        if resumed:
            self.counters.resumed += 1
        else:
            self.counters.full += 1
            self._session_begun_s = time.clock_gettime(time.CLOCK_BOOTTIME)

    def _resumable(self) -> ssl.SSLSession | None:
        if self.session_is_over:
            self._session = None
        return self._session

    def _learn(self) -> None:
        """Show OpenSSL the authorities that came since; one that was removed is refused by `judge`."""
        try:
            current = self.peer.authorities.current()
        except TrustError as error:
            raise PeerRefusedError(error) from error
        if current is not self._known:
            if several := b"".join(one.der for one in current):
                self.load_verify_locations(cadata=several)
            self._known = current


class _Socket(ssl.SSLSocket):
    """A connection; `peer` is set when it exists."""

    peer: Certificate
    _ticket_comes = False  # TLS 1.3: after the handshake

    def do_handshake(self, block: bool = False) -> None:
        _handshake(self, lambda: super(_Socket, self).do_handshake(block))
        if not self.server_side and not self.session_reused:
            if self.version() == "TLSv1.2":
                self._remember()
            else:
                self._ticket_comes = True

    def _real_close(self) -> None:
        """Called when nobody reads any more: `http.client` closes while the body of an answer is still to come."""
        if hasattr(self, "peer"):
            if self._ticket_comes:
                self._remember()
            self._say_goodbye()
        super()._real_close()  # type: ignore[misc]

    def _remember(self) -> None:
        self._ticket_comes = False
        assert isinstance(self.context, Context)
        self.context.remember(self)

    def _say_goodbye(self) -> None:
        """Send close_notify, if the peer reads at all; its own is not awaited (RFC 5246, 7.2.1)."""
        with contextlib.suppress(OSError, ValueError):
            self.settimeout(0)
            self.unwrap()


class _Object(ssl.SSLObject):
    """The same without a socket: for asyncio, and for TLS on a meter's line."""

    peer: Certificate

    def do_handshake(self) -> None:
        _handshake(self, super().do_handshake)


def _handshake(connection: _Socket | _Object, do: Callable[[], None]) -> None:
    context = connection.context
    assert isinstance(context, Context)
    try:
        try:
            do()
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
            raise
        except ssl.SSLError as error:
            if hung_up(error):
                raise
            raise explained(error) from error
        connection.peer = context.judge(connection)
    except TrustError as refusal:
        context.counters.refused += 1
        raise PeerRefusedError(refusal) from refusal
    context.begun(resumed=bool(connection.session_reused))


def client_context(own: Own, peer: Peer) -> Context:
    """A context for the gateway, which is always the client.

    :raises TrustError: one of the files cannot be used; the error names it.
    """
    return _made(ssl.PROTOCOL_TLS_CLIENT, own, peer)


def server_context(own: Own, peer: Peer) -> Context:
    """A context for a head-end: clients must have a certificate.

    :raises TrustError: one of the files cannot be used; the error names it.
    """
    return _made(ssl.PROTOCOL_TLS_SERVER, own, peer)


def _made(protocol: int, own: Own, peer: Peer) -> Context:
    context = Context(protocol)
    context.sslsocket_class, context.sslobject_class = _Socket, _Object
    context.own, context.peer, context.counters = read_own(own), peer, Counters()
    context._known, context._session, context._session_begun_s = None, None, 0.0
    context._asked_s = -ASKED_S
    restrict(context, context.own.curve)
    context.verify_mode = ssl.CERT_REQUIRED
    load_own(context, own)
    context._learn()
    return context


def read_own(own: Own) -> Certificate:
    """One's own certificate, if it is for TLS and its key is private.

    :raises TrustError: it is not; the error names the file.
    """
    certificate = Certificate.from_file(own.certificate)
    if certificate.purpose is not Purpose.TLS:
        raise WrongPurposeError(
            f"it is for {certificate.purpose.value.upper()}, expected is TLS",
            "Name the certificate tls.crt of the triple.",
            subject=certificate.described,
            file=own.certificate,
        )
    read_private(own.key)
    return certificate

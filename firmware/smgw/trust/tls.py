"""TLS contexts of client and server, from files of a triple, with the suites and curves of TR-03116-3.

TLS 1.2, and 1.3 where the curve can: OpenSSL before 3.2 knows no brainpool in TLS 1.3, and this Python can name one
curve only. So a context has one curve, that of its own certificate. No OPENSSL_CONF is needed, and nothing depends on
the environment. TLS 1.3 offers ChaCha20 too, since this Python cannot choose its suites: such a connection is refused.

OpenSSL checks the chain of the peer in the handshake, without the time, since it knows the system's clock only. Then,
before an octet of the application, `chain.check` judges the certificate: after each handshake, also a resumed one.
So a certificate that was revoked, or a ticket of its time, is refused at the next connection.
"""

import ssl
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, NamedTuple

from smgw.trust.certificate import Certificate, Purpose
from smgw.trust.chain import Authorities, Expected, Moment, check
from smgw.trust.errors import (
    FileError,
    HandshakeError,
    KeyMismatchError,
    NoCertificateError,
    PassphraseError,
    TrustError,
    UntrustedError,
    WrongPurposeError,
)
from smgw.trust.folder import AuthoritiesFolder
from smgw.trust.keys.private_file import read_private

#: TLS 1.2: MUST, MUST, SHOULD, SHOULD of TR-03116-3; GCM first, because nobody can see whether CBC encrypts then MACs.
SUITES: Final = (
    "ECDHE-ECDSA-AES128-GCM-SHA256",
    "ECDHE-ECDSA-AES256-GCM-SHA384",
    "ECDHE-ECDSA-AES128-SHA256",
    "ECDHE-ECDSA-AES256-SHA384",
)
SUITES_13: Final = ("TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_AES_128_CCM_SHA256")
#: A session, with all that resume it, ends after this time (TR-03116-3: 48 h in the WAN).
SESSION_S: Final = 48 * 3600

_OPENSSL_NAMES: Final = {"secp256r1": "prime256v1"}
_NO_CHECK_TIME: Final = 0x200000  # X509_V_FLAG_NO_CHECK_TIME, which Python does not name


class Own(NamedTuple):
    """Files of one's own: the certificate with those of the sub-CAs behind it, and its private key."""

    certificate: Path
    key: Path
    passphrase: Callable[[], bytes] = bytes


class Peer(NamedTuple):
    """Who may be at the other side. `now` is the trusted time, or what there is of it."""

    expected: Expected
    authorities: AuthoritiesFolder
    now: Callable[[], Moment]


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
        cipher = connection.cipher()
        if cipher is None or cipher[0] not in SUITES + SUITES_13:
            raise HandshakeError(
                f"the suite {cipher and cipher[0]} is not one of TR-03116-3", "Set up the peer for the allowed suites."
            )
        der = connection.getpeercert(True)
        if not der:
            raise NoCertificateError("the peer sent no certificate", "Install a certificate for TLS at the peer.")
        certificate = Certificate(der)
        check(certificate, self.peer.expected, self.peer.authorities.current(), self.peer.now())
        return certificate

    def remember(self, connection: ssl.SSLSocket) -> None:
        """Keep the newest session of a client's connection for the next one."""
        if not connection.server_side and connection.session is not None and connection.session.has_ticket:
            self._session = connection.session

    def begun(self, *, resumed: bool) -> None:
        """Count a handshake; a full one begins a session."""
        if resumed:
            self.counters.resumed += 1
        else:
            self.counters.full += 1
            self._session_begun_s = time.clock_gettime(time.CLOCK_BOOTTIME)

    def _resumable(self) -> ssl.SSLSession | None:
        if time.clock_gettime(time.CLOCK_BOOTTIME) - self._session_begun_s > SESSION_S:
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

    def do_handshake(self, block: bool = False) -> None:
        _handshake(self, lambda: super(_Socket, self).do_handshake(block))
        assert isinstance(self.context, Context)
        self.context.remember(self)

    def close(self) -> None:
        context = self.context
        if isinstance(context, Context) and hasattr(self, "peer"):
            context.remember(self)  # a ticket of TLS 1.3 comes after the handshake
        super().close()


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
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError, ssl.SSLEOFError):
            raise
        except ssl.SSLError as error:
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
    context.check_hostname = False  # gateways and EMPs are known by role, owner and pin, not by the name of a host
    context.verify_mode = ssl.CERT_REQUIRED
    context.verify_flags = int(context.verify_flags) | _NO_CHECK_TIME  # type: ignore[assignment]
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    brainpool = context.own.curve.startswith("brainpool")
    context.maximum_version = ssl.TLSVersion.TLSv1_2 if brainpool else ssl.TLSVersion.TLSv1_3
    context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_COMPRESSION
    context.set_ciphers(":".join(SUITES))
    context.set_ecdh_curve(_OPENSSL_NAMES.get(context.own.curve, context.own.curve))
    _load(context, own)
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


def _load(context: Context, own: Own) -> None:
    try:
        context.load_cert_chain(own.certificate, own.key, password=own.passphrase)
    except ssl.SSLError as error:
        if error.reason in ("KEY_VALUES_MISMATCH", "KEY_TYPE_MISMATCH"):
            raise KeyMismatchError(
                f"this private key does not belong to the certificate {own.certificate}",
                "Name the key whose request the certificate was made from.",
                file=own.key,
            ) from None
        if b"ENCRYPTED" in read_private(own.key):
            raise PassphraseError(
                "the passphrase of this private key is missing or wrong",
                "Set the credential with its passphrase.",
                file=own.key,
            ) from None
        raise FileError("holds no private key in PEM", "Name the key of the certificate.", file=own.key) from None


def explained(error: ssl.SSLError) -> TrustError:
    """What an error of OpenSSL in a handshake means, and what to do."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return UntrustedError(
            f"OpenSSL refuses the peer's chain ({error.verify_message})",
            "If this peer is to be believed, put its root and sub-CA into the trust folder.",
        )
    named = error.reason or str(error)
    if named == "PEER_DID_NOT_RETURN_A_CERTIFICATE":
        return NoCertificateError("the peer sent no certificate", "Install a certificate for TLS at the peer.")
    for part, fault, remedy in _REASONS:
        if part in named:
            return HandshakeError(fault, remedy)
    return HandshakeError(f"the handshake failed ({named})", "See the log of the peer.")


_REASONS: Final = (
    ("WRONG_VERSION_NUMBER", "the peer does not speak TLS", "Check address and port."),
    ("HTTP_REQUEST", "the peer speaks HTTP without TLS", "Give it an address with https://."),
    ("PROTOCOL", "the peer offers no TLS 1.2 or newer", "Let the peer use TLS 1.2."),
    ("VERSION", "the peer offers no TLS 1.2 or newer", "Let the peer use TLS 1.2."),
    ("CERTIFICATE_REQUIRED", "the peer wants a certificate", "Install our certificate for TLS."),
    ("UNKNOWN_CA", "the peer does not know our certification authority", "Install root and sub-CA at the peer."),
    ("CERTIFICATE", "the peer refuses our certificate", "See the log of the peer; renew the certificate."),
    ("NO_SHARED", "both sides have no suite or curve in common", "Use certificates on the same curve."),
    ("HANDSHAKE_FAILURE", "both sides have no suite or curve in common", "Use certificates on the same curve."),
    ("SIGNATURE_ALGORITHM", "both sides have no suite or curve in common", "Use certificates on the same curve."),
    ("CURVE", "the peer's key is on another curve", "Use certificates on the same curve."),
)

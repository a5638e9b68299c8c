"""What every TLS context of the gateway has in common: suites, versions, curve, own files, and errors in words.

It loads `ssl` and nothing larger, because the process that reads meters uses it.
"""

import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Final, NamedTuple

from smgw.trust.errors import (
    FileError,
    HandshakeError,
    KeyMismatchError,
    NoCertificateError,
    PassphraseError,
    TrustError,
    UntrustedError,
)
from smgw.trust.keys.private_file import read_private

#: TLS 1.2: MUST, MUST, SHOULD, SHOULD of TR-03116-3; GCM first, because nobody can see whether CBC encrypts then MACs.
SUITES: Final = (
    "ECDHE-ECDSA-AES128-GCM-SHA256",
    "ECDHE-ECDSA-AES256-GCM-SHA384",
    "ECDHE-ECDSA-AES128-SHA256",
    "ECDHE-ECDSA-AES256-SHA384",
)
SUITES_13: Final = ("TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_AES_128_CCM_SHA256")

#: The fault of a handshake that found nothing.
NOTHING_IN_COMMON: Final = "both sides have no suite or curve in common"

_OPENSSL_NAMES: Final = {"secp256r1": "prime256v1"}
_NO_CHECK_TIME: Final = 0x200000  # X509_V_FLAG_NO_CHECK_TIME, which Python does not name


class Own(NamedTuple):
    """Files of one's own: the certificate with those of the sub-CAs behind it, and its private key."""

    certificate: Path
    key: Path
    passphrase: Callable[[], bytes] = bytes


def restrict(context: ssl.SSLContext, curve: str) -> None:
    """Allow the versions and suites of TR-03116-3 and this curve alone. The time is not OpenSSL's to check."""
    context.check_hostname = False  # peers are known by their certificates, not by the name of a host
    context.verify_flags = int(context.verify_flags) | _NO_CHECK_TIME  # type: ignore[assignment]
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    brainpool = curve.startswith("brainpool")
    context.maximum_version = ssl.TLSVersion.TLSv1_2 if brainpool else ssl.TLSVersion.TLSv1_3
    context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_COMPRESSION
    context.set_ciphers(":".join(SUITES))
    context.set_ecdh_curve(_OPENSSL_NAMES.get(curve, curve))


def check_suite(cipher: tuple[str, str, int] | None) -> None:
    """Return if the suite of a connection is allowed: this Python cannot choose those of TLS 1.3.

    :raises HandshakeError: it is not.
    """
    if cipher is None or cipher[0] not in SUITES + SUITES_13:
        raise HandshakeError(
            f"the suite {cipher and cipher[0]} is not one of TR-03116-3", "Set up the peer for the allowed suites."
        )


def load_own(context: ssl.SSLContext, own: Own) -> None:
    """Load one's own certificate and private key.

    :raises FileError: one of the files cannot be used, or they do not fit each other; the error names it.
    """
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


def hung_up(error: BaseException) -> bool:
    """True if the peer closed the connection. The errors of TLS have numbers of OpenSSL, not of the system."""
    if isinstance(error, ssl.SSLError) and getattr(error, "reason", "") == "UNEXPECTED_EOF_WHILE_READING":
        return True  # Python 3.13 gives it no type of its own where a write failed before
    return isinstance(error, ConnectionResetError | BrokenPipeError | ssl.SSLEOFError | ssl.SSLZeroReturnError)


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
    ("NO_SHARED", NOTHING_IN_COMMON, "Use certificates on the same curve."),
    ("HANDSHAKE_FAILURE", NOTHING_IN_COMMON, "Use certificates on the same curve."),
    ("SIGNATURE_ALGORITHM", NOTHING_IN_COMMON, "Use certificates on the same curve."),
    ("CURVE", "the peer's key is on another curve", "Use certificates on the same curve."),
)

"""Requests for certificates (PKCS#10, RFC 2986): made where the private key is, so that the key never travels."""

from collections.abc import Callable
from pathlib import Path
from typing import Final, NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID

from smgw.trust.certificate import CURVES, TRIPLE, Purpose, blocks, read_file
from smgw.trust.errors import FileError, MalformedError, TrustError
from smgw.trust.files import PRIVATE, PUBLIC, make_folder, replace
from smgw.trust.names import Subject
from smgw.trust.owners import USERS, owner

KEY: Final = ".key"
REQUEST: Final = ".csr"
#: Curves of end entities, by the word of the option `--curve`.
END_CURVES: Final[dict[str, ec.EllipticCurve]] = {"brainpool": ec.BrainpoolP256R1(), "p256": ec.SECP256R1()}

_AGAIN: Final = "Make the requests again with `smgw keys request`."


class Request(NamedTuple):
    """Who wants which certificate for which key. The key's owner signed it."""

    subject: Subject
    purpose: Purpose
    public_key: ec.EllipticCurvePublicKey
    file: Path


def write_triple(
    folder: Path,
    subject: Subject,
    curve: ec.EllipticCurve,
    passphrase: bytes = b"",
    in_token: Callable[[Purpose, ec.EllipticCurve], ec.EllipticCurvePrivateKey] | None = None,
) -> list[Path]:
    """Make three keys (mode 0600, see `owners`) and their requests in a new folder; the files of the requests.

    `in_token` makes the keys for signature and encryption elsewhere, without files. That for TLS is always a file.

    :raises FileError: the folder holds keys already, which are never overwritten, or it cannot be written.
    """
    make_folder(folder, 0o755)
    if present := [one for one in (folder / f"{purpose.value}{KEY}" for purpose in TRIPLE) if one.exists()]:
        raise FileError("this key is there already", "Choose a new folder: keys are not overwritten.", file=present[0])
    requests = []
    for purpose in TRIPLE:
        if in_token is not None and purpose is not Purpose.TLS:
            key = in_token(purpose, curve)
        else:
            key = ec.generate_private_key(curve)
            replace(folder / f"{purpose.value}{KEY}", key_octets(key, passphrase), PRIVATE, owner(USERS[purpose]))
        requests.append(folder / f"{purpose.value}{REQUEST}")
        replace(requests[-1], make_request(subject, purpose, key), PUBLIC)
    return requests


def make_request(subject: Subject, purpose: Purpose, key: ec.EllipticCurvePrivateKey) -> bytes:
    """A request in PEM. Its KeyUsage says which certificate of the triple is wanted."""
    agreement = purpose is Purpose.ENCRYPTION
    usage = x509.KeyUsage(not agreement, False, False, False, agreement, False, False, False, False)
    builder = x509.CertificateSigningRequestBuilder().subject_name(subject.to_name())
    builder = builder.add_extension(usage, critical=True)
    if purpose is Purpose.TLS:
        both = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH])
        builder = builder.add_extension(both, critical=True)
    return builder.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM)


def key_octets(key: ec.EllipticCurvePrivateKey, passphrase: bytes = b"") -> bytes:
    """A private key in PEM (PKCS#8), encrypted if there is a passphrase."""
    protection = BestAvailableEncryption(passphrase) if passphrase else NoEncryption()
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, protection)


def read_triple(folder: Path) -> list[Request]:
    """The three requests of a folder: of one subject, on one curve, with three keys.

    :raises TrustError: a request is missing, damaged, or does not fit the others; the error names the file.
    """
    requests = [read_request(folder / f"{purpose.value}{REQUEST}") for purpose in TRIPLE]
    for purpose, one in zip(TRIPLE, requests, strict=True):
        if one.purpose is not purpose:
            raise _malformed(one.file, f"its KeyUsage asks for {one.purpose.value}, its name for {purpose.value}")
        if one.subject != requests[0].subject or one.public_key.curve.name != requests[0].public_key.curve.name:
            raise _malformed(one.file, f"its subject or curve differs from that of {requests[0].file.name}")
    if len({one.public_key.public_numbers() for one in requests}) < len(TRIPLE):
        raise _malformed(folder, "two requests have the same key")
    return requests


def read_request(file: Path) -> Request:
    """Read a request whose signature is right.

    :raises TrustError: it is damaged, or the sender does not have the private key; the error names the file.
    """
    octets = read_file(file)
    try:
        return _read(blocks(octets, "CERTIFICATE REQUEST")[0], file)
    except TrustError as error:
        raise error.at(file) from None
    except Exception as error:  # the octets are a stranger's, and the library has many parsers
        first_line = (str(error) or type(error).__name__).splitlines()[0][:200]
        raise _malformed(file, f"this is no request ({first_line})") from None


def _read(der: bytes, file: Path) -> Request:
    found = x509.load_der_x509_csr(der)
    key = found.public_key()
    if not isinstance(key, ec.EllipticCurvePublicKey) or key.curve.name not in CURVES:
        raise _malformed(file, "its key is on none of the curves of the SM-PKI")
    if not found.is_signature_valid:
        raise _malformed(file, "its signature is wrong")
    usage = found.extensions.get_extension_for_class(x509.KeyUsage).value
    extended = any(isinstance(one.value, x509.ExtendedKeyUsage) for one in found.extensions)
    purpose = Purpose.TLS if extended else Purpose.SIGNATURE
    return Request(Subject.from_name(found.subject), Purpose.ENCRYPTION if usage.key_agreement else purpose, key, file)


def _malformed(file: Path, fault: str) -> MalformedError:
    return MalformedError(fault, _AGAIN, file=file)

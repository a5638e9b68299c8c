"""One certificate of the SM-PKI: whose it is, what its key is for, how long it is valid."""

import base64
import re
from datetime import UTC, datetime
from enum import Enum
from hashlib import sha256
from pathlib import Path
from typing import Final, Self, TypeVar

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, ExtensionOID

from smgw.errors import reason
from smgw.trust.errors import FileError, MalformedError, TrustError
from smgw.trust.names import Subject
from smgw.trust.validity import utc as utc

#: Curves of TR-03116-3, by OpenSSL's names; `ec` calls secp256r1 so, OpenSSL's interface for TLS prime256v1.
CURVES: Final = ("brainpoolP256r1", "brainpoolP384r1", "brainpoolP512r1", "secp256r1", "secp384r1")
FILE_MAX: Final = 256 * 1024

_PEM: Final = re.compile(rb"-----BEGIN ([A-Z0-9 ]+)-----([A-Za-z0-9+/=\s]*)-----END \1-----")
#: Extensions that this room understands; another one that is critical makes a certificate unusable (RFC 5280, 4.2).
_UNDERSTOOD: Final = {
    ExtensionOID.BASIC_CONSTRAINTS,
    ExtensionOID.KEY_USAGE,
    ExtensionOID.EXTENDED_KEY_USAGE,
    ExtensionOID.CERTIFICATE_POLICIES,
    ExtensionOID.SUBJECT_ALTERNATIVE_NAME,
    ExtensionOID.ISSUER_ALTERNATIVE_NAME,
}


class Purpose(Enum):
    """What the key of a certificate may do. The value is the name of its files."""

    TLS = "tls"
    SIGNATURE = "sig"
    ENCRYPTION = "enc"
    AUTHORITY = "ca"


#: A participant has one certificate for each of these; the SM-PKI calls them a triple.
TRIPLE: Final = (Purpose.TLS, Purpose.SIGNATURE, Purpose.ENCRYPTION)


class Certificate:
    """A certificate that was read; its signature and validity are not checked yet (`chain` does that)."""

    __slots__ = (
        "aki",
        "curve",
        "der",
        "fingerprint",
        "issuer",
        "not_after_s",
        "not_before_s",
        "path_length",
        "public_key",
        "purpose",
        "serial_number",
        "ski",
        "subject",
        "x509",
    )

    def __init__(self, der: bytes) -> None:
        """:raises MalformedError: these octets are no certificate that the SM-PKI allows.
        :raises NameFormatError: the subject does not have the form of the SM-PKI.
        """
        try:
            self._read(der)
        except TrustError:
            raise
        except Exception as error:  # the library raises what its many parsers raise, and the sender chooses the octets
            raise _malformed(f"these octets are no certificate ({_one_line(error)})") from None

    def _read(self, der: bytes) -> None:
        certificate = x509.load_der_x509_certificate(der)
        extensions = certificate.extensions
        public_key = certificate.public_key()
        self.x509: x509.Certificate = certificate
        self.der = der
        self.subject = Subject.from_name(certificate.subject)
        if not isinstance(public_key, ec.EllipticCurvePublicKey) or public_key.curve.name not in CURVES:
            raise _malformed("the key is on none of the curves of the SM-PKI", str(self.subject))
        if unknown := [one.oid for one in extensions if one.critical and one.oid not in _UNDERSTOOD]:
            raise _malformed(f"nobody here knows the critical extension {unknown[0].dotted_string}", str(self.subject))
        self.issuer: x509.Name = certificate.issuer
        self.public_key = public_key
        self.curve: str = public_key.curve.name
        self.serial_number: int = certificate.serial_number
        self.not_before_s = _seconds(certificate, "not_valid_before")
        self.not_after_s = _seconds(certificate, "not_valid_after")
        self.fingerprint = sha256(der).hexdigest()
        """SHA-256 of the whole certificate, in hex: the pin of a communication profile."""
        self.ski, self.aki = _key_identifiers(extensions)
        constraints = _value(extensions, x509.BasicConstraints)
        self.path_length: int | None = constraints.path_length if constraints else None
        self.purpose = self._purpose(extensions, is_authority=bool(constraints and constraints.ca))

    def _purpose(self, extensions: x509.Extensions, *, is_authority: bool) -> Purpose:
        usage, extended = _value(extensions, x509.KeyUsage), _value(extensions, x509.ExtendedKeyUsage)
        subject = str(self.subject)
        if usage is None:
            raise _malformed("the extension KeyUsage is missing", subject)
        if is_authority != self.subject.role.is_authority or is_authority != usage.key_cert_sign:
            raise _malformed("name, BasicConstraints and KeyUsage do not agree whether it is an authority", subject)
        if is_authority:
            return Purpose.AUTHORITY
        if extended is not None:
            if usage.digital_signature and {ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH} & {
                *extended
            }:
                return Purpose.TLS
        elif usage.digital_signature and not usage.key_agreement:
            return Purpose.SIGNATURE
        elif usage.key_agreement and not usage.digital_signature:
            return Purpose.ENCRYPTION
        raise _malformed("its KeyUsage fits neither TLS, signature nor encryption", subject)

    @classmethod
    def from_octets(cls, octets: bytes) -> Self:
        """The first certificate of a text with PEM blocks, or DER."""
        return cls(blocks(octets, "CERTIFICATE")[0])

    @classmethod
    def from_file(cls, file: Path) -> Self:
        """The first certificate of a file. Certificates after it (of the sub-CAs) are for TLS.

        :raises TrustError: the file is not readable or holds no certificate; the error names the file.
        """
        try:
            return cls.from_octets(read_file(file))
        except TrustError as error:
            raise error.at(file) from None

    @property
    def pem(self) -> bytes:
        """The certificate as a PEM block."""
        return to_pem("CERTIFICATE", self.der)

    @property
    def is_self_issued(self) -> bool:
        """True if subject and issuer are the same, as for a root."""
        return self.x509.subject == self.issuer

    @property
    def described(self) -> str:
        """For messages: `certificate TLS of EXXX0012345678.SMGW, serial number 4f2c...`."""
        kind = "CA" if self.purpose is Purpose.AUTHORITY else self.purpose.value.upper()
        return f"certificate {kind} of {self.subject}, serial number {self.serial_number:x}"

    def is_signed_by(self, issuer: Self) -> bool:
        """True if the key of `issuer` made the signature. Names and validity are not compared."""
        return is_signed(self.x509.signature, self.x509.tbs_certificate_bytes, self.x509, issuer)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Certificate) and other.der == self.der

    def __hash__(self) -> int:
        return hash(self.der)

    def __repr__(self) -> str:
        return f"<{self.described}>"


def is_signed(
    signature: bytes,
    content: bytes,
    of: x509.Certificate | x509.CertificateRevocationList,
    issuer: Certificate,
) -> bool:
    """True if the key of `issuer` signed with ECDSA and a digest of 256 bits or more."""
    try:
        digest = of.signature_hash_algorithm
        if digest is None or digest.digest_size < 32:
            return False
        issuer.public_key.verify(signature, content, ec.ECDSA(digest))
    except InvalidSignature:
        return False
    except Exception:  # an algorithm or an encoding that the library does not take
        return False
    return True


def read_file(file: Path) -> bytes:
    """The octets of a file of limited size.

    :raises FileError: it cannot be read, or it is too large.
    """
    try:
        with file.open("rb") as opened:
            octets = opened.read(FILE_MAX + 1)
    except OSError as error:
        raise FileError(
            f"cannot be read ({reason(error)})", "Check the path and who may read the file.", file=file
        ) from None
    if len(octets) > FILE_MAX:
        raise FileError("is too large", f"A file with certificates has at most {FILE_MAX} octets.", file=file)
    return octets


def blocks(octets: bytes, label: str) -> list[bytes]:
    """The DER of all PEM blocks with this label, or these octets if they are DER; at least one.

    :raises MalformedError: there is none.
    """
    if octets[:1] == b"\x30":
        return [octets]
    try:
        found = [base64.b64decode(body) for kind, body in _PEM.findall(octets) if kind.decode() == label]
    except ValueError:
        raise _malformed(f"the PEM block {label} is damaged") from None
    if not found:
        raise _malformed(f"there is no PEM block {label}, and it is no DER either")
    return found


def to_pem(label: str, der: bytes) -> bytes:
    """A PEM block (RFC 7468)."""
    lines = base64.encodebytes(der).replace(b"\n", b"")
    body = b"\n".join(lines[place : place + 64] for place in range(0, len(lines), 64))
    return b"-----BEGIN %b-----\n%b\n-----END %b-----\n" % (label.encode(), body, label.encode())


def seconds_of(holder: object, name: str) -> int | None:
    """A moment of a certificate or CRL, in Unix seconds. Newer versions of `cryptography` give it with a time zone."""
    moment = getattr(holder, f"{name}_utc", None) or getattr(holder, name, None)
    if moment is None:
        return None
    assert isinstance(moment, datetime)
    return int(moment.replace(tzinfo=UTC).timestamp())


def _seconds(certificate: x509.Certificate, name: str) -> int:
    found = seconds_of(certificate, name)
    assert found is not None
    return found


_Extension = TypeVar("_Extension", bound=x509.ExtensionType)


def _value(extensions: x509.Extensions, kind: type[_Extension]) -> _Extension | None:
    try:
        return extensions.get_extension_for_class(kind).value
    except x509.ExtensionNotFound:
        return None


def _key_identifiers(extensions: x509.Extensions) -> tuple[bytes | None, bytes | None]:
    subject = _value(extensions, x509.SubjectKeyIdentifier)
    authority = _value(extensions, x509.AuthorityKeyIdentifier)
    return subject.digest if subject else None, authority.key_identifier if authority else None


def _malformed(fault: str, subject: str = "") -> MalformedError:
    return MalformedError(fault, "Ask whoever issued it for a certificate by TR-03109-4.", subject=subject)


def _one_line(error: Exception) -> str:
    return (str(error) or type(error).__name__).splitlines()[0][:200]

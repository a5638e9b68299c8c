"""A certificate of the local metrological network: self-signed, and believed because it is pinned (TR-03109-1, LKS).

Meters have no certification authority. A person checks a meter's certificate once and pins it. It is read here without
the library `cryptography`, which would take 10 MB of the process that reads meters. `self_signed` makes such ones.
"""

import base64
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Final, Self

from smgw.errors import reason
from smgw.trust import oids
from smgw.trust.cms.der import BIT_STRING, INTEGER, OBJECT_IDENTIFIER, SEQUENCE, SET, Reader, context, identifier
from smgw.trust.errors import FileError, MalformedError, NoCertificateError, TrustError, WrongPinError
from smgw.trust.validity import Moment, check_valid, utc

FILE_MAX: Final = 64 * 1024
#: A certificate in the LMN is valid for seven years at most (TR-03109-1): two leap days, or one, are in them.
VALIDITY_MAX_S: Final = (7 * 365 + 2) * 86_400

#: Curves of TR-03116-3, by the names of `cryptography`.
_CURVES: Final = {
    identifier(oids.BRAINPOOL_P256R1): "brainpoolP256r1",
    identifier(oids.BRAINPOOL_P384R1): "brainpoolP384r1",
    identifier(oids.BRAINPOOL_P512R1): "brainpoolP512r1",
    identifier(oids.SECP256R1): "secp256r1",
    identifier(oids.SECP384R1): "secp384r1",
}
_COMMON_NAME: Final = identifier("2.5.4.3")
_UTC_TIME, _GENERALIZED_TIME = 0x17, 0x18
_NAME_MAX: Final = 64
_PEM: Final = re.compile(rb"-----BEGIN CERTIFICATE-----([A-Za-z0-9+/=\s]*)-----END CERTIFICATE-----")
_ANEW: Final = "Get the certificate from the meter's maker or `smgw keys meter` once more, in PEM or DER."


class MeterCertificate:
    """One certificate that was read. Its own signature says nothing, and is not asked: the pin decides."""

    __slots__ = ("curve", "der", "file", "fingerprint", "name", "not_after_s", "not_before_s")

    def __init__(self, der: bytes, file: Path | None = None) -> None:
        """:raises MalformedError: these octets are no certificate for TLS in the LMN."""
        self.der = der
        self.file = file
        self.fingerprint = sha256(der).hexdigest()
        """SHA-256 of the whole certificate, in hex."""
        try:
            self._read(Reader(der))
        except MalformedError as error:
            raise _malformed(error.fault, file) from None
        if self.not_after_s - self.not_before_s > VALIDITY_MAX_S:
            raise _malformed(
                f"it is valid from {utc(self.not_before_s)} to {utc(self.not_after_s)}, which is more than seven years",
                file,
                "Make a new certificate, for seven years at most.",
            )

    def _read(self, octets: Reader) -> None:
        certificate = octets.inside(SEQUENCE, "certificate")
        octets.finish("certificate")
        signed = certificate.inside(SEQUENCE, "signed part of the certificate")
        if signed.next_tag == context(0):
            signed.content(context(0), "version")
        signed.content(INTEGER, "serial number")
        signed.content(SEQUENCE, "signature algorithm")
        signed.content(SEQUENCE, "issuer")
        validity = signed.inside(SEQUENCE, "validity")
        self.not_before_s, self.not_after_s = _time(validity), _time(validity)
        self.name = _common_name(signed.inside(SEQUENCE, "subject"))
        key = signed.inside(SEQUENCE, "public key")
        algorithm = key.inside(SEQUENCE, "algorithm of the public key")
        kind = algorithm.whole(OBJECT_IDENTIFIER, "algorithm of the public key")
        curve = algorithm.whole(OBJECT_IDENTIFIER, "curve of the public key") if kind == _EC else b""
        key.content(BIT_STRING, "public key")
        if curve not in _CURVES:
            raise MalformedError("the key is on none of the curves of TR-03116-3", "")
        self.curve = _CURVES[curve]

    @classmethod
    def from_file(cls, file: Path) -> Self:
        """The first certificate of a file, PEM or DER.

        :raises TrustError: as of `several`.
        """
        return cls.several(file)[0]

    @classmethod
    def several(cls, file: Path) -> tuple[Self, ...]:
        """The certificates of a file, PEM or one in DER; at least one.

        :raises TrustError: the file is not readable or holds no certificate for TLS in the LMN; the error names it.
        """
        try:
            with file.open("rb") as opened:
                octets = opened.read(FILE_MAX + 1)
        except OSError as error:
            raise FileError(
                f"cannot be read ({reason(error)})", "Check the path and who may read the file.", file=file
            ) from None
        if octets[:1] == b"\x30":
            return (cls(octets, file),)
        try:
            found = [base64.b64decode(block) for block in _PEM.findall(octets[:FILE_MAX])]
        except ValueError:
            found = []
        if not found:
            raise _malformed("there is no whole PEM block CERTIFICATE, and it is no DER either", file)
        return tuple(cls(der, file) for der in found)

    @property
    def pem(self) -> bytes:
        """The certificate as a PEM block."""
        text = base64.b64encode(self.der)
        body = b"\n".join(text[place : place + 64] for place in range(0, len(text), 64))
        return b"-----BEGIN CERTIFICATE-----\n%b\n-----END CERTIFICATE-----\n" % body

    @property
    def described(self) -> str:
        """For messages: `certificate of 1EMH0000000001.sm, fingerprint 4f2c...`."""
        return f"certificate of {self.name or 'nobody named'}, fingerprint {self.fingerprint[:16]}"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, MeterCertificate) and other.der == self.der

    def __hash__(self) -> int:
        return hash(self.der)


def check_pin(der: bytes, pins: Sequence[MeterCertificate]) -> MeterCertificate:
    """The pinned certificate that the peer showed.

    :raises NoCertificateError, WrongPinError: it showed none, or another one.
    """
    if not der:
        raise NoCertificateError("the peer sent no certificate", "Install a certificate for TLS at the peer.")
    for pin in pins:
        if pin.der == der:
            return pin
    wanted = " or ".join(pin.fingerprint for pin in pins)
    raise WrongPinError(
        f"the peer shows a certificate with the fingerprint {sha256(der).hexdigest()}, pinned is {wanted}",
        "If the meter has a new certificate, pin it: `smgw keys meter METER FILE`. If not, somebody else answers.",
        file=pins[0].file if pins else None,
    )


def check_time(pin: MeterCertificate, now: Moment) -> None:
    """Return if a pinned certificate is valid now.

    :raises ClockNotTrustedError: the time is not trusted. All else is right: the caller may go on and ask again.
    :raises NotYetValidError, ExpiredError: the time is trusted, and the certificate is not valid now.
    """
    try:
        check_valid(pin, now, "Let the meter make a new certificate, then pin it: `smgw keys meter METER FILE`.")
    except TrustError as error:
        raise error.at(pin.file) if pin.file else error from None


_EC: Final = identifier(oids.EC_PUBLIC_KEY)


def _time(validity: Reader) -> int:
    """The next moment of the validity in Unix seconds (RFC 5280, 4.1.2.5): always UTC, always with seconds."""
    tag = _GENERALIZED_TIME if validity.next_tag == _GENERALIZED_TIME else _UTC_TIME
    text = validity.content(tag, "time of the validity").decode("ascii", "replace")
    if tag == _UTC_TIME:
        text = ("19" if text >= "50" else "20") + text
    try:
        if not re.fullmatch(r"[0-9]{14}Z", text):
            raise ValueError
        month, day, hour, minute, second = (int(text[place : place + 2]) for place in range(4, 14, 2))
        return int(datetime(int(text[:4]), month, day, hour, minute, second, tzinfo=UTC).timestamp())
    except ValueError:
        raise MalformedError("its validity is no time", "") from None


def _common_name(subject: Reader) -> str:
    """The first CN, for messages; "" if there is none."""
    while subject.next_tag is not None:
        attributes = subject.inside(SET, "subject")
        while attributes.next_tag is not None:
            attribute = attributes.inside(SEQUENCE, "attribute of the subject")
            kind = attribute.whole(OBJECT_IDENTIFIER, "attribute of the subject")
            if kind == _COMMON_NAME and (tag := attribute.next_tag) is not None:
                text = attribute.content(tag, "CN").decode("utf-8", "replace")
                return "".join(one for one in text if one.isprintable())[:_NAME_MAX]
    return ""


def _malformed(fault: str, file: Path | None, remedy: str = _ANEW) -> MalformedError:
    return MalformedError(fault, remedy, file=file)

"""ACSE: the four APDUs that open and close an association, in BER (IEC 62056-5-3, 7.3; ISO/IEC 8650-1).

    AARQ 60 LL   A1 09 06 07 60857405 0801 NN       application context
                 A6 0A 04 08 <title>                 calling AP title, if it ciphers
                 8A 02 07 80, 8B 07 60857405 0802 MM  authentication: required, mechanism
                 AC LL 80 LL <password or challenge>
                 BE LL 04 LL <InitiateRequest, plain or ciphered>
    AARE 61 LL   A1 09 ...  A2 03 02 01 <result>  A3 05 A1|A2 03 02 01 <diagnostic>
                 A4 0A 04 08 <title>  88 02 07 80  89 07 ...  AA LL 80 LL <challenge>  BE LL 04 LL <InitiateResponse>
    RLRQ 62 LL, RLRE 63 LL   [80 01 <reason>]  [BE LL 04 LL <user information>]

Reading is tolerant: elements may be missing or unknown, since meters omit them in a rejection (R9).
"""

from collections.abc import Iterator
from enum import IntEnum
from typing import NamedTuple

from smgw.errors import LocalProtocolError, RemoteProtocolError

AARQ_TAG, AARE_TAG, RLRQ_TAG, RLRE_TAG = 0x60, 0x61, 0x62, 0x63
_CONTEXT_NAME = bytes.fromhex("60857405 0801")
_MECHANISM_NAME = bytes.fromhex("60857405 0802")
_OBJECT_ID, _OCTET_STRING, _INTEGER = 0x06, 0x04, 0x02
_REQUIREMENTS = bytes.fromhex("0780")  # bit string: the authentication functional unit


class Mechanism(IntEnum):
    """Authentication mechanism names, 2.16.756.5.8.2.n."""

    NONE = 0
    LOW = 1
    HIGH = 2  # a maker's own
    HIGH_MD5 = 3
    HIGH_SHA1 = 4
    HIGH_GMAC = 5
    HIGH_SHA256 = 6
    HIGH_ECDSA = 7

    @property
    def high(self) -> bool:
        """True if challenges are answered."""
        return self >= Mechanism.HIGH


class AcseError(RemoteProtocolError):
    """These octets are not an association APDU."""


class ApplicationContext(IntEnum):
    """Application context names, 2.16.756.5.8.1.n: referencing of objects and ciphering of APDUs."""

    LOGICAL_NAMES = 1
    SHORT_NAMES = 2
    LOGICAL_NAMES_CIPHERED = 3
    SHORT_NAMES_CIPHERED = 4


class AssociationResult(IntEnum):
    """The result of a request for an association."""

    ACCEPTED = 0
    REJECTED_PERMANENT = 1
    REJECTED_TRANSIENT = 2


class Diagnostic(IntEnum):
    """The diagnostic of the service user (the meter's application)."""

    NULL = 0
    NO_REASON_GIVEN = 1
    APPLICATION_CONTEXT_NAME_NOT_SUPPORTED = 2
    CALLING_AP_TITLE_NOT_RECOGNIZED = 3
    CALLING_AP_INVOCATION_IDENTIFIER_NOT_RECOGNIZED = 4
    CALLING_AE_QUALIFIER_NOT_RECOGNIZED = 5
    CALLING_AE_INVOCATION_IDENTIFIER_NOT_RECOGNIZED = 6
    CALLED_AP_TITLE_NOT_RECOGNIZED = 7
    CALLED_AP_INVOCATION_IDENTIFIER_NOT_RECOGNIZED = 8
    CALLED_AE_QUALIFIER_NOT_RECOGNIZED = 9
    CALLED_AE_INVOCATION_IDENTIFIER_NOT_RECOGNIZED = 10
    AUTHENTICATION_MECHANISM_NAME_NOT_RECOGNISED = 11
    AUTHENTICATION_MECHANISM_NAME_REQUIRED = 12
    AUTHENTICATION_FAILURE = 13
    AUTHENTICATION_REQUIRED = 14  # passes 3 and 4 of high level security must follow


class ProviderDiagnostic(IntEnum):
    """The diagnostic of the service provider (the meter's protocol stack)."""

    NULL = 0
    NO_REASON_GIVEN = 1
    NO_COMMON_ACSE_VERSION = 2


class Aarq(NamedTuple):
    """A request for an association; the secret or challenge is `authentication_value`."""

    context: int
    user_information: bytes
    mechanism: Mechanism = Mechanism.NONE
    authentication_value: bytes = b""
    calling_title: bytes = b""

    def __repr__(self) -> str:
        """Text form without the authentication value, which may be a password."""
        return f"Aarq(context={self.context}, mechanism={self.mechanism!r}, calling_title={self.calling_title.hex()})"

    def encode(self) -> bytes:
        """Encode as an APDU."""
        parts = [_tlv(0xA1, _tlv(_OBJECT_ID, _CONTEXT_NAME + bytes((self.context,))))]
        if self.calling_title:
            parts.append(_tlv(0xA6, _tlv(_OCTET_STRING, self.calling_title)))
        if self.mechanism is not Mechanism.NONE:
            parts.append(_tlv(0x8A, _REQUIREMENTS) + _tlv(0x8B, _MECHANISM_NAME + bytes((self.mechanism,))))
            parts.append(_tlv(0xAC, _tlv(0x80, self.authentication_value)))
        parts.append(_tlv(0xBE, _tlv(_OCTET_STRING, self.user_information)))
        return _tlv(AARQ_TAG, b"".join(parts))

    @classmethod
    def decode(cls, octets: bytes) -> "Aarq":
        """AcseError if it names no application context of DLMS. Other missing fields get their default."""
        fields = _fields(octets, AARQ_TAG)
        return cls(
            _name(fields.get(0xA1), _CONTEXT_NAME),
            _inner(fields.get(0xBE)),
            _mechanism(fields.get(0x8B)),
            _inner(fields.get(0xAC)),
            _inner(fields.get(0xA6)),
        )


class Aare(NamedTuple):
    """The answer. `diagnostic` is a ProviderDiagnostic if `by_provider`, else a Diagnostic; both may be unknown."""

    result: int
    diagnostic: int
    user_information: bytes = b""  # empty where a meter rejects without one
    context: int = ApplicationContext.LOGICAL_NAMES
    mechanism: Mechanism = Mechanism.NONE
    authentication_value: bytes = b""
    responding_title: bytes = b""
    by_provider: bool = False

    def encode(self) -> bytes:
        """Encode as an APDU."""
        source = 0xA2 if self.by_provider else 0xA1
        parts = [
            _tlv(0xA1, _tlv(_OBJECT_ID, _CONTEXT_NAME + bytes((self.context,)))),
            _tlv(0xA2, _tlv(_INTEGER, bytes((self.result,)))),
            _tlv(0xA3, _tlv(source, _tlv(_INTEGER, bytes((self.diagnostic,))))),
        ]
        if self.responding_title:
            parts.append(_tlv(0xA4, _tlv(_OCTET_STRING, self.responding_title)))
        if self.mechanism is not Mechanism.NONE:
            parts.append(_tlv(0x88, _REQUIREMENTS) + _tlv(0x89, _MECHANISM_NAME + bytes((self.mechanism,))))
            parts.append(_tlv(0xAA, _tlv(0x80, self.authentication_value)))
        if self.user_information:
            parts.append(_tlv(0xBE, _tlv(_OCTET_STRING, self.user_information)))
        return _tlv(AARE_TAG, b"".join(parts))

    @classmethod
    def decode(cls, octets: bytes) -> "Aare":
        """AcseError if it has no result. Other missing fields get their default (R9)."""
        fields = _fields(octets, AARE_TAG)
        if 0xA2 not in fields:
            raise AcseError("an AARE without a result: it says neither accepted nor rejected")
        source, diagnostic = next(_elements(fields.get(0xA3, b"")), (0xA1, b""))
        return cls(
            _number(_inner(fields[0xA2])),
            _number(_inner(diagnostic)),
            _inner(fields.get(0xBE)),
            _name(fields[0xA1], _CONTEXT_NAME) if 0xA1 in fields else ApplicationContext.LOGICAL_NAMES,
            _mechanism(fields.get(0x89)),
            _inner(fields.get(0xAA)),
            _inner(fields.get(0xA4)),
            source == 0xA2,
        )


class Release(NamedTuple):
    """RLRQ or RLRE."""

    user_information: bytes = b""
    reason: int | None = 0  # normal

    def encode(self, tag: int) -> bytes:
        """The APDU: RLRQ_TAG or RLRE_TAG."""
        reason = b"" if self.reason is None else _tlv(0x80, bytes((self.reason,)))
        user = _tlv(0xBE, _tlv(_OCTET_STRING, self.user_information)) if self.user_information else b""
        return _tlv(tag, reason + user)

    @classmethod
    def decode(cls, octets: bytes, tag: int) -> "Release":
        """AcseError if it is another APDU."""
        fields = _fields(octets, tag)
        return cls(_inner(fields.get(0xBE)), _number(fields[0x80]) if 0x80 in fields else None)


def named(kind: type[IntEnum], number: int) -> str:
    """A code in words, `authentication failure (13)`; only the number if the standard has no name for it."""
    try:
        return f"{kind(number).name.lower().replace('_', ' ')} ({number})"
    except ValueError:
        return f"code {number}"


def _tlv(tag: int, content: bytes) -> bytes:
    length = len(content)
    if length < 0x80:
        return bytes((tag, length)) + content
    if length > 0xFFFF:
        raise LocalProtocolError(f"{length} octets are too many for an association APDU")
    size = length.to_bytes(1 if length < 0x100 else 2, "big")
    return bytes((tag, 0x80 | len(size))) + size + content


def _elements(octets: bytes) -> Iterator[tuple[int, bytes]]:
    """Tags and contents. AcseError if a length points outside."""
    place = 0
    while place + 2 <= len(octets):
        tag, length = octets[place], octets[place + 1]
        place += 2
        if length & 0x80:
            size = length & 0x7F
            length = int.from_bytes(octets[place : place + size], "big")
            place += size
        if place + length > len(octets):
            raise AcseError(
                f"element {tag:02X} of an association APDU says {length} octets, {len(octets) - place} follow"
            )
        yield tag, octets[place : place + length]
        place += length


def _fields(octets: bytes, tag: int) -> dict[int, bytes]:
    found = next(_elements(octets), None)
    if found is None or found[0] != tag:
        raise AcseError(f"not the association APDU {tag:02X}: {octets[:8].hex(' ')}")
    return dict(_elements(found[1]))


def _inner(content: bytes | None) -> bytes:
    """The content of the one element inside; empty if there is none."""
    if not content:
        return b""
    return next(_elements(content), (0, b""))[1]


def _number(octets: bytes) -> int:
    return int.from_bytes(octets[-4:], "big")


def _name(content: bytes | None, prefix: bytes) -> int:
    name = _inner(content)
    if len(name) != len(prefix) + 1 or not name.startswith(prefix):
        raise AcseError(f"its application context is none of DLMS: {name.hex(' ') or 'missing'}")
    return name[-1]


def _mechanism(name: bytes | None) -> Mechanism:
    if name is None:
        return Mechanism.NONE
    if len(name) != 7 or not name.startswith(_MECHANISM_NAME) or name[-1] > Mechanism.HIGH_ECDSA:
        raise AcseError(f"its authentication mechanism is none of DLMS: {name.hex(' ') or 'missing'}")
    return Mechanism(name[-1])

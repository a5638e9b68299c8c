"""xDLMS initiate: the abilities of both sides of an association (IEC 62056-5-3, 7.3 and 8.3).

01 00|01 key  00|01 response-allowed  00|01 quality  version  conformance  client's largest APDU     InitiateRequest
08 00|01 quality  version  conformance  server's largest APDU  VAA name                              InitiateResponse

conformance: 5F 1F 04 00 and 24 bits, bit 0 first; some meters omit the 1F.
"""

from typing import NamedTuple, Self

from smgw.dlms.apdus.conformance import Conformance
from smgw.dlms.apdus.cursor import Cursor, string

REQUEST, RESPONSE = 0x01, 0x08
VERSION = 6
LN_VAA_NAME, SN_VAA_NAME = 0x0007, 0xFA00
_CONFORMANCE_TAG = 0x5F


def _encode_conformance(conformance: Conformance) -> bytes:
    return bytes((_CONFORMANCE_TAG, 0x1F, 4, 0)) + conformance.to_bytes(3, "big")


def _read_conformance(cursor: Cursor) -> Conformance:
    cursor.choice(_CONFORMANCE_TAG)
    if cursor.choice(0x1F, 4) == 0x1F:
        cursor.choice(4)
    cursor.octet()  # bits of the last octet that are not used
    return Conformance(cursor.number(3))


class InitiateRequest(NamedTuple):
    """InitiateRequest. `max_pdu_size` is the largest APDU that the client accepts, 0 for no limit."""

    conformance: Conformance
    max_pdu_size: int
    dedicated_key: bytes | None = None
    response_allowed: bool = True
    quality_of_service: int | None = None
    version: int = VERSION

    def __repr__(self) -> str:  # a key never reaches a log
        return f"InitiateRequest({self.conformance!r}, {self.max_pdu_size}, ...)"

    def encode(self) -> bytes:
        """Encode as octets."""
        key = b"\x00" if self.dedicated_key is None else b"\x01" + string(self.dedicated_key)
        allowed = b"\x00" if self.response_allowed else b"\x01\x00"  # omitted if it has the default value true
        quality = b"\x00" if self.quality_of_service is None else bytes((1, self.quality_of_service & 0xFF))
        abilities = bytes((self.version,)) + _encode_conformance(self.conformance)
        return bytes((REQUEST,)) + key + allowed + quality + abilities + self.max_pdu_size.to_bytes(2, "big")

    @classmethod
    def read(cls, cursor: Cursor) -> Self:
        """Read the fields after the tag."""
        key = cursor.string() if cursor.flag() else None
        allowed = cursor.flag() if cursor.flag() else True
        quality = cursor.signed_octet() if cursor.flag() else None
        version = cursor.octet()
        return cls(_read_conformance(cursor), cursor.number(2), key, allowed, quality, version)


class InitiateResponse(NamedTuple):
    """InitiateResponse. `max_pdu_size` is the largest APDU that the server accepts, 0 for no limit."""

    conformance: Conformance
    max_pdu_size: int
    vaa_name: int = LN_VAA_NAME
    quality_of_service: int | None = None
    version: int = VERSION

    def encode(self) -> bytes:
        """Encode as octets."""
        quality = b"\x00" if self.quality_of_service is None else bytes((1, self.quality_of_service & 0xFF))
        abilities = bytes((self.version,)) + _encode_conformance(self.conformance)
        sizes = self.max_pdu_size.to_bytes(2, "big") + self.vaa_name.to_bytes(2, "big")
        return bytes((RESPONSE,)) + quality + abilities + sizes

    @classmethod
    def read(cls, cursor: Cursor) -> Self:
        """Read the fields after the tag."""
        quality = cursor.signed_octet() if cursor.flag() else None
        version = cursor.octet()
        return cls(_read_conformance(cursor), cursor.number(2), cursor.number(2), quality, version)

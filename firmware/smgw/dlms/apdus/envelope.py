"""Ciphered APDUs as sent; `security` opens them (IEC 62056-5-3, 5.3 and 8.3).

glo-.., ded-..              tag  length  SC  IC(4)  content
general-glo, general-ded    tag  length title  length  SC  IC(4)  content

SC is the security control octet, IC the invocation counter. The content is ciphered or plain text, and an optional tag.
"""

from typing import NamedTuple, Self

from smgw.dlms.apdus.cursor import ApduError, Cursor, string

GENERAL_GLO, GENERAL_DED = 0xDB, 0xDC
#: Tags of the APDUs ciphered with a global or a dedicated key, and the tag of the APDU inside.
PLAIN_TAG: dict[int, int] = {
    0x21: 0x01, 0x28: 0x08, 0x2E: 0x0E,                                                  # association, global
    0xC8: 0xC0, 0xC9: 0xC1, 0xCA: 0xC2, 0xCB: 0xC3, 0xCC: 0xC4, 0xCD: 0xC5, 0xCF: 0xC7,  # global
    0x41: 0x01, 0x48: 0x08, 0x4E: 0x0E,                                                  # association, dedicated
    0xD0: 0xC0, 0xD1: 0xC1, 0xD2: 0xC2, 0xD3: 0xC3, 0xD4: 0xC4, 0xD5: 0xC5, 0xD7: 0xC7,  # dedicated
}  # fmt: skip
_HEADER = 5  # SC and IC


class Ciphered(NamedTuple):
    """An APDU ciphered as a whole; `octets` are header and content. `system_title` only for general-glo and -ded."""

    tag: int
    octets: bytes
    system_title: bytes | None = None

    @property
    def security_control(self) -> int:
        """The security control octet."""
        return self.octets[0]

    @property
    def invocation_counter(self) -> int:
        """The number of this use of the sender's key."""
        return int.from_bytes(self.octets[1:_HEADER], "big")

    def encode(self) -> bytes:
        """The octets, with tag and lengths."""
        title = b"" if self.system_title is None else string(self.system_title)
        return bytes((self.tag,)) + title + string(self.octets)

    @classmethod
    def read(cls, cursor: Cursor, tag: int) -> Self:
        """Read the fields after the tag."""
        title = cursor.string() if tag in (GENERAL_GLO, GENERAL_DED) else None
        begin = cursor.position
        octets = cursor.string()
        if len(octets) < _HEADER:
            raise ApduError(begin, f"{len(octets)} octets are no ciphered APDU; header and counter have {_HEADER}")
        return cls(tag, octets, title)

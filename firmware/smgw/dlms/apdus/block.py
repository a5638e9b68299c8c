"""General block transfer: any APDU in pieces, either way, several without an acknowledgement (IEC 62056-5-3, 8.3).

octets  1    1                    2              2                length  ...
        E0   last | streaming |   block number   number of the            a piece of the APDU
             window (6 bits)      from 1         acknowledged block
"""

from typing import NamedTuple, Self

from smgw.dlms.apdus.cursor import Cursor, string

GENERAL_BLOCK_TRANSFER = 0xE0
_LAST, _STREAMING, _WINDOW = 0x80, 0x40, 0x3F


class GeneralBlock(NamedTuple):
    """General-Block-Transfer. A block without a piece only acknowledges."""

    last: bool
    streaming: bool
    window: int
    number: int
    acknowledged: int
    piece: bytes

    def encode(self) -> bytes:
        """Encode as octets."""
        control = (_LAST if self.last else 0) | (_STREAMING if self.streaming else 0) | self.window
        numbers = self.number.to_bytes(2, "big") + self.acknowledged.to_bytes(2, "big")
        return bytes((GENERAL_BLOCK_TRANSFER, control)) + numbers + string(self.piece)

    @classmethod
    def read(cls, cursor: Cursor) -> Self:
        """Read the fields after the tag."""
        control = cursor.octet()
        last, streaming = bool(control & _LAST), bool(control & _STREAMING)
        return cls(last, streaming, control & _WINDOW, cursor.number(2), cursor.number(2), cursor.string())

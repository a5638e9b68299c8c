"""The subject of a service: an attribute or a method of an object, a part of a profile, a block of a long transfer.

Attribute and method have the same form (Cosem-Attribute-Descriptor, Cosem-Method-Descriptor):

octets  2           6        1
        class id    OBIS     number, signed
"""

from typing import NamedTuple, Self

from smgw.cosem import AttributeName, MethodName, Obis
from smgw.dlms.apdus.cursor import Cursor, string

#: invoke-id-and-priority (IEC 62056-5-3, 8.3): bits 0 to 3 number the request, then two flags.
INVOKE_ID = 0x0F
CONFIRMED = 0x40
HIGH_PRIORITY = 0x80


def answers(invoke: int | None, asked: int | None) -> bool:
    """True if an APDU with this invoke-id answers the request with that one. Services with short names have none."""
    if invoke is None or asked is None:
        return invoke is asked
    return not (invoke ^ asked) & INVOKE_ID


def encode_attribute(name: AttributeName) -> bytes:
    """The nine octets of a Cosem-Attribute-Descriptor."""
    return _encode(*name)


def read_attribute(cursor: Cursor) -> AttributeName:
    """ApduError if the octets end before it does."""
    return AttributeName(*_read(cursor))


def encode_method(name: MethodName) -> bytes:
    """The nine octets of a Cosem-Method-Descriptor."""
    return _encode(*name)


def read_method(cursor: Cursor) -> MethodName:
    """ApduError if the octets end before it does."""
    return MethodName(*_read(cursor))


def _encode(class_id: int, obis: Obis, number: int) -> bytes:
    return class_id.to_bytes(2, "big") + obis + number.to_bytes(1, "big", signed=True)


def _read(cursor: Cursor) -> tuple[int, Obis, int]:
    return cursor.number(2), Obis(cursor.take(6)), cursor.signed_octet()


class Selection(NamedTuple):
    """Selective access: a part of an attribute. `parameters` are A-XDR octets, see `selection`."""

    selector: int
    parameters: bytes

    @classmethod
    def read(cls, cursor: Cursor) -> Self | None:
        """The optional field: 00, or 01 and a selection."""
        return cls(cursor.octet(), cursor.data()) if cursor.flag() else None


def encode_selection(selection: Selection | None) -> bytes:
    """The optional field."""
    return b"\x00" if selection is None else bytes((1, selection.selector)) + selection.parameters


class Block(NamedTuple):
    """One block of a long SET or ACTION (DataBlock-SA). Blocks count from 1 and may end at any octet.

    octets  1      4        length  ...
            last   number           raw
    """

    last: bool
    number: int
    raw: bytes

    def encode(self) -> bytes:
        """Encode as octets."""
        return bytes((self.last,)) + self.number.to_bytes(4, "big") + string(self.raw)

    @classmethod
    def read(cls, cursor: Cursor) -> Self:
        """ApduError if the octets end before it does."""
        return cls(cursor.flag(), cursor.number(4), cursor.string())

"""The data types of A-XDR: their sizes, the reading of numbers, the writing of lengths."""

from smgw.cosem.data import RANGE, DataType
from smgw.errors import RemoteProtocolError


class AxdrError(RemoteProtocolError):
    """These octets are not A-XDR data."""

    def __init__(self, position: int, what: str) -> None:
        super().__init__(f"octet {position}: {what}")
        self.position = position
        self.what = what


#: The type of each tag; None for unused tags.
TYPES: list[DataType | None] = [None] * 256
for _type in DataType:
    TYPES[_type] = _type
#: Types without content.
EMPTY = frozenset({DataType.NULL_DATA, DataType.DONT_CARE})
#: Content octets of the types with a fixed size.
SIZE: dict[DataType, int] = {
    **dict.fromkeys(EMPTY, 0),
    **{kind: (high - low).bit_length() // 8 for kind, (low, high) in RANGE.items()},
    DataType.BOOLEAN: 1,
    DataType.BCD: 1,
    DataType.FLOATING_POINT: 4,
    DataType.FLOAT32: 4,
    DataType.FLOAT64: 8,
    DataType.DATE_TIME: 12,
    DataType.DATE: 5,
    DataType.TIME: 4,
}
#: Formats of `struct` for whole numbers.
NUMBER_CODE: dict[DataType, str] = {
    DataType.BOOLEAN: "B",
    DataType.ENUM: "B",
    DataType.UNSIGNED: "B",
    DataType.INTEGER: "b",
    DataType.LONG_UNSIGNED: "H",
    DataType.LONG: "h",
    DataType.DOUBLE_LONG_UNSIGNED: "I",
    DataType.DOUBLE_LONG: "i",
    DataType.LONG64_UNSIGNED: "Q",
    DataType.LONG64: "q",
}


def read_length(octets: bytes, position: int) -> tuple[int, int]:
    """The length at `position` and the position after it; AxdrError if it is cut off or beyond 32 bits."""
    try:
        first = octets[position]
    except IndexError:
        raise AxdrError(position, "cut off before a length") from None
    if first < 128:
        return first, position + 1
    size = first & 127
    if not 1 <= size <= 4:
        raise AxdrError(position, f"no length begins with {first:02x}")
    end = position + 1 + size
    if end > len(octets):
        raise AxdrError(position, "cut off in a length")
    return int.from_bytes(octets[position + 1 : end], "big"), end


def length(number: int) -> bytes:
    """A length as octets."""
    if number < 128:
        return bytes((number,))
    size = (number.bit_length() + 7) // 8
    return bytes((0x80 | size,)) + number.to_bytes(size, "big")

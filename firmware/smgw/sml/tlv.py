"""SML's typed values: type-length fields and what they hold (sml.md, section 2.2).

One octet or more of type and length, then the content:

bit     7              6..4                                              3..0
        another TL     type of the first octet: 0 octet string,          length, high nibble first; it counts
        octet follows  4 boolean, 5 signed, 6 unsigned, 7 list           the TL octets, but for a list its elements

01 is an optional value that is absent, 00 the end of a message.
"""

from enum import IntEnum
from typing import NamedTuple

from smgw.errors import LocalProtocolError, RemoteProtocolError


class Kind(IntEnum):
    """Types of the TL field."""

    OCTETS = 0
    BOOLEAN = 4
    SIGNED = 5
    UNSIGNED = 6
    LIST = 7


class Value(NamedTuple):
    """One typed value as the wire carries it.

    `size` is the number of content octets (integers come in 1 to 8, also 3, 5, 6, 7), for a list its elements.
    `value` is bytes, bool, int or a tuple of values, where None is an absent element.
    """

    kind: Kind
    size: int
    value: bytes | bool | int | tuple["Value | None", ...]


class TlvError(RemoteProtocolError):
    """Octets that are no typed value."""

    def __init__(self, position: int, what: str) -> None:
        super().__init__(f"octet {position}: {what}")
        self.position = position


MAX_DEPTH = 24  # a tree of parameters uses two levels a step; nothing real comes near
_ABSENT = 0x01


def decode(octets: bytes, position: int, depth: int = MAX_DEPTH) -> tuple[Value | None, int]:
    """Read the value at `position`; return it (None = absent) and the position behind it.

    Raises TlvError for a truncated value, an unknown type or a nesting deeper than `depth`.
    """
    try:
        first = octets[position]
        if first == _ABSENT:
            return None, position + 1
        kind, length, content = first >> 4 & 7, first & 15, position + 1
        more = first & 0x80
        while more:
            following = octets[content]
            if following & 0x70:
                raise TlvError(content, f"type-length field goes on with {following:02x}")
            length, more, content = length << 4 | following & 15, following & 0x80, content + 1
            if length > len(octets):
                raise TlvError(position, f"a length of {length} in {len(octets)} octets")
    except IndexError:
        raise TlvError(position, "cut off in a type-length field") from None
    if kind == Kind.LIST:
        return _decode_list(octets, position, content, length, depth)
    end = position + length
    if end < content:
        raise TlvError(position, f"type-length field {octets[position]:02x} with an impossible length")
    if end > len(octets):
        raise TlvError(position, f"a value of {length} octets is cut off after {len(octets) - position}")
    size = end - content
    if kind == Kind.OCTETS:
        return Value(Kind.OCTETS, size, octets[content:end]), end
    if kind in (Kind.SIGNED, Kind.UNSIGNED) and 1 <= size <= 8:
        number = int.from_bytes(octets[content:end], "big", signed=kind == Kind.SIGNED)
        return Value(Kind(kind), size, number), end
    if kind == Kind.BOOLEAN and size == 1:
        return Value(Kind.BOOLEAN, 1, octets[content] != 0), end
    raise TlvError(position, f"no SML type has the type-length field {octets[position]:02x}")


def _decode_list(octets: bytes, position: int, content: int, length: int, depth: int) -> tuple[Value, int]:
    if depth == 0:
        raise TlvError(position, "a list where none may stand, or lists nested too deep")
    if length > len(octets) - content:  # every element has an octet at least: refuse before building anything
        raise TlvError(position, f"a list of {length} elements in {len(octets) - content} octets")
    elements = []
    for _ in range(length):
        element, content = decode(octets, content, depth - 1)
        elements.append(element)
    return Value(Kind.LIST, length, tuple(elements)), content


def _type_length(kind: Kind, size: int) -> bytes:
    if kind is Kind.LIST:
        octets, length = max(1, (size.bit_length() + 3) // 4), size
    else:
        octets = 1
        while size + octets >= 1 << 4 * octets:
            octets += 1
        length = size + octets
    nibbles = [length >> 4 * place & 15 for place in range(octets - 1, -1, -1)]
    field = bytearray(0x80 | nibble for nibble in nibbles)
    field[0] |= kind << 4
    field[-1] &= 0x7F
    return bytes(field)


def encode(value: Value | None) -> bytes:
    """The octets of a value; integers take exactly `size` content octets."""
    if value is None:
        return bytes((_ABSENT,))
    kind, size, content = value
    if isinstance(content, tuple):
        return _type_length(Kind.LIST, len(content)) + b"".join(map(encode, content))
    if isinstance(content, bytes):
        if not content:
            return bytes((_ABSENT,))  # the wire cannot tell an empty string from an absent one
        return _type_length(Kind.OCTETS, len(content)) + content
    if kind is Kind.BOOLEAN:
        return bytes((0x42, 1 if content else 0))
    try:
        return _type_length(kind, size) + content.to_bytes(size, "big", signed=kind is Kind.SIGNED)
    except OverflowError:
        raise LocalProtocolError(f"{content} does not fit {size} octets {kind.name.lower()}") from None


def unsigned(value: int, size: int) -> Value:
    """An unsigned integer of `size` octets."""
    return Value(Kind.UNSIGNED, size, value)


def signed(value: int, size: int) -> Value:
    """A signed integer of `size` octets."""
    return Value(Kind.SIGNED, size, value)


def octets(value: bytes) -> Value:
    """An octet string."""
    return Value(Kind.OCTETS, len(value), value)


def sequence(*elements: Value | None) -> Value:
    """A list."""
    return Value(Kind.LIST, len(elements), elements)

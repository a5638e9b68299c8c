"""SML's typed values: type-length fields and contents (docs/sml.md, section 2.2).

One octet or more of type and length, then the content:

bit     7              6..4                                              3..0
        another TL     type of the first octet: 0 octet string,          length, high nibble first; it counts
        octet follows  4 boolean, 5 signed, 6 unsigned, 7 list           the TL octets, but for a list its elements

Bits 6..4 of a follow-up octet are 0 in the standard. Hager meters repeat the type there (F1 79 is a list of 25, F1 70
equals F1 00), so these bits are ignored.

01 is an absent optional value, 00 the end of a message.
"""

from enum import IntEnum
from typing import Any, NamedTuple

from smgw.errors import LocalProtocolError, RemoteProtocolError


class Kind(IntEnum):
    """Types of the TL field."""

    OCTETS = 0
    BOOLEAN = 4
    SIGNED = 5
    UNSIGNED = 6
    LIST = 7


class Value(NamedTuple):
    """One typed value in the form of the wire.

    `size` is the number of content octets (integers come in 1 to 8, also 3, 5, 6, 7), for a list its elements.
    `value` is bytes, bool, int or a tuple of values, where None is an absent element.
    """

    kind: Kind
    size: int
    value: bytes | bool | int | tuple["Value | None", ...]


class TlvError(RemoteProtocolError):
    """These octets are not a typed value."""

    def __init__(self, position: int, what: str) -> None:
        super().__init__(f"octet {position}: {what}")
        self.position = position


_OCTETS, _BOOLEAN, _SIGNED, _UNSIGNED, _LIST = Kind  # a member looked up at each value would cost as much as reading it
_KINDS = {int(kind): kind for kind in Kind}
MAX_DEPTH = 24  # a tree of parameters uses two levels a step; real trees are far smaller
_ABSENT = 0x01


class _Short(NamedTuple):
    """The meaning of a one-octet type-length field of a value that is not a list."""

    size: int
    kind: Kind
    numbers: tuple[Value, ...]  # all values of one-octet numbers, such as units, scalers and choices


def _short(first: int) -> _Short | None:
    """None if this octet is not enough: lists, long or absent values, booleans, invalid fields."""
    kind, size = first >> 4, (first & 15) - 1
    if kind == _OCTETS and size >= 1:
        return _Short(size, _OCTETS, ())
    if kind in (_SIGNED, _UNSIGNED) and 1 <= size <= 8:
        numbers = [octet - 256 if kind == _SIGNED and octet > 127 else octet for octet in range(256)]
        return _Short(size, Kind(kind), tuple(Value(Kind(kind), 1, number) for number in numbers) if size == 1 else ())
    return None


_SHORT = tuple(map(_short, range(256)))
_LONGEST = {_BOOLEAN: 1, _SIGNED: 8, _UNSIGNED: 8}  # octets
_new = tuple.__new__  # makes a Value in half the time that its constructor takes
_from_bytes = int.from_bytes


def decode(octets: bytes, position: int, depth: int = MAX_DEPTH) -> tuple[Value | None, int]:
    """Read the value at `position`; return it (None = absent) and the position after it.

    Raises TlvError for a truncated value, an unknown type or a nesting deeper than `depth`.
    """
    try:
        short = _SHORT[octets[position]]
        if short is not None:
            size, kind, numbers = short
            begin = position + 1
            if numbers:
                return numbers[octets[begin]], begin + 1
            end = begin + size
            raw = octets[begin:end]
        else:
            if octets[position] == _ABSENT:
                return None, position + 1
            kind, begin, size = head(octets, position)
            if kind is _LIST:
                return _decode_list(octets, position, begin, size, depth)
            end = begin + size
            raw = octets[begin:end]
    except IndexError:
        raise TlvError(position, "cut off in a type-length field") from None
    if end > len(octets):
        raise TlvError(position, f"a value of {end - position} octets is cut off after {len(octets) - position}")
    if kind is _OCTETS:
        return _new(Value, (kind, size, raw)), end
    if kind is _BOOLEAN:
        return Value(kind, size, raw != b"\0"), end
    return _new(Value, (kind, size, _from_bytes(raw, "big", signed=kind is _SIGNED))), end


def head(octets: bytes, position: int) -> tuple[Kind, int, int]:
    """The type-length field at `position`: the kind, the position of the content, its octets or elements.

    Raises TlvError for an invalid field and for more octets than are left, IndexError if it is cut off.
    """
    first = octets[position]
    short = _SHORT[first]
    if short is not None:
        return short.kind, position + 1, short.size
    length, begin = first & 15, position + 1
    more = first & 0x80
    while more:
        following = octets[begin]
        length, more, begin = length << 4 | following & 15, following & 0x80, begin + 1
        if length > len(octets):
            raise TlvError(position, f"a length of {length} in {len(octets)} octets")
    kind = _KINDS.get(first >> 4 & 7)
    if kind is _LIST:
        if length > len(octets) - begin:  # every element has at least one octet: refuse before building anything
            raise TlvError(position, f"a list of {length} elements in {len(octets) - begin} octets")
        return kind, begin, length
    size = position + length - begin
    if size < 0:
        raise TlvError(position, f"type-length field {first:02x} with an impossible length")
    if kind is None or (kind is not _OCTETS and not 1 <= size <= _LONGEST[kind]):
        raise TlvError(position, f"no SML type has the type-length field {first:02x}")
    return kind, begin, size


def _decode_list(octets: bytes, position: int, content: int, length: int, depth: int) -> tuple[Value, int]:
    if depth == 0:
        raise TlvError(position, "a list where none may stand, or lists nested too deep")
    elements: list[Value | None] = []
    for _ in range(length):
        element, content = decode(octets, content, depth - 1)
        elements.append(element)
    return _new(Value, (_LIST, length, tuple(elements))), content


Places = int | list[Any]  # position of a value's type-length field; for a list, those of its elements
#: The octets of a value by its first one; 0 if the first octet is not enough.
_OCTETS_BY_FIRST = bytes(
    (1 if first == _ABSENT else short.size + 1 if short else 0) for first, short in enumerate(_SHORT)
)


def places(octets: bytes, position: int) -> tuple[Places, int]:
    """The places in the value at `position`, which `decode` has read without error; and the position after it."""
    kind, content, size = head(octets, position)
    if kind is not _LIST:
        return position, content + size
    found: list[Places] = []
    append, sizes = found.append, _OCTETS_BY_FIRST
    for _ in range(size):
        whole = sizes[octets[content]]
        if whole:
            append(content)
            content += whole
        else:
            place, content = places(octets, content)
            append(place)
    return found, content


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
            return bytes((_ABSENT,))  # on the wire an empty string equals an absent one
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

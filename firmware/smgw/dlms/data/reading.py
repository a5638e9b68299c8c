"""Reading A-XDR: octets to values, or only to where a value ends. `dlms.data` draws the layout."""

import struct
from collections.abc import Callable
from itertools import repeat
from typing import Any

from smgw.cosem.data import Data, DataType
from smgw.dlms.data.tags import NUMBER_CODE, SIZE, TYPES, AxdrError, read_length

#: Deepest nesting of data. The deepest one of the standard is the object list, with six.
MAX_DEPTH = 24
_FREE_VALUES = 64  # of a compact-array beyond one an octet

_ARRAY, _STRUCTURE, _COMPACT = DataType.ARRAY, DataType.STRUCTURE, DataType.COMPACT_ARRAY
_BIT_STRING, _OCTET_STRING = DataType.BIT_STRING, DataType.OCTET_STRING
# Plain numbers: comparing an octet with a member of an enum takes three times as long.
_LISTS, _SHORT_STRING = (1, 2), 9
_new = tuple.__new__  # makes a Data in half the time that its constructor takes


def _one_octet(kind: DataType, octet: int) -> Data:
    number = octet - 256 if kind is DataType.INTEGER and octet > 127 else octet
    return Data(kind, int(octet != 0) if kind is DataType.BOOLEAN else number)


#: By tag, for types of one octet: all possible values, by that octet.
NUMBERS: list[tuple[Data, ...] | None] = [
    tuple(_one_octet(kind, octet) for octet in range(256)) if kind in NUMBER_CODE and SIZE[kind] == 1 else None
    for kind in TYPES
]
# By tag: the reader of types with a fixed size.
_FIXED: list[tuple[DataType, int, Callable[[bytes, int], tuple[Any, ...]]] | None] = [
    (kind, SIZE[kind], struct.Struct(f">{NUMBER_CODE.get(kind) or f'{SIZE[kind]}s'}").unpack_from)
    if kind is not None and SIZE.get(kind)
    else None
    for kind in TYPES
]


def decode(octets: bytes, position: int = 0, depth: int = MAX_DEPTH) -> tuple[Data, int]:
    """The value at `position` and the position behind it; AxdrError if there is none, or nested deeper than `depth`.

    A text that is not UTF-8 is returned as octet-string; a visible-string is read as Latin-1.
    """
    try:
        tag = octets[position]
        fixed = _FIXED[tag]
        if fixed is not None:
            return _decode_fixed(octets, position, fixed)
        if tag in _LISTS:
            return _decode_list(octets, position, depth)
        if tag == _COMPACT:
            return _decode_compact(octets, position, depth)
        kind = TYPES[tag]
        if kind is None:
            raise AxdrError(position, f"no data type has the tag {tag:02x}")
        return _decode_content(octets, position + 1, kind)
    except IndexError:
        raise AxdrError(position, f"data cut off at the end of {len(octets)} octets") from None


def decode_all(octets: bytes) -> Data:
    """The one value in these octets; AxdrError if octets are left after it."""
    value, end = decode(octets)
    if end != len(octets):
        raise AxdrError(end, f"{len(octets) - end} octets behind the data")
    return value


def _decode_fixed(octets: bytes, position: int, fixed: tuple[DataType, int, Any]) -> tuple[Data, int]:
    kind, size, unpack = fixed
    end = position + 1 + size
    if end > len(octets):
        raise AxdrError(position, f"{kind.name} of {size} octets is cut off after {len(octets) - position - 1}")
    numbers = NUMBERS[kind]
    if numbers is not None:
        return numbers[octets[position + 1]], end
    return _new(Data, (kind, unpack(octets, position + 1)[0])), end


def _decode_list(octets: bytes, position: int, depth: int) -> tuple[Data, int]:
    if depth == 0:
        raise AxdrError(position, "data nested too deep")
    count = octets[position + 1]
    content = position + 2
    if count > 127:
        count, content = read_length(octets, position + 1)
    if count > len(octets) - content:  # every element has at least one octet: refuse before building anything
        raise AxdrError(position, f"{count} elements in {len(octets) - content} octets")
    elements: list[Data] = []
    append, new, numbers_by_tag, fixed_by_tag = elements.append, _new, NUMBERS, _FIXED
    try:
        for _ in range(count):
            tag = octets[content]  # short strings, numbers and lists are the most frequent: read them directly
            if tag == _SHORT_STRING and octets[content + 1] < 128:
                begin, content = content + 2, content + 2 + octets[content + 1]
                append(new(Data, (_OCTET_STRING, octets[begin:content])))
            elif numbers := numbers_by_tag[tag]:
                append(numbers[octets[content + 1]])
                content += 2
            elif fixed := fixed_by_tag[tag]:
                kind, size, unpack = fixed
                append(new(Data, (kind, unpack(octets, content + 1)[0])))
                content += size + 1
            elif tag in _LISTS:
                element, content = _decode_list(octets, content, depth - 1)
                append(element)
            else:
                element, content = decode(octets, content, depth - 1)
                append(element)
    except struct.error:
        raise AxdrError(content, f"a value is cut off after {len(octets) - content - 1} octets") from None
    if content > len(octets):
        raise AxdrError(position, f"data cut off at the end of {len(octets)} octets")
    return new(Data, (TYPES[octets[position]], tuple(elements))), content


def _decode_content(octets: bytes, position: int, kind: DataType) -> tuple[Data, int]:
    """A value without its tag: a string, or a type of fixed size."""
    size = SIZE.get(kind)
    if size is not None:
        if not size:
            return Data(kind, None), position
        value, end = _decode_fixed(octets, position - 1, _FIXED[kind] or (kind, size, None))
        return value, end
    length, content = read_length(octets, position)
    end = content + ((length + 7) // 8 if kind is _BIT_STRING else length)
    if end > len(octets):
        raise AxdrError(position, f"{kind.name} of {end - content} octets is cut off after {len(octets) - content}")
    return _string(kind, octets[content:end], length), end


def _string(kind: DataType, raw: bytes, bits: int) -> Data:
    if kind is DataType.OCTET_STRING:
        return _new(Data, (kind, raw))
    if kind is DataType.VISIBLE_STRING:
        return Data(kind, raw.decode("latin-1"))
    if kind is DataType.UTF8_STRING:
        try:
            return Data(kind, raw.decode())
        except UnicodeDecodeError:
            return Data(DataType.OCTET_STRING, raw)
    return Data(_BIT_STRING, f"{int.from_bytes(raw, 'big'):0{8 * len(raw)}b}"[:bits] if bits else "")


def end(octets: bytes, position: int = 0, depth: int = MAX_DEPTH) -> int:
    """The position after the value at `position`, which is only measured; AxdrError if there is none."""
    waiting = [1]  # elements that each open list still lacks
    try:
        while waiting:
            if not waiting[-1]:
                waiting.pop()
                continue
            waiting[-1] -= 1
            tag = octets[position]
            kind = TYPES[tag]
            if kind is None:
                raise AxdrError(position, f"no data type has the tag {tag:02x}")
            size = SIZE.get(kind)
            if size is not None:
                position += 1 + size
            elif kind is _ARRAY or kind is _STRUCTURE:
                if len(waiting) > depth:
                    raise AxdrError(position, "data nested too deep")
                count, content = read_length(octets, position + 1)
                if count > len(octets) - content:
                    raise AxdrError(position, f"{count} elements in {len(octets) - content} octets")
                waiting.append(count)
                position = content
            elif kind is _COMPACT:
                if len(waiting) > depth:
                    raise AxdrError(position, "data nested too deep")
                _, content = _read_description(octets, position + 1, depth - len(waiting))
                size, content = read_length(octets, content)
                position = content + size
            else:
                size, content = read_length(octets, position + 1)
                position = content + ((size + 7) // 8 if kind is _BIT_STRING else size)
    except IndexError:
        raise AxdrError(position, f"data cut off at the end of {len(octets)} octets") from None
    if position > len(octets):
        raise AxdrError(position, f"data cut off at the end of {len(octets)} octets")
    return position


# A compact-array describes its elements once: a type's tag; for an array the number of elements (2 octets) and their
# one description; for a structure the number of elements (a length) and the description of each.
_Description = tuple[DataType, int, tuple["_Description", ...]]


def _decode_compact(octets: bytes, position: int, depth: int) -> tuple[Data, int]:
    if depth == 0:
        raise AxdrError(position, "data nested too deep")
    description, content = _read_description(octets, position + 1, depth - 1)
    size, content = read_length(octets, content)
    end = content + size
    if end > len(octets):
        raise AxdrError(position, f"compact-array of {size} octets is cut off after {len(octets) - content}")
    try:
        return Data(_COMPACT, _decode_elements(octets[content:end], description)), end
    except AxdrError as error:
        raise AxdrError(content + error.position, f"{error.what}, in a compact-array") from None


def _decode_elements(octets: bytes, description: _Description) -> tuple[Data, ...]:
    elements: list[Data] = []
    room, position = _Room(len(octets) + _FREE_VALUES), 0
    while position < len(octets):
        begin = position
        element, position = _decode_described(octets, begin, description, room)
        if position == begin:
            raise AxdrError(begin, "elements of no octets")
        elements.append(element)
    return tuple(elements)


class _Room:
    """The number of values that a compact-array may still have: elements of nulls take no octets, but memory."""

    def __init__(self, values: int) -> None:
        self._left = values

    def take(self, position: int) -> None:
        self._left -= 1
        if self._left < 0:
            raise AxdrError(position, "more values than its octets can hold")


def _read_description(octets: bytes, position: int, depth: int) -> tuple[_Description, int]:
    """A type, the number of its elements, and what these are (of an array, one description for all)."""
    tag = octets[position]
    kind = TYPES[tag]
    if kind is None or kind is _COMPACT:
        raise AxdrError(position, f"no compact-array has elements of the tag {tag:02x}")
    position += 1
    if kind is not _ARRAY and kind is not _STRUCTURE:
        return (kind, 0, ()), position
    if depth == 0:
        raise AxdrError(position, "data nested too deep")
    if kind is _ARRAY:
        if position + 2 > len(octets):
            raise AxdrError(position, "cut off in a description")
        element, content = _read_description(octets, position + 2, depth - 1)
        return (kind, int.from_bytes(octets[position : position + 2], "big"), (element,)), content
    count, content = read_length(octets, position)
    if count > len(octets) - content:
        raise AxdrError(position, f"structures of {count} elements in {len(octets)} octets")
    members = []
    for _ in range(count):
        member, content = _read_description(octets, content, depth - 1)
        members.append(member)
    return (kind, count, tuple(members)), content


def _decode_described(octets: bytes, position: int, description: _Description, room: _Room) -> tuple[Data, int]:
    kind, count, members = description
    room.take(position)
    if kind is not _ARRAY and kind is not _STRUCTURE:
        return _decode_content(octets, position, kind)
    elements = []
    for member in members if kind is _STRUCTURE else repeat(members[0], count):
        element, position = _decode_described(octets, position, member, room)
        elements.append(element)
    return Data(kind, tuple(elements)), position

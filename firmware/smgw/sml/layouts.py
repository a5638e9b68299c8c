"""The layout of each message body on the wire (docs/sml.md, section 2.3).

Field order is wire order. Reading accepts the variants of real meters (a bare number for a time, u16 or u32 for a tag,
additional fields); writing has one strict form. A body without a layout, or one that does not fit its layout, becomes
an `OtherBody`, so that the other messages of the frame are not lost.

A layout is read directly from the octets: a name, a unit or a scaler is never made a `Value` first.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

from smgw.errors import RemoteProtocolError
from smgw.sml import tlv
from smgw.sml.messages import (
    AttentionResponse,
    Body,
    CloseRequest,
    CloseResponse,
    GetListRequest,
    GetListResponse,
    GetProcParameterRequest,
    GetProcParameterResponse,
    GetProfileListRequest,
    GetProfileListResponse,
    GetProfilePackRequest,
    GetProfilePackResponse,
    HeaderEntry,
    ListEntry,
    OpenRequest,
    OpenResponse,
    OtherBody,
    PackPeriod,
    ParameterValue,
    PeriodEntry,
    SetProcParameterRequest,
    Time,
    Tree,
    ValueEntry,
)
from smgw.sml.tlv import Kind, Value, sequence, signed, unsigned

# Looked up once: a member of an enum costs as much as reading a field.
_KIND_OCTETS, _KIND_SIGNED, _KIND_UNSIGNED, _KIND_LIST = Kind.OCTETS, Kind.SIGNED, Kind.UNSIGNED, Kind.LIST
_ABSENT, _SHORT_LIST = 0x01, 0x70  # type-length fields; below 0x10: a string of up to 14 octets
_new = tuple.__new__  # makes a record in half the time that its constructor takes


class LayoutError(RemoteProtocolError):
    """A value of another type than its place in a message requires."""


class _Codec(NamedTuple):
    """`read` takes octets and the position of a value that is not absent, and returns content and next position.

    It may run beyond the octets, with any content or an IndexError, which `read_body` handles.
    """

    read: Callable[[bytes, int], tuple[Any, int]]
    write: Callable[[Any], Value]
    optional: bool = False


def _present(octets: bytes, position: int) -> tuple[Value, int]:
    value, end = tlv.decode(octets, position)
    assert value is not None  # never called for an absent value
    return value, end


def _from_value(read: Callable[[Value], Any]) -> Callable[[bytes, int], tuple[Any, int]]:
    """For rare kinds: read as a value first."""

    def read_octets(octets: bytes, position: int) -> tuple[Any, int]:
        value, end = _present(octets, position)
        return read(value), end

    return read_octets


def _read_octets(octets: bytes, position: int) -> tuple[bytes, int]:
    first = octets[position]
    if first < 0x10 and first:
        end = position + first
        return octets[position + 1 : end], end
    value, end = _present(octets, position)
    return _string(value), end


def _read_server_id(octets: bytes, position: int) -> tuple[bytes, int]:
    found, end = _read_octets(octets, position)
    if not 1 <= len(found) <= 64:
        raise LayoutError(f"a server id of {len(found)} octets; it has 1 to 64")
    return found, end


def _string(value: Value) -> bytes:
    if value.kind is not _KIND_OCTETS:
        raise LayoutError(f"{value.kind.name.lower()} where an octet string belongs")
    return value.value  # type: ignore[return-value]


def _number(value: Value) -> int:
    if value.kind is not _KIND_UNSIGNED and value.kind is not _KIND_SIGNED:
        raise LayoutError(f"{value.kind.name.lower()} where a number belongs")
    return value.value  # type: ignore[return-value]


def _boolean(value: Value) -> bool:
    if value.kind is not Kind.BOOLEAN:
        raise LayoutError(f"{value.kind.name.lower()} where a boolean belongs")
    return value.value  # type: ignore[return-value]


def _list(value: Value) -> tuple[Value | None, ...]:
    if value.kind is not _KIND_LIST:
        raise LayoutError(f"{value.kind.name.lower()} where a list belongs")
    return value.value  # type: ignore[return-value]


def _elements(octets: bytes, position: int) -> tuple[int, int]:
    """The number of elements of a list, and the position of the first one."""
    first = octets[position]
    if first & 0xF0 == _SHORT_LIST:
        return first & 15, position + 1
    kind, begin, elements = tlv.head(octets, position)
    if kind is not _KIND_LIST:
        raise LayoutError(f"{kind.name.lower()} where a list belongs")
    return elements, begin


def read_time(value: Value) -> Time:
    """A time in any of its forms. Raises LayoutError."""
    if value.kind is _KIND_UNSIGNED:  # Holley DTZ541: a bare number of seconds
        return Time(1, _seconds(value))
    choice, content = _choice(value)
    if content.kind is not _KIND_LIST:
        return Time(choice if choice in (1, 2) else 1, _seconds(content))
    parts = [_number(part) if part else 0 for part in _list(content)]
    if len(parts) != 3 or not 0 <= parts[0] < 1 << 32 or not all(-32768 <= part < 32768 for part in parts[1:]):
        raise LayoutError("a local time is seconds and two offsets")
    return Time(3, *parts)


def _seconds(value: Value) -> int:
    number = _number(value)
    if not 0 <= number < 1 << 32:
        raise LayoutError(f"a time of {number} s")
    return number


def write_time(time: Time) -> Value:
    """A time in its one strict form."""
    content = unsigned(time.seconds, 4)
    if time.choice == 3:
        content = sequence(content, signed(time.local_offset or 0, 2), signed(time.season_offset or 0, 2))
    return sequence(unsigned(time.choice, 1), content)


def _choice(value: Value) -> tuple[int, Value]:
    parts = _list(value)
    if len(parts) != 2 or parts[0] is None or parts[1] is None:
        raise LayoutError("a choice is its number and its content")
    return _number(parts[0]), parts[1]


def _write_choice(value: ParameterValue) -> Value:
    return sequence(unsigned(value.choice, 1), value.content)


def _integer(write: Callable[[int, int], Value], size: int, low: int, high: int) -> _Codec:
    one_octet = write(0, 1).kind << 4 | 2
    numbers = [octet if octet <= high else octet - 256 for octet in range(256)]

    def read(octets: bytes, position: int) -> tuple[int, int]:
        if octets[position] == one_octet:  # units and scalers in nearly all cases
            return numbers[octets[position + 1]], position + 2
        value, end = _present(octets, position)
        number = _number(value)
        if not low <= number <= high:
            raise LayoutError(f"{number} where {low} to {high} belongs")
        return number, end

    return _Codec(read, lambda number: write(number, size))


_OCTETS = _Codec(_read_octets, tlv.octets)
_SERVER_ID = _Codec(_read_server_id, tlv.octets)
_BOOLEAN = _Codec(_from_value(_boolean), lambda flag: Value(Kind.BOOLEAN, 1, flag))
_U8 = _integer(unsigned, 1, 0, 255)
_I8 = _integer(signed, 1, -128, 127)
_U32 = _integer(unsigned, 4, 0, (1 << 32) - 1)
_U64 = _integer(unsigned, 8, 0, (1 << 64) - 1)
_TIME = _Codec(_from_value(read_time), write_time)
_ANY = _Codec(tlv.decode, lambda value: value)


def _optional(codec: _Codec) -> _Codec:
    return codec._replace(optional=True)


def _list_of(codec: _Codec) -> _Codec:
    read_element = codec.read

    def read(octets: bytes, position: int) -> tuple[tuple[Any, ...], int]:
        count, position = _elements(octets, position)
        found = []
        for _ in range(count):
            if octets[position] == _ABSENT:
                raise LayoutError("an absent element in a list")
            element, position = read_element(octets, position)
            found.append(element)
        return tuple(found), position

    return _Codec(read, lambda elements: sequence(*map(codec.write, elements)))


def _record(kind: type[Any], **fields: _Codec) -> _Codec:
    """A list whose elements are the fields of `kind`, in the order given here."""

    names = list(fields)
    reads = [codec.read for codec in fields.values()]
    required = [place for place, codec in enumerate(fields.values()) if not codec.optional]
    places = [names.index(name) for name in kind._fields]
    in_order = places == sorted(places)

    def read(octets: bytes, position: int) -> tuple[Any, int]:
        # A list may be shorter than its record if the missing elements are optional; it may also be longer.
        count, position = _elements(octets, position)
        found: list[Any] = []
        for read_field in reads if count >= len(reads) else reads[:count]:
            if octets[position] == _ABSENT:
                found.append(None)
                position += 1
            else:
                content, position = read_field(octets, position)
                found.append(content)
        if count != len(reads):
            for _ in range(count - len(reads)):
                _, position = tlv.decode(octets, position)
            found += [None] * (len(reads) - len(found))
        for place in required:
            if found[place] is None:
                raise LayoutError(f"{kind.__name__} without {names[place]}")
        return _new(kind, found if in_order else [found[place] for place in places]), position

    def write(record: Any) -> Value:
        parts = []
        for name, codec in fields.items():
            content = getattr(record, name)
            parts.append(codec.write(content) if content is not None else None)
        return sequence(*parts)

    return _Codec(read, write)


def _tree(value: Value) -> Tree:
    parts = (*_list(value), None, None, None)
    name, content, children = parts[:3]
    if name is None:
        raise LayoutError("a tree without its name")
    return Tree(
        _string(name),
        ParameterValue(*_choice(content)) if content else None,
        tuple(_tree(child) for child in _list(children) if child is not None) if children else (),
    )


def _write_tree(tree: Tree) -> Value:
    return sequence(
        tlv.octets(tree.name),
        _write_choice(tree.value) if tree.value else None,
        sequence(*map(_write_tree, tree.children)) if tree.children else None,
    )


_TREE = _Codec(_from_value(_tree), _write_tree)
_CREDENTIALS = {"server_id": _optional(_OCTETS), "username": _optional(_OCTETS), "password": _optional(_OCTETS)}
_LIST_ENTRY = _record(
    ListEntry,
    obj_name=_OCTETS,
    status=_optional(_ANY),
    val_time=_optional(_TIME),
    unit=_optional(_U8),
    scaler=_optional(_I8),
    value=_optional(_ANY),
    value_signature=_optional(_OCTETS),
)
_PROFILE_REQUEST = {
    **_CREDENTIALS,
    "with_rawdata": _optional(_BOOLEAN),
    "begin_time": _optional(_TIME),
    "end_time": _optional(_TIME),
    "path": _list_of(_OCTETS),
    "object_list": _optional(_list_of(_OCTETS)),
    "das_details": _optional(_TREE),
}
_PROFILE = {"server_id": _SERVER_ID, "act_time": _TIME, "reg_period": _U32, "path": _list_of(_OCTETS)}
# Unit, scaler and value may be absent, as in a list: a meter that omits one still has rows.
_COLUMN = {"obj_name": _OCTETS, "unit": _optional(_U8), "scaler": _optional(_I8)}
_VALUE_ENTRY = {"value": _optional(_ANY), "value_signature": _optional(_OCTETS)}
_PACK_PERIOD = _record(
    PackPeriod,
    val_time=_TIME,
    status=_U64,
    value_list=_list_of(_record(ValueEntry, **_VALUE_ENTRY)),
    period_signature=_optional(_OCTETS),
)

#: Message tag and layout of each body.
LAYOUTS: dict[type[Any], tuple[int, _Codec]] = {
    OpenRequest: (0x0100, _record(
        OpenRequest, codepage=_optional(_OCTETS), client_id=_OCTETS, request_file_id=_OCTETS, **_CREDENTIALS,
        sml_version=_optional(_U8))),
    OpenResponse: (0x0101, _record(
        OpenResponse, codepage=_optional(_OCTETS), client_id=_optional(_OCTETS), request_file_id=_OCTETS,
        server_id=_SERVER_ID, reference_time=_optional(_TIME), sml_version=_optional(_U8))),
    CloseRequest: (0x0200, _record(CloseRequest, signature=_optional(_OCTETS))),
    CloseResponse: (0x0201, _record(CloseResponse, signature=_optional(_OCTETS))),
    GetProfilePackRequest: (0x0300, _record(GetProfilePackRequest, **_PROFILE_REQUEST)),
    GetProfilePackResponse: (0x0301, _record(
        GetProfilePackResponse, **_PROFILE, header_list=_list_of(_record(HeaderEntry, **_COLUMN)),
        period_list=_list_of(_PACK_PERIOD), rawdata=_optional(_OCTETS), profile_signature=_optional(_OCTETS))),
    GetProfileListRequest: (0x0400, _record(GetProfileListRequest, **_PROFILE_REQUEST)),
    GetProfileListResponse: (0x0401, _record(
        GetProfileListResponse, **_PROFILE, val_time=_TIME, status=_U64,
        period_list=_list_of(_record(PeriodEntry, **_COLUMN, **_VALUE_ENTRY)), rawdata=_optional(_OCTETS),
        period_signature=_optional(_OCTETS))),
    GetProcParameterRequest: (0x0500, _record(
        GetProcParameterRequest, **_CREDENTIALS, path=_list_of(_OCTETS), attribute=_optional(_OCTETS))),
    GetProcParameterResponse: (0x0501, _record(
        GetProcParameterResponse, server_id=_SERVER_ID, path=_list_of(_OCTETS), tree=_TREE)),
    SetProcParameterRequest: (0x0600, _record(
        SetProcParameterRequest, **_CREDENTIALS, path=_list_of(_OCTETS), tree=_TREE)),
    GetListRequest: (0x0700, _record(
        GetListRequest, client_id=_OCTETS, **_CREDENTIALS, list_name=_optional(_OCTETS))),
    GetListResponse: (0x0701, _record(
        GetListResponse, client_id=_optional(_OCTETS), server_id=_SERVER_ID, list_name=_optional(_OCTETS),
        sensor_time=_optional(_TIME), entries=_list_of(_LIST_ENTRY), list_signature=_optional(_OCTETS),
        gateway_time=_optional(_TIME))),
    AttentionResponse: (0xFF01, _record(
        AttentionResponse, server_id=_SERVER_ID, number=_OCTETS, text=_optional(_OCTETS), details=_optional(_TREE))),
}  # fmt: skip
_BY_TAG = dict(LAYOUTS.values())


def read_body(tag: int, octets: bytes, position: int) -> tuple[Body, int]:
    """The body of a message with this tag, and the position after it. Raises TlvError for malformed octets."""
    codec = _BY_TAG.get(tag)
    if codec is None:
        reason = f"message type {tag:04X} has no layout here"
    elif octets[position : position + 1] == b"\x01":
        reason = "the body is absent"
    else:
        try:
            body, end = codec.read(octets, position)
            if end <= len(octets):
                return body, end
            reason = "the body is cut off"
        except LayoutError as error:
            reason = str(error)
        except IndexError:
            reason = "the body is cut off"
    content, end = tlv.decode(octets, position)  # does not return if the body is cut off
    return OtherBody(tag, content, reason), end


def write_body(body: Body) -> tuple[int, Value | None]:
    """Tag and content of a body."""
    if isinstance(body, OtherBody):
        return body.tag, body.content
    tag, codec = LAYOUTS[type(body)]
    return tag, codec.write(body)

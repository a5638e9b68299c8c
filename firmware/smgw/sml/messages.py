"""SML messages as values, and the layout of each body (sml.md, section 2.3).

Field order is wire order. Reading is lenient where real meters are (a bare number for a time, u16 or u32 for a tag,
fields beyond the known ones); writing has one strict form. A body without a layout here, or one that does not fit its
layout, is kept as `OtherBody`, so that what stands beside it in the frame is not lost.
"""

from collections.abc import Callable
from enum import IntEnum
from typing import Any, NamedTuple

from smgw.cosem import MeterTime, MeterTimeKind
from smgw.errors import RemoteProtocolError
from smgw.sml.tlv import Kind, Value, octets, sequence, signed, unsigned


class LayoutError(RemoteProtocolError):
    """A value that is not what its place in a message asks for."""


class Time(NamedTuple):
    """choice 1: seconds of operation; 2: Unix seconds; 3: Unix seconds with two offsets in minutes."""

    choice: int
    seconds: int
    local_offset: int | None = None
    season_offset: int | None = None

    def meter_time(self) -> MeterTime:
        """The same for the data model, octets as on the wire."""
        raw = self.seconds.to_bytes(4, "big")
        if self.choice == 3:
            raw += (self.local_offset or 0).to_bytes(2, "big", signed=True)
            raw += (self.season_offset or 0).to_bytes(2, "big", signed=True)
        return MeterTime(MeterTimeKind(self.choice), raw)


class ParameterValue(NamedTuple):
    """ProcParValue: choice 1 value, 2 period entry, 3 tuple entry, 4 time, 5 list entry; `content` as on the wire."""

    choice: int
    content: Value


class Tree(NamedTuple):
    """A parameter with its value and the parameters below it."""

    name: bytes
    value: ParameterValue | None = None
    children: tuple["Tree", ...] = ()


class ListEntry(NamedTuple):
    """One object of a list; a meter may leave out everything but the name."""

    obj_name: bytes
    status: Value | None = None
    val_time: Time | None = None
    unit: int | None = None
    scaler: int | None = None
    value: Value | None = None
    value_signature: bytes | None = None


class OpenRequest(NamedTuple):
    client_id: bytes
    request_file_id: bytes
    server_id: bytes | None = None
    username: bytes | None = None
    password: bytes | None = None
    codepage: bytes | None = None
    sml_version: int | None = None

    def __repr__(self) -> str:  # a password never reaches a log
        return f"OpenRequest(client_id={self.client_id!r}, request_file_id={self.request_file_id!r}, ...)"


class OpenResponse(NamedTuple):
    request_file_id: bytes
    server_id: bytes
    client_id: bytes | None = None
    reference_time: Time | None = None
    codepage: bytes | None = None
    sml_version: int | None = None


class CloseRequest(NamedTuple):
    signature: bytes | None = None


class CloseResponse(NamedTuple):
    signature: bytes | None = None


class GetListRequest(NamedTuple):
    client_id: bytes
    server_id: bytes | None = None
    username: bytes | None = None
    password: bytes | None = None
    list_name: bytes | None = None

    def __repr__(self) -> str:
        return f"GetListRequest(client_id={self.client_id!r}, list_name={self.list_name!r}, ...)"


class GetListResponse(NamedTuple):
    server_id: bytes
    entries: tuple[ListEntry, ...]
    client_id: bytes | None = None
    list_name: bytes | None = None
    sensor_time: Time | None = None
    list_signature: bytes | None = None
    gateway_time: Time | None = None


class GetProcParameterRequest(NamedTuple):
    path: tuple[bytes, ...]
    server_id: bytes | None = None
    username: bytes | None = None
    password: bytes | None = None
    attribute: bytes | None = None

    def __repr__(self) -> str:
        return f"GetProcParameterRequest(path={[step.hex() for step in self.path]}, ...)"


class GetProcParameterResponse(NamedTuple):
    server_id: bytes
    path: tuple[bytes, ...]
    tree: Tree


class AttentionResponse(NamedTuple):
    server_id: bytes
    number: bytes  # 8181C7C7 and two octets, see `attention`
    text: bytes | None = None
    details: Tree | None = None


class OtherBody(NamedTuple):
    """A body that is kept as it came."""

    tag: int
    content: Value | None
    reason: str

    def __repr__(self) -> str:  # a request that does not fit its layout may hold a password
        return f"OtherBody(tag={self.tag:#06x}, reason={self.reason!r}, ...)"


Body = (
    OpenRequest
    | OpenResponse
    | CloseRequest
    | CloseResponse
    | GetListRequest
    | GetListResponse
    | GetProcParameterRequest
    | GetProcParameterResponse
    | AttentionResponse
    | OtherBody
)


class AbortOnError(IntEnum):
    """What the server does with the rest of a file when a request fails."""

    CONTINUE = 0x00
    NEXT_GROUP = 0x01
    FINISH_GROUP = 0x02
    STOP = 0xFF


class Message(NamedTuple):
    transaction_id: bytes
    body: Body
    group: int = 0
    abort_on_error: int = AbortOnError.CONTINUE


class _Codec(NamedTuple):
    read: Callable[[Value], Any]
    write: Callable[[Any], Value]
    optional: bool = False


def _read_octets(value: Value) -> bytes:
    if value.kind is not Kind.OCTETS:
        raise LayoutError(f"{value.kind.name.lower()} where an octet string belongs")
    return value.value  # type: ignore[return-value]


def _read_server_id(value: Value) -> bytes:
    found = _read_octets(value)
    if not 1 <= len(found) <= 64:
        raise LayoutError(f"a server id of {len(found)} octets; it has 1 to 64")
    return found


def _read_number(value: Value) -> int:
    if value.kind not in (Kind.UNSIGNED, Kind.SIGNED):
        raise LayoutError(f"{value.kind.name.lower()} where a number belongs")
    return value.value  # type: ignore[return-value]


def _read_list(value: Value) -> tuple[Value | None, ...]:
    if value.kind is not Kind.LIST:
        raise LayoutError(f"{value.kind.name.lower()} where a list belongs")
    return value.value  # type: ignore[return-value]


def _read_time(value: Value) -> Time:
    if value.kind is Kind.UNSIGNED:  # Holley DTZ541: a bare number of seconds
        return Time(1, _seconds(value))
    choice, content = _read_choice(value)
    if content.kind is not Kind.LIST:
        return Time(choice if choice in (1, 2) else 1, _seconds(content))
    parts = [_read_number(part) if part else 0 for part in _read_list(content)]
    if len(parts) != 3 or not 0 <= parts[0] < 1 << 32 or not all(-32768 <= part < 32768 for part in parts[1:]):
        raise LayoutError("a local time is seconds and two offsets")
    return Time(3, *parts)


def _seconds(value: Value) -> int:
    number = _read_number(value)
    if not 0 <= number < 1 << 32:
        raise LayoutError(f"a time of {number} s")
    return number


def _write_time(time: Time) -> Value:
    content = unsigned(time.seconds, 4)
    if time.choice == 3:
        content = sequence(content, signed(time.local_offset or 0, 2), signed(time.season_offset or 0, 2))
    return sequence(unsigned(time.choice, 1), content)


def _read_choice(value: Value) -> tuple[int, Value]:
    parts = _read_list(value)
    if len(parts) != 2 or parts[0] is None or parts[1] is None:
        raise LayoutError("a choice is its number and its content")
    return _read_number(parts[0]), parts[1]


def _write_choice(value: ParameterValue) -> Value:
    return sequence(unsigned(value.choice, 1), value.content)


def _octet(write: Callable[[int, int], Value], low: int, high: int) -> _Codec:
    def read(value: Value) -> int:
        number = _read_number(value)
        if not low <= number <= high:
            raise LayoutError(f"{number} where {low} to {high} belongs")
        return number

    return _Codec(read, lambda number: write(number, 1))


_OCTETS = _Codec(_read_octets, octets)
_SERVER_ID = _Codec(_read_server_id, octets)
_U8 = _octet(unsigned, 0, 255)
_I8 = _octet(signed, -128, 127)
_TIME = _Codec(_read_time, _write_time)
_ANY = _Codec(lambda value: value, lambda value: value)
_CHOICE = _Codec(lambda value: ParameterValue(*_read_choice(value)), _write_choice)


def _optional(codec: _Codec) -> _Codec:
    return codec._replace(optional=True)


def _list_of(codec: _Codec) -> _Codec:
    def read(value: Value) -> tuple[Any, ...]:
        elements = _read_list(value)
        if any(element is None for element in elements):
            raise LayoutError("an absent element in a list")
        return tuple(codec.read(element) for element in elements if element is not None)

    return _Codec(read, lambda elements: sequence(*map(codec.write, elements)))


def _record(kind: type[Any], **fields: _Codec) -> _Codec:
    """A list whose elements are the fields of `kind`, in the order given here."""

    def read(value: Value) -> Any:
        elements = iter(_read_list(value))
        found = {}
        for name, codec in fields.items():
            element = next(elements, None)
            if element is not None:
                found[name] = codec.read(element)
            elif not codec.optional:
                raise LayoutError(f"{kind.__name__} without {name}")
        return kind(**found)

    def write(record: Any) -> Value:
        parts = []
        for name, codec in fields.items():
            content = getattr(record, name)
            parts.append(codec.write(content) if content is not None else None)
        return sequence(*parts)

    return _Codec(read, write)


def _read_tree(value: Value) -> Tree:
    parts = (*_read_list(value), None, None, None)
    if parts[0] is None:
        raise LayoutError("a tree without its name")
    children = _read_list(parts[2]) if parts[2] else ()
    return Tree(
        _read_octets(parts[0]),
        _CHOICE.read(parts[1]) if parts[1] else None,
        tuple(_read_tree(child) for child in children if child is not None),
    )


def _write_tree(tree: Tree) -> Value:
    return sequence(
        octets(tree.name),
        _write_choice(tree.value) if tree.value else None,
        sequence(*map(_write_tree, tree.children)) if tree.children else None,
    )


_TREE = _Codec(_read_tree, _write_tree)
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
    GetProcParameterRequest: (0x0500, _record(
        GetProcParameterRequest, **_CREDENTIALS, path=_list_of(_OCTETS), attribute=_optional(_OCTETS))),
    GetProcParameterResponse: (0x0501, _record(
        GetProcParameterResponse, server_id=_SERVER_ID, path=_list_of(_OCTETS), tree=_TREE)),
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


def read_body(tag: int, content: Value | None) -> Body:
    """The body of a message with this tag."""
    codec = _BY_TAG.get(tag)
    if codec is None:
        return OtherBody(tag, content, f"message type {tag:04X} has no layout here")
    if content is None:
        return OtherBody(tag, None, "the body is absent")
    try:
        return codec.read(content)  # type: ignore[no-any-return]
    except LayoutError as error:
        return OtherBody(tag, content, str(error))


def write_body(body: Body) -> tuple[int, Value | None]:
    """Tag and content of a body."""
    if isinstance(body, OtherBody):
        return body.tag, body.content
    tag, codec = LAYOUTS[type(body)]
    return tag, codec.write(body)

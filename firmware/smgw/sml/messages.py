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

# A member of an enum looked up at each field would cost as much as reading the field.
_KIND_OCTETS, _KIND_SIGNED, _KIND_UNSIGNED, _KIND_LIST = Kind.OCTETS, Kind.SIGNED, Kind.UNSIGNED, Kind.LIST


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


class SetProcParameterRequest(NamedTuple):
    """There is no response of its own: an attention says whether it was done."""

    path: tuple[bytes, ...]
    tree: Tree
    server_id: bytes | None = None
    username: bytes | None = None
    password: bytes | None = None

    def __repr__(self) -> str:  # what is written may be a secret, too
        return f"SetProcParameterRequest(path={[step.hex() for step in self.path]}, ...)"


class GetProfilePackRequest(NamedTuple):
    """Rows of a load profile, all in one message. An absent time leaves that side of the range open."""

    path: tuple[bytes, ...]
    begin_time: Time | None = None
    end_time: Time | None = None
    server_id: bytes | None = None
    username: bytes | None = None
    password: bytes | None = None
    with_rawdata: bool | None = None
    object_list: tuple[bytes, ...] | None = None  # only these columns
    das_details: Tree | None = None

    def __repr__(self) -> str:
        return _profile_request(self)


class GetProfileListRequest(NamedTuple):
    """The same, a message for each row."""

    path: tuple[bytes, ...]
    begin_time: Time | None = None
    end_time: Time | None = None
    server_id: bytes | None = None
    username: bytes | None = None
    password: bytes | None = None
    with_rawdata: bool | None = None
    object_list: tuple[bytes, ...] | None = None
    das_details: Tree | None = None

    def __repr__(self) -> str:
        return _profile_request(self)


def _profile_request(request: GetProfilePackRequest | GetProfileListRequest) -> str:
    path = [step.hex() for step in request.path]
    return f"{type(request).__name__}(path={path}, {request.begin_time}, {request.end_time}, ...)"


class HeaderEntry(NamedTuple):
    """One column of a profile pack."""

    obj_name: bytes
    unit: int | None = None
    scaler: int | None = None


class ValueEntry(NamedTuple):
    """One value of a row; absent where the row has none in that column."""

    value: Value | None = None
    value_signature: bytes | None = None


class PackPeriod(NamedTuple):
    """One row of a profile pack: `values` stand in the order of its header list."""

    val_time: Time
    status: int  # u64
    value_list: tuple[ValueEntry, ...]
    period_signature: bytes | None = None


class GetProfilePackResponse(NamedTuple):
    server_id: bytes
    act_time: Time
    reg_period: int  # seconds
    path: tuple[bytes, ...]
    header_list: tuple[HeaderEntry, ...]
    period_list: tuple[PackPeriod, ...]
    rawdata: bytes | None = None
    profile_signature: bytes | None = None


class PeriodEntry(NamedTuple):
    """One value of a row that stands in a message of its own."""

    obj_name: bytes
    unit: int | None = None
    scaler: int | None = None
    value: Value | None = None
    value_signature: bytes | None = None


class GetProfileListResponse(NamedTuple):
    """One row. A request is answered by as many of these as there are rows, all with its transaction id."""

    server_id: bytes
    act_time: Time
    reg_period: int  # seconds
    path: tuple[bytes, ...]
    val_time: Time
    status: int  # u64
    period_list: tuple[PeriodEntry, ...]
    rawdata: bytes | None = None
    period_signature: bytes | None = None


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
    | SetProcParameterRequest
    | GetProfilePackRequest
    | GetProfilePackResponse
    | GetProfileListRequest
    | GetProfileListResponse
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
    if value.kind is not _KIND_OCTETS:
        raise LayoutError(f"{value.kind.name.lower()} where an octet string belongs")
    return value.value  # type: ignore[return-value]


def _read_server_id(value: Value) -> bytes:
    found = _read_octets(value)
    if not 1 <= len(found) <= 64:
        raise LayoutError(f"a server id of {len(found)} octets; it has 1 to 64")
    return found


def _read_number(value: Value) -> int:
    if value.kind is not _KIND_UNSIGNED and value.kind is not _KIND_SIGNED:
        raise LayoutError(f"{value.kind.name.lower()} where a number belongs")
    return value.value  # type: ignore[return-value]


def _read_boolean(value: Value) -> bool:
    if value.kind is not Kind.BOOLEAN:
        raise LayoutError(f"{value.kind.name.lower()} where a boolean belongs")
    return value.value  # type: ignore[return-value]


def _read_list(value: Value) -> tuple[Value | None, ...]:
    if value.kind is not _KIND_LIST:
        raise LayoutError(f"{value.kind.name.lower()} where a list belongs")
    return value.value  # type: ignore[return-value]


def read_time(value: Value) -> Time:
    """A time in any of its forms. Raises LayoutError."""
    if value.kind is _KIND_UNSIGNED:  # Holley DTZ541: a bare number of seconds
        return Time(1, _seconds(value))
    choice, content = _read_choice(value)
    if content.kind is not _KIND_LIST:
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


def write_time(time: Time) -> Value:
    """A time in its one strict form."""
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


def _integer(write: Callable[[int, int], Value], size: int, low: int, high: int) -> _Codec:
    def read(value: Value) -> int:
        number = _read_number(value)
        if not low <= number <= high:
            raise LayoutError(f"{number} where {low} to {high} belongs")
        return number

    return _Codec(read, lambda number: write(number, size))


_OCTETS = _Codec(_read_octets, octets)
_SERVER_ID = _Codec(_read_server_id, octets)
_BOOLEAN = _Codec(_read_boolean, lambda flag: Value(Kind.BOOLEAN, 1, flag))
_U8 = _integer(unsigned, 1, 0, 255)
_I8 = _integer(signed, 1, -128, 127)
_U32 = _integer(unsigned, 4, 0, (1 << 32) - 1)
_U64 = _integer(unsigned, 8, 0, (1 << 64) - 1)
_TIME = _Codec(read_time, write_time)
_ANY = _Codec(lambda value: value, lambda value: value)
_CHOICE = _Codec(lambda value: ParameterValue(*_read_choice(value)), _write_choice)


def _optional(codec: _Codec) -> _Codec:
    return codec._replace(optional=True)


def _list_of(codec: _Codec) -> _Codec:
    def read(value: Value) -> tuple[Any, ...]:
        elements = _read_list(value)
        present = [element for element in elements if element is not None]
        if len(present) < len(elements):
            raise LayoutError("an absent element in a list")
        return tuple(map(codec.read, present))

    return _Codec(read, lambda elements: sequence(*map(codec.write, elements)))


def _record(kind: type[Any], **fields: _Codec) -> _Codec:
    """A list whose elements are the fields of `kind`, in the order given here."""

    names = list(fields)
    reads = [codec.read for codec in fields.values()]
    required = [place for place, codec in enumerate(fields.values()) if not codec.optional]
    places = [names.index(name) for name in kind._fields]
    in_order = places == sorted(places)

    def read(value: Value) -> Any:
        # A list may be shorter than its record, if what it leaves out is optional, and longer.
        found = [
            None if element is None else read_field(element)
            for read_field, element in zip(reads, _read_list(value), strict=False)
        ]
        found += [None] * (len(reads) - len(found))
        for place in required:
            if found[place] is None:
                raise LayoutError(f"{kind.__name__} without {names[place]}")
        return tuple.__new__(kind, found if in_order else [found[place] for place in places])

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
# Unit, scaler and value may be absent as they may in a list: a meter that leaves one out still has rows.
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

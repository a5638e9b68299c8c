"""SML messages as values (docs/sml.md, section 2.3); `layouts` has their form on the wire."""

from enum import IntEnum
from typing import NamedTuple

from smgw.cosem import MeterTime, MeterTimeKind
from smgw.sml.tlv import Value


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
    """One object of a list; a meter may omit all fields except the name."""

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
    """It has no response of its own: an attention reports the result."""

    path: tuple[bytes, ...]
    tree: Tree
    server_id: bytes | None = None
    username: bytes | None = None
    password: bytes | None = None

    def __repr__(self) -> str:  # the value may be a secret, too
        return f"SetProcParameterRequest(path={[step.hex() for step in self.path]}, ...)"


class GetProfilePackRequest(NamedTuple):
    """A request for rows of a load profile in one message. An absent time leaves that side of the range open."""

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
    """The same, with one message for each row."""

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
    """One value of a row; absent if the row has none in that column."""

    value: Value | None = None
    value_signature: bytes | None = None


class PackPeriod(NamedTuple):
    """One row of a profile pack: `values` are in the order of its header list."""

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
    """One value of a row in a message of its own."""

    obj_name: bytes
    unit: int | None = None
    scaler: int | None = None
    value: Value | None = None
    value_signature: bytes | None = None


class GetProfileListResponse(NamedTuple):
    """One row. A request is answered by one of these for each row, all with its transaction id."""

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
    """A body that is stored as received."""

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
    """The server's action for the rest of a file if a request fails."""

    CONTINUE = 0x00
    NEXT_GROUP = 0x01
    FINISH_GROUP = 0x02
    STOP = 0xFF


class Message(NamedTuple):
    transaction_id: bytes
    body: Body
    group: int = 0
    abort_on_error: int = AbortOnError.CONTINUE

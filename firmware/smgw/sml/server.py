"""The meter's side of SML request and response, for the simulator: request files in, answer files out."""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from smgw.cosem import Obis, ObjectName
from smgw.sml.attention import AttentionCode, Denied, attention_code, attention_number, refuses
from smgw.sml.file import encode_messages
from smgw.sml.groups import Groups
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
    GetProfilePackRequest,
    ListEntry,
    Message,
    OpenRequest,
    OpenResponse,
    SetProcParameterRequest,
    Time,
)
from smgw.sml.parameters import (
    FIRMWARE,
    OBJECT_LIST_PATH,
    SCALER_UNIT,
    STATUS,
    VALUE,
    ObjectValue,
    object_list_tree,
    object_tree,
    parameter_name,
)
from smgw.sml.profiles import ProfileModel, same_clock, to_list, to_pack, with_columns
from smgw.sml.telegram import Telegram, TelegramReader
from smgw.sml.tlv import octets
from smgw.sml.transport import MAX_FRAME, encode_frame
from smgw.wire import Crc, Refused

#: An answer file continues in another frame beyond this. Even with every octet escaped, a frame is not too long.
_ROOM = MAX_FRAME // 4
_REQUESTS = (
    OpenRequest
    | GetListRequest
    | GetProcParameterRequest
    | SetProcParameterRequest
    | GetProfilePackRequest
    | GetProfileListRequest
)


class MeterModel(Protocol):
    """The model of a meter, asked again for each request file. For load profiles see `ProfileModel`."""

    server_id: bytes
    firmware: bytes

    def sec_index(self) -> int:
        """Seconds of operation."""

    def entries(self) -> Sequence[ListEntry]:
        """The present values; an OBIS code once."""


class Reply(NamedTuple):
    """One answer file, ready for the wire: one frame, more if it is long."""

    octets: bytes
    requests: int  # number of requests that it answers


class Server:
    """One client's session. `object_list=False` is an older meter, which supports only GetList.

    Nothing is writable. For a file with a failed request see `groups`.
    """

    def __init__(
        self,
        meter: MeterModel,
        username: bytes | None = None,
        password: bytes | None = None,
        *,
        crc: Crc = Crc.X25,
        object_list: bool = True,
    ) -> None:
        self._meter = meter
        self._credentials = (username, password)
        self._crc = crc
        self._object_list = object_list
        self._telegrams = TelegramReader()

    def receive(self, data: bytes) -> list[Reply | Refused]:
        """Take octets; return an answer for each complete request file, and refused octets."""
        return [
            self._answer(event) if isinstance(event, Telegram) else event for event in self._telegrams.receive(data)
        ]

    def _answer(self, telegram: Telegram) -> Reply:
        entries = tuple(self._meter.entries())
        groups = Groups()
        opened = False
        answered = 0
        frames = [b""]
        for message in telegram.messages:
            if not groups.enter(message):
                continue
            try:
                if (not opened and not isinstance(message.body, OpenRequest)) or groups.out_of_place(message):
                    raise Denied(AttentionCode.UNEXPECTED_MESSAGE)
                bodies = self._respond(message.body, entries)
                opened = opened or isinstance(message.body, OpenRequest)
                answers = self._encoded(message, bodies)
            except Denied as denied:
                bodies = [self._attention(denied.code)]
                answers = self._encoded(message, bodies)
            if any(isinstance(body, AttentionResponse) and refuses(attention_code(body.number)) for body in bodies):
                groups.failed(message)
            for answer in answers:
                if frames[-1] and len(frames[-1]) + len(answer) > _ROOM:
                    frames.append(b"")
                frames[-1] += answer
            answered += 1
        return Reply(b"".join(encode_frame(payload, self._crc) for payload in frames), answered)

    def _encoded(self, request: Message, bodies: Sequence[Body]) -> list[bytes]:
        """Each answer's octets. Denied if one would not fit into a frame that a client accepts."""
        answers = [
            encode_messages([Message(request.transaction_id, body, request.group)], self._crc) for body in bodies
        ]
        if any(len(answer) > _ROOM and len(encode_frame(answer, self._crc)) > MAX_FRAME for answer in answers):
            raise Denied(AttentionCode.RANGE)
        return answers

    def _attention(self, code: AttentionCode) -> AttentionResponse:
        return AttentionResponse(self._meter.server_id, attention_number(code))

    def _respond(self, request: Body, entries: tuple[ListEntry, ...]) -> Sequence[Body]:
        meter = self._meter
        if isinstance(request, CloseRequest):
            return [CloseResponse()]
        if not isinstance(request, _REQUESTS):
            raise Denied(AttentionCode.UNEXPECTED_MESSAGE)
        if request.server_id not in (None, meter.server_id):
            raise Denied(AttentionCode.SERVER_ID)
        username, password = self._credentials
        if (username or password) and (request.username, request.password) != self._credentials:
            raise Denied(AttentionCode.USER_OR_PASSWORD)
        if isinstance(request, OpenRequest):
            now = Time(1, meter.sec_index())
            opened = OpenResponse(
                request.request_file_id, meter.server_id, client_id=request.client_id, reference_time=now, sml_version=1
            )
            return [opened]
        if isinstance(request, GetListRequest):
            if request.list_name is not None:
                raise Denied(AttentionCode.UNKNOWN_DESIGNATOR)
            now = Time(1, meter.sec_index())
            return [GetListResponse(meter.server_id, entries, client_id=request.client_id, sensor_time=now)]
        if not self._object_list:
            raise Denied(AttentionCode.UNEXPECTED_MESSAGE)
        if isinstance(request, GetProcParameterRequest):
            return [self._parameter(request, entries)]
        if isinstance(request, SetProcParameterRequest):
            return [self._attention(AttentionCode.NOT_WRITABLE)]
        return self._profile(request)

    def _profile(self, request: GetProfilePackRequest | GetProfileListRequest) -> Sequence[Body]:
        meter, begin, end = self._meter, request.begin_time, request.end_time
        if not isinstance(meter, ProfileModel):
            raise Denied(AttentionCode.UNEXPECTED_MESSAGE)
        if request.das_details is not None:
            raise Denied(AttentionCode.OPTIONAL_ELEMENT)
        if begin is not None and end is not None:
            if not same_clock(begin, end):
                raise Denied(AttentionCode.RANGE)
            if end.seconds < begin.seconds:
                raise Denied(AttentionCode.END_BEFORE_BEGIN)
        profile = meter.profile(request.path, begin, end)
        if profile is None:
            raise Denied(AttentionCode.UNKNOWN_DESIGNATOR)
        if not profile.rows:
            bounded = begin is not None or end is not None
            raise Denied(AttentionCode.NO_ENTRY_IN_RANGE if bounded else AttentionCode.NO_PROFILE_ENTRY)
        if request.object_list:
            try:
                profile = with_columns(profile, request.object_list)
            except KeyError:
                raise Denied(AttentionCode.UNKNOWN_OBJECT) from None
        if isinstance(request, GetProfilePackRequest):
            return [to_pack(meter.server_id, request.path, profile)]
        return to_list(meter.server_id, request.path, profile)

    def _parameter(self, request: GetProcParameterRequest, entries: tuple[ListEntry, ...]) -> Body:
        found = {parameter_name(_name(entry)): entry for entry in entries if len(entry.obj_name) == 6 and entry.value}
        firmware = ListEntry(bytes(FIRMWARE.obis), value=octets(self._meter.firmware))
        if request.path == OBJECT_LIST_PATH:
            names = [_name(entry) for entry in (*found.values(), firmware)]
            return GetProcParameterResponse(self._meter.server_id, request.path, object_list_tree(names))
        found[parameter_name(FIRMWARE)] = firmware
        entry = found.get(request.path[0]) if request.path else None
        if entry is None or entry.value is None:
            raise Denied(AttentionCode.UNKNOWN_OBJECT)
        tree = object_tree(ObjectValue(_name(entry), entry.value, entry.scaler, entry.unit, entry.status))
        if len(request.path) > 1:
            if request.path[1] not in (VALUE, SCALER_UNIT, STATUS):
                raise Denied(AttentionCode.UNKNOWN_DESIGNATOR)
            wanted = tuple(child for child in tree.children if child.name == request.path[1])
            tree = tree._replace(children=wanted)
        return GetProcParameterResponse(self._meter.server_id, request.path, tree)


def _name(entry: ListEntry) -> ObjectName:
    """Numbers are registers (class 3), anything else is data (class 1)."""
    number = entry.value is not None and isinstance(entry.value.value, int) and not isinstance(entry.value.value, bool)
    return ObjectName(3 if number else 1, 0, Obis(entry.obj_name))

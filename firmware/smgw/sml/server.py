"""The meter's side of SML request and response: request files in, answer files out. Our simulator stands on it."""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from smgw.cosem import Obis
from smgw.sml.attention import AttentionCode, attention_number
from smgw.sml.crc import Crc
from smgw.sml.file import encode_messages
from smgw.sml.messages import (
    AttentionResponse,
    Body,
    CloseRequest,
    CloseResponse,
    GetListRequest,
    GetListResponse,
    GetProcParameterRequest,
    GetProcParameterResponse,
    ListEntry,
    Message,
    OpenRequest,
    OpenResponse,
    Time,
)
from smgw.sml.parameters import (
    FIRMWARE,
    OBJECT_LIST_PATH,
    SCALER_UNIT,
    STATUS,
    VALUE,
    ObjectName,
    ObjectValue,
    object_list_tree,
    object_tree,
)
from smgw.sml.telegram import Telegram, TelegramReader
from smgw.sml.tlv import octets
from smgw.sml.transport import Refused, encode_frame


class MeterModel(Protocol):
    """What a meter must tell; all of it is asked anew for each request file."""

    server_id: bytes
    firmware: bytes

    def sec_index(self) -> int:
        """Seconds of operation."""

    def entries(self) -> Sequence[ListEntry]:
        """The present values; an OBIS code once."""


class Reply(NamedTuple):
    """One answer file, ready for the wire."""

    octets: bytes
    requests: int  # how many requests it answers


class _DeniedError(Exception):
    """A request that is answered by an attention."""

    def __init__(self, code: AttentionCode) -> None:
        super().__init__(code.name)
        self.code = code


class Server:
    """One client's session. `object_list=False` is an older meter, which knows GetList only."""

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
        """Take octets; return an answer for each request file that they completed, and what was refused."""
        return [
            self._answer(event) if isinstance(event, Telegram) else event for event in self._telegrams.receive(data)
        ]

    def _answer(self, telegram: Telegram) -> Reply:
        entries = tuple(self._meter.entries())
        answers = []
        opened = False
        for message in telegram.messages:
            body: Body
            try:
                if not opened and not isinstance(message.body, OpenRequest):
                    raise _DeniedError(AttentionCode.UNEXPECTED_MESSAGE)
                body = self._respond(message.body, entries)
                opened = opened or isinstance(message.body, OpenRequest)
            except _DeniedError as denied:
                body = AttentionResponse(self._meter.server_id, attention_number(denied.code))
            answers.append(Message(message.transaction_id, body, message.group))
        return Reply(encode_frame(encode_messages(answers, self._crc), self._crc), len(answers))

    def _respond(self, request: Body, entries: tuple[ListEntry, ...]) -> Body:
        meter = self._meter
        if isinstance(request, CloseRequest):
            return CloseResponse()
        if not isinstance(request, OpenRequest | GetListRequest | GetProcParameterRequest):
            raise _DeniedError(AttentionCode.UNEXPECTED_MESSAGE)
        if request.server_id not in (None, meter.server_id):
            raise _DeniedError(AttentionCode.SERVER_ID)
        username, password = self._credentials
        if (username or password) and (request.username, request.password) != self._credentials:
            raise _DeniedError(AttentionCode.USER_OR_PASSWORD)
        if isinstance(request, OpenRequest):
            now = Time(1, meter.sec_index())
            return OpenResponse(
                request.request_file_id, meter.server_id, client_id=request.client_id, reference_time=now, sml_version=1
            )
        if isinstance(request, GetListRequest):
            if request.list_name is not None:
                raise _DeniedError(AttentionCode.UNKNOWN_DESIGNATOR)
            now = Time(1, meter.sec_index())
            return GetListResponse(meter.server_id, entries, client_id=request.client_id, sensor_time=now)
        return self._parameter(request, entries)

    def _parameter(self, request: GetProcParameterRequest, entries: tuple[ListEntry, ...]) -> Body:
        if not self._object_list:
            raise _DeniedError(AttentionCode.UNEXPECTED_MESSAGE)
        found = {_name(entry).octets: entry for entry in entries if len(entry.obj_name) == 6 and entry.value}
        firmware = ListEntry(bytes(FIRMWARE.obis), value=octets(self._meter.firmware))
        if request.path == OBJECT_LIST_PATH:
            names = [_name(entry) for entry in (*found.values(), firmware)]
            return GetProcParameterResponse(self._meter.server_id, request.path, object_list_tree(names))
        found[FIRMWARE.octets] = firmware
        entry = found.get(request.path[0]) if request.path else None
        if entry is None or entry.value is None:
            raise _DeniedError(AttentionCode.UNKNOWN_OBJECT)
        tree = object_tree(ObjectValue(_name(entry), entry.value, entry.scaler, entry.unit, entry.status))
        if len(request.path) > 1:
            if request.path[1] not in (VALUE, SCALER_UNIT, STATUS):
                raise _DeniedError(AttentionCode.UNKNOWN_DESIGNATOR)
            wanted = tuple(child for child in tree.children if child.name == request.path[1])
            tree = tree._replace(children=wanted)
        return GetProcParameterResponse(self._meter.server_id, request.path, tree)


def _name(entry: ListEntry) -> ObjectName:
    """Numbers are registers (class 3), anything else is data (class 1)."""
    number = entry.value is not None and isinstance(entry.value.value, int) and not isinstance(entry.value.value, bool)
    return ObjectName(Obis(entry.obj_name), 3 if number else 1)

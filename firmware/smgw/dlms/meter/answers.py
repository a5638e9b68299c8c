"""The server's services: a request in, the octets of its answer out. Long values go in blocks both ways."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain
from typing import Any

from smgw.cosem import AttributeName, MethodName
from smgw.dlms.apdus import get
from smgw.dlms.apdus.action import (
    ActionRequest,
    ActionRequestBlock,
    ActionRequestFirstBlock,
    ActionRequestNextBlock,
    ActionRequestWithList,
    ActionRequestWithListFirstBlock,
    ActionResponse,
    ActionResponseBlock,
    ActionResponseNextBlock,
    ActionResponseWithList,
    Outcome,
)
from smgw.dlms.apdus.apdu import Apdu
from smgw.dlms.apdus.conformance import Conformance
from smgw.dlms.apdus.cursor import Cursor
from smgw.dlms.apdus.descriptors import CONFIRMED, Block, Selection
from smgw.dlms.apdus.exception import ExceptionResponse
from smgw.dlms.apdus.get import GetRequest, GetRequestNext, GetRequestWithList, GetResponse, GetResponseBlock
from smgw.dlms.apdus.results import ActionResult, DataAccessResult, ServiceError, StateError
from smgw.dlms.apdus.set import (
    SetRequest,
    SetRequestBlock,
    SetRequestFirstBlock,
    SetRequestWithList,
    SetRequestWithListFirstBlock,
    SetResponse,
    SetResponseBlock,
    SetResponseLastBlock,
    SetResponseLastBlockWithList,
    SetResponseWithList,
    read_values,
)
from smgw.dlms.data import length
from smgw.dlms.errors import TransferError
from smgw.dlms.meter.access import ObjectModel, Pieces
from smgw.dlms.session.association import Agreement
from smgw.dlms.session.transfer import Incoming, Outgoing

#: Octets of an APDU around a whole value, and around a block of one.
_AROUND_VALUE, _AROUND_BLOCK = 4, 14
_SMALLEST_BLOCK = 16

NOT_SUPPORTED = ExceptionResponse(StateError.SERVICE_NOT_ALLOWED, ServiceError.SERVICE_NOT_SUPPORTED)
_Finish = Callable[[bytes], bytes]


class Answers:
    """Answers one associated client. `room`: longest answer in octets before ciphering."""

    def __init__(self, model: ObjectModel, client: int, agreement: Agreement, room: int) -> None:
        self._model = model
        self._client = client
        self._agreement = agreement
        self._room = room
        self._outgoing: Outgoing | None = None  # of a GET or an ACTION whose answer is sent in blocks
        self._incoming: Incoming | None = None  # of a SET or an ACTION whose request comes in blocks
        self._finish: _Finish = bytes
        self._answers: dict[type, tuple[Conformance, Callable[[Any], bytes]]] = {
            GetRequest: (Conformance.GET, self._get),
            GetRequestNext: (Conformance.BLOCK_GET, self._get_next),
            GetRequestWithList: (Conformance.GET | Conformance.MULTIPLE_REFERENCES, self._get_list),
            SetRequest: (Conformance.SET, self._set),
            SetRequestWithList: (Conformance.SET | Conformance.MULTIPLE_REFERENCES, self._set_list),
            SetRequestFirstBlock: (Conformance.SET | Conformance.BLOCK_SET, self._set_first),
            SetRequestWithListFirstBlock: (
                Conformance.SET | Conformance.BLOCK_SET | Conformance.MULTIPLE_REFERENCES,
                self._set_list_first,
            ),
            SetRequestBlock: (Conformance.BLOCK_SET, self._set_block),
            ActionRequest: (Conformance.ACTION, self._action),
            ActionRequestWithList: (Conformance.ACTION | Conformance.MULTIPLE_REFERENCES, self._action_list),
            ActionRequestFirstBlock: (Conformance.ACTION | Conformance.BLOCK_ACTION, self._action_first),
            ActionRequestWithListFirstBlock: (
                Conformance.ACTION | Conformance.BLOCK_ACTION | Conformance.MULTIPLE_REFERENCES,
                self._action_list_first,
            ),
            ActionRequestBlock: (Conformance.BLOCK_ACTION, self._action_block),
            ActionRequestNextBlock: (Conformance.BLOCK_ACTION, self._action_next),
        }

    def answer(self, request: Apdu) -> bytes | None:
        """The answer's octets, not ciphered; None if the client wants none."""
        service, answer = self._answers.get(type(request), (Conformance.NONE, None))
        if answer is None or not self._agreement.allows(service):
            return NOT_SUPPORTED.encode()
        octets = answer(request)
        return octets if getattr(request, "invoke", CONFIRMED) & CONFIRMED else None

    # GET

    def _read(self, attribute: AttributeName, selection: Selection | None) -> Pieces | DataAccessResult:
        if selection is not None and not self._agreement.allows(Conformance.SELECTIVE_ACCESS):
            return DataAccessResult.SCOPE_OF_ACCESS_VIOLATED
        return self._model.read(self._client, attribute, selection)

    def _get(self, request: GetRequest) -> bytes:
        found = self._read(request.attribute, request.selection)
        if isinstance(found, DataAccessResult):
            return GetResponse(request.invoke, found).encode()
        return self._long_get(request.invoke, _pieces(found), lambda whole: GetResponse(request.invoke, whole).encode())

    def _get_list(self, request: GetRequestWithList) -> bytes:
        wanted = request.attributes
        pieces = chain([length(len(wanted))], *(_result(self._read(*one)) for one in wanted))
        head = bytes((get.RESPONSE, 3, request.invoke))
        return self._long_get(request.invoke, pieces, lambda whole: head + whole)

    def _long_get(self, invoke: int, pieces: Iterable[bytes], whole: _Finish) -> bytes:
        outgoing = Outgoing(pieces)
        octets = outgoing.whole(self._room - _AROUND_VALUE)
        if octets is not None:
            return whole(octets)
        if self._agreement.allows(Conformance.BLOCK_GET):
            self._outgoing = outgoing
            return self._get_block(invoke)
        if self._agreement.allows(Conformance.GENERAL_BLOCK_TRANSFER):
            return whole(outgoing.rest())  # the session cuts it
        return GetResponse(invoke, DataAccessResult.DATA_BLOCK_UNAVAILABLE).encode()

    def _get_next(self, request: GetRequestNext) -> bytes:
        number = request.block_number
        if self._outgoing is None:
            error = DataAccessResult.NO_LONG_GET_IN_PROGRESS
        elif number != self._outgoing.number:
            error = DataAccessResult.DATA_BLOCK_NUMBER_INVALID
        else:
            return self._get_block(request.invoke)
        self._outgoing = None
        return GetResponseBlock(request.invoke, True, number, error).encode()

    def _get_block(self, invoke: int) -> bytes:
        assert self._outgoing is not None
        last, number, raw = self._outgoing.piece(self._block_size)
        if last:
            self._outgoing = None
        return GetResponseBlock(invoke, last, number, raw).encode()

    # SET

    def _write(self, attribute: AttributeName, value: bytes, selection: Selection | None) -> DataAccessResult:
        return self._model.write(self._client, attribute, value, selection)

    def _write_all(
        self, attributes: Sequence[tuple[AttributeName, Selection | None]], values: Sequence[bytes]
    ) -> tuple[DataAccessResult, ...]:
        if len(attributes) != len(values):
            return (DataAccessResult.TYPE_UNMATCHED,) * len(attributes)
        return tuple(
            self._write(attribute, value, selection)
            for (attribute, selection), value in zip(attributes, values, strict=True)
        )

    def _set(self, request: SetRequest) -> bytes:
        result = self._write(request.attribute, request.value, request.selection)
        return SetResponse(request.invoke, result).encode()

    def _set_list(self, request: SetRequestWithList) -> bytes:
        return SetResponseWithList(request.invoke, self._write_all(request.attributes, request.values)).encode()

    def _set_first(self, request: SetRequestFirstBlock) -> bytes:
        def finish(value: bytes) -> bytes:
            result = self._write(request.attribute, value, request.selection)
            return SetResponseLastBlock(request.invoke, result, self._number).encode()

        return self._begin(request.invoke, request.block, finish, self._set_acknowledgement)

    def _set_list_first(self, request: SetRequestWithListFirstBlock) -> bytes:
        def finish(octets: bytes) -> bytes:
            results = self._write_all(request.attributes, read_values(Cursor(octets)))
            return SetResponseLastBlockWithList(request.invoke, results, self._number).encode()

        return self._begin(request.invoke, request.block, finish, self._set_acknowledgement)

    def _set_block(self, request: SetRequestBlock) -> bytes:
        if self._incoming is None:
            result, number = DataAccessResult.NO_LONG_SET_IN_PROGRESS, request.block.number
            return SetResponseLastBlock(request.invoke, result, number).encode()
        return self._more(request.invoke, request.block, self._set_acknowledgement)

    @staticmethod
    def _set_acknowledgement(invoke: int, number: int, failed: bool) -> bytes:
        if failed:
            return SetResponseLastBlock(invoke, DataAccessResult.DATA_BLOCK_NUMBER_INVALID, number).encode()
        return SetResponseBlock(invoke, number).encode()

    # ACTION

    def _invoke(self, method: MethodName, parameter: bytes | None) -> Outcome:
        return self._model.invoke(self._client, method, parameter)

    def _action(self, request: ActionRequest) -> bytes:
        return self._long_action(request.invoke, self._invoke(request.method, request.parameter))

    def _action_list(self, request: ActionRequestWithList) -> bytes:
        if len(request.methods) != len(request.parameters):
            return self._mistaken(request.invoke, ActionResult.TYPE_UNMATCHED)
        outcomes = map(self._invoke, request.methods, request.parameters)
        return ActionResponseWithList(request.invoke, tuple(outcomes)).encode()

    def _action_first(self, request: ActionRequestFirstBlock) -> bytes:
        def finish(parameter: bytes) -> bytes:
            return self._long_action(request.invoke, self._invoke(request.method, parameter))

        return self._begin(request.invoke, request.block, finish, self._action_acknowledgement)

    def _action_list_first(self, request: ActionRequestWithListFirstBlock) -> bytes:
        def finish(octets: bytes) -> bytes:
            whole = ActionRequestWithList(request.invoke, request.methods, read_values(Cursor(octets)))
            return self._action_list(whole)

        return self._begin(request.invoke, request.block, finish, self._action_acknowledgement)

    def _action_block(self, request: ActionRequestBlock) -> bytes:
        if self._incoming is None:
            return self._mistaken(request.invoke, ActionResult.NO_LONG_ACTION_IN_PROGRESS)
        return self._more(request.invoke, request.block, self._action_acknowledgement)

    def _action_acknowledgement(self, invoke: int, number: int, failed: bool) -> bytes:
        if failed:
            return self._mistaken(invoke, ActionResult.LONG_ACTION_ABORTED)
        return ActionResponseNextBlock(invoke, number).encode()

    def _long_action(self, invoke: int, outcome: Outcome) -> bytes:
        octets = outcome.encode()
        if len(octets) <= self._room - _AROUND_VALUE or not self._agreement.allows(Conformance.BLOCK_ACTION):
            return ActionResponse(invoke, outcome).encode()
        self._outgoing = Outgoing([octets])
        return self._action_out(invoke)

    def _action_next(self, request: ActionRequestNextBlock) -> bytes:
        if self._outgoing is None or request.block_number != self._outgoing.number:
            self._outgoing = None
            return self._mistaken(request.invoke, ActionResult.LONG_ACTION_ABORTED)
        return self._action_out(request.invoke)

    def _action_out(self, invoke: int) -> bytes:
        assert self._outgoing is not None
        piece = self._outgoing.piece(self._block_size)
        if piece.last:
            self._outgoing = None
        return ActionResponseBlock(invoke, Block(*piece)).encode()

    @staticmethod
    def _mistaken(invoke: int, result: ActionResult) -> bytes:
        return ActionResponse(invoke, Outcome(result)).encode()

    # Requests in blocks

    @property
    def _number(self) -> int:
        return self._incoming.number if self._incoming else 0

    @property
    def _block_size(self) -> int:
        return max(_SMALLEST_BLOCK, self._room - _AROUND_BLOCK)

    def _begin(
        self, invoke: int, block: Block, finish: _Finish, acknowledge: Callable[[int, int, bool], bytes]
    ) -> bytes:
        self._incoming = Incoming()
        self._finish = finish
        return self._more(invoke, block, acknowledge)

    def _more(self, invoke: int, block: Block, acknowledge: Callable[[int, int, bool], bytes]) -> bytes:
        assert self._incoming is not None
        try:
            self._incoming.add(block.number, block.raw)
        except TransferError:
            self._incoming = None
            return acknowledge(invoke, block.number, True)
        if not block.last:
            return acknowledge(invoke, block.number, False)
        octets = self._finish(self._incoming.value())
        self._incoming = None
        return octets


def _pieces(found: Pieces) -> Iterable[bytes]:
    return [found] if isinstance(found, bytes) else found


def _result(found: Pieces | DataAccessResult) -> Iterator[bytes]:
    """One result of a list."""
    if isinstance(found, DataAccessResult):
        yield bytes((1, found))
    else:
        yield b"\x00"
        yield from _pieces(found)

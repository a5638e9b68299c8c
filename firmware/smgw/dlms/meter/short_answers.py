"""The server's services with short names: a request in, the octets of its answer out. Long values go in blocks."""

from collections.abc import Iterable

from smgw.cosem import octet_string
from smgw.dlms.apdus.apdu import Apdu
from smgw.dlms.apdus.conformance import Conformance
from smgw.dlms.apdus.get import Result
from smgw.dlms.apdus.results import DataAccessResult
from smgw.dlms.apdus.short import (
    ReadRequest,
    ReadRequestNext,
    ReadResponse,
    ReadResponseBlock,
    Variable,
    WriteRequest,
    WriteResponse,
)
from smgw.dlms.apdus.short_names import ASSOCIATION_SN, ShortNames
from smgw.dlms.data import encode
from smgw.dlms.meter.access import ObjectModel, Pieces
from smgw.dlms.meter.answers import NOT_SUPPORTED
from smgw.dlms.session.association import Agreement
from smgw.dlms.session.transfer import Outgoing

_AROUND_VALUE, _AROUND_BLOCK = 4, 10  # octets of an APDU
_SMALLEST_BLOCK = 16
_LOGICAL_NAME, _OBJECT_LIST = 1, 2


class ShortAnswers:
    """Answers one associated client. `room`: longest answer in octets before ciphering."""

    def __init__(self, model: ObjectModel, client: int, agreement: Agreement, room: int, names: ShortNames) -> None:
        self._model = model
        self._client = client
        self._agreement = agreement
        self._room = room
        self._names = names
        self._outgoing: Outgoing | None = None  # of a value that is sent in blocks

    def answer(self, request: Apdu) -> bytes | None:
        """The answer's octets, not ciphered."""
        allows = self._agreement.allows
        if isinstance(request, ReadRequestNext) and allows(Conformance.READ | Conformance.BLOCK_GET):
            return self._next(request.block_number)
        if isinstance(request, ReadRequest) and allows(Conformance.READ):
            if len(request.variables) == 1:
                return self._one(request.variables[0])
            if allows(Conformance.MULTIPLE_REFERENCES):
                return self._list(request.variables)
        if isinstance(request, WriteRequest) and allows(Conformance.WRITE):
            written = [self._write(*one) for one in zip(request.variables, request.values, strict=True)]
            return WriteResponse(tuple(written)).encode()
        return NOT_SUPPORTED.encode()

    def _read(self, variable: Variable) -> Pieces | DataAccessResult:
        if variable.selection is not None and not self._agreement.allows(Conformance.PARAMETERIZED_ACCESS):
            return DataAccessResult.SCOPE_OF_ACCESS_VIOLATED
        attribute = self._names.named(variable.name)
        if attribute is None:
            return DataAccessResult.OBJECT_UNDEFINED
        if attribute.attribute == _LOGICAL_NAME:
            return encode(octet_string(bytes(attribute.obis)))
        if attribute.class_id == ASSOCIATION_SN:
            listed = attribute.attribute == _OBJECT_LIST
            return self._names.encode() if listed else DataAccessResult.OBJECT_UNAVAILABLE
        return self._model.read(self._client, attribute, variable.selection)

    def _write(self, variable: Variable, value: bytes) -> DataAccessResult:
        attribute = self._names.named(variable.name)
        if attribute is None:
            return DataAccessResult.OBJECT_UNDEFINED
        return self._model.write(self._client, attribute, value, variable.selection)

    def _one(self, variable: Variable) -> bytes:
        found = self._read(variable)
        if isinstance(found, DataAccessResult):
            return ReadResponse((found,)).encode()
        outgoing = Outgoing([found] if isinstance(found, bytes) else found)
        octets = outgoing.whole(self._room - _AROUND_VALUE)
        if octets is not None:
            return ReadResponse((octets,)).encode()
        if not self._agreement.allows(Conformance.BLOCK_GET):
            return ReadResponse((DataAccessResult.DATA_BLOCK_UNAVAILABLE,)).encode()
        self._outgoing = outgoing
        return self._block(outgoing)

    def _list(self, variables: Iterable[Variable]) -> bytes:
        """Results that do not fit are asked again one by one: blocks hold one value here."""
        results: list[Result] = []
        left = self._room - _AROUND_VALUE
        for variable in variables:
            found = self._read(variable)
            if not isinstance(found, DataAccessResult):
                found = found if isinstance(found, bytes) else b"".join(found)
                left -= len(found)
            results.append(found if left >= 0 else DataAccessResult.DATA_BLOCK_UNAVAILABLE)
            left -= 2
        return ReadResponse(tuple(results)).encode()

    def _next(self, number: int) -> bytes:
        if self._outgoing is None or number != self._outgoing.number & 0xFFFF:
            self._outgoing = None
            return ReadResponse((DataAccessResult.DATA_BLOCK_NUMBER_INVALID,)).encode()
        return self._block(self._outgoing)

    def _block(self, outgoing: Outgoing) -> bytes:
        last, number, raw = outgoing.piece(max(_SMALLEST_BLOCK, self._room - _AROUND_BLOCK))
        if last:
            self._outgoing = None
        return ReadResponseBlock(last, number, raw).encode()

"""The client's services, each as a generator: it yields requests, receives answers, and returns the result.

An exception-response is thrown into the generator as ServiceExceptionError. `client` does ciphering, general blocks and
carriers.
"""

from collections.abc import Generator, Sequence
from typing import TypeVar

from smgw.cosem import AttributeName, MethodName
from smgw.dlms.apdus.action import (
    ActionRequest,
    ActionRequestBlock,
    ActionRequestFirstBlock,
    ActionRequestNextBlock,
    ActionResponse,
    ActionResponseBlock,
    ActionResponseNextBlock,
    Outcome,
)
from smgw.dlms.apdus.apdu import Apdu
from smgw.dlms.apdus.conformance import Conformance
from smgw.dlms.apdus.cursor import Cursor
from smgw.dlms.apdus.descriptors import CONFIRMED, HIGH_PRIORITY, INVOKE_ID, Block, Selection
from smgw.dlms.apdus.get import (
    GetRequest,
    GetRequestNext,
    GetRequestWithList,
    GetResponse,
    GetResponseBlock,
    GetResponseWithList,
    Result,
    read_results,
)
from smgw.dlms.apdus.results import DataAccessResult, ServiceError
from smgw.dlms.apdus.set import (
    SetRequest,
    SetRequestBlock,
    SetRequestFirstBlock,
    SetResponse,
    SetResponseBlock,
    SetResponseLastBlock,
)
from smgw.dlms.errors import ServiceExceptionError, TransferError, UnexpectedApduError
from smgw.dlms.session.association import Agreement
from smgw.dlms.session.transfer import Incoming, Outgoing

Requested = TypeVar("Requested")
Exchange = Generator[Apdu, Apdu, Requested]
Selected = tuple[AttributeName, Selection | None]

#: Octets of an APDU around one block, at most.
_AROUND_BLOCK = 32
_SMALLEST_BLOCK = 16
_AROUND_LIST = 6
# What a request as a whole may be refused with, while its halves need not be (R19).
_TOO_MUCH = frozenset(ServiceError) - {ServiceError.DECIPHERING_ERROR, ServiceError.INVOCATION_COUNTER_ERROR}


class Services:
    """Makes exchanges for one association. `room`: longest request in octets before ciphering."""

    def __init__(self, agreement: Agreement, room: int) -> None:
        self._agreement = agreement
        self._room = room
        self._number = 0
        # Attributes in one request; a number that a meter refused is not tried again.
        self._longest_list = 255 if agreement.allows(Conformance.MULTIPLE_REFERENCES) else 1

    def invoke(self) -> int:
        """A fresh invoke-id-and-priority."""
        self._number = (self._number + 1) & INVOKE_ID
        return HIGH_PRIORITY | CONFIRMED | self._number

    def get(self, attribute: AttributeName, selection: Selection | None) -> Exchange[Result]:
        """One attribute."""
        answer = yield GetRequest(self.invoke(), attribute, selection)
        if isinstance(answer, GetResponse):
            return answer.result
        return (yield from self._blocks(answer))

    def get_list(self, wanted: Sequence[Selected]) -> Exchange[tuple[Result, ...]]:
        """Many attributes, in as few requests as the meter allows (R19)."""
        results: list[Result] = []
        refused: list[ServiceExceptionError] = []
        while len(results) < len(wanted):
            chosen = self._fitting(wanted[len(results) :])
            try:
                if len(chosen) == 1:
                    results.append((yield from self.get(*chosen[0])))
                    continue
                found = yield from self._with_list(chosen)
            except ServiceExceptionError as error:
                if error.service not in _TOO_MUCH:
                    raise
                found = None
                if len(chosen) == 1:
                    # The meter gives no better answer for this object; the others are still read (R30).
                    refused.append(error)
                    results.append(DataAccessResult.OTHER_REASON)
                    continue
            if found is None:
                self._longest_list = len(chosen) // 2
            else:
                results += found
        if refused and len(refused) == len(results):
            raise refused[-1]
        return tuple(results)

    def set(self, attribute: AttributeName, value: bytes, selection: Selection | None) -> Exchange[DataAccessResult]:
        """Write one attribute; `value` is A-XDR octets."""
        request = SetRequest(self.invoke(), attribute, value, selection)
        if not self._in_blocks(len(value) + _AROUND_BLOCK, Conformance.BLOCK_SET):
            answer = yield request
        else:
            outgoing = Outgoing([value])
            invoke, size = request.invoke, self._block_size(selection)
            answer = yield SetRequestFirstBlock(invoke, attribute, Block(*outgoing.piece(size)), selection)
            while isinstance(answer, SetResponseBlock):
                self._same_block(answer.block_number, outgoing)
                answer = yield SetRequestBlock(invoke, Block(*outgoing.piece(size)))
        if isinstance(answer, SetResponse | SetResponseLastBlock):
            return answer.result
        raise UnexpectedApduError(answer, "a SET is under way")

    def action(self, method: MethodName, parameter: bytes | None) -> Exchange[Outcome]:
        """Invoke one method; `parameter` is A-XDR octets."""
        invoke = self.invoke()
        if parameter is None or not self._in_blocks(len(parameter) + _AROUND_BLOCK, Conformance.BLOCK_ACTION):
            answer = yield ActionRequest(invoke, method, parameter)
        else:
            outgoing = Outgoing([parameter])
            size = self._block_size(None)
            answer = yield ActionRequestFirstBlock(invoke, method, Block(*outgoing.piece(size)))
            while isinstance(answer, ActionResponseNextBlock):
                self._same_block(answer.block_number, outgoing)
                answer = yield ActionRequestBlock(invoke, Block(*outgoing.piece(size)))
        if isinstance(answer, ActionResponse):
            return answer.outcome
        incoming = Incoming()
        while isinstance(answer, ActionResponseBlock):
            incoming.add(answer.block.number, answer.block.raw)
            self._brings(answer.block.raw, incoming, last=answer.block.last)
            if answer.block.last:
                return Outcome.read(Cursor(incoming.value()))
            answer = yield ActionRequestNextBlock(invoke, incoming.number)
        raise UnexpectedApduError(answer, "an ACTION is under way")

    def _with_list(self, chosen: Sequence[Selected]) -> Exchange[tuple[Result, ...] | None]:
        """None if the meter refuses the list as a whole."""
        answer = yield GetRequestWithList(self.invoke(), tuple(chosen))
        if isinstance(answer, GetResponseWithList):
            results = answer.results
        elif isinstance(answer, GetResponse) and isinstance(answer.result, DataAccessResult):
            return None
        else:
            octets = yield from self._blocks(answer)
            if isinstance(octets, DataAccessResult):
                return None
            results = read_results(Cursor(octets))
        if len(results) != len(chosen):
            raise TransferError(f"{len(results)} results for a list of {len(chosen)} attributes")
        return results

    def _blocks(self, answer: Apdu) -> Exchange[Result]:
        """A value in blocks, from the first block on."""
        incoming = Incoming()
        while isinstance(answer, GetResponseBlock):
            if isinstance(answer.result, DataAccessResult):
                return answer.result
            incoming.add(answer.block_number, answer.result)
            self._brings(answer.result, incoming, last=answer.last)
            if answer.last:
                return incoming.value()
            answer = yield GetRequestNext(answer.invoke, incoming.number)
        raise UnexpectedApduError(answer, "a GET is under way")

    def _fitting(self, wanted: Sequence[Selected]) -> Sequence[Selected]:
        """As many attributes as one request holds; at least one."""
        octets = _AROUND_LIST
        for count, (_, selection) in enumerate(wanted[: self._longest_list]):
            octets += 10 + (1 + len(selection.parameters) if selection else 0)
            if octets > self._room and count:
                return wanted[:count]
        return wanted[: self._longest_list]

    def _in_blocks(self, octets: int, service: Conformance) -> bool:
        return octets > self._room and self._agreement.allows(service)

    def _block_size(self, selection: Selection | None) -> int:
        return max(_SMALLEST_BLOCK, self._room - _AROUND_BLOCK - (len(selection.parameters) if selection else 0))

    @staticmethod
    def _brings(raw: bytes, incoming: Incoming, *, last: bool) -> None:
        """TransferError for a block without content, since block numbers end only after 2^32."""
        if not raw and not last:
            raise TransferError(f"block {incoming.number} is empty and not the last")

    @staticmethod
    def _same_block(number: int, outgoing: Outgoing) -> None:
        if number != outgoing.number:
            raise TransferError(f"the meter acknowledges block {number}; {outgoing.number} was sent last")

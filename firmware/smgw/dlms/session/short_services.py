"""The client's services with short names, as `services` has them with logical names.

Requests name attributes by class and OBIS code here, too: `names` has the number of each. An attribute of an object
that the meter does not list is undefined, and the meter is not asked.
"""

from collections.abc import Sequence

from smgw.cosem import AttributeName, MethodName
from smgw.dlms.apdus.action import Outcome
from smgw.dlms.apdus.apdu import Apdu
from smgw.dlms.apdus.conformance import Conformance
from smgw.dlms.apdus.cursor import ApduError, Cursor
from smgw.dlms.apdus.descriptors import Selection
from smgw.dlms.apdus.get import Result, read_results
from smgw.dlms.apdus.results import ActionResult, DataAccessResult, ServiceError
from smgw.dlms.apdus.short import (
    ReadRequest,
    ReadRequestNext,
    ReadResponse,
    ReadResponseBlock,
    Variable,
    WriteRequest,
    WriteResponse,
)
from smgw.dlms.apdus.short_names import ShortNames, method_of
from smgw.dlms.errors import ServiceExceptionError, TransferError, UnexpectedApduError
from smgw.dlms.session.association import Agreement
from smgw.dlms.session.services import Exchange, Selected
from smgw.dlms.session.transfer import Incoming
from smgw.errors import LocalProtocolError

_AROUND_LIST, _A_VARIABLE = 4, 4  # octets of a request, and of a variable without its parameters
_PARAMETERS_OF_METHOD = 0  # the selector


class ShortServices:
    """Makes exchanges for one association. `room`: octets that a request may have before it is ciphered."""

    def __init__(self, agreement: Agreement, room: int, names: ShortNames) -> None:
        self.names = names
        self._room = room
        self._longest_list = 255 if agreement.allows(Conformance.MULTIPLE_REFERENCES) else 1

    def get(self, attribute: AttributeName, selection: Selection | None) -> Exchange[Result]:
        """One attribute."""
        name = self.names.attribute(attribute)
        if name is None:
            return DataAccessResult.OBJECT_UNDEFINED
        return (yield from self._read(Variable(name, selection)))

    def get_list(self, wanted: Sequence[Selected]) -> Exchange[tuple[Result, ...]]:
        """Many attributes, in as few requests as the meter allows (R19)."""
        results: list[Result] = [DataAccessResult.OBJECT_UNDEFINED] * len(wanted)
        named = [(place, self.names.attribute(attribute), part) for place, (attribute, part) in enumerate(wanted)]
        asked = [(place, Variable(name, part)) for place, name, part in named if name is not None]
        while asked:
            chosen = self._fitting(asked)
            found = yield from self._several([variable for _, variable in chosen])
            if found is None:
                self._longest_list = max(1, len(chosen) // 2)
                continue
            for (place, variable), result in zip(chosen, found, strict=True):
                alone = result is DataAccessResult.DATA_BLOCK_UNAVAILABLE and len(chosen) > 1  # too long for a list
                results[place] = (yield from self._read(variable)) if alone else result
            asked = asked[len(chosen) :]
        return tuple(results)

    def set(self, attribute: AttributeName, value: bytes, selection: Selection | None) -> Exchange[DataAccessResult]:
        """Write one attribute; `value` is A-XDR octets."""
        name = self.names.attribute(attribute)
        if name is None:
            return DataAccessResult.OBJECT_UNDEFINED
        answer = yield WriteRequest((Variable(name, selection),), (value,))
        if isinstance(answer, WriteResponse) and len(answer.results) == 1:
            return answer.results[0]
        raise UnexpectedApduError(answer, "a value is being written")

    def action(self, method: MethodName, parameter: bytes | None) -> Exchange[Outcome]:
        """Invoke the method of the association that proves who we are; no other method has a known short name."""
        name = method_of(method)
        if name is None or parameter is None:
            raise LocalProtocolError(f"method {method.method} of class {method.class_id} has no known short name")
        result = yield from self._read(Variable(name, Selection(_PARAMETERS_OF_METHOD, parameter)))
        if isinstance(result, DataAccessResult):
            return Outcome(ActionResult.OTHER_REASON, result)
        return Outcome(ActionResult.SUCCESS, result)

    def _read(self, variable: Variable) -> Exchange[Result]:
        answer = yield ReadRequest((variable,))
        if isinstance(answer, ReadResponseBlock):
            whole = yield from self._blocks(answer)
            return whole if isinstance(whole, DataAccessResult) else _value(whole)
        if isinstance(answer, ReadResponse) and len(answer.results) == 1:
            return answer.results[0]
        raise UnexpectedApduError(answer, "a variable is being read")

    def _several(self, variables: Sequence[Variable]) -> Exchange[Sequence[Result] | None]:
        """None if the meter refuses the list as a whole."""
        if len(variables) == 1:
            return [(yield from self._read(variables[0]))]
        try:
            answer = yield ReadRequest(tuple(variables))
            if isinstance(answer, ReadResponseBlock):
                whole = yield from self._blocks(answer)
                results = () if isinstance(whole, DataAccessResult) else read_results(Cursor(whole))
            elif isinstance(answer, ReadResponse):
                results = answer.results
            else:
                raise UnexpectedApduError(answer, "variables are being read")
        except ApduError:
            return None
        except ServiceExceptionError as error:
            if error.service in (ServiceError.DECIPHERING_ERROR, ServiceError.INVOCATION_COUNTER_ERROR):
                raise
            return None
        return results if len(results) == len(variables) else None

    def _blocks(self, answer: Apdu) -> Exchange[Result]:
        """All blocks together, from the first on."""
        incoming = Incoming()
        while isinstance(answer, ReadResponseBlock):
            incoming.add(answer.block_number, answer.raw)
            if answer.last:
                return incoming.value()
            if not answer.raw:
                raise TransferError(f"block {incoming.number} is empty and not the last")
            answer = yield ReadRequestNext(incoming.number)
        match answer:
            case ReadResponse((DataAccessResult() as error,)):
                return error
        raise UnexpectedApduError(answer, "blocks are being read")

    def _fitting(self, asked: Sequence[tuple[int, Variable]]) -> Sequence[tuple[int, Variable]]:
        """As many of them as one request holds; at least one."""
        octets = _AROUND_LIST
        for count, (_, variable) in enumerate(asked[: self._longest_list]):
            octets += _A_VARIABLE + (len(variable.selection.parameters) if variable.selection else 0)
            if octets > self._room and count:
                return asked[:count]
        return asked[: self._longest_list]


def _value(whole: bytes) -> bytes:
    """The value that blocks hold. Some meters put the whole list of one result into them: `01 00` goes before it."""
    return whole[2:] if whole[:2] == b"\x01\x00" and len(whole) > 2 else whole

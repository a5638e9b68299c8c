"""ACTION: invoking methods (IEC 62056-5-3, 8.3). Parameters and return values are A-XDR octets.

C3 01 invoke method 00 | 01 data                    C7 01 invoke outcome
C3 02 invoke number                                 C7 02 invoke block
C3 03 invoke count method .. count data ..          C7 03 invoke count outcome ..
C3 04 invoke method block                           C7 04 invoke number
C3 05 invoke count method .. block
C3 06 invoke block

An outcome is: result, then 00 or 01 and what was returned, which is 00 data | 01 result.
"""

from collections.abc import Callable
from typing import NamedTuple, Self

from smgw.cosem import MethodName
from smgw.dlms.apdus.cursor import ApduError, Cursor
from smgw.dlms.apdus.descriptors import Block, encode_method, read_method
from smgw.dlms.apdus.get import Result, encode_result, read_result
from smgw.dlms.apdus.results import ActionResult
from smgw.dlms.apdus.set import encode_values, read_values
from smgw.dlms.data import length

REQUEST, RESPONSE = 0xC3, 0xC7


def _encode_methods(methods: tuple[MethodName, ...]) -> bytes:
    return length(len(methods)) + b"".join(encode_method(method) for method in methods)


def _read_methods(cursor: Cursor) -> tuple[MethodName, ...]:
    return tuple([read_method(cursor) for _ in range(cursor.length())])


class ActionRequest(NamedTuple):
    """Action-Request-Normal."""

    invoke: int
    method: MethodName
    parameter: bytes | None = None

    def __repr__(self) -> str:  # the parameters may hold a secret
        return f"ActionRequest({self.invoke}, {self.method}, ...)"

    def encode(self) -> bytes:
        """Encode as octets."""
        parameter = b"\x00" if self.parameter is None else b"\x01" + self.parameter
        return bytes((REQUEST, 1, self.invoke)) + encode_method(self.method) + parameter

    @classmethod
    def read(cls, cursor: Cursor) -> Self:
        """Read the fields after the choice."""
        return cls(cursor.octet(), read_method(cursor), cursor.data() if cursor.flag() else None)


class ActionRequestNextBlock(NamedTuple):
    """Action-Request-Next-Pblock: the block of the answer with this number was received."""

    invoke: int
    block_number: int

    def encode(self) -> bytes:
        """Encode as octets."""
        return bytes((REQUEST, 2, self.invoke)) + self.block_number.to_bytes(4, "big")

    @classmethod
    def read(cls, cursor: Cursor) -> Self:
        """Read the fields after the choice."""
        return cls(cursor.octet(), cursor.number(4))


class ActionRequestWithList(NamedTuple):
    """Action-Request-With-List: as many parameters as methods (null-data for none)."""

    invoke: int
    methods: tuple[MethodName, ...]
    parameters: tuple[bytes, ...]

    def __repr__(self) -> str:
        return f"ActionRequestWithList({self.invoke}, {self.methods}, ...)"

    def encode(self) -> bytes:
        """Encode as octets."""
        return bytes((REQUEST, 3, self.invoke)) + _encode_methods(self.methods) + encode_values(self.parameters)

    @classmethod
    def read(cls, cursor: Cursor) -> Self:
        """Read the fields after the choice."""
        invoke, methods, begin = cursor.octet(), _read_methods(cursor), cursor.position
        parameters = read_values(cursor)
        if len(parameters) != len(methods):
            raise ApduError(begin, f"{len(parameters)} parameters for {len(methods)} methods")
        return cls(invoke, methods, parameters)


class ActionRequestFirstBlock(NamedTuple):
    """Action-Request-With-First-Pblock."""

    invoke: int
    method: MethodName
    block: Block

    def __repr__(self) -> str:
        return f"ActionRequestFirstBlock({self.invoke}, {self.method}, ...)"

    def encode(self) -> bytes:
        """Encode as octets."""
        return bytes((REQUEST, 4, self.invoke)) + encode_method(self.method) + self.block.encode()

    @classmethod
    def read(cls, cursor: Cursor) -> Self:
        """Read the fields after the choice."""
        return cls(cursor.octet(), read_method(cursor), Block.read(cursor))


class ActionRequestWithListFirstBlock(NamedTuple):
    """Action-Request-With-List-And-First-Pblock: the blocks hold the parameters."""

    invoke: int
    methods: tuple[MethodName, ...]
    block: Block

    def __repr__(self) -> str:
        return f"ActionRequestWithListFirstBlock({self.invoke}, {self.methods}, ...)"

    def encode(self) -> bytes:
        """Encode as octets."""
        return bytes((REQUEST, 5, self.invoke)) + _encode_methods(self.methods) + self.block.encode()

    @classmethod
    def read(cls, cursor: Cursor) -> Self:
        """Read the fields after the choice."""
        return cls(cursor.octet(), _read_methods(cursor), Block.read(cursor))


class ActionRequestBlock(NamedTuple):
    """Action-Request-With-Pblock: any block but the first."""

    invoke: int
    block: Block

    def __repr__(self) -> str:
        return f"ActionRequestBlock({self.invoke}, {self.block.number}, ...)"

    def encode(self) -> bytes:
        """Encode as octets."""
        return bytes((REQUEST, 6, self.invoke)) + self.block.encode()

    @classmethod
    def read(cls, cursor: Cursor) -> Self:
        """Read the fields after the choice."""
        return cls(cursor.octet(), Block.read(cursor))


class Outcome(NamedTuple):
    """The outcome of one method, and its return value (Action-Response-With-Optional-Data)."""

    result: ActionResult
    returned: Result | None = None

    def encode(self) -> bytes:
        """Encode as octets."""
        returned = b"\x00" if self.returned is None else b"\x01" + encode_result(self.returned)
        return bytes((self.result,)) + returned

    @classmethod
    def read(cls, cursor: Cursor) -> Self:
        """Read an outcome; ApduError if there is none. A meter may omit the last 00."""
        return cls(ActionResult(cursor.octet()), read_result(cursor) if cursor.left and cursor.flag() else None)


class ActionResponse(NamedTuple):
    """Action-Response-Normal."""

    invoke: int
    outcome: Outcome

    def encode(self) -> bytes:
        """Encode as octets."""
        return bytes((RESPONSE, 1, self.invoke)) + self.outcome.encode()

    @classmethod
    def read(cls, cursor: Cursor) -> Self:
        """Read the fields after the choice."""
        return cls(cursor.octet(), Outcome.read(cursor))


class ActionResponseBlock(NamedTuple):
    """Action-Response-With-Pblock."""

    invoke: int
    block: Block

    def encode(self) -> bytes:
        """Encode as octets."""
        return bytes((RESPONSE, 2, self.invoke)) + self.block.encode()

    @classmethod
    def read(cls, cursor: Cursor) -> Self:
        """Read the fields after the choice."""
        return cls(cursor.octet(), Block.read(cursor))


class ActionResponseWithList(NamedTuple):
    """Action-Response-With-List: the outcomes in the order of the request."""

    invoke: int
    outcomes: tuple[Outcome, ...]

    def encode(self) -> bytes:
        """Encode as octets."""
        outcomes = b"".join(outcome.encode() for outcome in self.outcomes)
        return bytes((RESPONSE, 3, self.invoke)) + length(len(self.outcomes)) + outcomes

    @classmethod
    def read(cls, cursor: Cursor) -> Self:
        """Read the fields after the choice."""
        return cls(cursor.octet(), tuple([Outcome.read(cursor) for _ in range(cursor.length())]))


class ActionResponseNextBlock(NamedTuple):
    """Action-Response-Next-Pblock: the block of the request with this number was received."""

    invoke: int
    block_number: int

    def encode(self) -> bytes:
        """Encode as octets."""
        return bytes((RESPONSE, 4, self.invoke)) + self.block_number.to_bytes(4, "big")

    @classmethod
    def read(cls, cursor: Cursor) -> Self:
        """Read the fields after the choice."""
        return cls(cursor.octet(), cursor.number(4))


ActionApdu = (
    ActionRequest
    | ActionRequestNextBlock
    | ActionRequestWithList
    | ActionRequestFirstBlock
    | ActionRequestWithListFirstBlock
    | ActionRequestBlock
    | ActionResponse
    | ActionResponseBlock
    | ActionResponseWithList
    | ActionResponseNextBlock
)
READERS: dict[tuple[int, int], Callable[[Cursor], ActionApdu]] = {
    (REQUEST, 1): ActionRequest.read,
    (REQUEST, 2): ActionRequestNextBlock.read,
    (REQUEST, 3): ActionRequestWithList.read,
    (REQUEST, 4): ActionRequestFirstBlock.read,
    (REQUEST, 5): ActionRequestWithListFirstBlock.read,
    (REQUEST, 6): ActionRequestBlock.read,
    (RESPONSE, 1): ActionResponse.read,
    (RESPONSE, 2): ActionResponseBlock.read,
    (RESPONSE, 3): ActionResponseWithList.read,
    (RESPONSE, 4): ActionResponseNextBlock.read,
}

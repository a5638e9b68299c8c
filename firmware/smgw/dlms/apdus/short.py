"""Services with short names: reading and writing by number (IEC 62056-5-3, 8.4 and 9.4.7).

05 count {02 name | 04 name selector data} ..        ReadRequest
05 01 05 number                                      ReadRequestNext: the block that follows this one
06 count {02 name | 04 name selector data} ..        WriteRequest
   count data ..
0C count {00 data | 01 error} ..                     ReadResponse
0C 01 02 last number length raw                      ReadResponseBlock
0D count {00 | 01 error} ..                          WriteResponse

A name has two octets. There are no invoke-ids. Blocks count from 1; what all blocks hold together is the one value.
"""

from collections.abc import Callable
from typing import NamedTuple, Self

from smgw.dlms.apdus.cursor import ApduError, Cursor, string
from smgw.dlms.apdus.descriptors import Selection
from smgw.dlms.apdus.get import Result, encode_results, read_results
from smgw.dlms.apdus.results import DataAccessResult
from smgw.dlms.apdus.set import encode_values, read_values
from smgw.dlms.data import length

READ_REQUEST, WRITE_REQUEST, READ_RESPONSE, WRITE_RESPONSE = 0x05, 0x06, 0x0C, 0x0D
_NAME, _PARAMETERIZED, _NEXT = 2, 4, 5
_BLOCK = 2


class Variable(NamedTuple):
    """What is read or written: a short name, and what of it. A method's parameters are a selection, too."""

    name: int
    selection: Selection | None = None

    def encode(self) -> bytes:
        """The octets."""
        name = self.name.to_bytes(2, "big")
        if self.selection is None:
            return bytes((_NAME,)) + name
        return bytes((_PARAMETERIZED,)) + name + bytes((self.selection.selector,)) + self.selection.parameters

    @classmethod
    def read(cls, cursor: Cursor) -> Self:
        """One variable-access-specification; ApduError if it is none of these."""
        parameterized = cursor.choice(_NAME, _PARAMETERIZED) == _PARAMETERIZED
        name = cursor.number(2)
        return cls(name, Selection(cursor.octet(), cursor.data()) if parameterized else None)


class ReadRequest(NamedTuple):
    """Reads variables, or invokes a method that gives data back."""

    variables: tuple[Variable, ...]

    def __repr__(self) -> str:  # a method's parameters may be a secret
        return f"ReadRequest({', '.join(f'{one.name:04x}' for one in self.variables)})"

    def encode(self) -> bytes:
        """The octets."""
        return bytes((READ_REQUEST,)) + _list(self.variables)


class ReadRequestNext(NamedTuple):
    """Asks for the block behind this one."""

    block_number: int

    def encode(self) -> bytes:
        """The octets."""
        return bytes((READ_REQUEST, 1, _NEXT)) + self.block_number.to_bytes(2, "big")


class ReadResponse(NamedTuple):
    """The results in the order of the request."""

    results: tuple[Result, ...]

    def encode(self) -> bytes:
        """The octets."""
        return bytes((READ_RESPONSE,)) + encode_results(self.results)


class ReadResponseBlock(NamedTuple):
    """One block of a long value."""

    last: bool
    block_number: int
    raw: bytes

    def encode(self) -> bytes:
        """The octets."""
        return (
            bytes((READ_RESPONSE, 1, _BLOCK, self.last)) + (self.block_number & 0xFFFF).to_bytes(2, "big")
        ) + string(self.raw)


class WriteRequest(NamedTuple):
    """Writes variables; values are A-XDR octets."""

    variables: tuple[Variable, ...]
    values: tuple[bytes, ...]

    def __repr__(self) -> str:  # the values may be secrets
        return f"WriteRequest({', '.join(f'{one.name:04x}' for one in self.variables)})"

    def encode(self) -> bytes:
        """The octets."""
        return bytes((WRITE_REQUEST,)) + _list(self.variables) + encode_values(self.values)


class WriteResponse(NamedTuple):
    """The outcomes in the order of the request."""

    results: tuple[DataAccessResult, ...]

    def encode(self) -> bytes:
        """The octets."""
        items = [b"\x00" if one is DataAccessResult.SUCCESS else bytes((1, one)) for one in self.results]
        return bytes((WRITE_RESPONSE,)) + length(len(items)) + b"".join(items)


def _list(variables: tuple[Variable, ...]) -> bytes:
    return length(len(variables)) + b"".join(one.encode() for one in variables)


def _variables(cursor: Cursor) -> tuple[Variable, ...]:
    return tuple([Variable.read(cursor) for _ in range(cursor.length())])


def _read_request(cursor: Cursor) -> ReadRequest | ReadRequestNext:
    if cursor.octets[cursor.position : cursor.position + 2] == bytes((1, _NEXT)):
        cursor.take(2)
        return ReadRequestNext(cursor.number(2))
    return ReadRequest(_variables(cursor))


def _write_request(cursor: Cursor) -> WriteRequest:
    variables, begin = _variables(cursor), cursor.position
    values = read_values(cursor)
    if len(values) != len(variables):
        raise ApduError(begin, f"{len(values)} values for {len(variables)} variables")
    return WriteRequest(variables, values)


def _read_response(cursor: Cursor) -> ReadResponse | ReadResponseBlock:
    if cursor.octets[cursor.position : cursor.position + 2] == bytes((1, _BLOCK)):
        cursor.take(2)
        return ReadResponseBlock(cursor.flag(), cursor.number(2), cursor.string())
    return ReadResponse(read_results(cursor))


def _write_response(cursor: Cursor) -> WriteResponse:
    return WriteResponse(
        tuple(
            [
                DataAccessResult(cursor.octet()) if cursor.choice(0, 1) else DataAccessResult.SUCCESS
                for _ in range(cursor.length())
            ]
        )
    )


ShortApdu = ReadRequest | ReadRequestNext | ReadResponse | ReadResponseBlock | WriteRequest | WriteResponse
READERS: dict[int, Callable[[Cursor], ShortApdu]] = {
    READ_REQUEST: _read_request,
    WRITE_REQUEST: _write_request,
    READ_RESPONSE: _read_response,
    WRITE_RESPONSE: _write_response,
}

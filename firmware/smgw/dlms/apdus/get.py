"""GET: reading attributes (IEC 62056-5-3, 8.3). Values stay A-XDR octets: profile rows have a reader of their own.

C0 01 invoke attribute selection                       C4 01 invoke 00 data | 01 result
C0 02 invoke block                                     C4 02 invoke last block 00 octets | 01 result
C0 03 invoke count {attribute selection} ..            C4 03 invoke count {00 data | 01 result} ..
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple, Self

from smgw.cosem import AttributeName
from smgw.dlms.apdus.cursor import Cursor, string
from smgw.dlms.apdus.descriptors import Selection, encode_attribute, encode_selection, read_attribute
from smgw.dlms.apdus.results import DataAccessResult
from smgw.dlms.data import length

REQUEST, RESPONSE = 0xC0, 0xC4
_NORMAL, _NEXT, _WITH_LIST = 1, 2, 3

Result = bytes | DataAccessResult  # A-XDR octets, or the error code


class GetRequest(NamedTuple):
    """Get-Request-Normal."""

    invoke: int
    attribute: AttributeName
    selection: Selection | None = None

    def encode(self) -> bytes:
        """Encode as octets."""
        return (
            bytes((REQUEST, _NORMAL, self.invoke)) + encode_attribute(self.attribute) + encode_selection(self.selection)
        )

    @classmethod
    def read(cls, cursor: Cursor) -> Self:
        """Read the fields after the choice."""
        return cls(cursor.octet(), read_attribute(cursor), Selection.read(cursor))


class GetRequestNext(NamedTuple):
    """Get-Request-Next: acknowledges the block with this number and requests the next one."""

    invoke: int
    block_number: int

    def encode(self) -> bytes:
        """Encode as octets."""
        return bytes((REQUEST, _NEXT, self.invoke)) + self.block_number.to_bytes(4, "big")

    @classmethod
    def read(cls, cursor: Cursor) -> Self:
        """Read the fields after the choice."""
        return cls(cursor.octet(), cursor.number(4))


class GetRequestWithList(NamedTuple):
    """Get-Request-With-List."""

    invoke: int
    attributes: tuple[tuple[AttributeName, Selection | None], ...]

    def encode(self) -> bytes:
        """Encode as octets."""
        items = b"".join(
            encode_attribute(attribute) + encode_selection(selection) for attribute, selection in self.attributes
        )
        return bytes((REQUEST, _WITH_LIST, self.invoke)) + length(len(self.attributes)) + items

    @classmethod
    def read(cls, cursor: Cursor) -> Self:
        """Read the fields after the choice."""
        invoke = cursor.octet()
        return cls(invoke, tuple([(read_attribute(cursor), Selection.read(cursor)) for _ in range(cursor.length())]))


class GetResponse(NamedTuple):
    """Get-Response-Normal. Octets behind the data (some meters send a row too much) stay: `axdr.decode` says where."""

    invoke: int
    result: Result

    def encode(self) -> bytes:
        """Encode as octets."""
        return bytes((RESPONSE, _NORMAL, self.invoke)) + encode_result(self.result)

    @classmethod
    def read(cls, cursor: Cursor) -> Self:
        """Read the fields after the choice."""
        invoke = cursor.octet()
        return cls(invoke, cursor.rest() if cursor.choice(0, 1) == 0 else DataAccessResult(cursor.octet()))


class GetResponseBlock(NamedTuple):
    """Get-Response-With-Datablock. Blocks count from 1; the cuts fall anywhere.

    `stray` counts octets behind the last block, which some meters repeat there in part; they belong to nothing.
    """

    invoke: int
    last: bool
    block_number: int
    result: Result
    stray: int = 0

    def encode(self) -> bytes:
        """Encode as octets."""
        result = self.result
        return (
            bytes((RESPONSE, _NEXT, self.invoke, self.last))
            + self.block_number.to_bytes(4, "big")
            + (bytes((1, result)) if isinstance(result, DataAccessResult) else b"\x00" + string(result))
        )

    @classmethod
    def read(cls, cursor: Cursor) -> Self:
        """Read the fields after the choice."""
        invoke, last, number = cursor.octet(), cursor.flag(), cursor.number(4)
        result = cursor.string() if cursor.choice(0, 1) == 0 else DataAccessResult(cursor.octet())
        return cls(invoke, last, number, result, len(cursor.rest()) if last else 0)


class GetResponseWithList(NamedTuple):
    """Get-Response-With-List: the results in the order of the request."""

    invoke: int
    results: tuple[Result, ...]

    def encode(self) -> bytes:
        """Encode as octets."""
        return bytes((RESPONSE, _WITH_LIST, self.invoke)) + encode_results(self.results)

    @classmethod
    def read(cls, cursor: Cursor) -> Self:
        """Read the fields after the choice."""
        return cls(cursor.octet(), read_results(cursor))


def encode_result(result: Result) -> bytes:
    """Get-Data-Result."""
    return bytes((1, result)) if isinstance(result, DataAccessResult) else b"\x00" + result


def read_result(cursor: Cursor) -> Result:
    """Get-Data-Result."""
    return cursor.data() if cursor.choice(0, 1) == 0 else DataAccessResult(cursor.octet())


def encode_results(results: Sequence[Result]) -> bytes:
    """The content of a response with list, or of its joined blocks."""
    return length(len(results)) + b"".join(map(encode_result, results))


def read_results(cursor: Cursor) -> tuple[Result, ...]:
    """The results of a response with list, or of its joined blocks; ApduError if malformed."""
    return tuple([read_result(cursor) for _ in range(cursor.length())])


GetApdu = GetRequest | GetRequestNext | GetRequestWithList | GetResponse | GetResponseBlock | GetResponseWithList
READERS: dict[tuple[int, int], Callable[[Cursor], GetApdu]] = {
    (REQUEST, _NORMAL): GetRequest.read,
    (REQUEST, _NEXT): GetRequestNext.read,
    (REQUEST, _WITH_LIST): GetRequestWithList.read,
    (RESPONSE, _NORMAL): GetResponse.read,
    (RESPONSE, _NEXT): GetResponseBlock.read,
    (RESPONSE, _WITH_LIST): GetResponseWithList.read,
}

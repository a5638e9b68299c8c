"""SET: writing attributes (IEC 62056-5-3, 8.3). Values are A-XDR octets.

C1 01 invoke attribute selection data                              C5 01 invoke result
C1 02 invoke attribute selection block                             C5 02 invoke number
C1 03 invoke block                                                 C5 03 invoke result number
C1 04 invoke count {attribute selection} .. count data ..          C5 05 invoke count result ..
C1 05 invoke count {attribute selection} .. block                  C5 04 invoke count result .. number
"""

from collections.abc import Callable
from typing import NamedTuple, Self

from smgw.cosem import AttributeName
from smgw.dlms.apdus.cursor import ApduError, Cursor
from smgw.dlms.apdus.descriptors import Block, Selection, encode_attribute, encode_selection, read_attribute
from smgw.dlms.apdus.results import DataAccessResult
from smgw.dlms.data import length

REQUEST, RESPONSE = 0xC1, 0xC5

Selected = tuple[tuple[AttributeName, Selection | None], ...]


def _encode_attributes(attributes: Selected) -> bytes:
    items = [encode_attribute(attribute) + encode_selection(selection) for attribute, selection in attributes]
    return length(len(items)) + b"".join(items)


def _read_attributes(cursor: Cursor) -> Selected:
    return tuple([(read_attribute(cursor), Selection.read(cursor)) for _ in range(cursor.length())])


def encode_values(values: tuple[bytes, ...]) -> bytes:
    """The values of a request with list, or of its joined blocks."""
    return length(len(values)) + b"".join(values)


def read_values(cursor: Cursor) -> tuple[bytes, ...]:
    """The values of a request with list, or of its joined blocks; ApduError if malformed."""
    return tuple([cursor.data() for _ in range(cursor.length())])


class SetRequest(NamedTuple):
    """Set-Request-Normal."""

    invoke: int
    attribute: AttributeName
    value: bytes
    selection: Selection | None = None

    def __repr__(self) -> str:  # the value may be a secret
        return f"SetRequest({self.invoke}, {self.attribute}, ...)"

    def encode(self) -> bytes:
        """Encode as octets."""
        return (
            bytes((REQUEST, 1, self.invoke))
            + encode_attribute(self.attribute)
            + encode_selection(self.selection)
            + self.value
        )

    @classmethod
    def read(cls, cursor: Cursor) -> Self:
        """Read the fields after the choice."""
        invoke, attribute, selection = cursor.octet(), read_attribute(cursor), Selection.read(cursor)
        return cls(invoke, attribute, cursor.data(), selection)


class SetRequestFirstBlock(NamedTuple):
    """Set-Request-With-First-Datablock."""

    invoke: int
    attribute: AttributeName
    block: Block
    selection: Selection | None = None

    def __repr__(self) -> str:
        return f"SetRequestFirstBlock({self.invoke}, {self.attribute}, ...)"

    def encode(self) -> bytes:
        """Encode as octets."""
        attribute = encode_attribute(self.attribute) + encode_selection(self.selection)
        return bytes((REQUEST, 2, self.invoke)) + attribute + self.block.encode()

    @classmethod
    def read(cls, cursor: Cursor) -> Self:
        """Read the fields after the choice."""
        invoke, attribute, selection = cursor.octet(), read_attribute(cursor), Selection.read(cursor)
        return cls(invoke, attribute, Block.read(cursor), selection)


class SetRequestBlock(NamedTuple):
    """Set-Request-With-Datablock: any block but the first."""

    invoke: int
    block: Block

    def __repr__(self) -> str:
        return f"SetRequestBlock({self.invoke}, {self.block.number}, ...)"

    def encode(self) -> bytes:
        """Encode as octets."""
        return bytes((REQUEST, 3, self.invoke)) + self.block.encode()

    @classmethod
    def read(cls, cursor: Cursor) -> Self:
        """Read the fields after the choice."""
        return cls(cursor.octet(), Block.read(cursor))


class SetRequestWithList(NamedTuple):
    """Set-Request-With-List: as many values as attributes."""

    invoke: int
    attributes: Selected
    values: tuple[bytes, ...]

    def __repr__(self) -> str:
        return f"SetRequestWithList({self.invoke}, {self.attributes}, ...)"

    def encode(self) -> bytes:
        """Encode as octets."""
        return bytes((REQUEST, 4, self.invoke)) + _encode_attributes(self.attributes) + encode_values(self.values)

    @classmethod
    def read(cls, cursor: Cursor) -> Self:
        """Read the fields after the choice."""
        invoke, attributes, begin = cursor.octet(), _read_attributes(cursor), cursor.position
        values = read_values(cursor)
        if len(values) != len(attributes):
            raise ApduError(begin, f"{len(values)} values for {len(attributes)} attributes")
        return cls(invoke, attributes, values)


class SetRequestWithListFirstBlock(NamedTuple):
    """Set-Request-With-List-And-First-Datablock: the blocks hold the values."""

    invoke: int
    attributes: Selected
    block: Block

    def __repr__(self) -> str:
        return f"SetRequestWithListFirstBlock({self.invoke}, {self.attributes}, ...)"

    def encode(self) -> bytes:
        """Encode as octets."""
        return bytes((REQUEST, 5, self.invoke)) + _encode_attributes(self.attributes) + self.block.encode()

    @classmethod
    def read(cls, cursor: Cursor) -> Self:
        """Read the fields after the choice."""
        return cls(cursor.octet(), _read_attributes(cursor), Block.read(cursor))


class SetResponse(NamedTuple):
    """Set-Response-Normal."""

    invoke: int
    result: DataAccessResult

    def encode(self) -> bytes:
        """Encode as octets."""
        return bytes((RESPONSE, 1, self.invoke, self.result))

    @classmethod
    def read(cls, cursor: Cursor) -> Self:
        """Read the fields after the choice."""
        return cls(cursor.octet(), DataAccessResult(cursor.octet()))


class SetResponseBlock(NamedTuple):
    """Set-Response-Datablock: the block with this number was received."""

    invoke: int
    block_number: int

    def encode(self) -> bytes:
        """Encode as octets."""
        return bytes((RESPONSE, 2, self.invoke)) + self.block_number.to_bytes(4, "big")

    @classmethod
    def read(cls, cursor: Cursor) -> Self:
        """Read the fields after the choice."""
        return cls(cursor.octet(), cursor.number(4))


class SetResponseLastBlock(NamedTuple):
    """Set-Response-Last-Datablock."""

    invoke: int
    result: DataAccessResult
    block_number: int

    def encode(self) -> bytes:
        """Encode as octets."""
        return bytes((RESPONSE, 3, self.invoke, self.result)) + self.block_number.to_bytes(4, "big")

    @classmethod
    def read(cls, cursor: Cursor) -> Self:
        """Read the fields after the choice."""
        return cls(cursor.octet(), DataAccessResult(cursor.octet()), cursor.number(4))


class SetResponseLastBlockWithList(NamedTuple):
    """Set-Response-Last-Datablock-With-List."""

    invoke: int
    results: tuple[DataAccessResult, ...]
    block_number: int

    def encode(self) -> bytes:
        """Encode as octets."""
        number = self.block_number.to_bytes(4, "big")
        return bytes((RESPONSE, 4, self.invoke)) + length(len(self.results)) + bytes(self.results) + number

    @classmethod
    def read(cls, cursor: Cursor) -> Self:
        """Read the fields after the choice."""
        return cls(cursor.octet(), tuple(map(DataAccessResult, cursor.string())), cursor.number(4))


class SetResponseWithList(NamedTuple):
    """Set-Response-With-List: the results in the order of the request."""

    invoke: int
    results: tuple[DataAccessResult, ...]

    def encode(self) -> bytes:
        """Encode as octets."""
        return bytes((RESPONSE, 5, self.invoke)) + length(len(self.results)) + bytes(self.results)

    @classmethod
    def read(cls, cursor: Cursor) -> Self:
        """Read the fields after the choice."""
        return cls(cursor.octet(), tuple(map(DataAccessResult, cursor.string())))


SetApdu = (
    SetRequest
    | SetRequestFirstBlock
    | SetRequestBlock
    | SetRequestWithList
    | SetRequestWithListFirstBlock
    | SetResponse
    | SetResponseBlock
    | SetResponseLastBlock
    | SetResponseLastBlockWithList
    | SetResponseWithList
)
READERS: dict[tuple[int, int], Callable[[Cursor], SetApdu]] = {
    (REQUEST, 1): SetRequest.read,
    (REQUEST, 2): SetRequestFirstBlock.read,
    (REQUEST, 3): SetRequestBlock.read,
    (REQUEST, 4): SetRequestWithList.read,
    (REQUEST, 5): SetRequestWithListFirstBlock.read,
    (RESPONSE, 1): SetResponse.read,
    (RESPONSE, 2): SetResponseBlock.read,
    (RESPONSE, 3): SetResponseLastBlock.read,
    (RESPONSE, 4): SetResponseLastBlockWithList.read,
    (RESPONSE, 5): SetResponseWithList.read,
}

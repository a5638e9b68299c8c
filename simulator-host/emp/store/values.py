"""COSEM data as SQLite values and back."""

from smgw.cosem.data import Data, DataType
from smgw.cosemxml import reader, writer
from smgw.cosemxml.resources import Attribute

SqlValue = int | str | bytes | None

_I64 = 1 << 63
_U64 = 1 << 64


def to_sql(data: Data) -> SqlValue:
    """The value in SQLite's form; the type goes into a column of its own."""
    value = data.value
    if isinstance(value, int):
        return value - _U64 if value >= _I64 else int(value)
    if isinstance(value, tuple):
        return writer.encode(Attribute(2, data))
    return value


def from_sql(kind: int, value: SqlValue) -> Data:
    """The data of a type and a value, the inverse of `to_sql`."""
    data_type = DataType(kind)
    if isinstance(value, int) and value < 0 and data_type is DataType.LONG64_UNSIGNED:
        return Data(data_type, value + _U64)
    if data_type in (DataType.ARRAY, DataType.STRUCTURE, DataType.COMPACT_ARRAY):
        assert isinstance(value, bytes)
        attribute = reader.decode(value)
        assert isinstance(attribute, Attribute)
        assert attribute.value is not None
        return attribute.value
    return Data(data_type, value)

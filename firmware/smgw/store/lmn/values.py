"""COSEM data in two columns: `type` (the DataType number) and `value` (INTEGER, BLOB or NULL)."""

import struct

from smgw.cosem.data import RANGE, Data, DataType
from smgw.errors import LocalProtocolError

Column = int | bytes | None

#: Value of the column `device` in a state of a meter whose device is not known.
NO_DEVICE = b""

_TEXT = frozenset({DataType.BIT_STRING, DataType.VISIBLE_STRING, DataType.UTF8_STRING})
_NESTED = frozenset({DataType.ARRAY, DataType.STRUCTURE, DataType.COMPACT_ARRAY})
_U64 = DataType.LONG64_UNSIGNED
_TYPES: dict[int, DataType] = {int(kind): kind for kind in DataType}
_HEAD = struct.Struct(">BBI")
_INT64 = struct.Struct(">q")
# A NamedTuple without its own __new__, in a third of the time: a reader builds hundreds at once.
_new = tuple.__new__


def to_column(data: Data) -> Column:
    """The value column of `data`: INTEGER is signed 64 bit, so u64 goes in as two's complement; text as UTF-8 octets.

    LocalProtocolError where the value does not suit its type.
    """
    kind, value = data
    if isinstance(value, int):
        if kind in _TEXT or kind in _NESTED:
            raise LocalProtocolError(f"{value!r} is no value of {kind!r}")
        low, high = (0, 1 << 64) if kind is _U64 else (-(1 << 63), 1 << 63)
        if not low <= value < high:
            raise LocalProtocolError(f"{value} does not fit {DataType(kind).name}")
        return value if value < 1 << 63 else value - (1 << 64)
    if value is None:
        return None
    if isinstance(value, str) and kind in _TEXT:
        return value.encode("utf-8", "surrogatepass")
    if isinstance(value, bytes) and kind not in _TEXT and kind not in _NESTED:
        return value
    if isinstance(value, tuple) and kind in _NESTED:
        return b"".join(_pack(item) for item in value)
    raise LocalProtocolError(f"{value!r} is no value of {DataType(kind).name}")


#: Of whole numbers, which are most values: type, smallest and largest value of the column that holds the value itself.
_WHOLE: dict[int, tuple[DataType, int, int]] = {
    int(kind): (kind, low, min(high, (1 << 63) - 1)) for kind, (low, high) in RANGE.items()
}
_NO_WHOLE = (DataType.NULL_DATA, 0, -1)


def from_column(kind: int, column: Column) -> Data:
    """The Data of a type and a value column; ValueError for columns that `to_column` never makes."""
    if column.__class__ is int:
        whole, low, high = _WHOLE.get(kind, _NO_WHOLE)
        if low <= column <= high:
            return _new(Data, (whole, column))
    try:
        data_type = _TYPES[kind]
    except KeyError:
        raise ValueError(f"{kind} is no data type") from None
    if isinstance(column, int):
        if column < 0 and data_type is _U64:
            column += 1 << 64
        if data_type in RANGE:
            low, high = RANGE[data_type]
            if not low <= column <= high:
                raise ValueError(f"{column} is no {data_type.name}")
        return _new(Data, (data_type, column))
    if column is None:
        return Data(data_type, None)
    if not isinstance(column, bytes):
        raise ValueError(f"a column of type {type(column).__name__}")  # noqa: TRY004 - the file is wrong, not the caller
    if data_type in _TEXT:
        return Data(data_type, column.decode("utf-8", "surrogatepass"))
    if data_type in _NESTED:
        try:
            return Data(data_type, _unpack(column))
        except RecursionError:
            raise ValueError("structures nested too deeply") from None
    return Data(data_type, column)


def _pack(data: Data) -> bytes:
    """octet 0 type, 1 form (0 nothing, 1 whole number of 8 octets, 2 octets), 2 .. 5 length, then the value."""
    column = to_column(data)
    if column is None:
        return _HEAD.pack(data.type, 0, 0)
    if isinstance(column, int):
        return _HEAD.pack(data.type, 1, 8) + _INT64.pack(column)
    return _HEAD.pack(data.type, 2, len(column)) + column


def _unpack(octets: bytes) -> tuple[Data, ...]:
    items = []
    at = 0
    try:
        while at < len(octets):
            kind, form, size = _HEAD.unpack_from(octets, at)
            at += _HEAD.size
            body = octets[at : at + size]
            if len(body) != size:
                raise ValueError("a structure that is cut short")
            at += size
            items.append(from_column(kind, None if form == 0 else _INT64.unpack(body)[0] if form == 1 else body))
    except struct.error as error:
        raise ValueError(f"not the octets of a structure: {error}") from None
    return tuple(items)

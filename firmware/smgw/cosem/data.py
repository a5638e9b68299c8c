"""COSEM data: a typed value as the wire carries it, and its decimal form for people (IEC 62056-62, 4.1.5)."""

from enum import IntEnum
from typing import TYPE_CHECKING, NamedTuple

from smgw.errors import LocalProtocolError, RemoteProtocolError

if TYPE_CHECKING:
    from decimal import Decimal


class DataType(IntEnum):
    """The common data types with their A-XDR tags; the store and the XML codec use the same numbers."""

    NULL_DATA = 0
    ARRAY = 1
    STRUCTURE = 2
    BOOLEAN = 3
    BIT_STRING = 4
    DOUBLE_LONG = 5
    DOUBLE_LONG_UNSIGNED = 6
    FLOATING_POINT = 7
    OCTET_STRING = 9
    VISIBLE_STRING = 10
    UTF8_STRING = 12
    BCD = 13
    INTEGER = 15
    LONG = 16
    UNSIGNED = 17
    LONG_UNSIGNED = 18
    COMPACT_ARRAY = 19
    LONG64 = 20
    LONG64_UNSIGNED = 21
    ENUM = 22
    FLOAT32 = 23
    FLOAT64 = 24
    DATE_TIME = 25
    DATE = 26
    TIME = 27
    DONT_CARE = 255


class Data(NamedTuple):
    """One typed value.

    type                                            `value`
    number types, bool, enum                        int
    bit-string                                      str of 0 and 1
    text types                                      str
    octet-string, bcd, floats, dates and times      bytes: the raw octets, since no metered value passes through a float
    array, structure, compact-array                 tuple of Data
    null-data, dont-care                            None
    """

    type: DataType
    value: int | str | bytes | tuple["Data", ...] | None


NULL = Data(DataType.NULL_DATA, None)
#: Types that hold a text, or a name in octets.
TEXTS = (DataType.OCTET_STRING, DataType.VISIBLE_STRING, DataType.UTF8_STRING)

_SIGNED = {1: DataType.INTEGER, 2: DataType.LONG, 4: DataType.DOUBLE_LONG, 8: DataType.LONG64}
_UNSIGNED = {
    1: DataType.UNSIGNED,
    2: DataType.LONG_UNSIGNED,
    4: DataType.DOUBLE_LONG_UNSIGNED,
    8: DataType.LONG64_UNSIGNED,
}
#: Smallest and largest value of every whole-number type.
RANGE: dict[DataType, tuple[int, int]] = {
    **{kind: (-(1 << (8 * size - 1)), (1 << (8 * size - 1)) - 1) for size, kind in _SIGNED.items()},
    **{kind: (0, (1 << (8 * size)) - 1) for size, kind in _UNSIGNED.items()},
    DataType.ENUM: (0, 255),
    DataType.BOOLEAN: (0, 1),
}


def integer(value: int, size: int, *, signed: bool) -> Data:
    """Data for a whole number that the wire carried in `size` octets (1 to 8; 3, 5, 6, 7 go to the next width)."""
    width = 1 if size <= 1 else 2 if size <= 2 else 4 if size <= 4 else 8
    kind = (_SIGNED if signed else _UNSIGNED)[width]
    low, high = RANGE[kind]
    if not low <= value <= high:
        raise LocalProtocolError(f"{value} does not fit {kind.name}")
    return Data(kind, value)


class DataError(RemoteProtocolError):
    """Data of another type or range than expected at this place."""


def members_of(data: Data, kind: DataType, count: int | None, what: str) -> tuple[Data, ...]:
    """The members of an array or structure; DataError, naming `what`, unless it has `count` of them (None: any)."""
    value = data.value
    if data.type is not kind or not isinstance(value, tuple) or (count is not None and len(value) != count):
        wanted = "any number of" if count is None else count
        raise DataError(f"{what} is {data.type.name}; it is {kind.name} of {wanted} elements")
    return value


def number_of(data: Data, what: str, kind: DataType) -> int:
    """A whole number of any type; DataError, naming `what`, unless it fits `kind`, the standard's type."""
    low, high = RANGE[kind]
    if not isinstance(data.value, int) or not low <= data.value <= high:
        raise DataError(f"{what} is {data.type.name} {data.value!r:.24}; it is a number from {low} to {high}")
    return data.value


def octet_string(octets: bytes) -> Data:
    """Data for an octet string."""
    return Data(DataType.OCTET_STRING, octets)


def text_octets(data: Data) -> bytes:
    """The octets of a text, without the NULs that some meters pad it with; empty for any other data."""
    if data.type not in TEXTS or data.value is None:
        return b""
    return (data.value if isinstance(data.value, bytes) else str(data.value).encode()).rstrip(b"\0")


def decimal(value: int, scaler: int | None) -> "Decimal":
    """value · 10^scaler, exactly, with the digits the meter gave; a missing scaler is 0."""
    from decimal import Decimal  # imported here, since the daemons show no values

    return Decimal(value).scaleb(scaler or 0)


def plain(value: int, scaler: int | None) -> str:
    """value · 10^scaler in decimal digits, without an exponent: `86038387975, -4` is `8603838.7975`."""
    sign, digits = "-" if value < 0 else "", str(abs(value))
    if not scaler:
        return sign + digits
    if scaler > 0:
        return sign + (digits + "0" * scaler if value else "0")
    digits = digits.zfill(1 - scaler)
    return f"{sign}{digits[:scaler]}.{digits[scaler:]}"

"""Selective access to a profile's buffer (IEC 62056-6-2, 4.3.6.2): which rows, which columns.

selector 1, range      structure { column {class, OBIS, attribute, data index}, from, to, array of columns }
selector 2, entry      structure { from entry, to entry, from column, to column }   from 1; 0 is the last

No columns in a range means all. Entries count in the order of the profile's sort method: FIFO, 1 is the oldest.
"""

from collections.abc import Sequence
from typing import NamedTuple, Self

from smgw.cosem import Data, DataType, Obis, octet_string
from smgw.cosem.data import RANGE as RANGE_OF_TYPE
from smgw.dlms.axdr import AxdrError, decode_all, encode
from smgw.dlms.descriptors import Selection
from smgw.errors import RemoteProtocolError

RANGE, ENTRY = 1, 2


class SelectionError(RemoteProtocolError):
    """Data that select no part of a profile, or that name no column."""


def _structure(*members: Data) -> Data:
    return Data(DataType.STRUCTURE, members)


def _members(data: Data, kind: DataType, count: int | None, what: str) -> tuple[Data, ...]:
    value = data.value
    if data.type is not kind or not isinstance(value, tuple) or (count is not None and len(value) != count):
        wanted = "any number of" if count is None else count
        raise SelectionError(f"{what} is {data.type.name}; it is {kind.name} of {wanted} elements")
    return value


def _number(data: Data, what: str, kind: DataType = DataType.DOUBLE_LONG_UNSIGNED) -> int:
    """Of whatever type it comes in, it must fit that of the standard."""
    low, high = RANGE_OF_TYPE[kind]
    if not isinstance(data.value, int) or not low <= data.value <= high:
        raise SelectionError(f"{what} is {data.type.name} {data.value!r:.24}; it is a number from {low} to {high}")
    return data.value


class CaptureObject(NamedTuple):
    """A column of a profile. Data index 0 is the whole attribute, n its n-th element."""

    class_id: int
    obis: Obis
    attribute: int
    data_index: int = 0

    def data(self) -> Data:
        """As it stands in `capture_objects` and in a range."""
        return _structure(
            Data(DataType.LONG_UNSIGNED, self.class_id),
            octet_string(bytes(self.obis)),
            Data(DataType.INTEGER, self.attribute),
            Data(DataType.LONG_UNSIGNED, self.data_index),
        )

    @classmethod
    def of(cls, data: Data) -> Self:
        """SelectionError if the data are none. Some meters use other number types than the standard's."""
        class_id, name, attribute, index = _members(data, DataType.STRUCTURE, 4, "a capture object")
        if not isinstance(name.value, bytes) or len(name.value) != 6:
            raise SelectionError("a capture object without a logical name of 6 octets")
        return cls(
            _number(class_id, "the class of a capture object", DataType.LONG_UNSIGNED),
            Obis(name.value),
            _number(attribute, "the attribute of a capture object", DataType.INTEGER),
            _number(index, "the data index of a capture object", DataType.LONG_UNSIGNED),
        )


def capture_objects(data: Data) -> tuple[CaptureObject, ...]:
    """The columns of a profile from its attribute 3; SelectionError if the data are none."""
    return tuple(map(CaptureObject.of, _members(data, DataType.ARRAY, None, "a list of capture objects")))


class Range(NamedTuple):
    """Rows whose column `by` is from `first` to `last`, both included.

    For a clock the bounds are octet-strings of 12 octets, for some meters of the type date-time. They carry their
    deviation, or 8000 on purpose: a bound without one is read in the meter's own zone.
    """

    by: CaptureObject
    first: Data
    last: Data
    columns: tuple[CaptureObject, ...] = ()

    def selection(self) -> Selection:
        """What a GET carries."""
        columns = Data(DataType.ARRAY, tuple(column.data() for column in self.columns))
        return Selection(RANGE, encode(_structure(self.by.data(), self.first, self.last, columns)))


class Entries(NamedTuple):
    """Rows and columns by number, both ends included."""

    first: int = 1
    last: int = 0
    first_column: int = 1
    last_column: int = 0

    def selection(self) -> Selection:
        """What a GET carries."""
        return Selection(
            ENTRY,
            encode(
                _structure(
                    Data(DataType.DOUBLE_LONG_UNSIGNED, self.first),
                    Data(DataType.DOUBLE_LONG_UNSIGNED, self.last),
                    Data(DataType.LONG_UNSIGNED, self.first_column),
                    Data(DataType.LONG_UNSIGNED, self.last_column),
                )
            ),
        )


def read_selection(selection: Selection) -> Range | Entries:
    """What a client asked for; SelectionError if it is neither."""
    try:
        data = decode_all(selection.parameters)
    except AxdrError as error:
        raise SelectionError(f"parameters of selective access: {error}") from None
    if selection.selector == RANGE:
        by, first, last, columns = _members(data, DataType.STRUCTURE, 4, "a range")
        return Range(CaptureObject.of(by), first, last, capture_objects(columns))
    if selection.selector == ENTRY:
        bounds: Sequence[Data] = _members(data, DataType.STRUCTURE, 4, "an entry selection")
        return Entries(*(_number(bound, "a bound of an entry selection") for bound in bounds))
    raise SelectionError(f"selector {selection.selector}; a profile has 1 (range) and 2 (entry)")

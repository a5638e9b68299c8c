"""Selective access to rows and columns of a profile's buffer (IEC 62056-6-2, 4.3.6.2).

selector 1, range      structure { column {class, OBIS, attribute, data index}, from, to, array of columns }
selector 2, entry      structure { from entry, to entry, from column, to column }   from 1; 0 is the last

No columns in a range means all. Entries count in the order of the profile's sort method: FIFO, 1 is the oldest.
"""

from collections.abc import Sequence
from typing import NamedTuple

from smgw.cosem import CaptureObject, Data, DataError, DataType, capture_objects
from smgw.cosem.data import members_of, number_of
from smgw.dlms.apdus.descriptors import Selection
from smgw.dlms.data import AxdrError, decode_all, encode

RANGE, ENTRY = 1, 2


def _structure(*members: Data) -> Data:
    return Data(DataType.STRUCTURE, members)


class Range(NamedTuple):
    """Rows whose column `by` is from `first` to `last`, both included.

    For a clock the bounds are octet-strings of 12 octets; some meters need the type date-time. They include their
    deviation, or 8000 on purpose: then the meter uses its own zone.
    """

    by: CaptureObject
    first: Data
    last: Data
    columns: tuple[CaptureObject, ...] = ()

    def selection(self) -> Selection:
        """The selection in a GET."""
        columns = Data(DataType.ARRAY, tuple(column.data() for column in self.columns))
        return Selection(RANGE, encode(_structure(self.by.data(), self.first, self.last, columns)))


class Entries(NamedTuple):
    """Rows and columns by number, both ends included."""

    first: int = 1
    last: int = 0
    first_column: int = 1
    last_column: int = 0

    def selection(self) -> Selection:
        """The selection in a GET."""
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
    """What a client asked for; DataError if it is neither."""
    try:
        data = decode_all(selection.parameters)
    except AxdrError as error:
        raise DataError(f"parameters of selective access: {error}") from None
    if selection.selector == RANGE:
        by, first, last, columns = members_of(data, DataType.STRUCTURE, 4, "a range")
        return Range(CaptureObject.of(by), first, last, capture_objects(columns))
    if selection.selector == ENTRY:
        bounds: Sequence[Data] = members_of(data, DataType.STRUCTURE, 4, "an entry selection")
        what, kind = "a bound of an entry selection", DataType.DOUBLE_LONG_UNSIGNED
        return Entries(*(number_of(bound, what, kind) for bound in bounds))
    raise DataError(f"selector {selection.selector}; a profile has 1 (range) and 2 (entry)")

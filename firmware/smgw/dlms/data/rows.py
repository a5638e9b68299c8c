"""A fast reader for the rows of a load profile.

Rows of a profile have the same form: a structure of the same types in the same order. The full decoder reads the first
row, which gives the layout. One `struct` reads later rows as long as their tags are at the same places. A different row
(a null for the time, a string of another length) begins another run.

    02 04 | 09 0c .. .. | 06 .. .. .. .. | 06 .. .. .. .. | 11 ..      row, 28 octets: tags and lengths are compared for
    02 04 | 09 0c .. .. | 06 .. .. .. .. | 06 .. .. .. .. | 11 ..      all rows of a run at once, column by column
    02 04 | 00 | 06 ..                                                 another layout, another run

The results equal those of the full decoder. Types that `struct` cannot read (texts, bits, nested data) are left to the
full decoder, row by row.
"""

import struct
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import repeat
from typing import Any

from smgw.cosem import NULL, Data, DataType, octet_string
from smgw.cosem.date_time import SIZE as DATE_TIME_SIZE
from smgw.cosem.date_time import DateTime
from smgw.dlms.data.reading import MAX_DEPTH, NUMBERS, decode
from smgw.dlms.data.tags import NUMBER_CODE, SIZE, AxdrError, read_length

Row = tuple[Data, ...]

# Rows read at once: few at first, then more; never so many that they cost memory.
_SHORT_RUN, _LONG_RUN = 4, 1024
_MOST_LAYOUTS = 16
_UNIX_TIMES = (DataType.DOUBLE_LONG_UNSIGNED, DataType.LONG64_UNSIGNED)  # a clock that counts seconds since 1970
_new = tuple.__new__


class Rows:
    """The rows of a buffer, one after the other: an array, or a compact-array, of structures.

    `position` is after the last row returned. After all rows the caller handles octets that remain: some meters declare
    one row less than they send. Iteration raises AxdrError at the first malformed row.
    """

    def __init__(self, octets: bytes, position: int = 0) -> None:
        self._octets = octets
        self.position = position
        self._layouts: dict[bytes, Layout | None] = {}

    def __iter__(self) -> Iterator[Row]:
        begin, octets = self.position, self._octets
        if octets[begin : begin + 1] != bytes((DataType.ARRAY,)):
            yield from self._of_compact()
            return
        left, self.position = read_length(octets, begin + 1)
        if left > len(octets) - self.position:
            raise AxdrError(begin, f"{left} rows in {len(octets) - self.position} octets")
        layout, most = None, _SHORT_RUN
        while left:
            run: list[Row] = layout.read(octets, self.position, min(most, left)) if layout is not None else []
            if run and layout is not None:
                left -= len(run)
                self.position += len(run) * layout.size
                most = min(4 * most, _LONG_RUN) if len(run) == most else _SHORT_RUN
                yield from run
            else:
                row, end = _one(octets, self.position)
                layout = self._layout(octets[self.position : end], row)
                left, self.position = left - 1, end
                yield row

    def _layout(self, octets: bytes, row: Row) -> "Layout | None":
        """The layout of a row, made when it is first seen; None if it has none."""
        if any(data.type not in SIZE and data.type is not DataType.OCTET_STRING for data in row):
            return None
        sizes = [len(value) for _, value in row if isinstance(value, bytes)]
        shape = bytes(data.type for data in row) + struct.pack(f">{len(sizes)}I", *sizes)
        if shape not in self._layouts:
            if len(self._layouts) >= _MOST_LAYOUTS:
                return None
            self._layouts[shape] = Layout.of(octets, row)
        return self._layouts[shape]

    def _of_compact(self) -> Iterator[Row]:
        value, end = decode(self._octets, self.position)
        if value.type is not DataType.COMPACT_ARRAY or not isinstance(value.value, tuple):
            raise AxdrError(self.position, f"{value.type.name} where rows stand")
        for row in value.value:
            if row.type is not DataType.STRUCTURE or not isinstance(row.value, tuple):
                raise AxdrError(self.position, f"{row.type.name} where a row stands")
            yield row.value
        self.position = end


def _one(octets: bytes, position: int) -> tuple[Row, int]:
    value, end = decode(octets, position, MAX_DEPTH - 1)
    if value.type is not DataType.STRUCTURE or not isinstance(value.value, tuple):
        raise AxdrError(position, f"{value.type.name} where a row stands")
    return value.value, end


class Layout:
    """The places of tags, lengths and values in a row."""

    def __init__(self, size: int, fixed: dict[int, int], codes: str, makers: Sequence[Callable[[Any], Any]]) -> None:
        self.size = size
        self._fixed = fixed  # offset in the row: the octet at this place
        self._struct = struct.Struct(codes)
        self._makers = makers  # a column read by `struct`: that column as data

    @classmethod
    def of(cls, octets: bytes, row: Row) -> "Layout | None":
        """The layout of a row that the full decoder has read; None if only the full decoder can read it."""
        begin = len(octets) - sum(_width(data) for data in row)
        if begin != 2 or not row:  # a count of more than one octet, or types that `struct` cannot read
            return None
        fixed = {0: octets[0], 1: octets[1]}
        codes, makers, offset = [">2x"], [], begin
        for kind, value in row:
            if octets[offset] != kind:  # a malformed text was read as octets
                return None
            fixed[offset] = octets[offset]
            size = SIZE.get(kind)
            if size is None:
                fixed[offset + 1] = octets[offset + 1]
                size = len(value) if isinstance(value, bytes) else 0
                codes.append(f"2x{size}s")
                offset += 2 + size
            else:
                code = "B" if NUMBERS[kind] else NUMBER_CODE.get(kind)
                codes.append(f"x{code or f'{size}s'}")
                offset += 1 + size
            makers.append(_maker(kind))
        return cls(len(octets), fixed, "".join(codes), makers)

    def read(self, octets: bytes, position: int, most: int) -> list[Row]:
        """The consecutive rows of this layout at `position`, `most` at most."""
        size = self.size
        count = min(most, (len(octets) - position) // size)
        for offset, octet in self._fixed.items():
            begin = position + offset
            found = octets[begin : begin + (count - 1) * size + 1 : size] if count else b""
            count = len(found) - len(found.lstrip(bytes((octet,))))
            if not count:
                return []
        cut = self._struct.iter_unpack(octets[position : position + count * size])
        columns = [make(column) for make, column in zip(self._makers, zip(*cut, strict=True), strict=True)]
        return list(zip(*columns, strict=True))


def _width(data: Data) -> int:
    """Octets of a value that a layout supports; an unsupported one makes the sum wrong."""
    kind, value = data
    if kind is DataType.OCTET_STRING and isinstance(value, bytes) and len(value) < 128:
        return 2 + len(value)
    return 1 + SIZE[kind] if kind in SIZE else 1 << 32


def _maker(kind: DataType) -> Callable[[Any], Iterable[Data]]:
    if not SIZE.get(kind, 1):  # null-data: `struct` gives empty octets
        return lambda column: repeat(Data(kind, None), len(column))
    numbers = NUMBERS[kind]
    if numbers is not None:
        return lambda column: map(numbers.__getitem__, column)
    return lambda column: map(_new, repeat(Data), zip(repeat(kind), column, strict=False))


def fill_nulls(rows: Iterable[Row], clock_column: int | None, period: int) -> list[Row]:
    """The rows with omitted values filled in, as the standard says. A null clock is the previous time plus `period`
    seconds; any other null is the previous value. A null without a previous value stays.
    """
    filled: list[Row] = []
    before: Row = ()
    for row in rows:
        if NULL in row:
            row = tuple(  # noqa: PLW2901  the row is meant from here on
                _filled(data, before[place] if place < len(before) else NULL, place == clock_column and period)
                for place, data in enumerate(row)
            )
        filled.append(row)
        before = row
    return filled


def _filled(data: Data, before: Data, later: int) -> Data:
    if data.type is not DataType.NULL_DATA:
        return data
    octets = before.value
    if later and isinstance(octets, int) and before.type in _UNIX_TIMES:
        return before._replace(value=octets + later)
    if not later or not isinstance(octets, bytes) or len(octets) != DATE_TIME_SIZE:
        return before
    moment = DateTime.read(octets).plus(later)
    if moment is None:
        return NULL
    return octet_string(moment.encode()) if before.type is DataType.OCTET_STRING else Data(before.type, moment.encode())

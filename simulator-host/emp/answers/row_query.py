"""The requested rows and columns of a load profile: `q.*` and `sa.*` together, in the store's form."""

from collections.abc import Callable, Iterator
from typing import NamedTuple

from smgw.cosem import CaptureObject, date_time
from smgw.cosem.data import Data
from smgw.cosem.device_id import DeviceId
from smgw.cosemxml import columns as names
from smgw.webservice.error import BadRequest
from smgw.webservice.query import Query
from smgw.webservice.selection import Selection

from emp.store.storage import RowSpan, RowView, Storage

#: Rows of an answer if the query gives no number. The rest follows by a link.
DEFAULT_ROWS = 1000
_HUNDREDTH_US = 10_000  # resolution of a date_time

_Test = Callable[[RowView], bool]


class RowQuery(NamedTuple):
    """Rows in batches, and their columns: places in the whole list of columns, the fixed ones first."""

    span: RowSpan
    picks: tuple[int, ...]
    test: _Test | None = None  # a test that the store cannot do; `span` then has no skip and no limit
    skip: int = 0
    limit: int | None = None

    def batches(self, storage: Storage, device: DeviceId) -> Iterator[list[RowView]]:
        """The rows, a bounded number at a time."""
        if self.test is None:
            yield from storage.batches(device, self.span)
            return
        skip, left = self.skip, self.limit
        for batch in storage.batches(device, self.span):
            chosen = [row for row in batch if self.test(row)]
            taken = chosen[skip:] if left is None else chosen[skip:][:left]
            yield taken  # also if it is empty: no step is long
            skip = max(0, skip - len(chosen))
            left = None if left is None else left - len(taken)
            if left == 0:
                return

    def next_index(self, storage: Storage, device: DeviceId) -> int | None:
        """The start of the next part if there is one, an index for `q.fromidx`. None if values are compared."""
        after = self.span.skip + (self.span.limit or 0)
        more = self.span.limit and storage.has_row(device, self.span._replace(skip=after))
        return after + 1 if more else None


def plan(query: Query, columns: list[CaptureObject], until: int, default_rows: int | None = DEFAULT_ROWS) -> RowQuery:
    """The rows that a query requests from a profile with these columns, up to a position.

    Without a number of rows it is `default_rows`. If values are compared it is all rows, since the end of a part is not
    known. Raises BadRequest for a column that does not exist, or cannot be compared.
    """
    selection = query.selection or Selection()
    skip = max(query.fromidx or 1, selection.first_index or 1) - 1
    ends = [
        first - 1 + limit
        for first, limit in ((query.fromidx or 1, query.limit), (selection.first_index or 1, selection.limit))
        if limit is not None
    ]
    limit = max(0, min(ends) - skip) if ends else default_rows
    from_us, to_us, test = _compare(selection, columns)
    span = RowSpan(0, None, _latest(query.fromtime_us, from_us), _earliest(query.totime_us, to_us), until)
    picks = _picks(selection, columns)
    if test is None:
        return RowQuery(span._replace(skip=skip, limit=limit), picks)
    return RowQuery(span, picks, test, skip, limit if ends else None)


def _picks(selection: Selection, columns: list[CaptureObject]) -> tuple[int, ...]:
    if selection.columns is not None:
        return tuple([_place(wanted, columns) for wanted in selection.columns])
    first, last = selection.first_column or 1, selection.last_column or len(columns)
    return tuple(range(first - 1, min(last, len(columns))))


def _place(wanted: CaptureObject, columns: list[CaptureObject]) -> int:
    if wanted not in columns:
        raise BadRequest(f"the load profile has no column {wanted.class_id}-{wanted.obis.hex()} {wanted.attribute}")
    return columns.index(wanted)


def _compare(selection: Selection, columns: list[CaptureObject]) -> tuple[int | None, int | None, _Test | None]:
    """(from, to) for capture times, which the store compares; a test of each row for any other column."""
    if selection.filter_column is None or (selection.lowest is None and selection.highest is None):
        return None, None, None
    column = selection.filter_column
    _place(column, columns)
    low, high = selection.lowest, selection.highest
    if column in (names.CAPTURE_TIME, names.TARGET_TIME):
        from_us = None if low is None else _moment(low)
        to_us = None if high is None else _moment(high) + _HUNDREDTH_US
        if column == names.CAPTURE_TIME:
            return from_us, to_us, None
        return None, None, lambda row: _within(row.target_time_us, from_us, None if to_us is None else to_us - 1)
    bounds = (_number(low), _number(high))
    if column == names.RECORD_NUMBER:
        return None, None, lambda row: _within(row.record_number, *bounds)
    if column in columns[: len(names.FIXED_COLUMNS) + 1] or column.attribute == names.SCALER_UNIT:
        raise BadRequest("this column cannot be compared; record number, times and registers can")
    return None, None, lambda row: _within(_value(row, column), *bounds)


def _value(row: RowView, column: CaptureObject) -> int | None:
    for register, data in row.cells:
        if register.column == column:
            value = data.value
            return value if isinstance(value, int) else None
    return None


def _within(value: int | None, low: int | None, high: int | None) -> bool:
    return value is not None and (low is None or value >= low) and (high is None or value <= high)


def _moment(data: Data) -> int:
    try:
        if isinstance(data.value, bytes):
            return date_time.decode_utc(data.value).utc_us
    except ValueError as error:
        raise BadRequest(f"sa.fromtype, sa.totype: {error}") from None
    raise BadRequest("a column of times is compared with date_time:<24 hex digits>")


def _number(data: Data | None) -> int | None:
    if data is None:
        return None
    if isinstance(data.value, int):
        return data.value
    raise BadRequest("a column of numbers is compared with a number, such as long64-unsigned:86038412")


def _latest(one: int | None, other: int | None) -> int | None:
    return max((moment for moment in (one, other) if moment is not None), default=None)


def _earliest(one: int | None, other: int | None) -> int | None:
    return min((moment for moment in (one, other) if moment is not None), default=None)

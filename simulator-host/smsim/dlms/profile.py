"""A profile generic (class 7) whose rows are made on request, so that years of rows cost nothing before."""

import bisect
import struct
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime
from typing import NamedTuple

from smgw.cosem import CaptureObject, DataError, Obis
from smgw.cosem.data import Data, DataType
from smgw.cosem.date_time import DateTimeError
from smgw.dlms.apdus.descriptors import Selection
from smgw.dlms.apdus.results import DataAccessResult
from smgw.dlms.apdus.selection import Entries, Range, read_selection
from smgw.dlms.data import length

from smsim.dlms.clock import Clock
from smsim.dlms.table import CLOCK, MONTH, ProfileRow
from smsim.load.days import QUARTER_HOUR_S, utc_of_local
from smsim.load.history import History

DAY_S = 86_400
_NUMBERS = {
    DataType.UNSIGNED: struct.Struct(">BB"),
    DataType.LONG_UNSIGNED: struct.Struct(">BH"),
    DataType.DOUBLE_LONG_UNSIGNED: struct.Struct(">BI"),
    DataType.LONG64_UNSIGNED: struct.Struct(">BQ"),
}
_LIMITS = {kind: 1 << 8 * (layout.size - 1) for kind, layout in _NUMBERS.items()}
_AT_ONCE = 64  # rows that are made before the next block is requested


class Column(NamedTuple):
    """One column. `place` is the place of the value in a moment of the history; None: clock or status."""

    capture: CaptureObject
    place: int | None
    type: DataType


class Profile:
    """The rows of one profile. `now` gives the simulated moment in seconds since 1970."""

    def __init__(
        self, row: ProfileRow, columns: Sequence[Column], history: History, first_utc_s: int, now: Callable[[], int],
        clock: Clock,
    ) -> None:  # fmt: skip
        self.obis: Obis = row.obis
        self.period_s = row.period_s
        self.entries = row.entries
        self.columns = tuple(columns)
        self._history = history
        self._first = first_utc_s
        self._now = now
        self._clock = clock
        self._midnights: list[int] = []

    def moments(self) -> Sequence[int]:
        """The times of all rows in seconds since 1970, the oldest first; at most as many as the profile has entries."""
        now = self._now()
        if self.period_s == QUARTER_HOUR_S:
            first = -(-self._first // QUARTER_HOUR_S) * QUARTER_HOUR_S
            return range(first, now + 1, QUARTER_HOUR_S)[-self.entries :]
        return self._days(now)[-self.entries :]

    def _days(self, now: int) -> list[int]:
        """Midnights of legal time: each, or those of the first of a month."""
        midnights = self._midnights
        day = (midnights[-1] if midnights else self._first) // DAY_S
        while True:
            day += 1
            date = datetime.fromtimestamp(day * DAY_S, UTC).replace(tzinfo=None)
            midnight = utc_of_local(date)
            if midnight > now:
                break
            if midnight >= self._first and (not midnights or midnight > midnights[-1]):
                midnights.append(midnight)
        if self.period_s != MONTH:
            return midnights
        return [one for one in midnights if datetime.fromtimestamp(one + DAY_S // 2, UTC).day == 1]

    def buffer(self, selection: Selection | None) -> Iterable[bytes] | DataAccessResult:
        """Attribute 2, or the selected part, in pieces."""
        moments, columns = self.moments(), self.columns
        if selection is not None:
            try:
                wanted = read_selection(selection)
                if isinstance(wanted, Entries):
                    moments, columns = self._by_entry(moments, wanted)
                else:
                    moments, columns = self._by_range(moments, wanted)
            except (DataError, DateTimeError):
                return DataAccessResult.TYPE_UNMATCHED
        return self._pieces(moments, columns)

    def _by_entry(self, moments: Sequence[int], wanted: Entries) -> tuple[Sequence[int], tuple[Column, ...]]:
        rows = moments[max(0, wanted.first - 1) : wanted.last or None]
        return rows, self.columns[max(0, wanted.first_column - 1) : wanted.last_column or None]

    def _by_range(self, moments: Sequence[int], wanted: Range) -> tuple[Sequence[int], tuple[Column, ...]]:
        if wanted.by.obis != CLOCK:
            raise DataError("rows are selected by the clock alone")
        begin, end = self._bound(wanted.first), self._bound(wanted.last)
        low = 0 if begin is None else bisect.bisect_left(moments, begin)
        high = len(moments) if end is None else bisect.bisect_right(moments, end)
        named = [(one.class_id, one.obis, one.attribute) for one in wanted.columns]
        columns = tuple(one for one in self.columns if not named or one.capture[:3] in named)
        return moments[low:high], columns

    def _bound(self, data: Data) -> int | None:
        if not isinstance(data.value, bytes):
            raise DataError("a bound that is no date-time")
        utc_s = self._clock.utc_s(data.value)
        return None if utc_s is None else utc_s - self._clock.error_s

    def _pieces(self, moments: Sequence[int], columns: Sequence[Column]) -> Iterator[bytes]:
        yield bytes((DataType.ARRAY,)) + length(len(moments))
        head = bytes((DataType.STRUCTURE,)) + length(len(columns))
        made: list[bytes] = []
        for utc_s, values in self._rows(moments):
            made.append(head + b"".join(self._cell(column, utc_s, values) for column in columns))
            if len(made) == _AT_ONCE:
                yield b"".join(made)
                made = []
        yield b"".join(made)

    def _rows(self, moments: Sequence[int]) -> Iterator[tuple[int, tuple[int, ...]]]:
        if not moments:
            return
        if self.period_s == QUARTER_HOUR_S:
            yield from self._history.moments(moments[0], moments[-1])
            return
        for moment in moments:
            yield from self._history.moments(moment, moment)

    def _cell(self, column: Column, utc_s: int, values: tuple[int, ...]) -> bytes:
        if column.place is None:
            if column.capture.obis == CLOCK:
                return b"\x09\x0c" + self._clock.octets(utc_s)
            return bytes((DataType.UNSIGNED, 0))
        return _NUMBERS[column.type].pack(column.type, values[column.place] % _LIMITS[column.type])

"""A load profile of a DLMS meter (profile generic, class 7), fetched by range.

A request is an hour wider on both sides, and rows outside the range are dropped: some meters compare local times, and
their clock goes back in October. The time in each row decides.

If a meter refuses a range, entries are requested by number. If it refuses this too, the whole buffer is read.
"""

import logging
from collections.abc import Callable

from smgw.cosem import AttributeName, Obis, ScalerUnit, capture_objects
from smgw.cosem.told import Told
from smgw.dlms.apdus.descriptors import Selection
from smgw.dlms.apdus.results import DataAccessResult
from smgw.dlms.apdus.selection import Entries
from smgw.dlms.apdus.selection import Range as RowRange
from smgw.dlms.data import AxdrError, decode_all
from smgw.lmn.dlms.device import LASTING, DlmsDevice, Way
from smgw.lmn.dlms.entries import EntrySearch
from smgw.lmn.dlms.objects import CLOCK_TIME, PROFILE, data_of, number_of, scaler_unit_of
from smgw.lmn.dlms.rows import RowReader
from smgw.lmn.errors import PollError
from smgw.lmn.load_profile import rows_of_a_piece
from smgw.ports import Port
from smgw.profiles.meter import DAY_S
from smgw.store.ranges import Range
from smgw.store.records import ProfilePiece, ProfileRow

log = logging.getLogger(__name__)

_SECOND = 1_000_000
_WIDER_S = 3600
_BUFFER, _CAPTURE_OBJECTS, _CAPTURE_PERIOD, _SORT_METHOD, _ENTRIES_IN_USE = 2, 3, 4, 5, 7
_NEWEST_FIRST = 2  # of the sort methods; 1 is "oldest first"
#: Answers of a meter without selective access of this kind.
_NO_SUCH_SELECTION = LASTING | {DataAccessResult.OTHER_REASON}


#: The next way after a refusal.
_NEXT = {Way.RANGE: Way.ENTRIES, Way.ENTRIES: Way.WHOLE}


class _SelectionRefusedError(PollError):
    """The meter does not support selective access of this kind."""


class DlmsProfile:
    """One range (microseconds UTC) of a load profile. Columns and period are read with the first piece."""

    def __init__(self, device: DlmsDevice, obis: Obis, wanted: Range) -> None:
        self._device = device
        self._obis = obis
        self._wanted = wanted
        self._at = wanted.since
        self._rows: RowReader | None = None
        self._search: EntrySearch | None = None
        self.period_s = 0

    @property
    def done(self) -> bool:
        """True once the range was read to its end."""
        return self._at > self._wanted.until

    def step(self, port: Port) -> ProfilePiece:
        """The next piece; PollError, PortError, the errors of `smgw.dlms`."""
        session = self._device.open_session(port)
        rows = self._rows or self._describe(port)
        if not session.client.agreement.selective:
            return self._piece(*self._whole(port, rows))
        steps: dict[Way, Callable[[Port, RowReader], tuple[list[ProfileRow], AxdrError | None, int]]] = {
            Way.RANGE: self._by_range, Way.ENTRIES: self._by_entries, Way.WHOLE: self._whole,
        }  # fmt: skip
        while True:
            way = self._device.ways.get(self._obis, Way.RANGE)
            try:
                return self._piece(*steps[way](port, rows))
            except _SelectionRefusedError as error:
                log.info("meter %s: %s; asked in another way", self._device.profile.name, error)
                self._device.ways[self._obis] = _NEXT[way]

    def _piece(self, found: list[ProfileRow], fault: AxdrError | None, until: int) -> ProfilePiece:
        since = self._at
        rows = sorted(
            (row for row in found if since <= row.target_time_us <= until), key=lambda row: row.target_time_us
        )
        if fault is not None:  # later rows are read again; all rows if the meter sends the newest first
            self._search = None
            if not rows or found[0].target_time_us > found[-1].target_time_us:
                raise PollError(f"load profile {self._obis}: after {len(found)} rows: {fault}")
            until = rows[-1].target_time_us
        self._at = until + 1
        return ProfilePiece(tuple(rows), since, until)

    def _by_range(self, port: Port, rows: RowReader) -> tuple[list[ProfileRow], AxdrError | None, int]:
        span = self.period_s * rows_of_a_piece(self._device.profile) if self.period_s else DAY_S
        until = min(self._wanted.until, self._at + span * _SECOND - 1)
        selection = RowRange(rows.clock, rows.bound(self._at, -_WIDER_S), rows.bound(until, _WIDER_S))
        return *rows.read(self._buffer(port, selection.selection())), until

    def _by_entries(self, port: Port, rows: RowReader) -> tuple[list[ProfileRow], AxdrError | None, int]:
        def read(first: int, last: int) -> tuple[list[ProfileRow], AxdrError | None]:
            return rows.read(self._buffer(port, Entries(first, last).selection()))

        named = [AttributeName(PROFILE, self._obis, number) for number in (_ENTRIES_IN_USE, _SORT_METHOD)]
        count, sort_method = map(number_of, self._device.get_list(port, named))
        if count is None:
            raise _SelectionRefusedError(f"load profile {self._obis}: the meter does not tell its number of rows")
        self._search = self._search or EntrySearch(rows_of_a_piece(self._device.profile))
        found = self._search.next(read, count, self._at, newest_first=sort_method == _NEWEST_FIRST)
        last = self._search.ended or not found.rows or found.rows[-1].target_time_us >= self._wanted.until
        return found.rows, found.fault, self._wanted.until if last else found.rows[-1].target_time_us

    def _whole(self, port: Port, rows: RowReader) -> tuple[list[ProfileRow], AxdrError | None, int]:
        return *rows.read(self._buffer(port, None)), self._wanted.until

    def _buffer(self, port: Port, selection: Selection | None) -> bytes:
        session = self._device.open_session(port)
        result = session.get(port, AttributeName(PROFILE, self._obis, _BUFFER), selection)
        if selection is not None and isinstance(result, DataAccessResult) and result in _NO_SUCH_SELECTION:
            kind = "range" if selection.selector == 1 else "entries"
            raise _SelectionRefusedError(f"load profile {self._obis} by {kind}: {result.words}")
        if isinstance(result, DataAccessResult):
            self._device.ways.pop(self._obis, None)  # the next try begins with a range again
        return self._octets(result, "buffer")

    def _describe(self, port: Port) -> RowReader:
        named = [AttributeName(PROFILE, self._obis, number) for number in (_CAPTURE_OBJECTS, _CAPTURE_PERIOD)]
        objects, period, clock = self._device.get_list(port, [*named, CLOCK_TIME])
        data = data_of(clock)
        told = None if data is None else Told.of((data,))
        if told is not None:
            self._device.deviation = told.time.deviation
        columns = capture_objects(decode_all(self._octets(objects, "capture_objects")))
        self.period_s = max(0, number_of(period) or 0)
        attributes = [AttributeName(one.class_id, one.obis, one.attribute) for one in columns]
        scalers = self._device.scalers(port, attributes)
        if untold := [one for one in attributes if one not in scalers and scaler_unit_of(one) is not None]:
            raise PollError(f"the meter does not tell the scaler of {untold[0].obis} now")
        units = [scalers.get(one, ScalerUnit()) for one in attributes]
        self._rows = RowReader(self._device, self._obis, columns, units, self.period_s, told)
        return self._rows

    def _octets(self, result: bytes | DataAccessResult, what: str) -> bytes:
        if isinstance(result, DataAccessResult):
            raise PollError(f"{what} of load profile {self._obis}: {result.words}")
        return result

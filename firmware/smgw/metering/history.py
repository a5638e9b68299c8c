"""Rows of the meters' own load profiles, stored once besides measured values (TR-03109-1, 4.2.4: origin).

The registrar writes them like captures. The next piece is fetched when the last one is durable.
"""

from collections.abc import Callable

from smgw.cosem import Capture
from smgw.cosem.quality import history_status
from smgw.metering.registrar import Registrar
from smgw.store.lmn.store import LmnStore
from smgw.store.ranges import Range, gaps
from smgw.store.records import Covered, Origin, OutcomeKind, ProfileName, ProfilePiece, Record


class HistoryKeeper:
    """Called from the readers' threads. `drive` runs the registrar if it has no thread of its own."""

    def __init__(self, registrar: Registrar, store: LmnStore, drive: Callable[[], object] | None = None) -> None:
        self._registrar = registrar
        self._store = store
        self._drive = drive

    def missing(self, name: ProfileName, wanted: Range) -> list[Range]:
        """The parts of a range (microseconds UTC) that are not stored yet, oldest first."""
        return gaps(wanted, self._store.profile_ranges(name))

    def keep(self, name: ProfileName, piece: ProfilePiece, stopping: Callable[[], bool] | None = None) -> int:
        """Store rows and the range that they complete; returns the number of new rows when they are durable.

        A row's capture time is the time of fetching, its target time the end of its period. Raises StoreError with
        nothing stored, and NotWrittenError if `stopping` was true first: then fetch the piece again.
        """
        stamp = self._registrar.clock.stamp()
        rows = [row for row in piece.rows if row.readings]
        if not piece.by_event:
            rows = list({row.target_time_us: row for row in reversed(rows)}.values())[::-1]  # the first of each time
        captures = [Capture(*name[:2], stamp, row.meter_time, row.readings, row.signature) for row in rows]
        records = [
            Record(capture, row.target_time_us, history_status(capture), origin=Origin.HISTORY, profile=name.profile)
            for capture, row in zip(captures, rows, strict=True)
        ]
        ticket = self._registrar.append(records, Covered(name, Range(piece.since_us, piece.until_us)))
        if self._drive is not None:
            self._drive()
        return sum(outcome.kind is OutcomeKind.WRITTEN for outcome in ticket.wait(stopping))

"""Rows of the meters' own load profiles: kept beside what the gateway measures, each once (TR-03109-1, 4.2.4: origin).

Unlike captures they wait in no queue: who fetches them asks for the next piece when the last one is durable.
"""

from smgw.cosem import Capture
from smgw.metering.registrar import Clock, gateway_status
from smgw.store.lmn import LmnStore
from smgw.store.ranges import Range, gaps
from smgw.store.records import Origin, ProfileName, ProfilePiece, Record


class HistoryKeeper:
    """Called from the readers' threads."""

    def __init__(self, store: LmnStore, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    def missing(self, name: ProfileName, wanted: Range) -> list[Range]:
        """What of a range (microseconds UTC) is not kept yet, oldest first."""
        return gaps(wanted, self._store.profile_ranges(name))

    def keep(self, name: ProfileName, piece: ProfilePiece) -> int:
        """Keep rows, and that this part of the load profile is there now; how many rows are new. Raises StoreError.

        A row's capture time is when it was fetched, its target time when its period ended.
        """
        stamp = self._clock.stamp()
        rows = [row for row in piece.rows if row.readings]
        if not piece.by_event:
            rows = list({row.target_time_us: row for row in reversed(rows)}.values())[::-1]  # the first of each time
        captures = [Capture(name.meter, name.device, stamp, row.meter_time, row.readings) for row in rows]
        records = [
            Record(capture, row.target_time_us, gateway_status(capture), origin=Origin.HISTORY)
            for capture, row in zip(captures, rows, strict=True)
        ]
        numbers = self._store.keep_profile(name, records, Range(piece.since_us, piece.until_us))
        return sum(number is not None for number in numbers)

"""What waits to be written with the next commit: it is not worth one of its own."""

import sqlite3
from collections import Counter
from collections.abc import Callable, Mapping

from smgw.clock.gateway_clock import Saved
from smgw.store import log_book
from smgw.store.log_book import Note
from smgw.store.records import MeterState

#: Of log entries that could not be written while the disk was full, at most these are kept.
_NOTES_KEPT = 1000


def count(connection: sqlite3.Connection, amounts: Mapping[str, int]) -> None:
    """Add to the counters inside the caller's transaction."""
    connection.executemany(
        "INSERT INTO counts VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = value + excluded.value",
        [(name, amount) for name, amount in amounts.items() if amount],
    )


class Pending:
    """Counters, states and log entries; only the newest state of a meter and of the clock matters."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.states: dict[str, MeterState] = {}
        self.clock: Saved | None = None
        self.notes: list[Note] = []

    def __bool__(self) -> bool:
        return bool(self.counts or self.states or self.clock or self.notes)

    def note(self, note: Note) -> None:
        """Queue a log entry; past the bound it is counted as lost."""
        if len(self.notes) < _NOTES_KEPT:
            self.notes.append(note)
        else:
            self.counts["lost_log"] += 1

    def write(self, connection: sqlite3.Connection) -> Callable[[], None]:
        """Write all inside the caller's transaction; the result, called after the commit, forgets what was written."""
        counts, states, clock, notes = dict(self.counts), dict(self.states), self.clock, list(self.notes)
        count(connection, counts)
        if states:
            connection.executemany(
                "INSERT OR REPLACE INTO meter_state VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", states.values()
            )
        if clock is not None:
            connection.execute("INSERT OR REPLACE INTO clock_state VALUES (1, ?, ?, ?, ?, ?)", clock)
        log_book.write(connection, notes)

        def forget() -> None:
            self.counts.subtract(counts)
            self.counts = +self.counts
            self.states = {meter: state for meter, state in self.states.items() if states.get(meter) is not state}
            self.clock = None if self.clock is clock else self.clock
            del self.notes[: len(notes)]

        return forget

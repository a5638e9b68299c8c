"""What waits to be written with the next commit: it is not worth one of its own."""

import logging
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import TypeVar

from smgw.clock.gateway_clock import Saved
from smgw.store import log_book
from smgw.store.log_book import Note
from smgw.store.records import MeterState

_log = logging.getLogger(__name__)
_Row = TypeVar("_Row", bound=tuple[object, ...])

#: What one row alone may be guilty of: a text, a number or a type that SQLite does not take.
_UNWRITABLE = (
    ValueError,
    TypeError,
    ArithmeticError,
    sqlite3.IntegrityError,
    sqlite3.DataError,
    sqlite3.InterfaceError,
    sqlite3.ProgrammingError,
)

#: Of log entries that could not be written while the disk was full, at most these are kept.
_NOTES_KEPT = 1000


def count(connection: sqlite3.Connection, amounts: Mapping[str, int]) -> None:
    """Add to the counters inside the caller's transaction."""
    connection.executemany(
        "INSERT INTO counts VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = value + excluded.value",
        [(name, amount) for name, amount in amounts.items() if amount],
    )


def writable(row: _Row) -> _Row:
    """The same row with every text in a form that can be written.

    What comes from a meter, a file name or a peer may hold lone surrogates, which are no text to UTF-8.
    """
    fields: Iterable[object] = (
        field if not isinstance(field, str) or _is_text(field) else _text(field) for field in row
    )
    make: Callable[[Iterable[object]], _Row] = getattr(row, "_make", type(row))
    return make([writable(field) if isinstance(field, tuple) else field for field in fields])


def _is_text(field: str) -> bool:
    return field.isascii() or not any("\ud800" <= letter <= "\udfff" for letter in field)


def _text(field: str) -> str:
    return field.encode("utf-8", "replace").decode()


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
            self.notes.append(writable(note))
        else:
            self.counts["lost_log"] += 1

    def note_meter(self, state: MeterState) -> None:
        """Queue the newest state of a meter."""
        state = writable(state)
        self.states[state.meter] = state

    def write(self, connection: sqlite3.Connection) -> Callable[[], None]:
        """Write all inside the caller's transaction; the result, called after the commit, forgets what was written.

        What cannot be written fails alone and is counted: it must not keep the readings of the transaction out.
        """
        counts, states, clock, notes = dict(self.counts), dict(self.states), self.clock, list(self.notes)
        lost: Counter[str] = Counter()
        for state in states.values():
            try:
                connection.execute("INSERT OR REPLACE INTO meter_state VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", state[:9])
            except _UNWRITABLE as error:
                lost["lost_state"] += 1
                _log.error("the state of meter %r cannot be written: %s", state.meter, error)
        if clock is not None:
            try:
                connection.execute("INSERT OR REPLACE INTO clock_state VALUES (1, ?, ?, ?, ?, ?)", clock)
            except _UNWRITABLE as error:
                lost["lost_state"] += 1
                _log.error("the clock's state cannot be written: %s", error)
        for note in notes:
            try:
                log_book.write(connection, note)
            except _UNWRITABLE as error:
                lost["lost_log"] += 1
                _log.error("log entry %r cannot be written: %s", note.event, error)
        count(connection, counts)
        count(connection, lost)

        def forget() -> None:
            self.counts.subtract(counts)
            self.counts = +self.counts
            self.states = {meter: state for meter, state in self.states.items() if states.get(meter) is not state}
            self.clock = None if self.clock is clock else self.clock
            del self.notes[: len(notes)]

        return forget

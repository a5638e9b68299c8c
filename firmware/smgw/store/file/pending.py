"""Data that waits for the next commit, since a commit of its own would cost too much."""

import sqlite3
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import TypeVar

from smgw.store.file import log_book
from smgw.store.file.log_book import Note

_Row = TypeVar("_Row", bound=tuple[object, ...])

#: Errors that one row can cause: a text, a number or a type that SQLite does not accept.
UNWRITABLE = (
    ValueError,
    TypeError,
    ArithmeticError,
    sqlite3.IntegrityError,
    sqlite3.DataError,
    sqlite3.InterfaceError,
    sqlite3.ProgrammingError,
)

#: Most log entries that wait in memory while the disk is full.
_NOTES_KEPT = 1000


def count(connection: sqlite3.Connection, amounts: Mapping[str, int]) -> None:
    """Add to the counters inside the caller's transaction."""
    connection.executemany(
        "INSERT INTO counts VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = value + excluded.value",
        [(name, amount) for name, amount in amounts.items() if amount],
    )


def writable(row: _Row) -> _Row:
    """The same row with every text in a form that can be written.

    Text from a meter, a file name or a peer may hold lone surrogates, which UTF-8 does not allow.
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
    """Counters and log entries."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.notes: list[Note] = []

    def __bool__(self) -> bool:
        return bool(self.counts or self.notes)

    def note(self, note: Note) -> None:
        """Queue a log entry; past the bound it is counted as lost."""
        if len(self.notes) < _NOTES_KEPT:
            self.notes.append(writable(note))
        else:
            self.counts["lost_log"] += 1

    def write(self, connection: sqlite3.Connection) -> Callable[[], None]:
        """Write all inside the caller's transaction. Call the result after the commit: it forgets the written data.

        A row that cannot be written fails alone and is counted. The readings of the transaction are still written.
        """
        counts, notes = dict(self.counts), list(self.notes)
        lost = 0
        for note in notes:
            try:
                log_book.write(connection, note)
            except UNWRITABLE as error:
                import logging  # here: `smgw status` does without it

                lost += 1
                log = logging.getLogger(__name__)
                log.error("log entry %r cannot be written: %s", note.event, error)  # noqa: TRY400 - one line
        if counts:
            count(connection, counts)
        if lost:
            count(connection, {"lost_log": lost})

        def forget() -> None:
            self.counts.subtract(counts)
            self.counts = +self.counts
            del self.notes[: len(notes)]

        return forget

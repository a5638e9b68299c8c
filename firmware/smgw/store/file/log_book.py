"""Log books: gapless numbers, each entry sealed by the hash that the next one carries (TR-03109-1, log entries)."""

import sqlite3
from collections.abc import Iterable, Sequence
from enum import IntEnum
from typing import Any, NamedTuple

from smgw.cosem.reading import ClockState, Stamp
from smgw.store.digest import sha256
from smgw.store.file.checked import checked

#: Entries kept of each book, and those removed at a time where an older program kept more.
ENTRIES_KEPT = 10_000
_REMOVED_AT_MOST = 100

_FIRST = bytes(32)
_COLUMNS = "book, number, event, level, outcome, subject, utc_us, clock_state, boot_id, boottime_ns, hash"


class Level(IntEnum):
    """Severity of an entry (AR 2418-6)."""

    INFO = 1
    WARNING = 2
    ERROR = 3
    FATAL = 4


class LogEntry(NamedTuple):
    """One entry. `hash` is the SHA-256 of the entry before it in the same book; 32 zero octets in the first."""

    book: str
    number: int
    event: str
    level: Level
    outcome: bool
    subject: str
    utc_us: int
    clock_state: ClockState
    boot_id: str
    boottime_ns: int
    hash: bytes

    def digest(self) -> bytes:
        """SHA-256 over the fields in their order, each as text or octets with its length before it."""
        return _digest(self)


class Note(NamedTuple):
    """An entry that is not yet written. It gets its number and hash when it is written."""

    book: str
    event: str
    level: Level
    outcome: bool
    subject: str
    stamp: Stamp


def write(connection: sqlite3.Connection, note: Note) -> None:
    """Append an entry inside the caller's transaction. The oldest entries are removed, so a book is bounded.

    The hash of the oldest stored entry is the anchor: the chain can be verified from there on.
    """
    last = connection.execute(
        f"SELECT {_COLUMNS} FROM log WHERE book = ? ORDER BY number DESC LIMIT 1",  # noqa: S608 - constant columns
        (note.book,),
    ).fetchone()
    entry = LogEntry(
        note.book,
        1 if last is None else last[1] + 1,
        note.event,
        note.level,
        note.outcome,
        note.subject,
        note.stamp.utc_us,
        note.stamp.state,
        note.stamp.boot_id,
        note.stamp.boottime_ns,
        _FIRST if last is None else _digest(last),
    )
    connection.execute("INSERT INTO log VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", entry)
    oldest = connection.execute("SELECT min(number) FROM log WHERE book = ?", (note.book,)).fetchone()[0]
    last_to_go = min(entry.number - ENTRIES_KEPT, oldest + _REMOVED_AT_MOST - 1)
    connection.execute("DELETE FROM log WHERE book = ? AND number <= ?", (note.book, last_to_go))


def newest(connection: sqlite3.Connection, limit: int, book: str | None = None) -> list[LogEntry]:
    """The newest entries of one book by number, or of all books by time; oldest first."""
    query = f"""SELECT {_COLUMNS} FROM log WHERE ?1 IS NULL OR book = ?1
        ORDER BY iif(?1 IS NULL, utc_us, 0) DESC, number DESC LIMIT ?2"""  # noqa: S608 - constant columns
    rows = connection.execute(query, (book, limit)).fetchall()
    return [_entry(row) for row in reversed(rows)]


def newest_of(events: Sequence[str]) -> str:
    """A query for the newest of these events in the book of the system. Its parameters are the events."""
    places = ", ".join("?" * len(events))
    return f"SELECT event FROM log WHERE book = 'system' AND event IN ({places}) ORDER BY number DESC LIMIT 1"  # noqa: S608


def first_broken(entries: Iterable[LogEntry]) -> LogEntry | None:
    """The first entry of a book (in order) that does not follow from the one before: changed, removed or put in."""
    before: LogEntry | None = None
    for entry in entries:
        if before is None:
            if entry.number == 1 and entry.hash != _FIRST:
                return entry
        elif entry.number != before.number + 1 or entry.hash != before.digest():
            return entry
        before = entry
    return None


def _digest(fields: Sequence[Any]) -> bytes:
    sealed = b""
    for field in fields:
        text = field if isinstance(field, (str, bytes)) else str(int(field))
        octets = text.encode() if isinstance(text, str) else text
        sealed += len(octets).to_bytes(4, "big") + octets
    return sha256(sealed)


def _entry(row: tuple[Any, ...]) -> LogEntry:
    book, number, event, level, outcome, subject, utc_us, state, boot_id, boottime_ns, seal = checked(
        row, "titiitiitio"
    )
    return LogEntry(
        book, number, event, Level(level), bool(outcome), subject, utc_us, ClockState(state), boot_id, boottime_ns, seal
    )

"""Log books: numbers without gaps, each entry sealed by the hash that the next one carries (TR-03109-1, log entries).

The hash of an entry is the SHA-256 over its fields in this order. Each field has its length before it, in four octets,
big endian. Numbers are decimal digits in ASCII, texts are UTF-8. The layout is ours.

    field         content
    book          "system", "calibration", "consumer NAME", or a book of the software's own
    number        from 1, without gaps in its book
    event         name of the event
    level         1 info, 2 warning, 3 error, 4 fatal
    outcome       1 good, 0 bad
    subject       the text
    utc_us        microseconds since 1970-01-01 UTC
    clock_state   1 synchronised, 0 invalid
    boot_id       boot of the computer
    boottime_ns   nanoseconds since that boot, which nobody can set
    hash          32 octets: the hash of the entry before; zero octets in entry 1
    identity      what the entry is about: meter, EMP, evaluation
    user          consumer, or who did it

The last two are there only if one of them is not empty. So entries of older programs keep their hash.
"""

import sqlite3
from collections.abc import Sequence
from enum import IntEnum
from typing import Any, NamedTuple

from smgw.cosem.reading import ClockState, Stamp
from smgw.store.digest import sha256
from smgw.store.file.checked import checked

#: Entries kept of each book, and those removed at a time where an older program kept more.
ENTRIES_KEPT = 10_000
_REMOVED_AT_MOST = 100

_FIRST = bytes(32)
_COLUMNS = (
    "book, number, event, level, outcome, subject, utc_us, clock_state, boot_id, boottime_ns, hash, identity, user"
)
#: Their kinds; see `checked`.
_SHAPE = "titiitiitiott"
#: The columns that schema version 5 of lmn.db had.
_FIRST_COLUMNS = 11
#: Books of consumers and the calibration log repeat entries of the system log: a list of all books leaves them out.
_EVERY = "book <> 'calibration' AND book NOT LIKE 'consumer %'"


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
    identity: str = ""
    user: str = ""

    def digest(self) -> bytes:
        """Its hash, which the next entry carries."""
        return digest(self)


class Note(NamedTuple):
    """An entry that is not yet written. It gets its number and hash when it is written."""

    book: str
    event: str
    level: Level
    outcome: bool
    subject: str
    stamp: Stamp
    identity: str = ""
    user: str = ""


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
        _FIRST if last is None else digest(last),
        note.identity,
        note.user,
    )
    connection.execute("INSERT INTO log VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", entry)
    oldest = connection.execute("SELECT min(number) FROM log WHERE book = ?", (note.book,)).fetchone()[0]
    last_to_go = min(entry.number - ENTRIES_KEPT, oldest + _REMOVED_AT_MOST - 1)
    connection.execute("DELETE FROM log WHERE book = ? AND number <= ?", (note.book, last_to_go))


def newest(connection: sqlite3.Connection, limit: int, book: str | None = None) -> list[LogEntry]:
    """The newest entries of one book by number, or of all books by time, each event once; oldest first."""
    query = f"""SELECT {_COLUMNS} FROM log WHERE iif(?1 IS NULL, {_EVERY}, book = ?1)
        ORDER BY iif(?1 IS NULL, utc_us, 0) DESC, number DESC LIMIT ?2"""  # noqa: S608 - constant columns
    rows = connection.execute(query, (book, limit)).fetchall()
    return [entry_of(row) for row in reversed(rows)]


def newest_of(events: Sequence[str]) -> str:
    """A query for the newest of these events in the book of the system. Its parameters are the events."""
    places = ", ".join("?" * len(events))
    return f"SELECT event FROM log WHERE book = 'system' AND event IN ({places}) ORDER BY number DESC LIMIT 1"  # noqa: S608


#: The rows of a book above a number, in order, some at a time; `entry_of` reads one.
ROWS = f"SELECT {_COLUMNS} FROM log WHERE book = ? AND number > ? ORDER BY number LIMIT ?"  # noqa: S608
#: Each book with its newest number.
BOOKS = "SELECT book, max(number) FROM log GROUP BY book"


def filled(row: Sequence[Any]) -> tuple[Any, ...]:
    """A row of a file of any version, with all columns of today."""
    return (*row, *("",) * (len(LogEntry._fields) - len(row)))


def digest(fields: Sequence[Any]) -> bytes:
    """The hash of an entry; `fields` are those of LogEntry, in their order."""
    sealed = b""
    for field in fields if any(fields[_FIRST_COLUMNS:]) else fields[:_FIRST_COLUMNS]:
        text = field if isinstance(field, (str, bytes)) else str(int(field))
        octets = text.encode() if isinstance(text, str) else text
        sealed += len(octets).to_bytes(4, "big") + octets
    return sha256(sealed)


def entry_of(row: Sequence[Any]) -> LogEntry:
    """The entry of a row; ValueError if a column has another type, or a number no sense."""
    entry = LogEntry(*checked(row, _SHAPE))
    return entry._replace(
        level=Level(entry.level), outcome=bool(entry.outcome), clock_state=ClockState(entry.clock_state)
    )

"""Checks a log book: numbers, chain of hashes, signed heads. It names damaged and missing entries.

A link is the hash that an entry carries of the entry before. What broken links say:

    broken links                       fault
    before and behind an entry         the entry was changed, its hash too
    behind an entry only               the entry was changed; or, if the next one is the newest, that one
    none, but a signed head differs    entries were changed together with all hashes behind them

Retention removes the oldest entries. The oldest one that is left carries the hash of the entry before it, so the chain
and the signed heads can be checked from there on.
"""

import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from smgw.store.file import log_book
from smgw.store.file.log_book import ROWS, LogEntry, digest, entry_of

_AT_ONCE = 500


class Fault(NamedTuple):
    """`number` is the first entry that is damaged or missing."""

    number: int
    text: str


class Checked(NamedTuple):
    """What the check of a book found. `signed`: the newest entry with a signed head that fits; 0 if there is none."""

    first: int
    last: int
    entries: int
    signed: int
    faults: tuple[Fault, ...]


class BookCheck:
    """Takes the rows of one book in order. `heads` are the hashes of entries that have a signed head."""

    def __init__(self, heads: Mapping[int, bytes] | None = None) -> None:
        self._heads = dict(heads or {})
        self._first = self._last = self._entries = self._signed = 0
        self._digest: bytes | None = None  # of the entry before; None if that is not known
        self._broken = 0  # an entry whose link behind it is broken, before the next link is known
        self._salvaged = 0
        self._faults: list[Fault] = []
        self._differing: list[tuple[int, int]] = []  # the entry behind the signed head before, and the one that differs

    def take(self, row: Sequence[Any]) -> None:
        """The next row of the table `log`."""
        try:
            entry = entry_of(row)
        except ValueError:
            self._unreadable(row)
            return
        self._number(entry.number)
        self._link(entry)
        self._digest = digest(entry)
        self._entries += 1
        if entry.event in ("store-salvaged", "log-broken"):
            self._salvaged = entry.number
        self._head(entry.number, self._digest)

    def end(self) -> Checked:
        """There are no more rows."""
        if self._broken:
            self._faults.append(
                Fault(self._broken, f"entry {self._broken} was changed, or the seal in entry {self._broken + 1}")
            )
        for first, number in self._differing[:1]:
            # Every signed head behind a changed entry differs. One fault is enough, and the chain may have told it.
            if not any(fault.number <= number for fault in self._faults):
                which = f"entry {first} was" if first == number else f"one of the entries {first} to {number} was"
                self._faults.append(Fault(number, f"{which} changed: entry {number} differs from its signed head"))
        if gone := [number for number in self._heads if number > self._last]:
            first = self._last + 1
            self._faults.append(Fault(first, f"entries {first} to {max(gone)} are missing: they were signed"))
        if self._first > 1 and self._entries < log_book.ENTRIES_KEPT and not self._salvaged:
            text = f"entries 1 to {self._first - 1} are missing: the newest {log_book.ENTRIES_KEPT} are always stored"
            self._faults.insert(0, Fault(1, text))
        return Checked(self._first, self._last, self._entries, self._signed, tuple(self._faults))

    def _unreadable(self, row: Sequence[Any]) -> None:
        number = row[1] if isinstance(row[1], int) else self._last + 1
        self._number(number)
        self._faults.append(Fault(number, f"entry {number} makes no sense"))
        self._digest, self._broken = None, 0
        self._entries += 1

    def _number(self, number: int) -> None:
        if not self._first:
            self._first = number
        elif number != self._last + 1:
            first, last = self._last + 1, number - 1
            which = f"entry {first} is" if first == last else f"entries {first} to {last} are"
            self._faults.append(Fault(first, f"{which} missing"))
            self._digest = None
        self._last = number

    def _link(self, entry: LogEntry) -> None:
        if self._first == entry.number:
            if entry.number == 1 and any(entry.hash):
                self._faults.append(Fault(1, "entry 1 was changed: it is the first one, and carries a seal"))
            elif entry.number > 1:
                self._head(entry.number - 1, entry.hash)
            return
        if self._digest is None:  # a missing or unreadable entry was told already
            self._broken = 0
        elif entry.hash == self._digest:
            self._told_broken()
        elif self._broken:
            self._faults.append(Fault(entry.number - 1, f"entry {entry.number - 1} was changed"))
            self._broken = 0
        else:
            self._broken = entry.number - 1

    def _told_broken(self) -> None:
        if self._broken:
            self._faults.append(Fault(self._broken, f"entry {self._broken} was changed"))
            self._broken = 0

    def _head(self, number: int, found: bytes) -> None:
        wanted = self._heads.get(number)
        if wanted is None:
            return
        if wanted == found:
            self._signed = number
        else:
            self._differing.append((self._signed + 1, number))


def check(rows: Iterable[Sequence[Any]], heads: Mapping[int, bytes] | None = None) -> Checked:
    """The check of all rows of one book, in order."""
    book = BookCheck(heads)
    for row in rows:
        book.take(row)
    return book.end()


def breaks(connection: sqlite3.Connection) -> Iterator[tuple[str, str]]:
    """Each book of a salvaged file whose chain is broken, and what is lost."""
    for (book,) in connection.execute("SELECT DISTINCT book FROM log").fetchall():
        if faults := check(rows_of(connection, book)).faults:
            yield book, f"lost by the salvage: {'; '.join(fault.text for fault in faults[:10])}"


def rows_of(connection: sqlite3.Connection, book: str) -> Iterator[Sequence[Any]]:
    """All rows of a book, in order."""
    after = 0
    while rows := connection.execute(ROWS, (book, after, _AT_ONCE)).fetchall():
        yield from rows
        if not isinstance(rows[-1][1], int):  # octets in place of numbers come last
            return
        after = rows[-1][1]

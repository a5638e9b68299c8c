"""What can be read of a damaged store goes into a new one; a capture keeps the identity it was recorded under.

First SQLite reads what it still can, range by range; where that leaves a gap, the pages themselves are searched.
"""

# ruff: noqa: S608 - the names in the queries are those of our schema

import contextlib
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from smgw.cosem.data import RANGE
from smgw.store.carve import Carved, carve
from smgw.store.connection import connect_salvage
from smgw.store.errors import is_full
from smgw.store.rows import Word
from smgw.store.values import from_column

_CHUNK = 1000
#: Interned rows stand whole in a second place, the index that keeps them unique.
_TWICE = {"word": "sqlite_autoindex_word_1", "register": "sqlite_autoindex_register_1"}
_SMALL = (
    "word", "register", "profile_version", "meter_state", "clock_state", "object_list", "counts", "log",
)  # fmt: skip
#: Invocation counters that may have been used and not be in what is left of a file; of 2^32 they are few.
_COUNTERS_SKIPPED = 65_536
_COUNTERS_LOST = (
    "; the invocation counters of ciphered meters were not all readable, and a key without one goes on from the clock: "
    "give such a meter new keys if the clock may be wrong"
)
_WAN = ("cursor", "set_aside", "channel", "time_sample", "work_order", "order_taken", "counts", "log")

_Row = Sequence[Any]


def salvage_lmn(damaged: Path, target: sqlite3.Connection, store_id: str | None) -> str:
    """Bring the rows of a damaged lmn.db into `target`, inside its transaction; a line that says what was saved."""
    lost, counters_lost = 0, 1
    try:
        with contextlib.closing(connect_salvage(damaged)) as source:
            found = _identity(source)
            for table in _SMALL:
                lost += _copy_ends(source, target, table)
            lost += _copy_ranges(source, target)
            if _since_2(source):
                _copy_ends(source, target, "profile_range")
                counters_lost = _copy_ends(source, target, "invocation_counter")
            else:
                counters_lost = 0
            target.execute("UPDATE invocation_counter SET reserved = reserved + ?", (_COUNTERS_SKIPPED,))
    except sqlite3.DatabaseError as error:
        if is_full(error):
            raise
        found, lost = None, 1
    if lost:
        found = _carve(damaged, target) or found
        target.execute("DELETE FROM profile_range")  # rows of load profiles may be among what was lost: asked again
    identity = found or (None if store_id is None else bytes.fromhex(store_id))
    captures = _settle(target, identity)
    readings = int(target.execute("SELECT count(*) FROM reading").fetchone()[0])
    target.execute("INSERT OR REPLACE INTO counts VALUES ('salvaged', ?)", (captures,))
    saved = f"{captures} captures with {readings} readings were saved"
    return saved + (", some rows were unreadable" if lost else "") + (_COUNTERS_LOST if counters_lost else "")


def salvage_wan(damaged: Path, target: sqlite3.Connection, _: str | None) -> str:
    """Bring the rows of a damaged wan.db into `target`; what is lost is delivered again."""
    try:
        with contextlib.closing(connect_salvage(damaged)) as source:
            for table in _WAN:
                _copy_ends(source, target, table)
    except sqlite3.DatabaseError as error:
        if is_full(error):
            raise
    cursors = int(target.execute("SELECT count(*) FROM cursor").fetchone()[0])
    return f"{cursors} cursors were saved; rows behind the others are delivered again"


def _since_2(source: sqlite3.Connection) -> bool:
    """False for a file of schema version 1, which has no load profiles and no counters."""
    return source.execute("SELECT 1 FROM sqlite_master WHERE name = 'invocation_counter'").fetchone() is not None


def _index(source: sqlite3.Connection) -> str:
    """The index of captures by meter; its name is another one since schema version 3."""
    names = "'capture_source', 'capture_meter'"
    try:
        found = source.execute(f"SELECT name FROM sqlite_master WHERE type = 'index' AND name IN ({names})").fetchone()
    except sqlite3.DatabaseError:
        found = None
    return str(found[0]) if found else "capture_source"


def _identity(source: sqlite3.Connection) -> bytes | None:
    try:
        found = source.execute("SELECT store_id FROM store").fetchone()
    except sqlite3.DatabaseError:
        return None
    return bytes(found[0]) if found and isinstance(found[0], bytes) and len(found[0]) == 16 else None


class _Table:
    """A table of the new store, and what a row must look like to go into it."""

    def __init__(self, target: sqlite3.Connection, name: str) -> None:
        columns = target.execute(f"PRAGMA table_info({name})").fetchall()
        self.names = ", ".join(column[1] for column in columns)
        self._target = target
        self._insert = f"INSERT OR IGNORE INTO {name} VALUES ({', '.join('?' * len(columns))})"
        self._types = [_types(str(declared), not required and not key) for _, _, declared, required, _, key in columns]
        self._readings = name == "reading"
        self._good: set[tuple[type, ...]] = set()

    def insert(self, rows: Iterable[_Row]) -> None:
        """Write the rows that look like ours; one that is there already stays."""
        self._target.executemany(self._insert, [row for row in rows if self._fits(row)])

    def _fits(self, row: _Row) -> bool:
        shape = tuple(map(type, row))
        if shape not in self._good:
            if not all(issubclass(found, kinds) for found, kinds in zip(shape, self._types, strict=True)):
                return False
            self._good.add(shape)
        if self._readings and not (row[3] in RANGE and shape[4] is int and row[5] is row[7] is None):
            try:
                for at in (3, 5, 7):
                    if row[at] is not None:
                        from_column(row[at], row[at + 1])
            except (ValueError, ArithmeticError, LookupError):
                return False
        return True


def _types(declared: str, nullable: bool) -> tuple[type, ...]:
    kinds: tuple[type, ...] = {"INTEGER": (int,), "TEXT": (str,), "BLOB": (bytes,)}.get(declared, (int, bytes))
    return (*kinds, type(None)) if nullable else kinds


def _copy_ends(source: sqlite3.Connection, target: sqlite3.Connection, name: str) -> int:
    """Copy a small table from both ends towards the damage; 1 if there was some."""
    table = _Table(target, name)
    key = ", ".join(column[1] for column in target.execute(f"PRAGMA table_info({name})") if column[5])
    ways = [f"{name} NOT INDEXED ORDER BY {key}", f"{name} NOT INDEXED ORDER BY {key.replace(',', ' DESC,')} DESC"]
    if name in _TWICE:
        ways.append(f"{name} INDEXED BY {_TWICE[name]}")
    damaged = 0
    for way in ways:
        rows: list[_Row] = []
        try:
            for row in source.execute(f"SELECT {table.names} FROM {way}"):
                rows.append(row)  # what was read before the damage counts
            whole = True
        except sqlite3.DatabaseError:
            whole = False
        table.insert(rows)
        if whole:
            return damaged
        damaged = 1
    return damaged


def _copy_ranges(source: sqlite3.Connection, target: sqlite3.Connection) -> int:
    """Copy captures and readings by ranges of numbers, halving a range that is damaged; how often something failed."""
    low, high, failed = _span(source)
    for name, key in (("capture", "number"), ("reading", "capture")):
        table = _Table(target, name)
        query = f"SELECT {table.names} FROM {name} NOT INDEXED WHERE {key} BETWEEN ? AND ?"
        for start in range(low, high + 1, _CHUNK):
            ranges = [(start, min(start + _CHUNK - 1, high))]
            while ranges:
                first, last = ranges.pop()
                try:
                    rows = source.execute(query, (first, last)).fetchall()
                except sqlite3.DatabaseError:
                    failed += 1
                    if first < last:
                        middle = (first + last) // 2
                        ranges += [(middle + 1, last), (first, middle)]
                else:
                    table.insert(rows)
    return failed


def _span(source: sqlite3.Connection) -> tuple[int, int, int]:
    """The smallest and the largest record number that any place still names, and how many of the places failed."""
    low, high, failed = 1, 0, 0
    for query in (
        "SELECT min(number), max(number) FROM capture NOT INDEXED",
        f"SELECT 1, max(number) FROM capture INDEXED BY {_index(source)} WHERE meter > 0",
        "SELECT 1, max(capture) FROM reading NOT INDEXED",
        "SELECT 1, seq FROM sqlite_sequence WHERE name = 'capture'",
    ):
        try:
            first, last = source.execute(query).fetchone() or (None, None)
        except sqlite3.DatabaseError:
            failed += 1
            continue
        low = max(low, first or 1)
        high = max(high, last or 0)
        if high and not failed:
            break
    return (1 if failed else low), high, failed


def _carve(damaged: Path, target: sqlite3.Connection) -> bytes | None:
    """Bring in the rows that the pages themselves hold; the store's identity if it is among them."""
    identity = None
    tables = {name: _Table(target, name) for name in ("word", "register", "capture", "reading", "log")}
    for name, row in _named(carve(damaged)):
        if name == "store":
            identity = bytes(row[0])
        else:
            tables[name].insert([row])
    return identity


def _named(records: Iterable[Carved]) -> Iterator[tuple[str, _Row]]:
    """Tell by its shape which table a record belongs to."""
    for rowid, columns in records:
        if rowid is None:
            if len(columns) == 11:
                yield ("log" if isinstance(columns[0], str) else "reading"), columns
        elif len(columns) in (3, 8, 17) and columns[0] is None:
            yield {3: "word", 8: "register", 17: "capture"}[len(columns)], (rowid, *columns[1:])
        elif len(columns) == 1 and isinstance(columns[0], bytes) and len(columns[0]) == 16:
            yield "store", columns


def _settle(target: sqlite3.Connection, identity: bytes | None) -> int:
    """Drop rows that name what was not found, mark the others with their older identity; how many captures are left."""
    for query in (
        "DELETE FROM capture WHERE list NOT BETWEEN 1 AND 4 OR origin NOT BETWEEN 1 AND 3"
        " OR clock_state NOT BETWEEN 0 AND 1"
        " OR meter_time_kind NOT BETWEEN 1 AND 4 OR number < 1",
        f"DELETE FROM capture WHERE meter NOT IN (SELECT id FROM word WHERE kind = {Word.METER:d})"
        f" OR device NOT IN (SELECT id FROM word WHERE kind = {Word.DEVICE:d})"
        f" OR boot NOT IN (SELECT id FROM word WHERE kind = {Word.BOOT:d})",
        "DELETE FROM reading WHERE capture NOT IN (SELECT number FROM capture)"
        " OR register NOT IN (SELECT id FROM register)",
        # Of a load profile the meter is asked again, and a row that is there is not kept a second time.
        "DELETE FROM capture WHERE origin = 2 AND number NOT IN (SELECT capture FROM reading)",
        "UPDATE capture SET profile_version = NULL WHERE profile_version NOT IN (SELECT id FROM profile_version)",
        "UPDATE capture SET older_store = NULL, older_number = NULL"
        f" WHERE older_store NOT IN (SELECT id FROM word WHERE kind = {Word.OLDER_STORE:d})",
    ):
        target.execute(query)
    if identity is not None:
        target.execute("INSERT OR IGNORE INTO word (kind, octets) VALUES (?, ?)", (Word.OLDER_STORE, identity))
        target.execute(
            """UPDATE OR IGNORE capture SET older_number = number,
            older_store = (SELECT id FROM word WHERE kind = ? AND octets = ?) WHERE older_store IS NULL""",
            (Word.OLDER_STORE, identity),
        )
    return int(target.execute("SELECT count(*) FROM capture").fetchone()[0])

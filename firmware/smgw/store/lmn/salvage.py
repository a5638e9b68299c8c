"""Salvages a damaged lmn.db: all readable rows go into a new file, and each capture keeps its identity.

First SQLite reads range by range. Where this leaves a gap, the pages themselves are searched.
"""

# ruff: noqa: S608 - the names in the queries are those of our schema

import contextlib
import os
import sqlite3
from collections.abc import Iterable, Iterator
from pathlib import Path

from smgw.cosem.data import RANGE
from smgw.store.errors import is_full
from smgw.store.file.connection import connect_salvage
from smgw.store.lmn.blocks import BLOCK
from smgw.store.lmn.rows import Word
from smgw.store.lmn.schema import lmn_schema
from smgw.store.lmn.values import from_column
from smgw.store.records import CounterKind
from smgw.store.rescue.carve import Carved, carve
from smgw.store.rescue.copying import Row, Table, copy_ends, copy_numbered, present, version_of

#: Each version has its own of these tables.
_SMALL = (
    "word", "register", "profile_version", "meter_state", "clock_state", "object_list", "cache", "counts", "log",
)  # fmt: skip
_COUNTERS = ("invocation_counter", "reserved_counter")
#: Numbered by record number, in the order in which they are copied.
_NUMBERED = {"capture": "number", "reading": "capture", "signature": "capture"}
#: Reserved counters that are skipped, since the damaged file may lack used ones. They are few of 2^32.
_COUNTERS_SKIPPED = 65_536
_COUNTERS_LOST = (
    "; the invocation counters of ciphered meters were not all readable, and a key without one goes on from the clock: "
    "give such a meter new keys if the clock may be wrong"
)


def salvage_lmn(damaged: Path, target: sqlite3.Connection, store_id: str | None) -> str:
    """Copy all readable rows into an empty `target`, inside the caller's transaction; returns a line for the log.

    Rows of an older schema version go into tables of that version, which are then migrated.
    """
    schema = lmn_schema()
    version = version_of(damaged, schema.version)
    schema.create(target, os.urandom(16), version)
    lost, counters_lost = 0, 1
    try:
        with contextlib.closing(connect_salvage(damaged)) as source:
            found = _identity(source)
            for table in present(target, _SMALL):
                lost += copy_ends(source, target, table)
            lost += _copy_captures(source, target)
            for table in present(target, ("profile_range",)):
                copy_ends(source, target, table)
            counters_lost = sum(copy_ends(source, target, table) for table in present(target, _COUNTERS))
    except sqlite3.DatabaseError as error:
        if is_full(error):
            raise
        found, lost = None, 1
    if lost:
        found = _carve(damaged, target) or found
    schema.advance(target, version)
    skipped = (_COUNTERS_SKIPPED, CounterKind.INVOCATION)
    target.execute("UPDATE reserved_counter SET reserved = reserved + ? WHERE kind = ?", skipped)
    if lost:
        target.execute("DELETE FROM profile_range")  # rows of load profiles may be lost: they are read again
    identity = found or (None if store_id is None else bytes.fromhex(store_id))
    captures = _settle(target, identity)
    _arrange(target)
    readings = int(target.execute("SELECT count(*) FROM reading").fetchone()[0])
    target.execute("INSERT OR REPLACE INTO counts VALUES ('salvaged', ?)", (captures,))
    saved = f"{captures} captures with {readings} readings were saved"
    return saved + (", some rows were unreadable" if lost else "") + (_COUNTERS_LOST if counters_lost else "")


def _identity(source: sqlite3.Connection) -> bytes | None:
    try:
        found = source.execute("SELECT store_id FROM store").fetchone()
    except sqlite3.DatabaseError:
        return None
    return bytes(found[0]) if found and isinstance(found[0], bytes) and len(found[0]) == 16 else None


class _Readings(Table):
    """The row must also hold readable values."""

    def fits(self, row: Row) -> bool:
        if not super().fits(row):
            return False
        if not (row[3] in RANGE and type(row[4]) is int and row[5] is row[7] is None):
            try:
                for at in (3, 5, 7):
                    if row[at] is not None:
                        from_column(row[at], row[at + 1])
            except (ValueError, ArithmeticError, LookupError):
                return False
        return True


def _table(target: sqlite3.Connection, name: str) -> Table:
    return _Readings(target, name) if name == "reading" else Table(target, name)


def _copy_captures(source: sqlite3.Connection, target: sqlite3.Connection) -> int:
    """Copy captures with their readings and signatures; returns the number of failures."""
    low, high, failed = _span(source)
    for name in present(target, _NUMBERED):
        failed += copy_numbered(source, _table(target, name), name, _NUMBERED[name], low, high)
    return failed


def _span(source: sqlite3.Connection) -> tuple[int, int, int]:
    """The smallest and largest record number found in any table, and the number of tables that failed."""
    low, high, failed = 1, 0, 0
    for query in (
        "SELECT min(number), max(number) FROM capture NOT INDEXED",
        *_by_index(source),
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


def _by_index(source: sqlite3.Connection) -> list[str]:
    """The query of an index of captures by meter. Each version before 4 has one."""
    query = "SELECT name FROM sqlite_master WHERE type = 'index' AND name IN ('capture_meter', 'capture_source')"
    try:
        found = source.execute(query).fetchall()
    except sqlite3.DatabaseError:
        return []
    return [f"SELECT 1, max(number) FROM capture INDEXED BY {name} WHERE meter > 0" for (name,) in found]


def _carve(damaged: Path, target: sqlite3.Connection) -> bytes | None:
    """Copy rows found in the pages; returns the store's id if it is among them."""
    identity = None
    names = present(target, ("word", "register", "capture", "reading", "signature", "log"))
    tables = {name: _table(target, name) for name in names}
    for name, row in _named(carve(damaged)):
        if name == "store":
            identity = bytes(row[0])
        elif name in tables:
            tables[name].insert([row])
    return identity


def _named(records: Iterable[Carved]) -> Iterator[tuple[str, Row]]:
    """The table of a record, recognised by its columns."""
    for rowid, columns in records:
        if rowid is None:
            if len(columns) == 11:
                yield ("log" if isinstance(columns[0], str) else "reading"), columns
            elif len(columns) == 3 and isinstance(columns[1], int) and isinstance(columns[2], bytes):
                yield "signature", columns
        elif len(columns) in (3, 8, 17) and columns[0] is None:
            yield {3: "word", 8: "register", 17: "capture"}[len(columns)], (rowid, *columns[1:])
        elif len(columns) == 1 and isinstance(columns[0], bytes) and len(columns[0]) == 16:
            yield "store", columns


def _settle(target: sqlite3.Connection, identity: bytes | None) -> int:
    """Remove rows whose capture or register is lost, mark the rest with their older identity; returns the captures."""
    for query in (
        "DELETE FROM capture WHERE list NOT BETWEEN 1 AND 4 OR origin NOT BETWEEN 1 AND 3"
        " OR clock_state NOT BETWEEN 0 AND 1"
        " OR meter_time_kind NOT BETWEEN 1 AND 4 OR number < 1",
        f"DELETE FROM capture WHERE meter NOT IN (SELECT id FROM word WHERE kind = {Word.METER:d})"
        f" OR device NOT IN (SELECT id FROM word WHERE kind = {Word.DEVICE:d})"
        f" OR boot NOT IN (SELECT id FROM word WHERE kind = {Word.BOOT:d})",
        "DELETE FROM reading WHERE capture NOT IN (SELECT number FROM capture)"
        " OR register NOT IN (SELECT id FROM register)",
        # The meter is asked for the load profile again. A row that is there is not stored twice.
        "DELETE FROM capture WHERE origin = 2 AND number NOT IN (SELECT capture FROM reading)",
        "DELETE FROM signature WHERE capture NOT IN (SELECT number FROM capture)",
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


def _arrange(target: sqlite3.Connection) -> None:
    """What schema version 4 derives from captures. Blocks are counted behind."""
    target.execute(f"UPDATE counted SET since_block = (SELECT coalesce(max(number), 0) / {BLOCK} FROM capture)")
    target.execute(
        """INSERT OR IGNORE INTO slot SELECT target_time_us, meter, device, list, number FROM capture
        WHERE target_time_us IS NOT NULL AND origin <> 2"""
    )

"""Begins the salvage of a damaged lmn.db: what is small and vital goes into the new file at once.

Captures follow behind: see `salvaging`. The table `salvage` says which files they come from, and how far it is.
"""

# ruff: noqa: S608 - the names in the queries are those of our schema

import contextlib
import os
import sqlite3
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from smgw.cosem.reading import ClockState
from smgw.store.errors import is_full
from smgw.store.file import log_book
from smgw.store.file.connection import connect_salvage
from smgw.store.file.owned import Begun
from smgw.store.lmn.blocks import BLOCK
from smgw.store.lmn.queued import KINDS, Phase, Queued, again
from smgw.store.lmn.rows import Word
from smgw.store.lmn.schema import lmn_schema
from smgw.store.records import CounterKind
from smgw.store.rescue.carve import Carved, Pages
from smgw.store.rescue.copying import Table, copy_ends, present, version_of

#: Each version has its own of these tables.
_SMALL = (
    "word", "register", "profile_version", "meter_state", "clock_state", "object_list", "cache", "counts", "log",
    "evaluation_state",
)  # fmt: skip
_COUNTERS = ("invocation_counter", "reserved_counter")
#: Reserved counters that are skipped, since the damaged file may lack used ones. They are few of 2^32.
_COUNTERS_SKIPPED = 65_536
_COUNTERS_LOST = (
    "; the invocation counters of ciphered meters were not all readable, and a key without one goes on from the clock: "
    "give such a meter new keys if the clock may be wrong"
)


#: Octets at the beginning of a file in which small tables are searched before the start.
_FIRST_OCTETS = 32 * 1024 * 1024
#: Octets at its end, where the newest captures are, from which the largest number is taken if nothing else tells it.
_LAST_OCTETS = 1024 * 1024
#: Larger numbers of captures are nonsense: more than a million years of a capture a second.
_NONSENSE = 2**48
#: Numbers that are left out if the largest number of the damaged file is not certain.
_MARGIN = 1_000_000
#: Numbers of words, registers and profiles left out if some may be lost: a lost one must not get another sense.
_IDS_LEFT_OUT = 100_000
#: The newest target times of the damaged file are this span of level 1 until its captures are copied.
TARGETS = -1

_NEWEST_VALID = """SELECT utc_us FROM capture NOT INDEXED
    WHERE clock_state = ? AND number > ? ORDER BY number DESC LIMIT 1"""
_LOOKED_BACK = 100_000


class Numbers(NamedTuple):
    """The numbers of captures that a damaged file may hold."""

    low: int
    high: int
    certain: bool


class _Found(NamedTuple):
    """What SQLite could say about the damaged file."""

    identity: bytes | None = None
    numbers: Numbers = Numbers(1, 0, certain=False)
    newest_valid_us: int = 0
    targets: Sequence[tuple[int, int, int]] = ()  # meter, device, newest target time
    queued: Sequence[tuple[Any, ...]] | None = None  # its own rows of `salvage`: files damaged before; None: unknown
    aliases: Sequence[tuple[Any, ...]] = ()
    lost: bool = True  # rows of small tables
    counters_lost: bool = True


def begin_salvage(damaged: Path, target: sqlite3.Connection, store_id: str | None, aside: str) -> Begun:
    """Copy small tables into an empty `target`, inside the caller's transaction, and order the rest.

    Rows of an older schema version go into tables of that version, which are then migrated. `aside` is the name that
    the damaged file gets.
    """
    schema = lmn_schema()
    version = version_of(damaged, schema.version)
    schema.create(target, os.urandom(16), version)
    found = _copy_small(damaged, target)
    identity, sequence, searched = found.identity, 0, 0
    if found.lost:
        carved, sequence, searched = _carve_small(damaged, target)
        identity = identity or carved
    schema.advance(target, version)
    skipped = (_COUNTERS_SKIPPED, CounterKind.INVOCATION)
    target.execute("UPDATE reserved_counter SET reserved = reserved + ? WHERE kind = ?", skipped)
    if identity is None and store_id is not None:
        identity = bytes.fromhex(store_id)
    if found.lost:
        target.execute("DELETE FROM profile_range")  # rows of load profiles may be lost: they are read again
        _leave_out_ids(target)
    target.execute("INSERT OR REPLACE INTO counts VALUES ('salvaged', 0)")
    if found.queued is None:
        for file, one in _earlier(damaged, aside):
            _order(target, file, version_of(file, schema.version), one.identity, one, 0)
    else:
        queued = [again(Queued(*row)) for row in found.queued]
        target.executemany(f"INSERT INTO salvage VALUES ({', '.join('?' * len(Queued._fields))})", queued)
        target.executemany("INSERT OR IGNORE INTO salvage_alias VALUES (?, ?, ?)", found.aliases)
    _order(target, damaged.with_name(aside), version, identity, found, searched)
    (last,) = target.execute("SELECT max(last) FROM salvage").fetchone()
    last = max(last, ((sequence + _MARGIN) // BLOCK + 1) * BLOCK - 1)
    target.execute("UPDATE salvage SET last = ?", (last,))
    target.execute("DELETE FROM sqlite_sequence WHERE name = 'capture'")
    target.execute("INSERT INTO sqlite_sequence (name, seq) VALUES ('capture', ?)", (last,))
    target.executemany(f"INSERT OR IGNORE INTO source_span VALUES (?, ?, 1, {TARGETS}, 0, 0, ?)", found.targets)
    text = "its captures are copied behind" + (", some other rows were unreadable" if found.lost else "")
    needed = [name for (name,) in target.execute("SELECT file FROM salvage")]
    return Begun(text + (_COUNTERS_LOST if found.counters_lost else ""), needed)


def _order(
    target: sqlite3.Connection, file: Path, version: int, identity: bytes | None, found: _Found, searched: int
) -> None:
    """Queue a file, whose captures are copied behind. `searched`: pages that were searched for words."""
    older = None
    if identity is not None:
        target.execute("INSERT OR IGNORE INTO word (kind, octets) VALUES (?, ?)", (Word.OLDER_STORE, identity))
        query = "SELECT id FROM word WHERE kind = ? AND octets = ?"
        (older,) = target.execute(query, (Word.OLDER_STORE, identity)).fetchone()
    low, high, certain = found.numbers
    # New captures begin in a block of their own.
    last = ((high if certain else high + _MARGIN) // BLOCK + 1) * BLOCK - 1
    hole = None if certain else high + 1
    phase, start = (Phase.WORDS, searched + 1) if found.lost else (Phase.NUMBERS, low)
    target.execute(
        """INSERT INTO salvage
        (file, version, older_store, phase, next, high, last, hole, newest_valid_us, frontier, captures, released)
        VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, 0, 0, 0)""",
        (file.name, version, older, phase, start, high, last, hole, found.newest_valid_us),
    )


def _earlier(damaged: Path, aside: str) -> Iterator[tuple[Path, _Found]]:
    """All damaged files from before: the one that knew which of them are copied does not tell it."""
    stem = aside.rpartition("-")[0]
    files = [file for file in damaged.parent.glob(f"{stem}-*") if file.name.removeprefix(f"{stem}-").isdecimal()]
    for file in sorted(files, key=lambda file: int(file.name.removeprefix(f"{stem}-"))):
        try:
            with contextlib.closing(connect_salvage(file)) as source:
                yield file, _Found(_identity(source) or _carved_identity(file), _numbers(source))
        except sqlite3.DatabaseError as error:
            if is_full(error):
                raise
            yield file, _Found(_carved_identity(file))


def _carved_identity(file: Path) -> bytes | None:
    """The identity that a page near the beginning of the file still holds."""
    with contextlib.closing(Pages(file)) as pages:
        for number in range(1, min(pages.last, _FIRST_OCTETS // pages.size) + 1):
            for carved in pages.records(number):
                if table_of(carved) == "store":
                    return bytes(carved.columns[0])  # type: ignore[arg-type]
    return None


def _copy_small(damaged: Path, target: sqlite3.Connection) -> _Found:
    try:
        with contextlib.closing(connect_salvage(damaged)) as source:
            identity = _identity(source)
            lost = sum(copy_ends(source, target, table) for table in present(target, _SMALL))
            for table in present(target, ("profile_range",)):
                lost += copy_ends(source, target, table)
            counters_lost = sum(copy_ends(source, target, table) for table in present(target, _COUNTERS))
            numbers = _numbers(source)
            queued, aliases = _queued(source) if present(target, ("salvage",)) else ([], [])
            valid = _rows(source, _NEWEST_VALID, ClockState.SYNCHRONISED, numbers.high - _LOOKED_BACK)
            times = [row[0] for row in valid] + [Queued(*row).newest_valid_us for row in queued or ()]
            newest = max((time for time in times if type(time) is int), default=0)
            targets = _targets(source, numbers.high)
            return _Found(identity, numbers, newest, targets, queued, aliases, bool(lost), bool(counters_lost))
    except sqlite3.DatabaseError as error:
        if is_full(error):
            raise
    return _Found()


def _queued(source: sqlite3.Connection) -> tuple[list[tuple[Any, ...]] | None, list[tuple[Any, ...]]]:
    """Its rows of `salvage`, None if they are not readable, and of `salvage_alias`."""
    try:
        rows = source.execute("SELECT * FROM salvage ORDER BY id").fetchall()
        aliases = source.execute("SELECT * FROM salvage_alias").fetchall()
    except sqlite3.DatabaseError:
        return None, []
    whole = all(isinstance(one, kind) for row in rows for one, kind in zip(row, KINDS, strict=True))
    return (rows, aliases) if whole and all(set(map(type, row)) == {int} for row in aliases) else (None, [])


def _rows(source: sqlite3.Connection, query: str, *parameters: object) -> list[tuple[Any, ...]]:
    """The rows of a query; none if they are not readable."""
    try:
        return source.execute(query, parameters).fetchall()
    except sqlite3.DatabaseError:
        return []


def _identity(source: sqlite3.Connection) -> bytes | None:
    for (octets,) in _rows(source, "SELECT store_id FROM store"):
        if isinstance(octets, bytes) and len(octets) == 16:
            return octets
    return None


def _numbers(source: sqlite3.Connection) -> Numbers:
    """The smallest and the largest record number found in any table, and whether all tables were readable."""
    low, high, certain = 1, 0, True
    for query in (
        "SELECT min(number), max(number) FROM capture NOT INDEXED",
        "SELECT 1, max(capture) FROM reading NOT INDEXED",
        "SELECT 1, max(seq) FROM sqlite_sequence WHERE name = 'capture'",
    ):
        try:
            first, last = source.execute(query).fetchone()
        except sqlite3.DatabaseError:
            certain = False
            continue
        if type(first) is int and type(last) is int and 0 < first <= last < _NONSENSE:
            low, high = max(low, first), max(high, last)
        elif last is not None:
            certain = False
    return Numbers(low if certain else 1, high, certain)


def _targets(source: sqlite3.Connection, high: int) -> list[tuple[int, int, int]]:
    """Meter, device and the newest target time of each source, as far as it is readable."""
    newest: dict[tuple[int, int], int] = defaultdict(int)
    for query in (
        "SELECT meter, device, max(target_us) FROM source_span GROUP BY meter, device",
        "SELECT meter, device, max(target_us) FROM source_block GROUP BY meter, device",
        f"""SELECT meter, device, max(target_time_us) FROM capture NOT INDEXED
        WHERE origin <> 2 AND number > {high - 2 * BLOCK} GROUP BY meter, device""",
        """SELECT meter, device, (SELECT max(target_time_us) FROM reading INDEXED BY reading_slot
            WHERE reading.register = register.id AND reading.list = 1 AND target_time_us IS NOT NULL) FROM register""",
    ):
        for meter, device, target_us in _rows(source, query):
            if type(meter) is type(device) is type(target_us) is int:
                newest[meter, device] = max(newest[meter, device], target_us)
    return [(*key, target_us) for key, target_us in newest.items()]


def _carve_small(damaged: Path, target: sqlite3.Connection) -> tuple[bytes | None, int, int]:
    """Copy rows of small tables from the first pages and the -wal.

    Returns the identity and the largest number given, if found, and how many pages were searched.
    """
    identity, sequence = None, 0
    tables = {name: Table(target, name) for name in ("word", "register", "log")}
    with contextlib.closing(Pages(damaged)) as pages:
        first = min(pages.last, _FIRST_OCTETS // pages.size)
        newest = range(max(first, pages.last - _LAST_OCTETS // pages.size) + 1, pages.last + 1)
        for number in (*range(1, first + 1), *newest, *(one for one in pages.in_wal() if first < one <= pages.last)):
            for carved in pages.records(number):
                name = table_of(carved)
                if name in tables:
                    tables[name].insert([_in_columns(row_of(carved), tables[name].width)])
                elif name == "store":
                    identity = bytes(carved.columns[0])  # type: ignore[arg-type]
                elif name == "sequence":
                    sequence = max(sequence, int(carved.columns[1] or 0))
                else:
                    if name == "capture" and carved.rowid is not None and carved.rowid < _NONSENSE:
                        sequence = max(sequence, carved.rowid)
                    break  # all records of a page are of one table
    return identity, sequence if sequence < _NONSENSE else 0, first


def table_of(carved: Carved) -> str | None:
    """The table of a record, recognised by its columns."""
    rowid, columns = carved
    if rowid is None:
        if len(columns) in (11, 13) and isinstance(columns[0], str):
            return "log"  # of 11 columns before schema version 6, and still in a file that was migrated
        if len(columns) == 11:
            return "reading"
        if len(columns) == 3 and isinstance(columns[1], int) and isinstance(columns[2], bytes):
            return "signature"
    elif len(columns) in (3, 8, 17) and columns[0] is None:
        return {3: "word", 8: "register", 17: "capture"}[len(columns)]
    elif len(columns) == 1 and isinstance(columns[0], bytes) and len(columns[0]) == 16:
        return "store"
    elif len(columns) == 2 and columns[0] == "capture" and isinstance(columns[1], int):
        return "sequence"
    return None


def row_of(carved: Carved) -> tuple[Any, ...]:
    """The row of a record, with its number."""
    return carved.columns if carved.rowid is None else (carved.rowid, *carved.columns[1:])


def _in_columns(row: tuple[Any, ...], width: int) -> tuple[Any, ...]:
    """The row of an entry of the log in a table of this width; other rows as they are."""
    return row if len(row) == width else log_book.filled(row)[:width]


def _leave_out_ids(target: sqlite3.Connection) -> None:
    """New words, registers and profile versions get numbers that no lost one can have had."""
    for table, columns in (
        ("word", "0, x''"),
        ("register", "0, 0, 0, zeroblob(6), 0, 0, 0"),
        ("profile_version", "'', '', x'', ''"),
    ):
        # An earlier salvage may have left out some: then its row is replaced.
        new = f"coalesce(max(id), 0) + {_IDS_LEFT_OUT}, {columns}"
        target.execute(f"INSERT OR REPLACE INTO {table} SELECT {new} FROM {table}")

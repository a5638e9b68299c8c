"""Salvages a damaged store: all rows that can be read whole go into a new file."""

# ruff: noqa: S608 - our own names only

import contextlib
import os
import sqlite3
from pathlib import Path
from typing import NamedTuple

from smgw.errors import reason
from smgw.store.file.connection import connect_salvage
from smgw.store.rescue.copying import Table, copy_ends, copy_numbered, version_of

from emp.store.access import new_private
from emp.store.checking import TYPES, examine
from emp.store.schema import VERSION, create, keep_highest
from emp.store.storage import StorageError

_SMALL = ("gateway", "device", "source", "register", "sighting", "latest", "event", "highest", "signer")
#: A value is a number, octets, or nested data as text.
_VALUE = (int, bytes, str)
_DANGLING = " OR ".join(f"{name} NOT IN (SELECT id FROM {name})" for name in ("gateway", "source", "device"))
_STRAY = f"type NOT IN ({TYPES}) OR register NOT IN (SELECT id FROM register)"
#: Where readings are lost, rows without any are not trusted, nor the rows beside them, which may lack some.
_EMPTY = "id NOT IN (SELECT record FROM reading)"
_BESIDE = f"""id IN (SELECT id FROM (SELECT id, lag(id, 1, 0) OVER (ORDER BY id) AS before,
    lead(id, 1, 0) OVER (ORDER BY id) AS after FROM record)
    WHERE before IN (SELECT id FROM record WHERE {_EMPTY}) OR after IN (SELECT id FROM record WHERE {_EMPTY}))"""
#: Where rows are lost, the rows beside them may lack a reading too: those with fewer than the next one of their device.
_EDGE = """id IN (SELECT id FROM (SELECT id, readings, before, after,
    lag(readings, 1, 0) OVER device AS readings_before, lead(readings, 1, 0) OVER device AS readings_after
    FROM (SELECT id, device, (SELECT count(*) FROM reading WHERE record=record.id) AS readings,
        lag(id) OVER (ORDER BY id) AS before, lead(id) OVER (ORDER BY id) AS after FROM record)
    WINDOW device AS (PARTITION BY device ORDER BY id))
    WHERE (before IS NOT id-1 OR after IS NOT id+1) AND readings < max(readings_before, readings_after))"""
#: A page that was cut in its middle reads as zeros from there on. So no row beside lost ones is trusted.
_CUT = """id IN (SELECT id FROM (SELECT id, lag(id) OVER (ORDER BY id) AS before, lead(id) OVER (ORDER BY id) AS after
    FROM record) WHERE before IS NOT id-1 OR after IS NOT id+1)"""
#: Rows that are copied at a time.
_AT_ONCE = 1000
#: `latest` and `sighting` follow from the rows. What is lost of `latest` comes again with the next row.
_FOLLOWING = (
    "DELETE FROM reading WHERE record NOT IN (SELECT id FROM record)",
    "DELETE FROM latest WHERE record NOT IN (SELECT id FROM record) OR register NOT IN (SELECT id FROM register)"
    " OR device NOT IN (SELECT id FROM device)",
    "DELETE FROM register WHERE device NOT IN (SELECT id FROM device)",
    "DELETE FROM signer WHERE gateway NOT IN (SELECT id FROM gateway)",
    "DELETE FROM sighting WHERE device NOT IN (SELECT id FROM device) OR gateway NOT IN (SELECT id FROM gateway)",
    "UPDATE sighting SET records=0, last_record=NULL",
    "INSERT OR REPLACE INTO sighting SELECT gateway, device, max(received_us), count(*), max(id) FROM record"
    " GROUP BY gateway, device",
)


class Salvaged(NamedTuple):
    """`rows`: in the new file; `torn`: rows whose readings or names could not be read; `damaged`: others may lack."""

    rows: int
    torn: int
    damaged: bool


def salvage(damaged: Path, whole: Path) -> Salvaged:
    """Copy all rows that can be read into a new file. The damaged one stays as it is. Raises StorageError.

    A row comes whole or not at all: a gateway that delivers it again must find it unchanged.
    """
    if not damaged.exists():
        raise StorageError(f"{damaged}: no such file; name the damaged store with --db")
    if whole.exists():
        raise StorageError(f"{whole}: is there already; name a new file")
    part = whole.with_name(whole.name + ".part")
    try:
        part.unlink(missing_ok=True)
        os.close(new_private(part, exclusive=True))
        done = _copy(damaged, part, is_damaged=examine(damaged) is not None)
        if done.damaged and not done.rows:
            raise StorageError(f"{damaged}: no row of it can be read; put a copy back with emp restore")
        if (verdict := examine(part)) is not None:
            raise StorageError(f"{damaged}: its rows cannot be made whole ({verdict}); put a copy back")
        with part.open("rb") as file:
            os.fsync(file.fileno())
        part.replace(whole)
    except (sqlite3.Error, OSError) as error:
        raise StorageError(f"{damaged}: cannot be salvaged into {whole} ({reason(error)})") from error
    finally:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)
    return done


def _copy(damaged: Path, part: Path, *, is_damaged: bool) -> Salvaged:
    version = version_of(damaged, VERSION)
    with (
        contextlib.closing(sqlite3.connect(part, isolation_level=None)) as target,
        contextlib.closing(connect_salvage(damaged)) as source,
    ):
        target.execute("PRAGMA synchronous=OFF")  # a crash loses nothing: the file is made again
        create(target, part, version)
        target.execute("BEGIN")
        names = {name for (name,) in target.execute("SELECT name FROM sqlite_master WHERE type='table'")}
        for name in _SMALL:
            if name in names:
                copy_ends(source, target, name)
        largest = _largest(source)
        for table, name, key in (
            (Table(target, "record"), "record", "id"),
            (Table(target, "reading", _VALUE), "reading", "record"),
        ):
            copy_numbered(source, table, name, key, 1, largest)
            if is_damaged:  # pages that are not where they should be are met on the way
                for order in ("", " DESC"):
                    _scan(source, table, f"{name} NOT INDEXED ORDER BY {key}{order}")
        target.execute("COMMIT")
        create(target, part)
        target.execute("BEGIN")
        keep_highest(target)
        torn = f"{_DANGLING} OR id IN (SELECT record FROM reading WHERE {_STRAY})"
        if is_damaged:
            torn += f" OR {_EMPTY} OR {_BESIDE} OR {_CUT if _is_cut(source, damaged) else _EDGE}"
        lost = target.execute(f"DELETE FROM record WHERE {torn}").rowcount
        for statement in _FOLLOWING:
            target.execute(statement)
        rows = int(target.execute("SELECT count(*) FROM record").fetchone()[0])
        target.execute("COMMIT")
        return Salvaged(rows, lost, is_damaged or lost > 0)


def _scan(source: sqlite3.Connection, table: Table, way: str) -> None:
    """Copy rows in one order, as far as it goes."""
    with contextlib.suppress(sqlite3.DatabaseError):
        cursor = source.execute(f"SELECT {table.names} FROM {way}")
        while rows := cursor.fetchmany(_AT_ONCE):
            table.insert(rows)


def _is_cut(source: sqlite3.Connection, path: Path) -> bool:
    """True if the last page of a file is not whole."""
    try:
        page = int(source.execute("PRAGMA page_size").fetchone()[0])
    except sqlite3.DatabaseError:
        return True
    return path.stat().st_size % page != 0


def _largest(source: sqlite3.Connection) -> int:
    """The largest id of a row that any table shows."""
    largest = 0
    for query in (
        "SELECT max(id) FROM record NOT INDEXED",
        "SELECT max(record) FROM reading",
        "SELECT max(last_record) FROM sighting",
        "SELECT max(record) FROM latest",
        "SELECT id FROM highest WHERE name='record'",
    ):
        with contextlib.suppress(sqlite3.DatabaseError):
            ((found,),) = source.execute(query).fetchall() or ((0,),)
            largest = max(largest, found if isinstance(found, int) else 0)
    return largest

"""Copies rows of a damaged database into a new one, table by table, as far as SQLite can read them."""

# ruff: noqa: S608 - the names in the queries are those of our schema

import contextlib
import sqlite3
import sys
from collections.abc import Collection, Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from smgw.store.errors import is_full
from smgw.store.file.connection import connect_salvage

#: The unique index of interned rows holds their full content a second time.
_TWICE = {"word": "sqlite_autoindex_word_1", "register": "sqlite_autoindex_register_1"}
#: How many numbers of rows are read at once.
_CHUNK = 1000

Row = Sequence[Any]


class Table:
    """A table of the new database, and the check of its rows."""

    def __init__(self, target: sqlite3.Connection, name: str, untyped: tuple[type, ...] = (int, bytes)) -> None:
        """`untyped`: the types that a column without a declared type may hold."""
        columns = target.execute(f"PRAGMA table_info({name})").fetchall()
        self.names = ", ".join(column[1] for column in columns)
        self.width = len(columns)
        self._target = target
        self._insert = f"INSERT OR IGNORE INTO {name} VALUES ({', '.join('?' * len(columns))})"
        self._types = [
            _types(str(declared), not required and not key, untyped) for _, _, declared, required, _, key in columns
        ]
        self._good: set[tuple[type, ...]] = set()

    def insert(self, rows: Iterable[Row]) -> int:
        """Write the rows that pass the check; an existing row stays. Returns the number of new rows."""
        return self._target.executemany(self._insert, [row for row in rows if self.fits(row)]).rowcount

    def fits(self, row: Row) -> bool:
        """True if every column has a type that the table allows."""
        shape = tuple(map(type, row))
        if shape not in self._good:
            if not all(issubclass(found, kinds) for found, kinds in zip(shape, self._types, strict=True)):
                return False
            self._good.add(shape)
        return True


def _types(declared: str, nullable: bool, untyped: tuple[type, ...]) -> tuple[type, ...]:
    kinds: tuple[type, ...] = {"INTEGER": (int,), "TEXT": (str,), "BLOB": (bytes,)}.get(declared, untyped)
    return (*kinds, type(None)) if nullable else kinds


def version_of(damaged: Path, newest: int) -> int:
    """The schema version of a damaged file; the newest where that cannot be read or makes no sense."""
    try:
        with contextlib.closing(connect_salvage(damaged)) as source:
            found = int(source.execute("PRAGMA user_version").fetchone()[0])
    except sqlite3.DatabaseError as error:
        if is_full(error):
            raise
        return newest
    return found if 1 <= found <= newest else newest


def present(target: sqlite3.Connection, names: Collection[str]) -> list[str]:
    """The tables that exist in this version."""
    found = {name for (name,) in target.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    return [name for name in names if name in found]


def copy_ends(source: sqlite3.Connection, target: sqlite3.Connection, name: str, at_most: int = sys.maxsize) -> int:
    """Copy a small table from both ends towards the damage; returns 1 if there was damage.

    Of more than `at_most` rows only the last ones are copied, in the order of their keys.
    """
    table = Table(target, name)
    key = ", ".join(column[1] for column in target.execute(f"PRAGMA table_info({name})") if column[5])
    ways = [f"{name} NOT INDEXED ORDER BY {key.replace(',', ' DESC,')} DESC", f"{name} NOT INDEXED ORDER BY {key}"]
    if name in _TWICE:
        ways.append(f"{name} INDEXED BY {_TWICE[name]}")
    damaged = 0
    for way in ways:
        rows = _rows(source, f"SELECT {table.names} FROM {way} LIMIT {at_most}")
        some, whole = _read(rows)
        while some:
            table.insert(some)
            some, whole = _read(rows) if whole else ([], False)
        if whole:
            return damaged
        damaged = 1
    return damaged


def _rows(source: sqlite3.Connection, query: str) -> Iterator[Row]:
    yield from source.execute(query)


def _read(rows: Iterator[Row]) -> tuple[list[Row], bool]:
    """The next rows, few enough for the memory; False if there was damage after them."""
    found: list[Row] = []
    try:
        found.extend(islice(rows, _CHUNK))
    except sqlite3.DatabaseError:  # rows read before it are in the list
        return found, False
    return found, True


def copy_numbered(source: sqlite3.Connection, table: Table, name: str, key: str, low: int, high: int) -> int:
    """Copy rows with keys from `low` to `high`. A damaged range is halved; returns the number of failures."""
    query = f"SELECT {table.names} FROM {name} NOT INDEXED WHERE {key} BETWEEN ? AND ?"
    failed = 0
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

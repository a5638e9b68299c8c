"""Orders of a user at the command line for the LMN process, written into lmn.db beside its owner."""

import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from smgw.store import paths
from smgw.store.file import beside
from smgw.store.lmn.schema import lmn_schema
from smgw.store.records import CacheKind

T = TypeVar("T")

_WHERE = f"FROM cache WHERE kind = {CacheKind.TIME_ACCEPTED:d}"
ACCEPTED = f"SELECT 1 {_WHERE}"
FORGET_ACCEPTED = f"DELETE {_WHERE}"


def write_beside(directory: Path, body: Callable[[sqlite3.Connection], T]) -> T:
    """Write in one transaction beside the owner of lmn.db, who need not run; see `file.beside`."""
    return beside.write_beside(directory / paths.LMN, lmn_schema(), body)


def order_acceptance(directory: Path) -> None:
    """Allow the step of the clock that waits for a person."""

    def body(connection: sqlite3.Connection) -> None:
        row = (CacheKind.TIME_ACCEPTED, b"", b"", b"")
        connection.execute("INSERT OR REPLACE INTO cache VALUES (?, ?, ?, ?)", row)

    write_beside(directory, body)


def withdraw_acceptance(directory: Path) -> bool:
    """Take the order back; False if the owner has taken it."""
    return write_beside(directory, lambda connection: bool(connection.execute(FORGET_ACCEPTED).rowcount))

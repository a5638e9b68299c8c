"""Orders of a user at the command line for the LMN process, written into lmn.db beside its owner."""

import contextlib
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from smgw.store import paths
from smgw.store.errors import StoreAbsent, StoreError, StoreFull, is_full
from smgw.store.file.connection import connect_reader, connect_writer, transaction
from smgw.store.file.schema import check_version
from smgw.store.lmn.schema import lmn_schema
from smgw.store.records import CacheKind

T = TypeVar("T")

_WHERE = f"FROM cache WHERE kind = {CacheKind.TIME_ACCEPTED:d}"
ACCEPTED = f"SELECT 1 {_WHERE}"
FORGET_ACCEPTED = f"DELETE {_WHERE}"


def write_beside(directory: Path, body: Callable[[sqlite3.Connection], T]) -> T:
    """Write in one transaction beside the owner of lmn.db, who need not run.

    The user must be allowed to write lmn.db. Raises StoreAbsent, StoreTooNew, StoreFull, StoreError.
    """
    path = directory / paths.LMN
    if not path.exists():
        raise StoreAbsent(path)
    try:
        # Closed in this order, -wal and -shm stay even if nobody else has the file open.
        with contextlib.closing(connect_reader(path)) as keeper, contextlib.closing(connect_writer(path)) as connection:
            check_version(connection, lmn_schema(), path)
            with transaction(connection):
                found = body(connection)
            keeper.execute("SELECT 1 FROM store").fetchone()
    except sqlite3.Error as error:
        if is_full(error):
            raise StoreFull(path) from error
        raise StoreError(
            path, f"the order cannot be written ({error}); run the command as the user that owns this file"
        ) from error
    return found


def order_acceptance(directory: Path) -> None:
    """Allow the step of the clock that waits for a person."""

    def body(connection: sqlite3.Connection) -> None:
        row = (CacheKind.TIME_ACCEPTED, b"", b"", b"")
        connection.execute("INSERT OR REPLACE INTO cache VALUES (?, ?, ?, ?)", row)

    write_beside(directory, body)


def withdraw_acceptance(directory: Path) -> bool:
    """Take the order back; False if the owner has taken it."""
    return write_beside(directory, lambda connection: bool(connection.execute(FORGET_ACCEPTED).rowcount))

"""Writes an order of a user at the command line into a database, beside its owner, who need not run."""

import contextlib
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from smgw.store.errors import StoreAbsent, StoreError, StoreFull, is_full
from smgw.store.file.access import as_owner, said
from smgw.store.file.connection import connect_reader, connect_writer, transaction
from smgw.store.file.foreign import refuse_odd_files
from smgw.store.file.schema import Schema, check_version

T = TypeVar("T")


def write_beside(path: Path, schema: Schema, body: Callable[[sqlite3.Connection], T]) -> T:
    """Write in one transaction.

    The user must be allowed to write the file. Root writes as the user who has the directory. A link is refused.

    Raises StoreAbsent, StoreTooNew, StoreFull, StoreError.
    """
    try:
        with as_owner(path.parent):
            return _write(path, schema, body)
    except FileNotFoundError as error:
        raise StoreAbsent(path) from error
    except OSError as error:
        raise said(path, error) from error


def _write(path: Path, schema: Schema, body: Callable[[sqlite3.Connection], T]) -> T:
    path.lstat()
    refuse_odd_files(path)
    try:
        # Closed in this order, -wal and -shm stay even if nobody else has the file open.
        with contextlib.closing(connect_reader(path)) as keeper, contextlib.closing(connect_writer(path)) as connection:
            check_version(connection, schema, path)
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

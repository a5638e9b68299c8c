"""Orders of a person at the command line: written into wan.db beside its owner, read by the dispatchers."""

import contextlib
import sqlite3
from pathlib import Path

from smgw.store import paths
from smgw.store.errors import StoreAbsent, StoreError, StoreFull, is_full
from smgw.store.file.connection import connect_reader, connect_writer, transaction
from smgw.store.file.schema import check_version
from smgw.store.wan.records import OrderKind
from smgw.store.wan.schema import wan_schema

#: Older orders than these are history.
_ORDERS_KEPT = 100


def place_order(directory: Path, emp: str | None, kind: OrderKind) -> None:
    """Leave an order for the WAN process, whether it runs or not; emp None is for every EMP.

    The user must be allowed to write wan.db.

    Raises StoreAbsent, StoreTooNew, StoreFull, StoreError.
    """
    path = directory / paths.WAN
    if not path.exists():
        raise StoreAbsent(path)
    try:
        # Closed in this order, -wal and -shm stay even if nobody else has the file open.
        with contextlib.closing(connect_reader(path)) as keeper, contextlib.closing(connect_writer(path)) as connection:
            check_version(connection, wan_schema(), path)
            with transaction(connection):
                query = "INSERT INTO work_order (emp, kind) VALUES (?, ?)"
                number = connection.execute(query, (emp, kind)).lastrowid or 0
                connection.execute("DELETE FROM work_order WHERE id <= ?", (number - _ORDERS_KEPT,))
            keeper.execute("SELECT 1 FROM store").fetchone()
    except sqlite3.Error as error:
        if is_full(error):
            raise StoreFull(path) from error
        raise StoreError(
            path, f"the order cannot be written ({error}); run the command as the user that owns this file"
        ) from error

"""Orders of a user at the command line. The command writes them into wan.db; the dispatchers read them."""

import contextlib
import sqlite3
from pathlib import Path

from smgw.store import paths
from smgw.store.errors import StoreAbsent, StoreError, StoreFull, is_full
from smgw.store.file.connection import connect_reader, connect_writer, transaction
from smgw.store.file.schema import check_version
from smgw.store.wan.records import OrderKind
from smgw.store.wan.schema import wan_schema

#: Orders older than this are ignored.
_ORDERS_KEPT = 100


def place_order(directory: Path, emp: str | None, kind: OrderKind) -> None:
    """Write an order for the WAN process, which need not run. emp None: for every EMP.

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

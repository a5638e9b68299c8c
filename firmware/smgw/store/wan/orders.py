"""Orders of a user at the command line. The command writes them into wan.db; the dispatchers read them."""

import sqlite3
from collections.abc import Sequence
from pathlib import Path

from smgw.store import paths
from smgw.store.file.beside import write_beside
from smgw.store.wan.records import SET_ASIDE, OrderKind, SetAside
from smgw.store.wan.schema import wan_schema

#: Orders older than this are ignored.
_ORDERS_KEPT = 100
#: A row that is quarantined is only sent again.
_ORDER_ROW = f"""INSERT INTO set_aside ({SET_ASIDE}, requeued) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, 1)
    ON CONFLICT DO UPDATE SET requeued = 1"""  # noqa: S608 - constant columns


def place_order(directory: Path, emp: str | None, kind: OrderKind, rows: Sequence[SetAside] = ()) -> None:
    """Write an order for the WAN process, which need not run. emp None: for every EMP.

    `rows` are delivered out of the order of the cursors, like quarantined rows that are sent again.

    Raises StoreAbsent, StoreTooNew, StoreFull, StoreError; see `write_beside`.
    """

    def body(connection: sqlite3.Connection) -> None:
        query = "INSERT INTO work_order (emp, kind) VALUES (?, ?)"
        number = connection.execute(query, (emp, kind)).lastrowid or 0
        connection.execute("DELETE FROM work_order WHERE id <= ?", (number - _ORDERS_KEPT,))
        connection.executemany(_ORDER_ROW, rows)

    write_beside(directory / paths.WAN, wan_schema(), body)

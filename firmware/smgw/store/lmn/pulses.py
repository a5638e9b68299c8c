"""The counts of pulses, by meter. Rows of the table `reserved_counter`:

kind          scope                    holder   reserved
PULSES        empty                    meter    the count: pulses since the dial was zero
PULSES_TAKEN  empty                    meter    number of the last order in the count
PULSES_SET    number of the order      meter    the count that a person ordered (`smgw set-counter`)

The number of an order is the time in microseconds. An order goes when the count that contains it is committed. So an
order counts once, whatever ends the process meanwhile.
"""

import sqlite3
import time
from collections.abc import Mapping
from pathlib import Path

from smgw.store.lmn.beside import write_beside
from smgw.store.records import CounterKind

_INSERT = "INSERT OR REPLACE INTO reserved_counter VALUES (?, ?, ?, ?)"
_FORGET = f"DELETE FROM reserved_counter WHERE kind = {CounterKind.PULSES_SET:d} AND holder = ?"  # noqa: S608 - constant
#: Parameter: the meter. Rows (kind, number).
COUNT = (
    f"SELECT kind, reserved FROM reserved_counter WHERE kind IN ({CounterKind.PULSES:d}, {CounterKind.PULSES_TAKEN:d})"  # noqa: S608
    " AND scope = '' AND holder = ?"
)
#: Parameter: the meter. One row at most.
ORDER = (
    f"SELECT CAST(scope AS INTEGER), reserved FROM reserved_counter WHERE kind = {CounterKind.PULSES_SET:d}"  # noqa: S608
    " AND holder = ? ORDER BY 1 DESC LIMIT 1"
)


def write(connection: sqlite3.Connection, newest: Mapping[str, tuple[int, int]]) -> None:
    """Store the newest (count, number of the last order in it) of each meter, inside the caller's transaction."""
    for meter, (count, ordered) in newest.items():
        connection.execute(_INSERT, (CounterKind.PULSES, "", meter, count))
        if ordered:
            connection.execute(_INSERT, (CounterKind.PULSES_TAKEN, "", meter, ordered))
            connection.execute(f"{_FORGET} AND CAST(scope AS INTEGER) <= ?", (meter, ordered))


def counted(rows: list[tuple[int, int]]) -> tuple[int, int] | None:
    """The rows of COUNT: (count, number of the last order in it); None if the meter was never counted."""
    found = {kind: int(number) for kind, number in rows}
    if CounterKind.PULSES not in found:
        return None
    return found[CounterKind.PULSES], found.get(CounterKind.PULSES_TAKEN, 0)


def order_count(directory: Path, meter: str, count: int) -> int:
    """Order a count beside the owner of lmn.db, who need not run; the number of the order. Raises StoreError."""

    def body(connection: sqlite3.Connection) -> int:
        query = "SELECT max(reserved) FROM reserved_counter WHERE kind = ? AND holder = ?"
        (taken,) = connection.execute(query, (CounterKind.PULSES_TAKEN, meter)).fetchone()
        waiting = connection.execute(ORDER, (meter,)).fetchone()
        number = max(time.time_ns() // 1000, (taken or 0) + 1, (waiting[0] if waiting else 0) + 1)
        connection.execute(_FORGET, (meter,))
        connection.execute(_INSERT, (CounterKind.PULSES_SET, str(number), meter, count))
        return number

    return write_beside(directory, body)


def state(directory: Path, meter: str) -> tuple[tuple[int, int] | None, tuple[int, int] | None]:
    """The count of a meter, as `counted`, and the order that waits. Raises StoreError."""

    def body(connection: sqlite3.Connection) -> tuple[tuple[int, int] | None, tuple[int, int] | None]:
        order = connection.execute(ORDER, (meter,)).fetchone()
        return counted(connection.execute(COUNT, (meter,)).fetchall()), order

    return write_beside(directory, body)

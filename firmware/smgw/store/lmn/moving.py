"""Gives captures of a damaged file new numbers, where newer captures were delivered before them."""

import sqlite3
from collections.abc import Sequence

from smgw.store.lmn import blocks
from smgw.store.lmn.blocks import BLOCK, SourceKey
from smgw.store.lmn.rows import RowWriter


def move(connection: sqlite3.Connection, numbers: Sequence[int], rows: RowWriter) -> None:
    """Give captures numbers above all others, in order, inside the caller's transaction.

    They have an older identity, which is their key for an EMP. It does not change.
    """
    touched: set[tuple[SourceKey, int]] = set()
    for number in numbers:
        capture = connection.execute("SELECT * FROM capture WHERE number = ?", (number,)).fetchone()
        connection.execute("DELETE FROM capture WHERE number = ?", (number,))  # two captures never have one identity
        marks = ", ?" * (len(capture) - 1)
        new = connection.execute(f"INSERT INTO capture VALUES (NULL{marks})", capture[1:]).lastrowid or 0  # noqa: S608
        for name in ("reading", "signature"):
            connection.execute(f"UPDATE {name} SET capture = ? WHERE capture = ?", (new, number))  # noqa: S608
        connection.execute(
            """UPDATE slot SET capture = ? WHERE (target_time_us, meter, device, list, capture)
            = (SELECT target_time_us, meter, device, list, ? FROM capture WHERE number = ?)""",
            (new, number, new),
        )
        touched.add((SourceKey(capture[1], capture[2]), number // BLOCK))
        rows.finish_blocks(new)
    for source, block in sorted(touched):
        blocks.recount(connection, source, block)

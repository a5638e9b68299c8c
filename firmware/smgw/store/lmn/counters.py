"""Reserved counters: numbers are reserved for one caller before use, and never given out again."""

import os
import sqlite3
import time

from smgw.store.records import CounterKind

#: First invocation counter of an unknown key: the clock at this rate since 2026. No meter is asked that often, so the
#: number is above all numbers of a lost store. A random part up to 2^22 separates two stores made at the same time.
#: The clock part reaches the cap in 2055.
_A_SECOND, _SINCE = 4, 1_767_225_600
_BY_CHANCE, _CAP = 1 << 22, 0xE000_0000


def reserve(connection: sqlite3.Connection, kind: CounterKind, scope: str, holder: str, least: int, amount: int) -> int:
    """The first of `amount` numbers inside the caller's transaction; see `LmnStore.reserve`."""
    query = "SELECT max(reserved) FROM reserved_counter WHERE kind = ? AND scope = ?"
    (newest,) = connection.execute(query, (kind, scope)).fetchone()
    first = max(least, _unknown(kind) if newest is None else int(newest) + 1)
    connection.execute(
        "INSERT OR REPLACE INTO reserved_counter VALUES (?, ?, ?, ?)", (kind, scope, holder, first + amount - 1)
    )
    return first


def _unknown(kind: CounterKind) -> int:
    """The first number of a scope that is new to this store."""
    if kind is not CounterKind.INVOCATION:
        return 0
    seconds = max(0, int(time.time()) - _SINCE)
    return min(_A_SECOND * seconds, _CAP) + int.from_bytes(os.urandom(4), "big") % _BY_CHANCE

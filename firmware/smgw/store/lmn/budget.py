"""The budget of skipped invocation counters of a key.

A meter's answer about its counter is not authenticated. So each key has a budget, which fills again in a day. A larger
step waits for a user. Both are rows of the table `reserved_counter`; the scope is a digest of the key.

kind      holder             reserved
SKIPPED   empty              time when the budget is full again, in counters of the budget since 1970
DOUBTED   meter and client   the counter that the answer asked for; negative until a user allows it
"""

import sqlite3
from pathlib import Path

from smgw.cosem.reading import Stamp
from smgw.store.lmn.beside import write_beside
from smgw.store.records import CounterKind

#: Counters of one key that may be skipped in a day.
DAILY = 1 << 20
_DAY_S = 86_400
#: The first step of a key may be as large as this: other head-ends count by the clock, and ours begins anywhere.
FIRST_STEP = 1 << 30

_SELECT = "SELECT reserved FROM reserved_counter WHERE kind = ? AND scope = ? AND holder = ?"
_DELETE = "DELETE FROM reserved_counter WHERE kind = ? AND scope = ? AND holder = ?"
_INSERT = "INSERT OR REPLACE INTO reserved_counter VALUES (?, ?, ?, ?)"
_ALLOW = (
    "UPDATE reserved_counter SET reserved = abs(reserved)"
    " WHERE kind = ? AND reserved < 0 AND substr(holder, 1, instr(holder, ' ') - 1) = ?"
)


def skip(connection: sqlite3.Connection, now: Stamp, scope: str, holder: str, step: int, expected: int) -> bool:
    """True if a key may skip `step` counters, up to `expected`; inside the caller's transaction."""
    moment = now.utc_us * DAILY // (_DAY_S * 1_000_000)
    doubted = _number(connection, CounterKind.DOUBTED, scope, holder)
    used = _number(connection, CounterKind.SKIPPED, scope, "")
    # Used up at most: the clock may have been set back. It is stored, so a day later the budget is whole again.
    level = moment if used is None else min(max(moment, used), moment + DAILY)
    if doubted is not None and expected <= doubted + DAILY:  # a person allows it
        connection.execute(_DELETE, (CounterKind.DOUBTED, scope, holder))
    elif used is not None and level + step <= moment + DAILY:
        level += step
    elif used is not None or step > FIRST_STEP:
        connection.execute(_INSERT, (CounterKind.DOUBTED, scope, holder, -expected))
        if used is not None:
            connection.execute(_INSERT, (CounterKind.SKIPPED, scope, "", level))
        return False
    connection.execute(_INSERT, (CounterKind.SKIPPED, scope, "", level))
    return True


def allow(connection: sqlite3.Connection, meter: str) -> bool:
    """A person allows the step that a meter's key waits for, inside the caller's transaction. False: none waits."""
    return connection.execute(_ALLOW, (CounterKind.DOUBTED, meter)).rowcount > 0


def order_step(directory: Path, meter: str) -> bool:
    """`allow` beside the owner of lmn.db. Raises StoreError."""
    return write_beside(directory, lambda connection: allow(connection, meter))


def _number(connection: sqlite3.Connection, kind: CounterKind, scope: str, holder: str) -> int | None:
    row = connection.execute(_SELECT, (kind, scope, holder)).fetchone()
    return None if row is None else int(row[0])

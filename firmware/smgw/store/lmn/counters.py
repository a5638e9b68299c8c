"""Reserved counters: numbers are reserved for one caller before use, and never given out again."""

import os
import sqlite3

from smgw import BUILT_S
from smgw.clock.text import utc_text
from smgw.cosem.reading import Stamp
from smgw.errors import SmgwError
from smgw.store.records import CounterKind

#: First invocation counter of an unknown key: the clock at this rate since 2026. No meter is asked that often, so the
#: number is above all numbers of a lost store. A random part up to 2^22 separates two stores made at the same time.
#: A clock that is set back may give numbers of a lost store again, one that is far ahead uses the key up.
_A_SECOND, _SINCE = 4, 1_767_225_600
_BY_CHANCE, _CAP = 1 << 22, 0xE000_0000
#: Later than so long after the build of the software, the time is plainly wrong: 25 years.
_LIFETIME_S = 25 * 31_556_952


class ClockPlainlyWrongError(SmgwError):
    """A counter must start at the clock, but the clock cannot be right."""

    def __init__(self, utc_us: int) -> None:
        super().__init__(
            f"the counters of a new key start at the clock, and it tells {utc_text(utc_us)}, which cannot be; they "
            "start when the time is synchronised (smgw status shows the time sources)"
        )


def reserve(
    connection: sqlite3.Connection,
    now: Stamp,
    kind: CounterKind,
    scope: str,
    holder: str,
    least: int,
    amount: int,
) -> int:
    """The first of `amount` numbers inside the caller's transaction; see `LmnStore.reserve`."""
    query = "SELECT max(reserved) FROM reserved_counter WHERE kind = ? AND scope = ?"
    (newest,) = connection.execute(query, (kind, scope)).fetchone()
    first = max(least, _unknown(kind, now) if newest is None else int(newest) + 1)
    connection.execute(
        "INSERT OR REPLACE INTO reserved_counter VALUES (?, ?, ?, ?)", (kind, scope, holder, first + amount - 1)
    )
    return first


def _unknown(kind: CounterKind, now: Stamp) -> int:
    """The first number of a scope that is new to this store; ClockPlainlyWrongError.

    The clock need not be synchronised. A number would come twice only if the clock was behind by nearly as long as the
    lost store was in use.
    """
    if kind is not CounterKind.INVOCATION:
        return 0
    utc_s = now.utc_us // 1_000_000
    if not BUILT_S <= utc_s <= BUILT_S + _LIFETIME_S:
        raise ClockPlainlyWrongError(now.utc_us)
    seconds = max(0, utc_s - _SINCE)
    return min(_A_SECOND * seconds, _CAP) + int.from_bytes(os.urandom(4), "big") % _BY_CHANCE

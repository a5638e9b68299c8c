"""The newest invocation counter of pushes, by key and system title: an old push is refused after a restart, too.

Rows of the table `reserved_counter`. The scope is a digest of the key. The holder is meter and system title.
"""

import logging
import sqlite3
from collections.abc import Mapping
from pathlib import Path

from smgw.store.lmn.beside import write_beside
from smgw.store.records import CounterKind

_log = logging.getLogger(__name__)

#: Most titles of one key whose counter is stored. An attacker who has no key adds none.
TITLES_PER_KEY = 64

#: Parameters: scope, and what `suffix` makes of the title.
NEWEST = (
    f"SELECT max(reserved) FROM reserved_counter WHERE kind = {CounterKind.PUSHED:d}"  # noqa: S608 - constant
    " AND scope = ? AND substr(holder, instr(holder, ' ')) = ?"
)
_COUNT = "SELECT count(*), coalesce(sum(holder = ?), 0) FROM reserved_counter WHERE kind = ? AND scope = ?"
_INSERT = "INSERT OR REPLACE INTO reserved_counter VALUES (?, ?, ?, ?)"
_FORGET = "DELETE FROM reserved_counter WHERE kind = ? AND substr(holder, 1, instr(holder, ' ') - 1) = ?"


def suffix(title: bytes) -> str:
    """The end of the holder."""
    return f" {title.hex()}"


def write(connection: sqlite3.Connection, newest: Mapping[tuple[str, str], int]) -> None:
    """Store the newest counter of each (scope, holder), inside the caller's transaction."""
    for (scope, holder), counter in newest.items():
        titles, known = connection.execute(_COUNT, (holder, CounterKind.PUSHED, scope)).fetchone()
        if known or titles < TITLES_PER_KEY:
            connection.execute(_INSERT, (CounterKind.PUSHED, scope, holder, counter))
        else:
            _log.warning(
                "meter %s: more than %d system titles push with one key; the counter of this one is not stored, so an "
                "old push of it is accepted once after a restart",
                holder,
                TITLES_PER_KEY,
            )


def forget(directory: Path, meter: str) -> bool:
    """A person says that a meter was reset: its next push counts, whatever its counter is. False if none is stored.

    Written beside the owner of lmn.db. Raises StoreError.
    """
    return write_beside(
        directory, lambda connection: connection.execute(_FORGET, (CounterKind.PUSHED, meter)).rowcount > 0
    )

"""The rows of the table `salvage`: damaged files whose captures are to be copied."""

import sqlite3
from enum import IntEnum
from types import NoneType
from typing import Any, NamedTuple


class Phase(IntEnum):
    """How far the salvage of a file is."""

    WORDS = 0  # the rest of the file is searched for words and registers, since some were not readable
    NUMBERS = 1  # SQLite reads captures by number
    CAPTURES = 2  # captures are searched page by page, since some were not readable
    READINGS = 3  # then what belongs to them
    CHECK = 4  # then captures are checked by number
    MOVE = 5  # if newer captures did not wait: complete ones get numbers above all others
    DONE = 6


class Queued(NamedTuple):
    """A row of the table `salvage`."""

    id: int
    file: str
    version: int
    older_store: int | None
    phase: int
    next: int
    high: int
    last: int
    hole: int | None
    frontier: int
    captures: int
    newest_valid_us: int
    released: int

    def reached(self, frontier: int) -> int:
        """The new frontier. If newer captures were delivered, none of this file may be delivered before it is moved."""
        return self.frontier if self.released else frontier


#: Types of its columns.
KINDS: tuple[Any, ...] = (
    int, str, int, (int, NoneType), int, int, int, int, (int, NoneType), int, int, int, int
)  # fmt: skip


def job_of(connection: sqlite3.Connection) -> Queued | None:
    """The file to copy from now; None if all are copied."""
    row = connection.execute("SELECT * FROM salvage ORDER BY id LIMIT 1").fetchone()
    return None if row is None else Queued(*row)


def again(row: Queued) -> Queued:
    """A file that was queued in the damaged one is copied from its beginning: what was copied may be incomplete.

    Delivery begins anew with the new file, so the order can be kept again.
    """
    if row.phase != Phase.WORDS:
        row = row._replace(phase=Phase.NUMBERS, next=1)
    return row._replace(frontier=0, captures=0, released=0)

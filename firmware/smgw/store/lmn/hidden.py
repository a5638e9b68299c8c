"""Captures that readers do not deliver yet, because a salvage copies them, or earlier ones, behind."""

import sqlite3
from collections.abc import Iterable, Iterator

from smgw.store.lmn.blocks import END, Stretch

#: No number.
NOTHING = Stretch(1, 0)


def hidden(connection: sqlite3.Connection) -> Stretch:
    """The numbers of captures that may be incomplete or come after ones that are still missing.

    Captures above the frontier wait, so that the order is kept. If the salvage is released, only the captures of the
    damaged files wait: they get numbers above all others when they are complete.
    """
    query = "SELECT min(frontier), max(last), min(released) FROM salvage"
    frontier, last, released = connection.execute(query).fetchone()
    if frontier is None:
        return NOTHING
    return Stretch(int(frontier) + 1, int(last) if released else END)


def outside(stretches: Iterable[Stretch], unsure: Stretch, *, back: bool = False) -> Iterator[Stretch]:
    """What of some stretches is not hidden. `back`: they come with the last one first."""
    for first, last in stretches:
        if unsure.first > unsure.last:
            yield Stretch(first, last)
            continue
        if first >= unsure.first and unsure.last == END:
            if not back:
                return
            continue
        parts = (Stretch(first, min(last, unsure.first - 1)), Stretch(max(first, unsure.last + 1), last))
        yield from (part for part in (reversed(parts) if back else parts) if part.first <= part.last)

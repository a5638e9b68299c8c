"""Which readings of a damaged file hold values that a reader can convert."""

import sqlite3

from smgw.cosem.data import RANGE
from smgw.store.lmn.values import from_column
from smgw.store.rescue.copying import Row, Table


class Readings(Table):
    """The table `reading` of the new database; a row must also hold readable values."""

    def __init__(self, target: sqlite3.Connection, name: str) -> None:
        super().__init__(target, name)
        self._whole: set[tuple[type, ...]] = set()  # types of rows with a whole number and nothing else

    def fits(self, row: Row) -> bool:
        shape = tuple(map(type, row))
        if shape in self._whole:
            return row[3] in RANGE
        if not super().fits(row):
            return False
        if shape[4] is int and row[5] is row[7] is None and row[3] in RANGE:
            self._whole.add(shape)
            return True
        try:
            for at in (3, 5, 7):
                if row[at] is not None:
                    from_column(row[at], row[at + 1])
        except (ValueError, ArithmeticError, LookupError):
            return False
        return True

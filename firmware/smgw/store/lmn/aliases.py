"""Words and registers that a search of a damaged file finds after new captures were stored.

A new capture may have given the same word or register another number meanwhile. Then the number of the damaged file is
an alias of that one, and stands in the table `salvage_alias`.
"""

import sqlite3
from collections.abc import Iterable

from smgw.store.rescue.copying import Row, Table

_WORD, _REGISTER = 1, 2
_INSERT = "INSERT OR IGNORE INTO salvage_alias VALUES (?, ?, ?)"
_SAME_WORD = "SELECT id FROM word WHERE kind = ? AND octets = ?"
_SAME_REGISTER = """SELECT id FROM register WHERE meter = ? AND device = ? AND class_id = ? AND obis = ?
    AND attribute = ? AND scaler = ? AND unit = ?"""


class Aliases:
    """Number in the damaged file -> number here, of words and of registers."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        rows = connection.execute("SELECT kind, found, here FROM salvage_alias").fetchall()
        self.words = {found: here for kind, found, here in rows if kind == _WORD}
        self.registers = {found: here for kind, found, here in rows if kind == _REGISTER}


def add_words(connection: sqlite3.Connection, rows: Iterable[Row]) -> None:
    """Store words that were found: under their number, or as aliases."""
    _add(connection, "word", _WORD, _SAME_WORD, rows)


def add_registers(connection: sqlite3.Connection, rows: Iterable[Row]) -> None:
    """Store registers that were found: under their number, or as aliases."""
    words = Aliases(connection).words
    rows = [(key, words.get(meter, meter), words.get(device, device), *rest) for key, meter, device, *rest in rows]
    _add(connection, "register", _REGISTER, _SAME_REGISTER, rows)


def settle_registers(connection: sqlite3.Connection) -> None:
    """All words are found: registers whose meter or device has another number here get that one."""
    query = """SELECT * FROM register WHERE meter IN (SELECT found FROM salvage_alias WHERE kind = 1)
        OR device IN (SELECT found FROM salvage_alias WHERE kind = 1)"""
    rows = connection.execute(query).fetchall()
    connection.executemany("DELETE FROM register WHERE id = ?", [(row[0],) for row in rows])
    add_registers(connection, rows)


def _add(connection: sqlite3.Connection, name: str, kind: int, same: str, rows: Iterable[Row]) -> None:
    table = Table(connection, name)
    for row in rows:
        if not table.fits(row):
            continue
        (there,) = connection.execute(same, row[1:]).fetchone() or (None,)
        if there is None:
            table.insert([row])
        elif there != row[0]:
            connection.execute(_INSERT, (kind, row[0], there))

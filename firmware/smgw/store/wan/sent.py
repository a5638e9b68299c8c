"""What EMPs have acknowledged and the log books of consumers do not tell yet."""

import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from smgw.cosem.device_id import DeviceId
from smgw.cosem.reading import Stamp
from smgw.store.file import log_book, log_books
from smgw.store.file.log_book import Level
from smgw.store.file.pending import writable
from smgw.store.wan.records import EVERY_DEVICE

NEW = """SELECT cursor.emp, cursor.store_id, cursor.meter, cursor.device, cursor.position, cursor.acknowledged,
        coalesce(logged_cursor.position, 0), coalesce(logged_cursor.acknowledged, 0)
    FROM cursor LEFT JOIN logged_cursor USING (emp, store_id, meter, device)
    WHERE cursor.acknowledged > coalesce(logged_cursor.acknowledged, 0)"""
_LOGGED = "INSERT OR REPLACE INTO logged_cursor VALUES (?, ?, ?, ?, ?, ?)"


class Sent(NamedTuple):
    """A row of NEW: a cursor, and how far it is logged."""

    emp: str
    store_id: str
    meter: str
    device: bytes
    position: int
    acknowledged: int
    logged_position: int
    logged: int

    @property
    def text(self) -> str:
        """Count, range and receiver."""
        device = "" if self.device == EVERY_DEVICE else f", device {DeviceId(self.device)}"
        new = self.position > self.logged_position
        how = f"positions {self.logged_position + 1} to {self.position}" if new else "as a person ordered"
        return f"{self.acknowledged - self.logged} rows of {self.meter}{device} sent to EMP {self.emp}: {how}"


def write(
    connection: sqlite3.Connection, found: Iterable[Sent], consumers: Mapping[str, Sequence[str]], stamp: Stamp
) -> None:
    """Write the entries, inside the caller's transaction."""
    for one in found:
        whom = consumers.get(one.meter, ())
        for note in log_books.notes(
            log_books.VALUES_SENT, Level.INFO, one.text, stamp, identity=one.meter, consumers=whom
        ):
            log_book.write(connection, writable(note))
        connection.execute(_LOGGED, one[:6])

"""What makes derived rows of written rows, inside their transaction."""

import sqlite3
from collections.abc import Iterable, Sequence
from typing import Protocol

from smgw.store.file import log_book
from smgw.store.file.log_book import Note
from smgw.store.file.pending import writable
from smgw.store.records import EvaluationState, Record

STATES = "SELECT name, number, version, device, octets FROM evaluation_state ORDER BY name"


class Evaluating(Protocol):
    """Makes rows of written rows, inside their transaction. Its changes count when the transaction is committed."""

    def written(self, record: Record) -> Sequence[Record]:
        """A record was written: the rows that follow from it."""

    def changed(self) -> Iterable[EvaluationState]:
        """The states that this transaction changed."""

    def notes(self) -> Sequence[Note]:
        """The log entries of this transaction."""

    def committed(self) -> None:
        """The transaction is durable."""

    def rolled_back(self) -> None:
        """The transaction is void, and all that it changed."""


def write(connection: sqlite3.Connection, states: Iterable[EvaluationState], notes: Sequence[Note]) -> None:
    """Write states and log entries inside the caller's transaction."""
    connection.executemany("INSERT OR REPLACE INTO evaluation_state VALUES (?, ?, ?, ?, ?)", states)
    for note in notes:
        log_book.write(connection, writable(note))

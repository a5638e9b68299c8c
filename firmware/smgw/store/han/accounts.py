"""Changes of accounts, written by a command beside the HAN process, which need not run."""

import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from smgw.cosem.reading import Stamp
from smgw.store import paths
from smgw.store.errors import StoreAbsent
from smgw.store.file import log_book, log_books
from smgw.store.file.beside import write_beside
from smgw.store.file.log_book import Level
from smgw.store.file.pending import writable
from smgw.store.han.records import CONSUMER, Account, Pinned
from smgw.store.han.schema import han_schema
from smgw.store.han.store import HanStore

T = TypeVar("T")


def put_account(directory: Path, account: Account, text: str, stamp: Stamp, pins: tuple[Pinned, ...] = ()) -> None:
    """Add an account, or give it another password; `pins` are added to its certificates."""

    def body(connection: sqlite3.Connection) -> None:
        connection.execute("INSERT OR REPLACE INTO account VALUES (?, ?, ?, ?, ?, ?)", account)
        connection.executemany("INSERT OR REPLACE INTO certificate VALUES (?, ?, ?, ?, ?)", pins)
        _log(connection, account.role, account.name, text, stamp)

    _write(directory, body)


def remove_account(directory: Path, role: str, name: str, text: str, stamp: Stamp) -> bool:
    """Remove an account with its certificates; False if there is none. Its log book stays."""

    def body(connection: sqlite3.Connection) -> bool:
        found = connection.execute("DELETE FROM account WHERE role = ? AND name = ?", (role, name)).rowcount
        connection.execute("DELETE FROM certificate WHERE role = ? AND name = ?", (role, name))
        if found:
            _log(connection, role, name, text, stamp)
        return bool(found)

    return _write(directory, body)


def _log(connection: sqlite3.Connection, role: str, name: str, text: str, stamp: Stamp) -> None:
    consumers = [name] if role == CONSUMER else []
    for note in log_books.notes("account-changed", Level.INFO, text, stamp, identity=name, consumers=consumers):
        log_book.write(connection, writable(note))


def _write(directory: Path, body: Callable[[sqlite3.Connection], T]) -> T:
    """Where no HAN process ever ran, the database is made first."""
    try:
        return write_beside(directory / paths.HAN, han_schema(), body)
    except StoreAbsent:
        if directory == paths.han_directory(paths.STATE):  # systemd makes it, with its owner
            raise
        HanStore.open(directory).close()
        return write_beside(directory / paths.HAN, han_schema(), body)

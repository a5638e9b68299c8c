"""Reading connections to a store, one for each thread."""

import sqlite3
import threading
from pathlib import Path
from typing import Any

from emp.store.schema import open_reader
from emp.store.storage import StorageError


class SqliteReader:
    """Reads a store, also while a server writes it. No cursor stays open, so any thread may make the next call."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._local = threading.local()
        self._lock = threading.Lock()
        self._readers: list[sqlite3.Connection] = []

    def close(self) -> None:
        """Close the connections of all threads; none may be reading."""
        with self._lock:
            for reader in self._readers:
                reader.close()
            self._readers.clear()
            self._local = threading.local()

    def _all(self, sql: str, *values: object) -> list[Any]:
        reader: sqlite3.Connection | None = getattr(self._local, "reader", None)
        if reader is None:
            reader = open_reader(self._path)
            self._local.reader = reader
            with self._lock:
                self._readers.append(reader)
        try:
            return reader.execute(sql, values).fetchall()
        except sqlite3.Error as error:
            self._failed(error)
            raise StorageError(f"{self._path}: cannot be read now ({error})") from None

    def _failed(self, error: sqlite3.Error) -> None:
        """Called with the error of a query."""

    def _undecodable(self, error: Exception) -> None:
        """Called with the error of a stored value."""

    def _require_whole(self) -> None:
        """Called before rows are given that must not lack any; StorageDamagedError if some may."""

"""Reads the store of another process, and opens it again when its owner has replaced the file."""

import contextlib
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Self

from smgw.store.errors import StoreAbsent, StoreDamaged, StoreError, StoreTooOld, is_damaged
from smgw.store.file import log_book
from smgw.store.file.access import refuse_blindness
from smgw.store.file.checked import checked
from smgw.store.file.connection import BUSY_MS, transaction
from smgw.store.file.foreign import Bounds, Guard, open_foreign, refuse_programs
from smgw.store.file.log_book import LogEntry
from smgw.store.file.schema import Schema, check_version

#: Errors of a conversion that meets another type, another range, or an unknown name.
NONSENSE = (ValueError, TypeError, LookupError, ArithmeticError, AttributeError)
_ID_OCTETS = 16
#: Rows of a log book that a check reads at once.
_ENTRIES_AT_ONCE = 500


class View:
    """Reads one store; may be used by several threads. Each call reads one snapshot and releases it."""

    _file: str
    _schema: Schema
    _oldest = 0  #: schema version below which a file cannot be read as it is
    _cache_kib = 0  #: pages kept in memory; 0: SQLite's own 2000
    _bounds = Bounds(seconds=BUSY_MS / 1000, row_octets=64 * 1024, rows=100_000, growth=16 * 2**20, steps=1000)

    def __init__(self, path: Path, schema: Schema) -> None:
        self._path = path
        self._ended = threading.Event()
        self._guard = Guard(self._bounds, self._ended.is_set)
        self._schema_seen = -1
        self._schema = schema
        self._lock = threading.RLock()
        self._opened: tuple[int, int] | None = None
        self._version = 0
        self._connect()

    @classmethod
    def open(cls, directory: Path) -> Self:
        """The view of the store in the state directory; StoreAbsent, StoreDamaged, StoreTooNew."""
        raise NotImplementedError

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._connection.close()

    def keep_little(self, kib: int) -> None:
        """Keep so much of the file in memory from now on, for a process that has many views."""
        with self._lock:
            self._cache_kib = kib
            self._connection.execute(f"PRAGMA cache_size = -{kib}")

    def end(self) -> None:
        """End the read that another thread is doing, with StoreError, and prevent new ones."""
        self._ended.set()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def changed(self) -> bool:
        """True if something was written since the last call, or the file was replaced (then with a new `store_id`)."""
        with self._lock:
            if self._identity() != self._opened:
                with contextlib.suppress(StoreAbsent):  # the file is being replaced: try again next time
                    self._reconnect()
                    return True
                return False
            try:
                version = self._data_version()
            except sqlite3.Error:
                return True  # the next read reports the fault
            moved = version != self._version
            self._version = version
            return moved

    def counts(self) -> dict[str, int]:
        """The owner's counters: losses, refusals, retired rows. A name that is not there is 0."""
        return dict(self._typed("ti", "SELECT name, value FROM counts"))

    def log_entries(self, limit: int, book: str | None = None) -> list[LogEntry]:
        """The newest entries of one book, or of all, oldest first."""
        with self._snapshot() as connection:
            return log_book.newest(connection, limit, book)

    def books(self) -> dict[str, int]:
        """Each log book with the number of its newest entry."""
        return dict(self._typed("ti", log_book.BOOKS))

    def log_rows(self, book: str) -> Iterator[Sequence[Any]]:
        """All rows of a book in order, as they are: for a check. Not one snapshot; entries may be added meanwhile."""
        after: object = 0
        while isinstance(after, int) and (rows := self._rows(log_book.ROWS, book, after, _ENTRIES_AT_ONCE)):
            yield from rows
            after = rows[-1][1]

    def _forget(self) -> None:
        """The file was replaced: cached rows are no longer valid."""

    def _rows(self, query: str, *parameters: object) -> list[Any]:
        with self._snapshot() as connection:
            return self._bounded(connection, query, parameters)

    def _typed(self, shape: str, query: str, *parameters: object) -> list[Any]:
        """Rows whose columns are of these kinds (see `checked`), else StoreDamaged."""
        with self._snapshot() as connection:
            return [checked(row, shape) for row in self._bounded(connection, query, parameters)]

    def _bounded(self, connection: sqlite3.Connection, query: str, parameters: Sequence[object]) -> list[Any]:
        rows = connection.execute(query, parameters).fetchmany(self._bounds.rows + 1)
        if len(rows) > self._bounds.rows:
            raise StoreError(self._path, f"holds more than {self._bounds.rows} rows of one kind and is not read")
        return rows

    @contextlib.contextmanager
    def _trusting_nothing(self) -> Iterator[None]:
        """Rows that cannot be converted count as damage of the file, not as a fault of the reader."""
        try:
            yield
        except NONSENSE as error:
            raise StoreDamaged(self._path, f"a row makes no sense: {error}") from error

    @contextlib.contextmanager
    def _snapshot(self) -> Iterator[sqlite3.Connection]:
        with self._lock, self._trusting_nothing():
            try:
                self._guard.begin()
                with transaction(self._connection, "DEFERRED"):
                    self._look_at_schema(self._connection)
                    yield self._connection
            except sqlite3.Error as error:
                if self._identity() != self._opened:
                    self._reconnect()
                raise self._said(error) from error

    def _said(self, error: sqlite3.Error) -> StoreError:
        if is_damaged(error):
            return StoreDamaged(self._path, str(error))
        if self._guard.why is not None:
            return StoreError(self._path, f"reading it was ended: {self._guard.why}")
        return StoreError(self._path, f"cannot be read: {error}")

    def _look_at_schema(self, connection: sqlite3.Connection) -> None:
        """Refuse a schema that could do more than hold rows. Its owner may change it at any time."""
        found = int(connection.execute("PRAGMA schema_version").fetchone()[0])
        if found != self._schema_seen:
            refuse_programs(connection, self._path)
            self._schema_seen = found

    def _identity(self) -> tuple[int, int] | None:
        try:
            status = self._path.lstat()
        except OSError:
            return None
        return status.st_dev, status.st_ino

    def _reconnect(self) -> None:
        old = self._connection
        self._connect()
        old.close()
        self._forget()

    def _connect(self) -> None:
        identity = self._identity()
        if identity is None:
            refuse_blindness(self._path)
            raise StoreAbsent(self._path)
        try:
            connection = open_foreign(self._path, self._guard, self._bounds, self._ended.is_set)
        except sqlite3.Error as error:
            if self._is_empty():
                raise StoreAbsent(self._path) from error
            raise self._said(error) from error
        try:
            if self._cache_kib:
                connection.execute(f"PRAGMA cache_size = -{self._cache_kib}")
            self._schema_seen = -1
            self._look_at_schema(connection)
            if check_version(connection, self._schema, self._path) in range(1, self._oldest):
                raise StoreTooOld(self._path)
            found = connection.execute("SELECT store_id FROM store").fetchone()
            if found is None or not isinstance(found[0], bytes) or len(found[0]) != _ID_OCTETS:
                raise StoreDamaged(self._path, "it has no identity")
            self.store_id = found[0].hex()
            self._connection = connection
            self._version = self._data_version()
        except sqlite3.Error as error:
            connection.close()
            if self._is_empty() or "no such table" in str(error):
                raise StoreAbsent(self._path) from error
            raise self._said(error) from error
        except BaseException:
            connection.close()
            raise
        self._opened = identity

    def _is_empty(self) -> bool:
        try:
            return self._path.stat().st_size == 0
        except OSError:  # just now replaced
            return True

    def _data_version(self) -> int:
        return int(self._connection.execute("PRAGMA data_version").fetchone()[0])

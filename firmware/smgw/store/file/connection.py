"""SQLite connections: the writer's, a reader's, and the settings that keep every commit."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

#: Octets of a page of a new file. A commit writes whole pages, and most of ours change a few hundred octets at the ends
#: of some tables. Pages of 1 KiB write 36 kB where pages of 4 KiB write 58, and cost the processor the same.
PAGE_SIZE = 1024
#: Octets of the -wal after which a commit checkpoints.
CHECKPOINT_BYTES = 2 * 1024 * 1024
#: The -wal is truncated to this size after a reader that blocked the checkpoint has finished.
WAL_KEPT_BYTES = 4 * 1024 * 1024
#: Longest wait for a lock, of a reader and of the writer. Only a recovery after a crash holds one.
BUSY_MS = 5000
#: Page cache of a writer in KiB. A writer works at the ends of its tables and needs no pages of old rows.
_WRITER_CACHE = 512


class Connection(sqlite3.Connection):
    """A connection that calls a schema damaged if its names are no text.

    SQLite quotes such a name in its error, and Python then raises UnicodeDecodeError in place of sqlite3.Error.
    """

    def execute(self, *arguments: Any) -> sqlite3.Cursor:
        """One statement; sqlite3.Error."""
        try:
            return super().execute(*arguments)
        except UnicodeDecodeError as error:
            damaged = sqlite3.DatabaseError(f"a name in its schema is no text: {error}")
            damaged.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
            raise damaged from error


def connect_writer(path: Path) -> sqlite3.Connection:
    """The owner's connection to an existing database: WAL; a power cut loses nothing that was committed."""
    connection = _connect(path, "rw")
    try:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        (page_size,) = connection.execute("PRAGMA page_size").fetchone()
        connection.execute(f"PRAGMA wal_autocheckpoint = {CHECKPOINT_BYTES // page_size}")
        connection.execute(f"PRAGMA journal_size_limit = {WAL_KEPT_BYTES}")
        connection.execute(f"PRAGMA cache_size = -{_WRITER_CACHE}")
        # Debian's SQLite overwrites removed pages with zeroes. A removed index of ten million entries would take 4 s.
        connection.execute("PRAGMA secure_delete = FAST").fetchall()
        connection.execute("PRAGMA temp_store = MEMORY")
    except BaseException:
        connection.close()
        raise
    return connection


def connect_reader(path: Path, busy: float = BUSY_MS / 1000) -> sqlite3.Connection:
    """A read-only connection. -wal and -shm must exist where its user may not make them.

    `busy` is the longest wait for a lock, in seconds.
    """
    return _connect(path, "ro", busy)


def connect_builder(path: Path) -> sqlite3.Connection:
    """A connection to a new, unfinished database, without -wal. A crash loses nothing: the file is made again.

    The caller syncs the file before it takes its final name.
    """
    connection = _connect(path, "rwc")
    try:
        connection.execute(f"PRAGMA page_size = {PAGE_SIZE}")
        connection.execute("PRAGMA journal_mode = MEMORY")
        connection.execute("PRAGMA synchronous = OFF")
        connection.execute("PRAGMA cache_size = -8000")
        connection.execute("PRAGMA temp_store = MEMORY")
    except BaseException:
        connection.close()
        raise
    return connection


def connect_salvage(path: Path) -> sqlite3.Connection:
    """A connection to a damaged file. It accepts truncated files and text that is not UTF-8."""
    connection = _connect(path, "rw")
    connection.text_factory = lambda octets: octets.decode("utf-8", "replace")
    try:
        connection.execute("PRAGMA writable_schema = ON")
        connection.execute("PRAGMA wal_autocheckpoint = 0")
    except BaseException:
        connection.close()
        raise
    return connection


@contextmanager
def transaction(connection: sqlite3.Connection, kind: str = "IMMEDIATE") -> Iterator[None]:
    """BEGIN; COMMIT, or ROLLBACK where the body or the commit fails. `DEFERRED` is one snapshot for a reader."""
    connection.execute(f"BEGIN {kind}")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        # SQLite rolls back by itself where the disk was full.
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def _connect(path: Path, mode: str, busy: float = BUSY_MS / 1000) -> sqlite3.Connection:
    return sqlite3.connect(
        f"{path.absolute().as_uri()}?mode={mode}",
        uri=True,
        timeout=busy,
        isolation_level=None,
        check_same_thread=False,
        factory=Connection,
    )

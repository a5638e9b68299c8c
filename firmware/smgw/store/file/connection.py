"""SQLite connections: the writer's, a reader's, and the settings that keep every commit."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

#: Frames after which a commit checkpoints; 512 pages of 4 KiB keep the -wal near 2 MiB.
CHECKPOINT_FRAMES = 512
#: The -wal is cut back to this once a reader that held it back has gone.
WAL_KEPT_BYTES = 4 * 1024 * 1024
#: How long a reader waits for a lock, and how long the writer does: only a recovery after a crash holds one.
BUSY_MS = 5000
#: KiB of a writer: it works at the ends of its tables, and what a sweep of old rows leaves is never needed again.
_WRITER_CACHE = 512


def connect_writer(path: Path) -> sqlite3.Connection:
    """The owner's connection to an existing database: WAL, and nothing committed is lost at a power cut."""
    connection = _connect(path, "rw")
    try:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute(f"PRAGMA wal_autocheckpoint = {CHECKPOINT_FRAMES}")
        connection.execute(f"PRAGMA journal_size_limit = {WAL_KEPT_BYTES}")
        connection.execute(f"PRAGMA cache_size = -{_WRITER_CACHE}")
        connection.execute("PRAGMA temp_store = MEMORY")
    except BaseException:
        connection.close()
        raise
    return connection


def connect_reader(path: Path) -> sqlite3.Connection:
    """A connection that cannot write; it needs -wal and -shm where its user may not make them."""
    return _connect(path, "ro")


def connect_builder(path: Path) -> sqlite3.Connection:
    """A connection to a new database in the making: no -wal that could stay behind, and a crash costs nothing.

    The caller syncs the file before it takes its final name.
    """
    connection = _connect(path, "rwc")
    try:
        connection.execute("PRAGMA page_size = 4096")
        connection.execute("PRAGMA journal_mode = MEMORY")
        connection.execute("PRAGMA synchronous = OFF")
        connection.execute("PRAGMA cache_size = -8000")
        connection.execute("PRAGMA temp_store = MEMORY")
    except BaseException:
        connection.close()
        raise
    return connection


def connect_salvage(path: Path) -> sqlite3.Connection:
    """A connection to a damaged file that takes what it can: a file cut short, text that is no text."""
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


def _connect(path: Path, mode: str) -> sqlite3.Connection:
    return sqlite3.connect(
        f"{path.absolute().as_uri()}?mode={mode}",
        uri=True,
        timeout=BUSY_MS / 1000,
        isolation_level=None,
        check_same_thread=False,
    )

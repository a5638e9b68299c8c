"""Opens a database that another process writes, and bounds the cost of reading it. Nothing about it is trusted.

An attacker may control the other process. It must not be able to stop or starve the reader by a pipe or a link in place
of a file, by views, by endless queries, or by endless rows.
"""

import contextlib
import os
import sqlite3
import stat
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from smgw.patience import patiently
from smgw.store import paths
from smgw.store.errors import StoreError
from smgw.store.file.access import said, user_name
from smgw.store.file.connection import BUSY_MS, connect_reader

#: Most calls that may hang while a database is opened, in one process; each holds a thread.
_HANGING = threading.BoundedSemaphore(4)
_OPEN_SECONDS = 2 * BUSY_MS / 1000
_PAGE = os.sysconf("SC_PAGESIZE")
#: Those of lmn.db, of this and of older versions. No trigger runs while somebody reads.
_OUR_TRIGGERS = ("cache_bound", "object_list_bound")


class Bounds(NamedTuple):
    """Most that one read may cost."""

    seconds: float
    row_octets: int
    rows: int
    growth: int  # octets by which the process may grow meanwhile
    steps: int  # steps of SQLite between two looks at the rest


class Guard:
    """Ends a read that costs too much. SQLite calls it every few thousand steps."""

    def __init__(self, bounds: Bounds, ended: Callable[[], bool]) -> None:
        self._bounds = bounds
        self._ended = ended
        self.why: str | None = None
        self.begin()

    def begin(self) -> None:
        """A read begins."""
        self.why = None
        self._deadline = time.monotonic() + self._bounds.seconds
        self._most = _resident() + self._bounds.growth

    def __call__(self) -> int:
        """1 ends the read."""
        if self._ended():
            self.why = "the process stops"
        elif time.monotonic() > self._deadline:
            self.why = f"it took longer than {self._bounds.seconds:g} s"
        elif _resident() > self._most:
            self.why = f"it needed more than {self._bounds.growth // 2**20} MiB of memory"
        return int(self.why is not None)


def open_foreign(path: Path, guard: Guard, bounds: Bounds, ended: Callable[[], bool]) -> sqlite3.Connection:
    """A read-only connection to a database that another process writes; StoreError, sqlite3.Error, OSError.

    Between the look at the files and their opening, the other process can put a pipe there, on which the opening would
    hang. So it runs in a thread of its own, and few may hang.
    """
    refuse_odd_files(path)
    if not _HANGING.acquire(blocking=False):
        raise StoreError(path, "cannot be opened: too many tries hang; look at what its owner does with the file")

    def connect() -> sqlite3.Connection:
        try:
            return _connected(path, guard, bounds)
        finally:
            _HANGING.release()

    try:
        return patiently("open", connect, _OPEN_SECONDS, ended, sqlite3.Connection.close)
    except TimeoutError as error:
        raise StoreError(path, f"cannot be opened: {error}") from error


def refuse_odd_files(path: Path) -> None:
    """StoreError if one of the files of a database is no regular file, or not of the user who has the directory."""
    try:
        owner = path.parent.stat().st_uid
    except OSError as error:
        raise said(path, error) from error
    for file in (path, paths.wal_of(path), paths.shm_of(path), path.with_name(f"{path.name}-journal")):
        try:
            found = file.lstat()
        except FileNotFoundError:
            continue
        except OSError as error:
            raise said(file, error) from error
        if not stat.S_ISREG(found.st_mode):
            raise StoreError(file, "is no regular file and is not read; move it away")
        if found.st_uid not in (owner, os.geteuid()):
            raise StoreError(
                file,
                f"belongs to user {user_name(found.st_uid)}, its directory to user {user_name(owner)}: it is not read;"
                f" if it is right, use chown {user_name(owner)}",
            )


def refuse_programs(connection: sqlite3.Connection, path: Path) -> None:
    """StoreError if the schema holds what has no rows of its own: views, virtual tables, triggers."""
    query = """SELECT type, name FROM sqlite_master
        WHERE rootpage = 0 AND NOT (type = 'trigger' AND name IN (?, ?)) LIMIT 1"""
    for kind, name in connection.execute(query, _OUR_TRIGGERS):
        raise StoreError(path, f"holds more than tables and is not read: {kind} {name!r}")


def _connected(path: Path, guard: Guard, bounds: Bounds) -> sqlite3.Connection:
    connection = connect_reader(path, min(bounds.seconds, BUSY_MS / 1000))
    try:
        connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, bounds.row_octets)
        connection.set_progress_handler(guard, bounds.steps)
        connection.execute("PRAGMA trusted_schema = OFF")
        connection.execute("PRAGMA cell_size_check = ON")
        guard.begin()
        connection.execute("SELECT count(*) FROM sqlite_master").fetchone()  # opens -wal and -shm as well
    except BaseException:
        connection.close()
        raise
    return connection


def _resident() -> int:
    """Octets of memory that this process has; 0 if that cannot be known."""
    with contextlib.suppress(OSError, ValueError, IndexError), open("/proc/self/statm", "rb") as file:  # noqa: PTH123
        return int(file.read(200).split()[1]) * _PAGE
    return 0

"""Checks all pages of the database at the start, and again and again while the server runs."""

import contextlib
import logging
import sqlite3
import threading
import time
from collections.abc import Callable
from pathlib import Path

from smgw.cosem.data import DataType
from smgw.store.file.connection import Connection

from emp.store.health import Health, is_damaged
from emp.store.schema import open_reader
from emp.store.storage import StorageError

_LOG = logging.getLogger(__name__)

#: A file up to this size is checked before it is used. A larger one is checked in the background.
CHECKED_OCTETS = 64 * 1024 * 1024
#: Between two checks: this many seconds, or this many times as long as the last check took.
PAUSE_S = 30.0
PAUSE_FACTOR = 20

#: The types that a reading may have, for a query.
TYPES = ",".join(str(int(kind)) for kind in DataType)
#: What SQLite does not check: a value that no export could give.
_STRAY = f"SELECT 1 FROM reading WHERE type NOT IN ({TYPES}) OR register NOT IN (SELECT id FROM register) LIMIT 1"  # noqa: S608


def examine(path: Path, opened: Callable[[sqlite3.Connection], None] = lambda _: None) -> str | None:
    """The first fault of a database, indices against tables included, or None. It is only read.

    `opened` gets the connection, whose `interrupt` ends the check. Raises sqlite3.Error if it cannot be read now.
    """
    try:
        # not open_reader: the file may be of another version
        with contextlib.closing(
            sqlite3.connect(
                f"{path.absolute().as_uri()}?mode=ro",
                uri=True,
                check_same_thread=False,
                timeout=10,
                factory=Connection,
            )
        ) as connection:
            opened(connection)
            connection.execute("PRAGMA cell_size_check=ON")
            verdict = str(connection.execute("PRAGMA integrity_check(1)").fetchone()[0])
            if verdict == "ok" and connection.execute(_STRAY).fetchone() is not None:
                verdict = "a value has an unknown type or register"
    except sqlite3.Error as error:
        if not is_damaged(error):
            raise
        return str(error)
    return None if verdict == "ok" else " ".join(verdict.split())


class Identity:
    """Which file and which -wal were opened: written to others, nothing would be found again."""

    def __init__(self, path: Path) -> None:
        path = path.resolve()  # SQLite puts the -wal beside the file that a link names
        self._files = [(entry, _inode(entry)) for entry in (path, path.with_name(path.name + "-wal"))]

    def is_gone(self) -> bool:
        """True if one of them was removed or replaced."""
        return any(inode is not None and _inode(entry) != inode for entry, inode in self._files)


def _inode(path: Path) -> tuple[int, int] | None:
    try:
        state = path.stat()
    except FileNotFoundError:
        return None
    return state.st_dev, state.st_ino


class Checker:
    """Checks in a thread of its own. What it finds goes into the Health."""

    def __init__(self, path: Path, health: Health, mended: Callable[[], None]) -> None:
        """`mended` is called before a database that was damaged counts as whole again."""
        self._path = path
        self._health = health
        self._mended = mended
        self._closed = False
        self._connection: sqlite3.Connection | None = None
        self._thread = threading.Thread(target=self._run, name="emp-check", daemon=True)

    def start(self, *, at_once: bool) -> None:
        """Begin; `at_once`: the file was not checked yet."""
        if at_once:
            self._health.suspected.set()
        self._thread.start()

    def check(self) -> None:
        """One check of all pages."""
        try:
            verdict = examine(self._path, self._set)
        except sqlite3.Error as error:  # of the disk, or interrupted: nothing is known
            if not self._closed:
                _LOG.error("%s: cannot be checked now: %s", self._path, error)
            return
        finally:
            self._connection = None
        if self._closed:
            return
        if verdict is not None:
            self._health.condemn(verdict)
        elif self._health.damage is not None and not self._health.is_lost and self._is_readable():
            self._mended()
            self._health.absolve()

    def close(self) -> None:
        """End the check in progress and the thread."""
        self._closed = True
        self._health.suspected.set()
        while self._thread.is_alive():
            if (connection := self._connection) is not None:
                with contextlib.suppress(sqlite3.ProgrammingError):  # it was closed just now
                    connection.interrupt()
            self._thread.join(0.05)

    def _set(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def _is_readable(self) -> bool:
        try:
            open_reader(self._path).close()
        except StorageError:
            return False
        return True

    def _run(self) -> None:
        pause = PAUSE_S
        while True:
            self._health.suspected.wait(pause)
            self._health.suspected.clear()
            if self._closed:
                return
            begun = time.monotonic()
            self.check()
            pause = max(PAUSE_S, PAUSE_FACTOR * (time.monotonic() - begun))

"""Whether the database is whole. A damaged one is only read: nothing is stored in it, and nothing acknowledged."""

import logging
import sqlite3
import threading
from pathlib import Path

from emp.store.storage import StorageDamagedError

_LOG = logging.getLogger(__name__)
_DAMAGED = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})


def is_damaged(error: Exception) -> bool:
    """True if the file is no database or its pages contradict one another."""
    return int(getattr(error, "sqlite_errorcode", 0) or 0) & 0xFF in _DAMAGED


class Health:
    """The state of one database file, for the threads that write, read and check it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._damage: str | None = None
        self._lost = False
        self.suspected = threading.Event()  # set by `condemn`: the next check need not wait

    @property
    def damage(self) -> str | None:
        """What is wrong, or None."""
        return self._damage

    @property
    def is_lost(self) -> bool:
        """True if the file that was opened is no longer there; only a new start helps."""
        return self._lost

    @property
    def _advice(self) -> str:
        return (
            "Start emp serve again"
            if self._lost
            else "Put a copy back with emp restore; without one, emp salvage makes one of what can be read"
        )

    def refuse(self) -> None:
        """StorageDamagedError if the database is damaged."""
        if self._damage is not None:
            raise StorageDamagedError(f"the database is damaged ({self._damage}); nothing is stored. {self._advice}")

    def condemn(self, why: str, *, lost: bool = False) -> None:
        """Mark the database as damaged; logged once."""
        with self._lock:
            self._lost |= lost
            is_news = self._damage is None
            if is_news:
                self._damage = why
        if is_news:
            self.suspected.set()
            _LOG.error(
                "%s: is damaged: %s; no document is taken and no export is made. %s",
                self._path,
                why,
                self._advice,
            )

    def absolve(self) -> None:
        """Mark the database as whole again: a check of all its pages found no fault."""
        with self._lock:
            self._damage = None
        _LOG.warning("%s: is whole again; documents are taken", self._path)

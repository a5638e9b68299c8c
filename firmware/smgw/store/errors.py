"""What the store says to a person, and the one question its writer asks of an SQLite error: what now?"""

# ruff: noqa: N818 - the names say what is the case: the store is absent, owned, full

import sqlite3
from pathlib import Path

from smgw.errors import SmgwError

# The primary code is the low octet. A full disk shows itself as FULL on the database and the -wal, and as
# IOERR_SHMSIZE where the -shm must grow.
_FULL = {sqlite3.SQLITE_FULL, 10 | 19 << 8}
_DAMAGED = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}


class StoreError(SmgwError):
    """A store cannot be used."""

    def __init__(self, path: Path, text: str) -> None:
        super().__init__(f"{path}: {text}")
        self.path = path


class StoreAbsent(StoreError):
    """There is no store yet: its owner has not run."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, "there is no store yet; it is made when the process that owns it starts")


class StoreOwned(StoreError):
    """A second process wants to write."""

    def __init__(self, path: Path, owner: str) -> None:
        super().__init__(path, f"process {owner or 'unknown'} already writes this store; stop it first")


class StoreTooNew(StoreError):
    """A newer program wrote it."""

    def __init__(self, path: Path, found: int, known: int) -> None:
        super().__init__(
            path,
            f"has schema version {found}, this program knows {known} at most; install a version of smgw that wrote it,"
            " or move the file away to start a new store",
        )
        self.found = found


class StoreTooOld(StoreError):
    """An older program wrote it, and its owner has not run since."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, "is of an older version; the process that owns it converts it when it next starts")


class StoreFull(StoreError):
    """There is no room, not even after live-rate rows and the reserve were given up."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, "the file system is full; free some space")


class StoreDamaged(StoreError):
    """Its pages are not readable; its owner salvages it when it opens it next."""

    def __init__(self, path: Path, detail: str) -> None:
        super().__init__(path, f"is damaged ({detail}); the process that owns it salvages it when it next starts")


def is_full(error: sqlite3.Error) -> bool:
    """True if the file system (or the quota) has no room."""
    return _code(error) in _FULL


def is_damaged(error: sqlite3.Error) -> bool:
    """True if the file is no database or its pages contradict one another."""
    return _code(error) & 0xFF in _DAMAGED


def _code(error: sqlite3.Error) -> int:
    return int(getattr(error, "sqlite_errorcode", 0) or 0)

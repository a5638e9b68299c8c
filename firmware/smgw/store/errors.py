"""Errors of the store, with messages for users; which of them an SQLite error stands for."""

# ruff: noqa: N818 - the names say what is the case: the store is absent, owned, full

import sqlite3
from pathlib import Path

from smgw.errors import SmgwError

# The primary code is the low octet. A full disk gives FULL on the database and the -wal, and IOERR_SHMSIZE
# where the -shm must grow.
_FULL = {sqlite3.SQLITE_FULL, 10 | 19 << 8}
_DAMAGED = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}


class StoreError(SmgwError):
    """A store cannot be used."""

    def __init__(self, path: Path, text: str) -> None:
        super().__init__(f"{path}: {text}")
        self.path = path


class StoreAbsent(StoreError):
    """The file does not exist yet: its owner has not run."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, f"there is no database yet; smgw {path.stem} makes it when it starts")


class StoreOwned(StoreError):
    """A second process wants to write."""

    def __init__(self, path: Path, owner: str) -> None:
        super().__init__(path, f"process {owner or 'unknown'} already writes this store; stop it first")


class StoreTooNew(StoreError):
    """A newer program wrote this file."""

    def __init__(self, path: Path, found: int, known: int) -> None:
        super().__init__(
            path,
            f"has schema version {found}, this program knows {known} at most; install a version of smgw that wrote it,"
            " or move the file away to start a new store",
        )
        self.found = found


class StoreTooOld(StoreError):
    """An older program wrote this file, and its owner has not run since."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, "is of an older version; the process that owns it converts it when it next starts")


class StoreFull(StoreError):
    """The disk is full, even after live-rate rows and the reserve were removed."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, "the file system is full; free some space")


class StoreDamaged(StoreError):
    """Its pages are not readable. Its owner salvages it at the next opening."""

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

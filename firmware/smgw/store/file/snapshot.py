"""Copies a database that another process writes, so that it is read where that process cannot touch it.

Who reads it in place maps its -shm file into memory. If the other process truncates this file, the reader dies of
SIGBUS. It may also lock the reader out, or put a pipe in place of a file. A copy has none of this. It is made only
while nobody writes: what changed before or during the copy is copied next time.
"""

import contextlib
import os
import stat
import time
from pathlib import Path

from smgw.store import paths
from smgw.store.errors import StoreAbsent, StoreError
from smgw.store.file.access import said, user_name

#: Most octets of database and -wal that are copied.
MOST_OCTETS = 32 * 2**20
#: A file that was written this short a time ago may be written again within the same mark of time.
_QUIET_NS = 50_000_000
_AT_ONCE = 2**20


class StoreBusy(StoreError):  # noqa: N818 - as its base
    """Another process writes at this moment."""


#: What changes with every write: inode, size, time of each file.
State = tuple[tuple[int, int, int] | None, ...]


def state_of(path: Path) -> State:
    """The state of a database; StoreAbsent, StoreError if it cannot be read."""
    return tuple(_mark(file, path) for file in (path, paths.wal_of(path)))


def copy(path: Path, target: Path) -> State:
    """Copy a database and its -wal; returns their state. StoreError if they change meanwhile, or are odd.

    OSError if the target cannot be written. An older copy stays until the new one is complete.
    """
    before = state_of(path)
    newest = max(mark[2] for mark in before if mark is not None)
    if 0 <= time.time_ns() - newest < _QUIET_NS:
        raise StoreBusy(path, "is being written just now")
    new = target.with_suffix(".new")
    remove(new)
    room = MOST_OCTETS
    for file, to in ((paths.wal_of(path), paths.wal_of(new)), (path, new)):
        room -= _copy(file, to, path.parent, room)
    if state_of(path) != before:
        raise StoreBusy(path, "was written while it was copied")
    remove(target)
    for file, to in ((paths.wal_of(new), paths.wal_of(target)), (new, target)):
        with contextlib.suppress(FileNotFoundError):  # no -wal
            file.rename(to)
    return before


def remove(target: Path) -> None:
    """Remove a copy."""
    for file in (target, paths.wal_of(target), paths.shm_of(target)):
        file.unlink(missing_ok=True)


def _mark(file: Path, database: Path) -> tuple[int, int, int] | None:
    try:
        found = file.lstat()
    except FileNotFoundError:
        if file == database:
            raise StoreAbsent(database) from None
        return None
    except OSError as error:
        raise said(file, error) from error
    return found.st_ino, found.st_size, found.st_mtime_ns


def _copy(file: Path, target: Path, directory: Path, room: int) -> int:
    """Copy one file; returns its octets. It never waits, as it would on a pipe."""
    try:
        source = os.open(file, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        return 0
    except OSError as error:
        raise StoreError(file, f"is not read: {os.strerror(error.errno or 0)}") from error
    with contextlib.ExitStack() as stack:
        stack.callback(os.close, source)
        found = os.fstat(source)
        if not stat.S_ISREG(found.st_mode):
            raise StoreError(file, "is no regular file and is not read; move it away")
        if found.st_uid not in (directory.stat().st_uid, os.geteuid()):
            raise StoreError(file, f"belongs to user {user_name(found.st_uid)} and is not read")
        if found.st_size > room:
            raise StoreError(file, f"is not read: with its -wal it is larger than {MOST_OCTETS // 2**20} MiB")
        to = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        stack.callback(os.close, to)
        copied = 0
        while copied < found.st_size:
            octets = os.sendfile(to, source, copied, min(_AT_ONCE, found.st_size - copied))
            if not octets:
                break
            copied += octets
    return copied

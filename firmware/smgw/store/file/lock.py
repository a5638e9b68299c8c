"""Ownership: one process writes a store, and the kernel forgets the lock when that process ends in any way."""

import contextlib
import fcntl
import os
import re
import time
from pathlib import Path
from threading import Thread
from typing import Self

from smgw.flocks import flock_holders, locks_text
from smgw.store import paths
from smgw.store.errors import StoreError, StoreOwned
from smgw.store.file.access import LOCK_MODE

#: How long an owner waits for the lock, since another process may be testing it for a moment.
_PATIENCE_S = 0.5


class OwnerLock:
    """An exclusive flock on `<name>.lock`. The file holds the owner's process id and the store's id."""

    def __init__(self, path: Path) -> None:
        try:
            self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, LOCK_MODE)
        except OSError as error:
            raise StoreError(
                path,
                f"cannot be opened ({error.strerror}); the state directory must exist and be writable by its owner",
            ) from error
        try:
            self._acquire(path)
            os.fchmod(self._file, LOCK_MODE)  # a user who may open it could also lock it
        except BaseException:
            os.close(self._file)
            raise
        self.store_id = ""
        self.note(self._read()[1])

    def _acquire(self, path: Path) -> None:
        until = time.monotonic() + _PATIENCE_S
        while True:
            try:
                fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return
            except BlockingIOError:
                if time.monotonic() >= until:
                    raise StoreOwned(path, self._read()[0]) from None
            time.sleep(0.02)

    def note(self, store_id: str) -> None:
        """Write the owner's process id and the store's id, which is then known even if the database is damaged.

        A full disk does not stop the gateway from starting.
        """
        self.store_id = store_id
        with contextlib.suppress(OSError):
            os.pwrite(self._file, f"{os.getpid():<10} {store_id:<32}\n".encode(), 0)

    def _read(self) -> tuple[str, str]:
        with contextlib.suppress(OSError):
            match os.pread(self._file, 64, 0).decode("ascii", "replace").split():
                case [owner, store_id] if re.fullmatch("[0-9a-f]{32}", store_id):
                    return owner, store_id
                case [owner]:
                    return owner, ""
        return "", ""

    def release(self) -> None:
        """Let another process own the store."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1


def owner_running(lock: Path) -> bool:
    """True if a process holds this lock. Needs no right to the file and does not take the lock."""
    return owners_running(lock)[0]


def owners_running(*locks: Path) -> list[bool]:
    """The same for each of several locks, by one look at the kernel's list."""
    try:
        text = locks_text()
    except OSError:  # a container that hides it
        text = None
    return [_held(lock, text) for lock in locks]


class Asked:
    """Asks for the owners of locks while its caller does something else: the kernel takes 7 ms for the answer."""

    def __init__(self, *locks: Path) -> None:
        self._locks = locks
        self._found: list[bool] = []
        self._thread = Thread(target=self._ask, daemon=True)
        self._thread.start()

    @classmethod
    def both(cls, state: Path) -> Self:
        """Ask whether the LMN process and the WAN process of a state directory run."""
        lmn, wan = paths.lmn_directory(state) / paths.LMN, paths.wan_directory(state) / paths.WAN
        return cls(paths.lock_of(lmn), paths.lock_of(wan))

    def _ask(self) -> None:
        self._found = owners_running(*self._locks)

    def running(self) -> list[bool]:
        """Whether each lock has an owner, in the order of the locks."""
        self._thread.join()
        return self._found


def _held(lock: Path, text: str | None) -> bool:
    try:
        found = lock.stat()
    except OSError:
        return False
    if text is None:
        return _blocked(lock)
    holders = flock_holders(found, text)
    return bool(holders.certain) or (bool(holders.possible) and _blocked(lock))


def owner_pid(lock: Path) -> int | None:
    """The process that holds this lock, if the kernel lists it."""
    try:
        holders = flock_holders(lock.stat())
    except OSError:
        return None
    return next(iter(holders.certain or holders.possible), None)


def _blocked(lock: Path) -> bool:
    """Test by taking the lock for a moment. An owner that wants it at this moment tries again."""
    try:
        descriptor = os.open(lock, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    finally:
        os.close(descriptor)
    return False

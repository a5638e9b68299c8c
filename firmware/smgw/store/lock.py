"""Ownership: one process writes a store, and the kernel forgets the lock when that process ends in any way."""

import contextlib
import fcntl
import os
import re
from pathlib import Path

from smgw.store.errors import StoreError, StoreOwned


class OwnerLock:
    """An exclusive flock on `<name>.lock`; it holds the owner's process id and the store's id."""

    def __init__(self, path: Path) -> None:
        try:
            self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
        except OSError as error:
            raise StoreError(
                path,
                f"cannot be opened ({error.strerror}); the state directory must exist and be writable by its owner",
            ) from error
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            owner = self._read()[0]
            os.close(self._file)
            raise StoreOwned(path, owner) from None
        self.store_id = ""
        self.note(self._read()[1])

    def note(self, store_id: str) -> None:
        """Write who owns the store, and its identity, which so outlives the pages of the database.

        A full disk must not keep the gateway from starting.
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

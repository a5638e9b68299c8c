"""Ownership: one process writes a store, and the kernel forgets the lock when that process ends in any way."""

import contextlib
import fcntl
import os
from pathlib import Path

from smgw.store.errors import StoreError, StoreOwned


class OwnerLock:
    """An exclusive flock on `<name>.lock`; its content is the owner's process id, for people."""

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
            owner = os.read(self._file, 20).decode("ascii", "replace").strip()
            os.close(self._file)
            raise StoreOwned(path, owner) from None
        # A full disk must not keep the gateway from starting; the number is for people only.
        with contextlib.suppress(OSError):
            os.ftruncate(self._file, 0)
            os.write(self._file, f"{os.getpid()}\n".encode())

    def release(self) -> None:
        """Let another process own the store."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

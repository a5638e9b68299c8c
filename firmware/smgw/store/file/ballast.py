"""Disk space held in reserve: a file of zeroes that is removed when the disk is full."""

import os
from pathlib import Path

from smgw.store.file.access import new_file

#: With less than this free, beyond the ballast, the disk counts as full.
MARGIN_BYTES = 1024 * 1024


class Ballast:
    """A reserved file of `size` octets."""

    def __init__(self, path: Path, size: int) -> None:
        self._path = path
        self._size = size

    def make(self) -> bool:
        """Reserve the space; True if the reserve is there and the disk is not full."""
        try:
            held = self._size == 0 or self._path.exists()
            space = os.statvfs(self._path.parent)
        except OSError:
            return False
        if space.f_bavail * space.f_frsize < MARGIN_BYTES + (0 if held else self._size):
            return False
        if held:
            return True
        try:
            file = new_file(self._path, 0o600)
            try:
                os.posix_fallocate(file, 0, self._size)
            finally:
                os.close(file)
        except OSError:
            self.release()
            return False
        return True

    def release(self) -> bool:
        """Release the reserved space; False if none was reserved."""
        try:
            self._path.unlink()
        except OSError:
            return False
        return True

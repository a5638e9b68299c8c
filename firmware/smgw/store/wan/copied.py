"""wan.db as the LMN process reads it: a copy of its own, see `file.snapshot`."""

import contextlib
import time
from collections.abc import Iterator
from pathlib import Path

from smgw.store import paths
from smgw.store.errors import StoreError
from smgw.store.file import snapshot
from smgw.store.file.snapshot import State, StoreBusy
from smgw.store.wan.view import WanView

_TRIES, _PAUSE = 4, 0.06


class CopiedWan:
    """Copies wan.db into a directory that only this process writes, when it has changed. One thread reads."""

    def __init__(self, directory: Path, private: Path) -> None:
        self._path = directory / paths.WAN
        self._target = private / "wan-copy.db"
        self._seen: State | None = None
        self._copied: State | None = None
        self._view: WanView | None = None

    def changed(self) -> bool:
        """True if it was written since the last call, or could not be read since. StoreAbsent, StoreError."""
        now = snapshot.state_of(self._path)
        changed, self._seen = now != self._seen, now
        return changed

    @contextlib.contextmanager
    def reading(self) -> Iterator[WanView]:
        """A view of the newest copy; StoreError."""
        with self._opened() as self._view:
            yield self._view

    def end(self) -> None:
        """End the read that another thread is doing."""
        if self._view is not None:
            self._view.end()

    def close(self) -> None:
        """Remove the copy."""
        with contextlib.suppress(OSError):
            snapshot.remove(self._target)
            snapshot.remove(self._target.with_suffix(".new"))

    def _opened(self) -> WanView:
        try:
            self._renew()
        except StoreBusy:
            self._seen = None
            if self._copied is None:
                raise
        except StoreError:
            self._seen = None
            raise
        except OSError:  # no room for a copy, or no directory: better in place than not at all
            return WanView(self._path)
        return WanView(self._target)

    def _renew(self) -> None:
        """Copy if there is anything new. While the owner writes, it waits for a moment."""
        for left in reversed(range(_TRIES)):
            if snapshot.state_of(self._path) == self._copied:
                return
            try:
                self._copied = snapshot.copy(self._path, self._target)
            except StoreBusy:
                if not left:
                    raise
                time.sleep(_PAUSE)

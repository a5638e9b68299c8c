"""Copies the captures of damaged files behind: a piece a call, while new captures are stored and delivered."""

import logging
import os
import sqlite3
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from smgw.store.errors import StoreFull
from smgw.store.file.log_book import Level
from smgw.store.file.owned import OwnedFile
from smgw.store.lmn.queued import job_of
from smgw.store.lmn.rows import RowWriter
from smgw.store.lmn.salvaging import Salvager
from smgw.store.records import SALVAGE_STATE, SalvageState, salvage_state

_log = logging.getLogger(__name__)

#: The salvage waits while the file system has less room than this, since new values come first.
_ROOM = 2 * 1024 * 1024
#: Pause until it is tried again.
_WAITS_S = 5.0
#: After so long without progress newer captures are delivered first.
HELD_BACK_S = 600.0

Commit = Callable[[Callable[[sqlite3.Connection], None]], None]


class Behind:
    """The salvage of the files that the table `salvage` names."""

    def __init__(
        self,
        file: OwnedFile,
        rows: RowWriter,
        commit: Commit,
        is_full: Callable[[], bool],
        tell: Callable[[str, Level, str], None],
    ) -> None:
        """`tell`: writes an entry of the log book. StoreError and sqlite3.Error as for any read."""
        self._file = file
        self._rows = rows
        self._commit = commit
        self._is_full = is_full
        self._tell = tell
        self._salvager: Salvager | None = None
        self._progressed = time.monotonic()
        self._why = ""
        self.state = self._look()

    def close(self) -> None:
        """Close the damaged file."""
        if self._salvager is not None:
            self._salvager.close()
            self._salvager = None

    def step(self) -> float | None:
        """Copy some captures; returns the seconds until the next call, None if nothing is left.

        The lock of the store is held while a piece is written, not while it is searched.
        """
        began = time.monotonic()
        with self._file.lock:
            job = job_of(self._file.writer)
            if job is None:
                return None
            if self._salvager is None or self._salvager.file != job.file:
                self.close()
                self._salvager = Salvager(self._file.path.parent, job, self._file.writer)
            salvager = self._salvager
        try:
            if self._is_full() or _free(self._file.path.parent) < _ROOM:
                return self._wait("the disk has little room")
            piece = salvager.read(job)
        except (sqlite3.Error, OSError, ValueError) as error:  # ValueError: another thread closed the file
            return self._wait(f"it cannot be read now ({error})")
        with self._file.lock:
            try:
                self._commit(partial(salvager.write, piece=piece, rows=self._rows))
            except (sqlite3.OperationalError, StoreFull):
                return self._wait("the disk has little room")
            self._progressed, self._why = time.monotonic(), ""
            if piece.finds_words:
                self._rows.forget()
            self.state = self._look()
            if self.state is None or self.state.file != job.file:
                self.close()
                text = f"{job.file} is copied as far as it was readable"
                _log.warning("%s", text, extra={"event": "salvage-ended"})
                self._tell("salvage-ended", Level.INFO, text)
        return max(0.01, time.monotonic() - began)

    def _look(self) -> SalvageState | None:
        for row in self._file.writer.execute(SALVAGE_STATE).fetchall():
            return salvage_state(row)
        return None

    def _wait(self, why: str) -> float:
        assert self.state is not None
        if not self._why:
            self._why = why
            self._warn(f"{self.state.text}; it waits, because {why}")
        if not self.state.released and time.monotonic() - self._progressed >= HELD_BACK_S:
            self._release(why)
        return _WAITS_S

    def _release(self, why: str) -> None:
        try:
            self._commit(_release)
        except (sqlite3.OperationalError, StoreFull):
            return  # it is tried again
        self.state = state = self._look()
        if state is not None:
            self._warn(f"{state.file} has waited for {HELD_BACK_S / 60:.0f} min, because {why}: {state.order}")

    def _warn(self, text: str) -> None:
        _log.warning("%s", text, extra={"event": "salvage-waits"})
        self._tell("salvage-waits", Level.WARNING, text)


def _release(connection: sqlite3.Connection) -> None:
    connection.execute("UPDATE salvage SET released = 1")


def _free(directory: Path) -> int:
    """Octets that the file system has for this user."""
    found = os.statvfs(directory)
    return found.f_bavail * found.f_frsize

"""Code that the writers of lmn.db and wan.db share: one commit path, a log book, counters, repair in service."""

import contextlib
import logging
import os
import sqlite3
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, Self, TypeVar

from smgw.clock.gateway_clock import GatewayClock
from smgw.cosem.reading import Stamp
from smgw.store import paths
from smgw.store.errors import StoreError, StoreFull, is_damaged, is_full
from smgw.store.file import log_book, log_books
from smgw.store.file.ballast import Ballast
from smgw.store.file.connection import BUSY_MS, WAL_KEPT_BYTES, transaction
from smgw.store.file.log_book import Level, LogEntry, Note
from smgw.store.file.owned import OwnedFile, Salvage
from smgw.store.file.pending import Pending
from smgw.store.file.schema import Schema

_log = logging.getLogger(__name__)
_T = TypeVar("_T")

#: Above this size the -wal is checkpointed by force. This waits for readers at most this long, at most this often.
_WAL_BOUND_BYTES = 2 * WAL_KEPT_BYTES
_CHECKPOINT_WAIT_MS = 50
_CHECKPOINT_EVERY_S = 10.0
#: Time between two tests for free space while the disk is full.
_ASK_EVERY_S = 5.0


class StoreWriter:
    """The owner of one store. Calls from several threads take turns.

    A full-disk episode begins with the first commit that finds no space. It ends when the reserve exists again.
    """

    #: Measure against a full disk, for the log.
    _REMEDY: str

    def __init__(
        self, path: Path, schema: Schema, salvage: Salvage, pending: Pending, *, whole_wal: bool, reserve: int
    ) -> None:
        self._pending = pending
        self._ballast = Ballast(paths.ballast_of(path), reserve)
        self._in_need = False
        self._asked = 0.0
        try:
            self._file = OwnedFile(path, schema, salvage, whole_wal=whole_wal)
        except StoreFull:
            if not self._ballast.release():
                raise
            self._file = OwnedFile(path, schema, salvage, whole_wal=whole_wal)
        self._stamp: Callable[[], Stamp] = GatewayClock().stamp
        self._forced = 0.0
        try:
            try:
                self._take_over()
                self._stamp = self._own_clock()
                self._note_salvage()
            except sqlite3.Error as error:
                self._repair(error)
        except BaseException:
            self._file.close()
            raise
        if not self._ballast.make():
            self._begin_need()
        self._write_pending()

    @property
    def store_id(self) -> str:
        """32 hex digits; another one after a damaged file was replaced."""
        return self._file.store_id

    @property
    def salvaged(self) -> str | None:
        """What was repaired if the file was found damaged since it was opened."""
        return self._file.salvaged

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Write waiting data, checkpoint, close the file. Readers can go on reading."""
        with self._file.lock:
            try:
                self._write_pending()
            finally:
                self._file.close()

    def log(
        self,
        event: str,
        level: Level,
        subject: str,
        stamp: Stamp,
        *,
        outcome: bool = True,
        book: str | None = None,
        identity: str = "",
        consumers: Iterable[str] = (),
    ) -> None:
        """Write an event into its books (`log_books`), or into a book of the software's own.

        `identity` is what it is about; `consumers` are those whom it concerns. On a full disk it waits in memory.
        """
        if book is not None:
            return self.write_notes([Note(book, event, level, outcome, subject, stamp, identity)])
        return self.write_notes(
            log_books.notes(event, level, subject, stamp, outcome=outcome, identity=identity, consumers=consumers)
        )

    def write_notes(self, notes: Iterable[Note]) -> None:
        """Write entries in one commit, each with the next number of its book."""
        with self._file.lock:
            for note in notes:
                self._pending.note(note)
            self._write_pending()

    def logged(self, event: str) -> set[str]:
        """The subjects of all entries of this event that are kept."""
        with self._file.lock:
            waiting = {note.subject for note in self._pending.notes if note.event == event}
            return waiting | {subject for (subject,) in self._read("SELECT subject FROM log WHERE event = ?", event)}

    def newest_entry(self, book: str) -> LogEntry | None:
        """The newest entry of a book that is written."""
        with self._file.lock:
            self._write_pending()
            self._read("SELECT 1 FROM log LIMIT 1")  # a damaged file is replaced first
            return next(iter(log_book.newest(self._file.writer, 1, book)), None)

    def newest_about(self, *events: str) -> dict[str, str]:
        """Meter, EMP or evaluation -> the newest of these events about it in the book of the system."""
        places = ", ".join("?" * len(events))
        query = f"""SELECT identity, event, max(number) FROM log WHERE book = 'system' AND event IN ({places})
            GROUP BY identity"""  # noqa: S608 - only places
        return {str(identity): str(event) for identity, event, _ in self._read(query, *events)}

    def last_event(self, *events: str) -> str | None:
        """The newest of these events in the book of the system; None if there is none."""
        with self._file.lock:
            waiting = [note.event for note in self._pending.notes if note.event in events]
            stored = [str(event) for (event,) in self._read(log_book.newest_of(events), *events)]
            return next(iter(waiting[-1:] or stored), None)

    def use_clock(self, stamp: Callable[[], Stamp]) -> None:
        """Use the gateway's clock for the store's own log entries from now on."""
        self._stamp = stamp

    def counts(self) -> dict[str, int]:
        """Losses, refusals and retired rows since the store was made."""
        with self._file.lock:
            counted: dict[str, int] = dict(self._read("SELECT name, value FROM counts"))
            for name, value in self._pending.counts.items():
                counted[name] = counted.get(name, 0) + value
            return counted

    def _read(self, query: str, *parameters: object) -> list[Any]:
        """All rows of a query. A damaged file is replaced first, and the query runs again.

        Raises StoreError.
        """
        with self._file.lock:
            try:
                if not self._file.broken:
                    return self._file.writer.execute(query, parameters).fetchall()
            except sqlite3.Error as error:
                if not is_damaged(error):
                    raise self._said(error) from error
                self._file.condemn(str(error))
            try:
                self._write(lambda _: None)
            except StoreFull:
                if self._file.broken:
                    raise
            try:
                return self._file.writer.execute(query, parameters).fetchall()
            except sqlite3.Error as error:
                raise self._said(error) from error

    def _write_pending(self) -> None:
        """Write waiting data; on a full disk it goes on waiting."""
        if self._pending:
            try:
                self._write(lambda _: None)
            except StoreFull as error:
                _log.warning("%s: log entries and states wait in memory", error)

    def _write(self, body: Callable[[sqlite3.Connection], _T]) -> _T:
        """Commit; on a full disk make space as this store does, then raise StoreFull."""
        return self._write_with(body, (self._checkpoint,))

    def _write_with(
        self,
        body: Callable[[sqlite3.Connection], _T],
        make_room: Sequence[Callable[[], bool | None]],
        *,
        alone: bool = False,
    ) -> _T:
        """Commit; if there is no space, make some step by step. StoreFull if no step helps.

        `alone`: the last try leaves out the data that waits for the next commit.
        """
        with self._file.lock:
            for step in (None, *make_room):
                try:
                    if step is not None and step() is False:
                        continue
                    return self._commit(body)
                except (sqlite3.OperationalError, StoreFull):  # StoreFull: there is no space to replace a damaged file
                    self._begin_need()
            if alone:
                with contextlib.suppress(sqlite3.OperationalError, StoreFull):
                    return self._commit(body, alone=True)
            raise StoreFull(self._file.path)

    def _checkpoint(self) -> None:
        with contextlib.suppress(sqlite3.Error):
            self._file.writer.execute("PRAGMA wal_checkpoint(PASSIVE)")

    def _begin_need(self) -> None:
        if not self._in_need:
            self._in_need = True
            self._asked = time.monotonic()
            text = f"the file system of {self._file.path.parent} is full; {self._REMEDY}"
            _log.error("%s", text, extra={"event": "disk-full"})
            self._note("disk-full", Level.ERROR, text, outcome=False)

    def _end_need(self) -> None:
        """Test now and then for free space."""
        now = time.monotonic()
        if not self._in_need or now - self._asked < _ASK_EVERY_S:
            return
        self._asked = now
        if self._ballast.make():
            self._in_need = False
            text = f"the file system of {self._file.path.parent} has room again"
            _log.warning("%s", text, extra={"event": "disk-room-again"})
            self._note("disk-room-again", Level.INFO, text)

    def _commit(self, body: Callable[[sqlite3.Connection], _T], *, alone: bool = False) -> _T:
        """Run `body` and write waiting data (unless `alone`), in one durable transaction.

        A file found damaged is replaced and `body` runs again. Raises StoreError, and sqlite3.OperationalError
        unchanged where the disk is full.
        """
        with self._file.lock:
            if self._file.broken:
                self._replace(self._file.broken)
            try:
                result = self._attempt(body, alone)
            except sqlite3.Error as error:
                if is_full(error):
                    raise
                self._repair(error)
                try:
                    result = self._attempt(body, alone)
                except sqlite3.Error as second:
                    if is_full(second):
                        raise
                    raise self._said(second) from second
            self._bound_wal()
            return result

    def _repair(self, error: sqlite3.Error) -> None:
        """Replace the file if it is damaged; StoreError for anything else."""
        if not is_damaged(error):
            raise self._said(error) from error
        self._replace(str(error))

    def _replace(self, why: str) -> None:
        try:
            self._file.replace(why)
        except StoreError:
            # The damaged file is open again over another connection, so that its readable rows can be used.
            with contextlib.suppress(sqlite3.Error):
                self._take_over()
            raise
        try:
            self._take_over()
        except sqlite3.Error as error:
            self._file.condemn(str(error))
            raise self._said(error) from error
        self._note_salvage()

    def _said(self, error: sqlite3.Error) -> StoreError:
        if is_full(error):
            return StoreFull(self._file.path)
        return StoreError(self._file.path, f"cannot be used: {error}")

    def _attempt(self, body: Callable[[sqlite3.Connection], _T], alone: bool) -> _T:
        written: Callable[[], None] | None = None
        try:
            with transaction(self._file.writer):
                result = body(self._file.writer)
                if not alone:
                    written = self._pending.write(self._file.writer)
        except BaseException:
            self._rolled_back()
            raise
        if written is not None:
            written()
        return result

    def _rolled_back(self) -> None:
        """Forget the data that only the failed transaction held."""

    def _take_over(self) -> None:
        """The file was opened, or opened again: there is another connection."""

    def _own_clock(self) -> Callable[[], Stamp]:
        """Stamps the store's own log entries by the newest time in the file, until the store gets a clock."""
        return self._stamp

    def _note_salvage(self) -> None:
        """Say it in the books, and in each book whose chain broke, what is lost."""
        if self._file.salvaged:
            from smgw.store.file import log_check  # not loaded unless the file was damaged

            self._note("store-salvaged", Level.ERROR, self._file.salvaged)
            for book, text in log_check.breaks(self._file.writer):
                self._pending.note(Note(book, "log-broken", Level.ERROR, False, text, self._stamp()))

    def _note(self, event: str, level: Level, text: str, *, outcome: bool = True) -> None:
        for note in log_books.notes(event, level, text, self._stamp(), outcome=outcome):
            self._pending.note(note)

    def _bound_wal(self) -> None:
        """Limit the -wal, which a reader in an old snapshot blocks: test its size, rarely checkpoint by force."""
        now = time.monotonic()
        if now - self._forced < _CHECKPOINT_EVERY_S:
            return
        self._forced = now
        try:
            size = os.stat(paths.wal_of(self._file.path)).st_size  # noqa: PTH116 - each append passes here
            if size <= _WAL_BOUND_BYTES:
                return
            self._file.writer.execute(f"PRAGMA busy_timeout = {_CHECKPOINT_WAIT_MS}")
            try:
                busy = self._file.writer.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
            finally:
                self._file.writer.execute(f"PRAGMA busy_timeout = {BUSY_MS}")
        except (OSError, sqlite3.Error) as error:
            _log.warning("%s: the -wal could not be checkpointed: %s", self._file.path, error)
            return
        if busy:
            _log.warning(
                "%s: a reader holds %d octets of -wal back; it should read in short pieces", self._file.path, size
            )

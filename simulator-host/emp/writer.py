"""The one thread that writes: documents that wait together become durable together (group commit)."""

import logging
import queue
import sqlite3
import threading
from concurrent.futures import Future
from pathlib import Path
from typing import NamedTuple

from smgw.cosemxml.document import Document
from smgw.errors import SmgwError
from smgw.webservice.error import ServiceError

from emp.ledger import Ledger
from emp.schema import open_writer
from emp.storage import Receipt, StorageBusyError, StorageError, StorageFullError

_LOG = logging.getLogger(__name__)

MAX_WAITING = 512
MAX_GROUP = 64

_FULL_CODES = frozenset({sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR_SHMSIZE, sqlite3.SQLITE_IOERR_WRITE})

# The document is refused, the others of its group go on. Any other error takes the whole group back.
_THIS_DOCUMENT_ONLY = (
    SmgwError,
    ValueError,
    TypeError,
    ArithmeticError,
    sqlite3.IntegrityError,
    sqlite3.DataError,
    sqlite3.InterfaceError,
    sqlite3.ProgrammingError,
)


class _Job(NamedTuple):
    document: Document
    received_us: int
    future: "Future[Receipt]"


class Writer:
    """Takes documents from any thread; a future is done when its document is durable, or failed with nothing kept."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._connection = open_writer(path)
        self._ledger = Ledger(self._connection)
        self._jobs: queue.Queue[_Job | None] = queue.Queue()
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="emp-writer", daemon=True)
        self._thread.start()

    def deposit(self, document: Document, received_us: int) -> "Future[Receipt]":
        """Queue a document; StorageBusyError if too many wait."""
        if self._closed:
            raise StorageError("the store is closing")
        if self._jobs.qsize() >= MAX_WAITING:
            raise StorageBusyError(f"{MAX_WAITING} documents wait already")
        future: Future[Receipt] = Future()
        self._jobs.put(_Job(document, received_us, future))
        return future

    def close(self) -> None:
        """Write what waits, then close the file."""
        if self._closed:
            return
        self._closed = True
        self._jobs.put(None)
        self._thread.join()
        self._connection.close()

    def _run(self) -> None:
        while (job := self._jobs.get()) is not None:
            group = [job]
            last = False
            while len(group) < MAX_GROUP:
                try:
                    more = self._jobs.get_nowait()
                except queue.Empty:
                    break
                if more is None:
                    last = True
                    break
                group.append(more)
            self._write_group(group)
            if last:
                return

    def _write_group(self, group: list[_Job]) -> None:
        try:
            outcomes = self._transaction(group)
        except Exception as error:
            outcomes = [self._failure(error)] * len(group)
        for job, outcome in zip(group, outcomes, strict=True):
            if not job.future.set_running_or_notify_cancel():
                continue  # whoever waited has gone; the document is kept, and its repeat is recognised
            if isinstance(outcome, Receipt):
                job.future.set_result(outcome)
            else:
                job.future.set_exception(outcome)

    def _transaction(self, group: list[_Job]) -> list[Receipt | SmgwError]:
        outcomes: list[Receipt | SmgwError] = []
        self._connection.execute("BEGIN IMMEDIATE")
        for job in group:
            self._connection.execute("SAVEPOINT document")
            try:
                outcomes.append(self._ledger.enter(job.document, job.received_us))
            except _THIS_DOCUMENT_ONLY as error:
                self._connection.execute("ROLLBACK TO document")
                self._ledger.forget()
                outcomes.append(error if isinstance(error, SmgwError) else _internal(error))
            self._connection.execute("RELEASE document")
        self._connection.execute("COMMIT")
        return outcomes

    def _failure(self, error: Exception) -> StorageError:
        code = getattr(error, "sqlite_errorcode", None)
        try:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            self._ledger.forget()
        except sqlite3.Error as second:
            _LOG.error("%s: the store does not recover by itself (%s); opening it anew", self._path, second)
            self._reopen()
        if code in _FULL_CODES:
            _LOG.error("%s: no room left on the file system; nothing was kept", self._path)
            return StorageFullError("no room left to keep it; nothing was kept")
        _LOG.error("%s: not written: %s", self._path, error)
        return StorageError("the store cannot write now; nothing was kept")

    def _reopen(self) -> None:
        try:
            fresh = open_writer(self._path)
            ledger = Ledger(fresh)
        except (StorageError, sqlite3.Error) as error:
            _LOG.error("%s: cannot be opened again yet: %s", self._path, error)
            return
        self._connection.close()
        self._connection, self._ledger = fresh, ledger


def _internal(error: Exception) -> ServiceError:
    _LOG.error("a document could not be entered: %s: %s", type(error).__name__, error)
    return ServiceError("the document could not be entered; nothing was kept")

"""The writer thread: waiting documents become durable together (group commit)."""

import logging
import queue
import sqlite3
import threading
from concurrent.futures import Future
from pathlib import Path
from typing import NamedTuple

from smgw.cosem.device_id import DeviceId
from smgw.cosemxml.document import Document
from smgw.errors import SmgwError
from smgw.webservice.error import ServiceError

from emp.store.checking import Identity
from emp.store.health import Health, is_damaged
from emp.store.ledger import Ledger
from emp.store.orders import Entry, Order, Probe, Removal
from emp.store.schema import open_reader, open_writer
from emp.store.storage import (
    Notice,
    Proof,
    Receipt,
    StorageBusyError,
    StorageDamagedError,
    StorageError,
    StorageFullError,
)

_LOG = logging.getLogger(__name__)

MAX_WAITING = 512
MAX_GROUP = 64

_FULL_CODES = frozenset({sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR_SHMSIZE, sqlite3.SQLITE_IOERR_WRITE})

# Only this document is refused. Any other error rolls back the whole group.
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


class _ReplacedError(StorageError):
    """An order in progress names rows of the store before a copy was restored."""


class _Job(NamedTuple):
    document: Document
    received_us: int
    proof: Proof | None
    future: "Future[Receipt]"


class Writer:
    """Takes documents from any thread. A future is done when its document is durable, or fails with nothing stored."""

    def __init__(self, path: Path, health: Health) -> None:
        self._path = path
        self._health = health
        self._connection = open_writer(path)
        self._ledger = Ledger(self._connection)
        self._reader = open_reader(path)  # has pages of its own: it reads what is stored, not what is remembered
        self._version = self._data_version()
        self._identity = Identity(path)
        self._fails = False
        self._jobs: queue.Queue[_Job | Order | None] = queue.Queue()
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="emp-writer", daemon=True)
        self._thread.start()

    def deposit(self, document: Document, received_us: int, proof: Proof | None = None) -> "Future[Receipt]":
        """Queue a document; StorageBusyError if too many wait."""
        future: Future[Receipt] = Future()
        self._put(_Job(document, received_us, proof, future))
        return future

    def remove(self, device: DeviceId, *, whole: bool) -> "Future[int]":
        """Queue the removal of a device's rows. Documents are stored between its steps."""
        order = Removal(device, whole=whole)
        self._put(order)
        return order.future

    def notify(self, notice: Notice) -> "Future[bool]":
        """Queue a notice."""
        order = Entry(notice)
        self._put(order)
        return order.future

    def probe(self) -> "Future[None]":
        """Ask whether the writer can write. It writes something only after a failure."""
        order = Probe(tries=self._fails)
        self._put(order)
        return order.future

    def close(self) -> None:
        """Write waiting documents, then close the file. A removal in progress stops where it is."""
        if self._closed:
            return
        self._closed = True
        self._jobs.put(None)
        self._thread.join()
        while not self._jobs.empty():
            left = self._jobs.get_nowait()
            if left is not None and not isinstance(left, _Job):
                left.fail(StorageError("the store is closing; order it again"))
        self._reader.close()
        self._connection.close()

    def _put(self, job: _Job | Order) -> None:
        if self._closed:
            raise StorageError("the store is closing")
        if self._jobs.qsize() >= MAX_WAITING:
            raise StorageBusyError(f"{MAX_WAITING} documents wait already")
        self._jobs.put(job)

    def _run(self) -> None:
        job = self._jobs.get()
        while job is not None:
            if isinstance(job, _Job):
                job = self._take_group(job)
            else:
                self._obey(job)
                job = self._jobs.get()

    def _take_group(self, first: _Job) -> _Job | Order | None:
        """Write a document and those that wait after it; returns the next item."""
        group = [first]
        following: _Job | Order | None = None
        waits = True
        while len(group) < MAX_GROUP:
            try:
                following = self._jobs.get_nowait()
            except queue.Empty:
                break
            if not isinstance(following, _Job):
                waits = False
                break
            group.append(following)
        self._write_group(group)
        return self._jobs.get() if waits else following

    def _obey(self, order: Order) -> None:
        try:
            self._require_file()
            self._connection.execute("BEGIN IMMEDIATE")
            if self._is_replaced() and order.begun:
                raise _ReplacedError("the store was replaced by a copy meanwhile; order it again")
            is_last = order.step(self._connection)
            self._connection.execute("COMMIT")
            self._fails = False
            if is_last:
                self._ledger.forget()  # ids may be gone
        except _ReplacedError as error:
            self._connection.execute("ROLLBACK")
            order.fail(error)
            return
        except Exception as error:
            order.fail(self._failure(error))
            return
        if is_last:
            order.finish()
        else:
            self._jobs.put(order)

    def _write_group(self, group: list[_Job]) -> None:
        try:
            outcomes = self._transaction(group)
        except Exception as error:
            outcomes = [self._failure(error)] * len(group)
        for job, outcome in zip(group, outcomes, strict=True):
            if not job.future.set_running_or_notify_cancel():
                continue  # the client has gone; the document is stored, and its repetition is recognised
            if isinstance(outcome, Receipt):
                job.future.set_result(outcome)
            else:
                job.future.set_exception(outcome)

    def _transaction(self, group: list[_Job]) -> list[Receipt | SmgwError]:
        outcomes: list[Receipt | SmgwError] = []
        self._require_file()
        self._connection.execute("BEGIN IMMEDIATE")
        self._is_replaced()
        first = self._ledger.next_record
        for job in group:
            self._connection.execute("SAVEPOINT document")
            try:
                outcomes.append(self._ledger.enter(job.document, job.received_us, job.proof))
            except _THIS_DOCUMENT_ONLY as error:
                self._connection.execute("ROLLBACK TO document")
                self._ledger.forget()
                outcomes.append(error if isinstance(error, SmgwError) else _internal(error))
            self._connection.execute("RELEASE document")
        self._connection.execute("COMMIT")
        self._fails = False
        self._read_back(first, sum(outcome.stored for outcome in outcomes if isinstance(outcome, Receipt)))
        return outcomes

    def _require_file(self) -> None:
        """StorageDamagedError if the store is damaged, or if its file is no longer the one that was opened."""
        if self._identity.is_gone():
            self._health.condemn("its file or its -wal was removed or replaced while the server runs", lost=True)
        self._health.refuse()

    def _read_back(self, first: int, rows: int) -> None:
        """Read the new rows with the other connection. What cannot be read again is not acknowledged."""
        read = "SELECT count(*) FROM record WHERE id>=?"
        found = int(self._reader.execute(read, (first,)).fetchone()[0])
        self._reader.execute("SELECT count(value) FROM reading WHERE record>=?", (first,)).fetchone()
        if found != rows and self._version == self._data_version():
            self._health.condemn(f"of {rows} rows that were written {found} can be read")
            self._health.refuse()

    def _is_replaced(self) -> bool:
        """True if a copy was restored since the last transaction: other rows have the ids that are known here."""
        if self._version == (version := self._data_version()):
            return False
        self._version = version
        self._ledger.forget()
        return True

    def _data_version(self) -> int:
        """A number that changes when another process writes the file."""
        return int(self._connection.execute("PRAGMA data_version").fetchone()[0])

    def _failure(self, error: Exception) -> StorageError:
        code = getattr(error, "sqlite_errorcode", None)
        self._fails = True
        if is_damaged(error):
            self._health.condemn(str(error))
        try:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            self._ledger.forget()
        except (sqlite3.Error, MemoryError) as second:
            _LOG.error("%s: the store does not recover by itself (%s); opening it anew", self._path, second)
            self._reopen()
        if isinstance(error, StorageDamagedError) or is_damaged(error):
            return StorageDamagedError(f"{error}; nothing was acknowledged")
        if code in _FULL_CODES:
            _LOG.error("%s: no room left on the file system; nothing was kept", self._path)
            return StorageFullError("no room left to keep it; nothing was kept")
        _LOG.error("%s: not written: %s", self._path, error)
        return StorageError("the store cannot write now; nothing was kept")

    def _reopen(self) -> None:
        try:
            fresh = open_writer(self._path)
            ledger = Ledger(fresh)
            version = int(fresh.execute("PRAGMA data_version").fetchone()[0])
        except (StorageError, sqlite3.Error, MemoryError) as error:
            _LOG.error("%s: cannot be opened again yet: %s", self._path, error)
            return
        self._connection.close()
        self._connection, self._ledger, self._version = fresh, ledger, version
        self._identity = Identity(self._path)


def _internal(error: Exception) -> ServiceError:
    _LOG.error("a document could not be entered: %s: %s", type(error).__name__, error)
    return ServiceError("the document could not be entered; nothing was kept")

"""The head-end's store: documents that wait together become durable together; one bad document spoils no other."""

import sqlite3
import threading
import time

import pytest
from emp import writer
from emp.sqlite_storage import SqliteStorage, SqliteView
from emp.storage import RecordConflictError, RowFilter, StorageBusyError, StorageError, StorageFullError
from emp_process import DEVICE, ENERGY, GATEWAY, STORE, content, row
from smgw.cosem.device_id import DeviceId


@pytest.fixture
def storage(tmp_path):
    opened = SqliteStorage(tmp_path / "emp.db")
    yield opened
    opened.close()


class Held:
    """Stands before the writer's connection: holds the first BEGIN back, counts commits, fails where told."""

    def __init__(self, connection):
        self._connection = connection
        self.go = threading.Event()
        self.commits = 0
        self.fail_with = None

    @property
    def in_transaction(self):
        return self._connection.in_transaction

    def execute(self, sql, *values):
        if sql == "BEGIN IMMEDIATE":
            assert self.go.wait(5)
        if sql == "COMMIT":
            self.commits += 1
            if self.fail_with is not None:
                error, self.fail_with = self.fail_with, None
                raise error
        return self._connection.execute(sql, *values)

    def close(self):
        self._connection.close()


@pytest.fixture
def held(storage):
    storage._writer._connection = connection = Held(storage._writer._connection)
    yield connection
    connection.go.set()


def other(number):
    return content(row(1, 1), gateway=DeviceId.parse(f"ESMG{number:010d}"))


def test_documents_that_wait_share_a_commit_and_a_bad_one_spoils_no_other(storage, held):
    first = storage.deposit(other(1), 0)
    futures = [storage.deposit(other(number), 0) for number in range(2, 12)]
    bad = storage.deposit(content(row(1, 5), gateway=DeviceId.parse("ESMG0000000002")), 0)
    after = storage.deposit(other(12), 0)
    held.go.set()
    assert first.result(5).stored == 1
    assert [future.result(5).stored for future in futures] == [1] * 10
    with pytest.raises(RecordConflictError, match="record 1 of store"):
        bad.result(5)
    assert after.result(5).stored == 1
    assert held.commits <= 2
    assert sum(source.records for source in storage.keys(None)) == 12


def test_a_document_that_nobody_waits_for_any_more_does_not_stop_the_writer(storage, held):
    first = storage.deposit(other(1), 0)
    gone = storage.deposit(other(2), 0)
    assert gone.cancel()
    held.go.set()

    assert first.result(5).stored == 1
    assert storage.deposit(other(3), 0).result(5).stored == 1


@pytest.mark.parametrize(
    ("code", "kind"), [(sqlite3.SQLITE_FULL, StorageFullError), (sqlite3.SQLITE_IOERR, StorageError)]
)
def test_a_commit_that_fails_keeps_nothing_and_the_next_one_works(storage, held, code, kind):
    held.fail_with = sqlite3.OperationalError("disk I/O error")
    held.fail_with.sqlite_errorcode = code
    held.go.set()
    with pytest.raises(kind):
        storage.deposit(content(row(1, 1)), 0).result(5)
    assert storage.keys() == []
    assert storage.deposit(content(row(1, 1)), 0).result(5).device_is_new
    assert storage.keys()[0].ranges == ((1, 1),)


def test_too_many_waiting_documents_are_refused(storage, held, monkeypatch):
    monkeypatch.setattr(writer, "MAX_WAITING", 3)
    for number in range(4):  # one that the writer holds, three that wait
        storage.deposit(other(number), 0)
        while number == 0 and storage._writer._jobs.qsize():
            time.sleep(0.001)
    with pytest.raises(StorageBusyError):
        storage.deposit(other(4), 0)


def test_what_waits_at_the_end_is_written(tmp_path):
    storage = SqliteStorage(tmp_path / "emp.db")
    futures = [storage.deposit(other(number), 0) for number in range(50)]
    storage.close()
    assert all(future.result(0).stored == 1 for future in futures)
    with pytest.raises(StorageError, match="closing"):
        storage.deposit(other(1), 0)


def test_durability_settings(storage):
    connection = storage._writer._connection
    assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert connection.execute("PRAGMA synchronous").fetchone() == (2,)


def test_a_newer_files_version_and_a_foreign_database_are_refused(tmp_path):
    for name, sql, message in (
        ("newer.db", "PRAGMA user_version=99", "use a newer program"),
        ("foreign.db", "CREATE TABLE song (name)", "some other program's database"),
    ):
        connection = sqlite3.connect(tmp_path / name)
        connection.execute(sql)
        connection.close()
        with pytest.raises(StorageError, match=message):
            SqliteStorage(tmp_path / name)
    with pytest.raises(StorageError, match="schema version 99"):
        SqliteView(tmp_path / "newer.db").devices()


def test_keys_are_gapless_runs(storage):
    storage.deposit(content(*[row(number, 1) for number in (5, 1, 2, 9, 3)]), 0).result(5)
    (source,) = storage.keys(GATEWAY)
    assert (source.store_id, source.records, source.ranges) == (STORE, 4 + 1, ((1, 3), (5, 5), (9, 9)))
    assert storage.keys(DeviceId(b"x")) == []


def test_rows_come_by_arrival_or_newest_first(storage):
    storage.deposit(content(row(5, 1), row(1, 1)), 7).result(5)
    storage.deposit(content(row(3, 1)), 8).result(5)
    assert [found.record_number for found in storage.rows(DEVICE, RowFilter())] == [5, 1, 3]
    newest = storage.rows(DEVICE, RowFilter(newest_first=True, limit=2))
    assert [found.record_number for found in newest] == [5, 3]
    assert newest[1].received_us == 8
    assert storage.count(DEVICE) == 3
    assert storage.registers(DEVICE) == [ENERGY]


def test_last_seen_moves_with_every_document_even_one_without_news(storage):
    storage.deposit(content(row(1, 1)), 7).result(5)
    storage.deposit(content(row(1, 1)), 9).result(5)
    (gateway,) = storage.gateways()
    assert (gateway.first_seen_us, gateway.last_seen_us, gateway.records) == (7, 9, 1)
    assert gateway.devices[0].last_seen_us == 9

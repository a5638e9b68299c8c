"""The head-end's store: documents that wait together become durable together; one bad document spoils no other."""

import sqlite3
import threading
import time

import pytest
from emp.store import orders, schema, writer
from emp.store.backup import back_up, restore
from emp.store.sqlite_rows import BATCH_ROWS
from emp.store.sqlite_storage import SqliteStorage, SqliteView
from emp.store.storage import (
    Notice,
    RecordConflictError,
    RowFilter,
    RowSpan,
    StorageBusyError,
    StorageError,
    StorageFullError,
)
from emp_process import DEVICE, ENERGY, GATEWAY, STORE, content, row
from smgw.cosem.device_id import DeviceId
from smgw.cosem.obis import Obis


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

    def __getattr__(self, name):
        return getattr(self._connection, name)


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


def numbers(batches):
    return [found.record_number for batch in batches for found in batch]


def test_batches_are_bounded_and_leave_nothing_out(storage):
    count = 2 * BATCH_ROWS + 7
    storage.deposit(content(*[row(n, n) for n in range(1, count + 1)]), 0).result(30)
    sizes = [len(batch) for batch in storage.batches(DEVICE, RowSpan())]
    assert sizes == [BATCH_ROWS, BATCH_ROWS, 7]
    assert numbers(storage.batches(DEVICE, RowSpan(skip=5, limit=BATCH_ROWS + 1))) == list(range(6, BATCH_ROWS + 7))
    assert numbers(storage.batches(DEVICE, RowSpan(skip=count))) == []
    assert numbers(storage.batches(DEVICE, RowSpan(limit=0))) == []
    assert storage.has_row(DEVICE, RowSpan(skip=count - 1))
    assert not storage.has_row(DEVICE, RowSpan(skip=count))


def test_batches_by_time_are_in_the_order_of_time_and_end_where_they_began(storage):
    times = [5, 3, 3, 9, 1]
    rows = [row(n, n, capture_time_us=second * 1_000_000) for n, second in enumerate(times, 1)]
    storage.deposit(content(*rows), 0).result(10)
    until = storage.version(DEVICE).last_position
    storage.deposit(content(row(6, 6, capture_time_us=4_000_000)), 0).result(10)
    span = RowSpan(from_us=2_000_000, to_us=9_000_000, until=until)
    assert numbers(storage.batches(DEVICE, span)) == [2, 3, 1]
    assert numbers(storage.batches(DEVICE, span._replace(skip=1, limit=1))) == [3]
    assert numbers(storage.batches(DEVICE, span._replace(until=None))) == [2, 3, 6, 1]


def test_a_removal_goes_in_steps_and_documents_are_taken_between_them(storage, monkeypatch):
    monkeypatch.setattr(orders, "STEP_ROWS", 10)
    storage.deposit(content(*[row(n, n) for n in range(1, 96)]), 0).result(10)
    storage.deposit(other(7), 0).result(10)
    removal = storage.remove(DEVICE, whole=True)
    late = storage.deposit(content(row(500, 5)), 0)
    assert late.result(10).stored == 1
    assert removal.result(10) == 96
    assert storage.keys(GATEWAY)[0].ranges == ((500, 500),)  # it came after the removal began
    assert storage.count(DEVICE) == 1
    assert storage.remove(DeviceId(b"nobody"), whole=True).result(10) == 0


def test_a_removed_device_leaves_nothing_behind(storage):
    storage.deposit(content(*[row(n, n) for n in range(1, 9)]), 0).result(10)
    assert storage.remove(DEVICE, whole=True).result(10) == 8
    connection = storage._writer._connection
    for table in ("device", "sighting", "register", "record", "reading", "latest"):
        assert connection.execute(f"SELECT count(*) FROM {table}").fetchone() == (0,), table
    assert storage.deposit(content(row(1, 1)), 0).result(10) == (1, 0, True)


def test_what_a_sighting_knows_of_its_newest_row(storage):
    storage.deposit(content(row(1, 1), row(2, 2, time_valid=False)), 77).result(10)
    (sighting,) = storage.gateways()[0].devices
    assert (sighting.time_valid, sighting.received_us, sighting.gateway_status) == (False, 77, 5)
    storage.remove(DEVICE, whole=False).result(10)
    (sighting,) = storage.gateways()[0].devices
    assert (sighting.records, sighting.time_valid, sighting.received_us) == (0, None, None)


def test_only_the_newest_notices_are_kept(storage, monkeypatch):
    monkeypatch.setattr(orders, "KEPT_EVENTS", 3)
    for number in range(6):
        notice = Notice(GATEWAY, 7, Obis.parse("1-0:99.98.0*255"), 1, None, f"cid {number}", number)
        assert storage.notify(notice).result(10) is True
        assert storage.notify(notice).result(10) is False
    assert [event.received_us for event in storage.events(10)] == [5, 4, 3]


def test_a_store_of_the_first_version_is_taken_over(tmp_path, monkeypatch):
    path = tmp_path / "emp.db"
    with monkeypatch.context() as patched:
        patched.setattr(schema, "VERSION", 1)
        connection = schema.open_writer(path)
    connection.executescript(
        "INSERT INTO gateway VALUES (1, x'31', 5, 6); INSERT INTO device VALUES (1, x'32', 5);"
        "INSERT INTO source VALUES (1, 1, 'ab'); INSERT INTO sighting VALUES (1, 1, 6, 2);"
        "INSERT INTO record VALUES (1, 1, 1, 1, 1, 10, NULL, 1, 5, 0, 6), (2, 1, 1, 2, 1, 20, NULL, 0, 5, 0, 6);"
    )
    connection.close()
    storage = SqliteStorage(path)
    try:
        (sighting,) = storage.gateways()[0].devices
        assert (sighting.capture_time_us, sighting.time_valid) == (20, False)
        assert storage.version(DeviceId(b"2")).last_position == 2
    finally:
        storage.close()


OTHER_DEVICE = DeviceId(b"another")


def test_rows_that_come_while_a_device_is_removed_are_kept(storage, monkeypatch):
    """Another removal ends in between: before, the next id was that of a row which it had removed."""
    monkeypatch.setattr(orders, "STEP_ROWS", 10)
    storage.deposit(content(*[row(n, n) for n in range(1, 36)], device=OTHER_DEVICE), 0).result(10)
    storage.deposit(content(*[row(n, n) for n in range(101, 116)]), 0).result(10)
    late = []
    connection = storage._writer._connection = Held(storage._writer._connection)
    removals = [storage.remove(device, whole=True) for device in (DEVICE, OTHER_DEVICE)]
    late_row = content(row(1000, 1), device=OTHER_DEVICE)
    removals[0].add_done_callback(lambda _: late.append(storage.deposit(late_row, 0)))  # in the writer's thread
    connection.go.set()
    assert [removal.result(10) for removal in removals] == [15, 35]
    assert late[0].result(10).stored == 1
    assert storage.count(OTHER_DEVICE) == 1
    assert storage.keys(GATEWAY)[0].ranges == ((1000, 1000),)


@pytest.mark.parametrize("whole", [True, False])
def test_an_id_is_never_used_for_another_row(tmp_path, whole):
    storage = SqliteStorage(tmp_path / "emp.db")
    highest = []
    for number in range(1, 5):
        storage.deposit(content(row(number, number)), 0).result(10)
        highest.append([one.position for one in storage.rows(DEVICE, RowFilter())])
        storage.remove(DEVICE, whole=whole).result(10)
        storage.close()
        storage = SqliteStorage(tmp_path / "emp.db")
    storage.close()
    assert highest == [[1], [2], [3], [4]]


def test_a_removal_under_way_ends_where_a_copy_is_restored(storage, tmp_path, monkeypatch):
    monkeypatch.setattr(orders, "STEP_ROWS", 2)
    storage.deposit(content(row(1, 1)), 0).result(10)
    back_up(tmp_path / "emp.db", tmp_path / "copy.db")
    storage.deposit(content(*[row(n, n) for n in range(2, 20)]), 0).result(10)
    taken = orders.Removal.step

    def step(removal, connection):
        done = taken(removal, connection)
        if removal._removed == 2:
            restoring.start()
        return done

    restoring = threading.Thread(target=restore, args=(tmp_path / "copy.db", tmp_path / "emp.db"))
    ended = storage._writer._jobs.put

    def put(job):
        if isinstance(job, orders.Removal) and restoring.ident is not None:
            restoring.join(20)
        ended(job)

    monkeypatch.setattr(orders.Removal, "step", step)
    monkeypatch.setattr(storage._writer._jobs, "put", put)
    with pytest.raises(StorageError, match="replaced by a copy"):
        storage.remove(DEVICE, whole=True).result(20)
    assert storage.count(DEVICE) == 1
    assert storage.deposit(content(row(2, 2)), 0).result(10).stored == 1


STRANGERS = [
    "CREATE TRIGGER late AFTER INSERT ON record BEGIN DELETE FROM reading; END",
    "CREATE VIEW seen AS SELECT 1",
    "DROP TABLE event; CREATE VIEW event AS WITH RECURSIVE n(i) AS (VALUES (1) UNION SELECT i FROM n) SELECT i FROM n",
    "PRAGMA foreign_keys=OFF; ALTER TABLE record RENAME TO r; CREATE VIEW record AS"
    " WITH RECURSIVE n(i) AS (VALUES (1) UNION ALL SELECT i FROM n) SELECT i FROM n",
    "CREATE TABLE more (x)",
    "CREATE INDEX slow ON record (abs(id))",
    "ALTER TABLE device ADD COLUMN x AS (octets || octets)",
    "CREATE VIRTUAL TABLE found USING fts5(x)",
    "DROP TABLE latest",
]


@pytest.mark.parametrize("sql", STRANGERS)
def test_a_copy_with_anything_but_our_tables_is_not_restored(tmp_path, storage, sql):
    storage.deposit(content(row(1, 1)), 0).result(10)
    back_up(tmp_path / "emp.db", tmp_path / "copy.db")
    copy = sqlite3.connect(tmp_path / "copy.db")
    copy.executescript(sql)
    copy.close()
    storage.deposit(content(row(2, 2)), 0).result(10)
    with pytest.raises(StorageError, match=r"copy\.db: its .* is not one that emp makes"):
        restore(tmp_path / "copy.db", tmp_path / "emp.db")
    assert storage.count(DEVICE) == 2
    assert not (tmp_path / "emp.db.before-restore").exists()


def test_a_copy_of_a_store_that_was_migrated_is_restored(tmp_path, monkeypatch):
    with monkeypatch.context() as patched:
        patched.setattr(schema, "VERSION", 1)
        schema.open_writer(tmp_path / "emp.db").close()
    schema.open_writer(tmp_path / "emp.db").close()
    back_up(tmp_path / "emp.db", tmp_path / "copy.db")
    assert restore(tmp_path / "copy.db", tmp_path / "emp.db")[0] == 0

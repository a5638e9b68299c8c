"""A damaged database of the head-end is reported and only read: no document is acknowledged into it.

`make test-long` tries 300 damaged files, SMGW_DAMAGED_FILES=<number> as many.
"""

import contextlib
import os
import random
import shutil
import sqlite3

import emp_process
import pytest
from damage import DAMAGES, PAGE, STRUCTURAL
from effort import rounds
from emp.store import checking, sqlite_storage
from emp.store.backup import back_up, restore
from emp.store.sqlite_storage import SqliteStorage
from emp.store.storage import RowSpan, StorageDamagedError, StorageError
from emp_process import DEVICE, ENERGY, POWER, content, row
from smgw.cosem.device_id import DeviceId

FILES = int(os.environ.get("SMGW_DAMAGED_FILES") or rounds(40, 300))
OTHER = DeviceId.parse("1EMH0005347110")
ROWS = 600
NEW = ROWS + 1


@pytest.fixture(scope="module")
def sound(tmp_path_factory):
    """The octets of a small store that was closed: two devices, 600 rows each."""
    path = tmp_path_factory.mktemp("sound") / "emp.db"
    storage = SqliteStorage(path)
    for device, store in ((DEVICE, "ab" * 16), (OTHER, "cd" * 16)):
        for first in range(1, ROWS, 50):
            rows = [row(number, number, number * 3) for number in range(first, first + 50)]
            found = content(*rows, registers=(ENERGY, POWER), device=device, store_id=store)
            storage.deposit(found, 1).result(30)
    storage.close()
    assert not path.with_name("emp.db-wal").exists()
    return path.read_bytes()


@pytest.fixture
def database(sound, tmp_path):
    path = tmp_path / "emp.db"
    path.write_bytes(sound)
    return path


def damaged(sound, path, seed):
    damage = DAMAGES[seed % len(DAMAGES)]
    octets = bytearray(sound)
    damage(octets, random.Random(seed))
    path.write_bytes(octets)
    return damage


def numbers(storage, device=DEVICE):
    return sorted(view.record_number for batch in storage.batches(device, RowSpan()) for view in batch)


def put(storage, number=NEW):
    storage.deposit(content(row(number, 7, 8), registers=(ENERGY, POWER)), 2).result(30)


@pytest.mark.parametrize("seed", range(FILES))
def test_no_document_is_acknowledged_into_a_damaged_file_that_does_not_give_it_again(sound, tmp_path, seed):
    path = tmp_path / "emp.db"
    damage = damaged(sound, path, seed)
    try:
        storage = SqliteStorage(path)
    except StorageError:
        return  # it does not start, and says so
    with contextlib.closing(storage):
        acknowledged = True
        try:
            put(storage)
        except StorageError:
            acknowledged = False
        storage.check()
        if acknowledged:
            assert damage not in STRUCTURAL
            # what SQLite cannot know: a bit of a value, or of an octet that no row uses
            assert numbers(storage) == list(range(1, NEW + 1))
            assert len(numbers(storage, OTHER)) == ROWS
        else:
            with pytest.raises(StorageDamagedError):
                storage.probe()
            with pytest.raises(StorageDamagedError):
                numbers(storage)


@pytest.mark.parametrize("seed", range(FILES))
def test_a_file_damaged_while_the_server_runs_is_found_by_the_next_check(sound, tmp_path, seed):
    path = tmp_path / "emp.db"
    path.write_bytes(sound)
    storage = SqliteStorage(path)
    with contextlib.closing(storage):
        octets = bytearray(path.read_bytes())
        damage = DAMAGES[seed % len(DAMAGES)]
        damage(octets, random.Random(seed))
        os.truncate(path, len(octets))
        with path.open("r+b") as file:
            file.write(octets)
        acknowledged = True
        try:
            put(storage)
        except StorageError:
            acknowledged = False
        storage.check()
        try:
            found = numbers(storage)
        except StorageDamagedError:
            return  # reported
        # not reported: the damage lay where the next write put a sound page, or SQLite cannot know it
        assert set(range(1, ROWS + 1)) <= set(found)
        assert not acknowledged or NEW in found


def spoil_an_index(path):
    """The index of rows by device holds other numbers."""
    change = "UPDATE sqlite_master SET sql=replace(sql, 'device)', 'record_number)') WHERE name='record_device'"
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA writable_schema=ON")
        connection.execute(change)


def test_a_row_missing_in_an_index_is_damage(database):
    spoil_an_index(database)
    with contextlib.closing(SqliteStorage(database)) as storage, pytest.raises(StorageDamagedError):
        put(storage)


def test_a_value_of_no_type_is_damage(database):
    with contextlib.closing(sqlite3.connect(database, isolation_level=None)) as connection:
        connection.execute("UPDATE reading SET type=84 WHERE record=300")
    with contextlib.closing(SqliteStorage(database)) as storage, pytest.raises(StorageDamagedError):
        put(storage)


def test_a_value_that_cannot_be_decoded_breaks_an_export_off_and_is_damage(database):
    with contextlib.closing(SqliteStorage(database)) as storage:
        with contextlib.closing(sqlite3.connect(database, isolation_level=None)) as connection:
            connection.execute("UPDATE reading SET type=84 WHERE record=300")
        with pytest.raises(StorageDamagedError):
            numbers(storage)
        with pytest.raises(StorageDamagedError):
            put(storage)


def test_a_large_file_is_checked_in_the_background(sound, tmp_path, monkeypatch):
    monkeypatch.setattr(sqlite_storage, "CHECKED_OCTETS", 1)
    path = tmp_path / "emp.db"
    octets = bytearray(sound)
    octets[-PAGE * 3 : -PAGE * 2] = bytes(PAGE)
    path.write_bytes(octets)
    with contextlib.closing(SqliteStorage(path)) as storage:
        storage.check()
        with pytest.raises(StorageDamagedError):
            put(storage)


@pytest.mark.parametrize("gone", ["emp.db", "emp.db-wal"])
def test_nothing_is_acknowledged_into_a_file_that_was_removed_or_replaced(database, gone):
    with contextlib.closing(SqliteStorage(database)) as storage:
        put(storage)
        database.with_name(gone).rename(database.with_name("elsewhere"))
        with pytest.raises(StorageDamagedError):
            put(storage, NEW + 1)
        shutil.copyfile(database.with_name("elsewhere"), database.with_name(gone))
        storage.check()
        with pytest.raises(StorageDamagedError, match="removed"):
            put(storage, NEW + 1)


def zero_a_page_of_rows(database):
    octets = bytearray(database.read_bytes())
    octets[-PAGE * 3 : -PAGE * 2] = bytes(PAGE)
    with database.open("r+b") as file:
        file.write(octets)


def test_a_server_on_a_damaged_file_answers_503_and_healthz_says_why(database):
    zero_a_page_of_rows(database)
    with emp_process.inside(database) as emp:
        answer = emp.put(content(row(NEW, 7)))
        assert answer.status == 503
        assert "Retry-After" in answer.headers
        assert "damaged" in answer.text
        assert emp.ask("GET", "/healthz").status == 503
        assert "\nemp_store_whole 0\n" in emp.ask("GET", "/metrics").text
        assert emp.ask("GET", "/api/keys").status == 503
        assert emp.ask("GET", f"/devices/{DEVICE.uri}.csv").status == 503


def test_a_damaged_copy_is_not_put_back(database):
    back_up(database, copy := database.with_name("copy.db"))
    spoil_an_index(copy)
    with pytest.raises(StorageError, match="take another copy"):
        restore(copy, database)


def test_a_copy_put_back_is_found_whole_and_taken_into_use(database):
    back_up(database, copy := database.with_name("copy.db"))
    zero_a_page_of_rows(database)
    with contextlib.closing(SqliteStorage(database)) as storage:
        with pytest.raises(StorageDamagedError):
            put(storage)
        assert restore(copy, database)[1] is not None
        storage.check()
        put(storage)
        assert numbers(storage)[-1] == NEW


def test_an_export_begun_before_the_damage_was_found_is_broken_off(database):
    with contextlib.closing(SqliteStorage(database)) as storage:
        batches = storage.batches(DEVICE, RowSpan())
        storage._health.condemn("a test says so", lost=True)  # no check takes it back
        with pytest.raises(StorageDamagedError):
            list(batches)


def test_a_check_that_the_disk_fails_says_nothing_of_the_pages(database, monkeypatch):
    def fail(*_):
        raise sqlite3.OperationalError("disk I/O error")

    zero_a_page_of_rows(database)
    with contextlib.closing(SqliteStorage(database)) as storage:
        monkeypatch.setattr(checking, "examine", fail)
        storage.check()
        with pytest.raises(StorageDamagedError):
            put(storage)


def test_health_asks_the_writer(database):
    with contextlib.closing(SqliteStorage(database)) as storage:
        storage.probe().result(30)
        storage._writer._fails = True  # after a full disk: now it must write
        storage.probe().result(30)
        assert storage._writer._fails is False


def test_small_files_are_checked_more_often_than_once_a_minute():
    assert checking.PAUSE_S < 60


def test_a_schema_whose_names_are_no_text_is_damage(database):
    """SQLite quotes such a name in its error, which Python cannot decode."""
    octets = bytearray(database.read_bytes())
    name = octets.index(b"gatewaygateway")
    octets[name] = 0xFF
    octets[octets.index(b"CREATE TABLE gateway")] = ord("X")
    database.write_bytes(octets)
    with contextlib.closing(SqliteStorage(database)) as storage, pytest.raises(StorageDamagedError, match="no text"):
        storage.deposit(content(row(NEW, NEW, NEW)), 1).result(30)


def test_a_rollback_without_memory_does_not_end_the_writer(database, monkeypatch):
    """SQLite's "out of memory" is Python's MemoryError, which is no sqlite3.Error."""
    short = {"SAVEPOINT document", "ROLLBACK"}

    def execute(connection, sql, *values):
        if sql in short:
            raise MemoryError
        return sqlite3.Connection.execute(connection, sql, *values)

    with contextlib.closing(SqliteStorage(database)) as storage:
        monkeypatch.setattr("smgw.store.file.connection.Connection.execute", execute)
        with pytest.raises(StorageError):
            put(storage)
        short.clear()
        put(storage)
        assert numbers(storage) == list(range(1, NEW + 1))

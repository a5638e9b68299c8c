"""What can be read of a damaged store is put into a new one: whole rows, each once, unchanged."""

import contextlib
import os
import random
import sqlite3

import pytest
from damage import DAMAGES, PAGE, STRUCTURAL
from effort import rounds
from emp.cli import main
from emp.store.access import new_private
from emp.store.backup import restore
from emp.store.checking import examine
from emp.store.salvage import salvage
from emp.store.schema import create
from emp.store.sqlite_storage import SqliteStorage
from emp.store.storage import RowSpan, StorageDamagedError, StorageError
from emp_process import DEVICE, ENERGY, POWER, content, row
from smgw.cosem.device_id import DeviceId

OTHER = DeviceId.parse("1EMH0005347110")
STORES = {DEVICE: "ab" * 16, OTHER: "cd" * 16}
ROWS = 600
GAP = ROWS + 1


def documents(device):
    for first in range(1, ROWS, 50):
        rows = [row(number, number, number * 3) for number in range(first, first + 50)]
        yield content(*rows, registers=(ENERGY, POWER), device=device, store_id=STORES[device])
    yield content(row(GAP), registers=(), device=device, store_id=STORES[device])


def deposit_all(storage):
    for device in STORES:
        for one in documents(device):
            storage.deposit(one, 1).result(30)


def all_rows(storage):
    return {device: [view for batch in storage.batches(device, RowSpan()) for view in batch] for device in STORES}


def told(rows):
    """What a row says, without its id in the file."""
    return {device: sorted(repr(view._replace(position=0)) for view in views) for device, views in rows.items()}


@pytest.fixture(scope="module")
def sound(tmp_path_factory):
    path = tmp_path_factory.mktemp("sound") / "emp.db"
    with contextlib.closing(SqliteStorage(path)) as storage:
        deposit_all(storage)
    return path.read_bytes()


@pytest.fixture(scope="module")
def expected(sound, tmp_path_factory):
    path = tmp_path_factory.mktemp("expected") / "emp.db"
    path.write_bytes(sound)
    with contextlib.closing(SqliteStorage(path)) as storage:
        return told(all_rows(storage))


@pytest.fixture
def database(sound, tmp_path):
    path = tmp_path / "emp.db"
    path.write_bytes(sound)
    return path


def zero_a_page(path, page=-3):
    octets = bytearray(path.read_bytes())
    start = len(octets) + page * PAGE
    octets[start : start + PAGE] = bytes(PAGE)
    path.write_bytes(octets)


def test_of_a_whole_store_everything_is_copied(database, tmp_path, expected):
    done = salvage(database, tmp_path / "new.db")
    assert done == (2 * (ROWS + 1), 0, False)
    with contextlib.closing(SqliteStorage(tmp_path / "new.db")) as storage:
        assert told(all_rows(storage)) == expected


@pytest.mark.parametrize("seed", range(rounds(48, 300)))
def test_rows_come_whole_or_not_at_all_and_the_rest_can_be_delivered_again(sound, tmp_path, seed, expected):
    octets = bytearray(sound)
    damage = DAMAGES[seed % len(DAMAGES)]
    damage(octets, random.Random(seed))
    (tmp_path / "emp.db").write_bytes(octets)
    new = tmp_path / "new.db"
    try:
        salvage(tmp_path / "emp.db", new)
    except StorageError:
        assert not new.exists()
        return
    assert examine(new) is None
    with contextlib.closing(SqliteStorage(new)) as storage:
        if damage not in STRUCTURAL:  # a bit of a value turned: SQLite cannot know it
            return
        deposit_all(storage)  # a row that is there was compared
        assert told(all_rows(storage)) == expected


@pytest.fixture(scope="module")
def padded(tmp_path_factory):
    """The same rows on other pages: two tables stand before them."""
    path = tmp_path_factory.mktemp("padded") / "emp.db"
    os.close(new_private(path))
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as connection:
        create(connection, path)
        connection.executescript("CREATE TABLE one (x); CREATE TABLE two (x)")
    with contextlib.closing(SqliteStorage(path)) as storage:
        deposit_all(storage)
    return path.read_bytes()


@pytest.mark.parametrize("seed", [7, 21, 103])
def test_a_row_that_lost_a_part_beside_lost_rows_is_not_salvaged(padded, tmp_path, seed, expected):
    """7 and 21: a row whose readings lay on two pages. 103: a page cut in its middle, which reads as zeros."""
    octets = bytearray(padded)
    DAMAGES[seed % len(DAMAGES)](octets, random.Random(seed))
    (tmp_path / "emp.db").write_bytes(octets)
    assert salvage(tmp_path / "emp.db", tmp_path / "new.db").rows > 100
    with contextlib.closing(SqliteStorage(tmp_path / "new.db")) as storage:
        deposit_all(storage)  # a row that is there was compared
        assert told(all_rows(storage)) == expected


def test_most_rows_survive_a_lost_page(database, tmp_path):
    zero_a_page(database)
    done = salvage(database, tmp_path / "new.db")
    assert done.damaged
    assert 2 * ROWS * 3 // 4 < done.rows <= 2 * (ROWS + 1)


def test_the_counts_of_devices_follow_the_rows(database, tmp_path):
    zero_a_page(database)
    done = salvage(database, tmp_path / "new.db")
    with contextlib.closing(SqliteStorage(tmp_path / "new.db")) as storage:
        (gateway,) = storage.gateways()
        assert gateway.records == done.rows
        assert sum(sighting.records for sighting in gateway.devices) == done.rows


def test_an_id_is_not_given_to_another_row(database, tmp_path):
    with contextlib.closing(sqlite3.connect(database)) as connection:
        (largest,) = connection.execute("SELECT max(id) FROM record").fetchone()
        connection.execute("UPDATE record SET device=999 WHERE id=?", (largest,))
        connection.commit()
    assert salvage(database, tmp_path / "new.db").torn == 1
    with contextlib.closing(SqliteStorage(tmp_path / "new.db")) as storage:
        storage.deposit(content(row(GAP + 1, 1)), 1).result(30)
    with contextlib.closing(sqlite3.connect(tmp_path / "new.db")) as connection:
        assert connection.execute("SELECT max(id) FROM record").fetchone() == (largest + 1,)


def test_a_file_of_an_older_schema_is_brought_to_the_newest(database, tmp_path, expected):
    with contextlib.closing(sqlite3.connect(database)) as connection:
        connection.executescript("DROP TABLE highest; PRAGMA user_version=2")
    salvage(database, tmp_path / "new.db")
    with contextlib.closing(SqliteStorage(tmp_path / "new.db")) as storage:
        assert told(all_rows(storage)) == expected


def test_a_running_server_goes_on_with_what_was_salvaged(database, tmp_path):
    zero_a_page(database)
    new = content(row(GAP + 1, 7))
    with contextlib.closing(SqliteStorage(database)) as storage:
        with pytest.raises(StorageDamagedError):
            storage.deposit(new, 1).result(30)
        salvage(database, tmp_path / "new.db")
        restore(tmp_path / "new.db", database)
        storage.check()
        assert storage.deposit(new, 1).result(30).stored == 1


def test_the_command_says_what_to_do_next(database, tmp_path, capsys):
    zero_a_page(database)
    assert main(["salvage", str(tmp_path / "new.db"), "--db", str(database)]) == 0
    said = capsys.readouterr()
    assert "is damaged" in said.err
    assert f"emp restore {tmp_path / 'new.db'} --db {database}" in said.out


@pytest.mark.parametrize(("there", "said"), [(True, "is there already"), (False, "no such file")])
def test_nothing_is_overwritten_and_nothing_made_of_nothing(database, tmp_path, there, said):
    new = tmp_path / "new.db"
    if there:
        new.write_text("mine")
    else:
        database.unlink()
    with pytest.raises(StorageError, match=said):
        salvage(database, new)
    assert new.exists() is there


def test_a_file_that_is_no_database_is_said_in_words(tmp_path):
    (tmp_path / "emp.db").write_bytes(b"no database at all" * 1000)
    with pytest.raises(StorageError, match="no row of it can be read"):
        salvage(tmp_path / "emp.db", tmp_path / "new.db")

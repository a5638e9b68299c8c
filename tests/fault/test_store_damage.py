"""A store found damaged is moved aside; what can be read goes on under the identity it was recorded under."""

import logging
import random
import shutil
import time

import pytest
from delivered import reached
from smgw.cosem.data import Data, DataType
from smgw.cosem.device_id import DeviceId
from smgw.cosem.obis import Obis
from smgw.cosem.reading import Capture, ClockState, Reading, Stamp
from smgw.store.file.connection import PAGE_SIZE
from smgw.store.lmn.view import LmnView
from smgw.store.records import NOBODY_WAITS, Record, Retention, Source
from smgw.store.rescue import small
from smgw.store.rescue.carve import carve
from smgw.store.wan.records import SetAside
from smgw.store.wan.store import WanStore
from smgw.store.wan.view import WanView
from stored import append, finish_salvage, opened

DEVICE = DeviceId.parse("1EMH0011802881")
GARAGE = Source("garage", DEVICE)
HOUSE = Source("house", DEVICE)
REGISTERS = [Obis.parse(code) for code in ("1.8.0", "2.8.0", "16.7.0", "36.7.0", "56.7.0", "76.7.0", "1.8.1", "1.8.2")]
START = 1_700_000_000_000_000
ROWS = 2000


def record(number: int) -> Record:
    stamp = Stamp("boot", number * 10**9, START + number * 10**6, 5000, ClockState.SYNCHRONISED)
    readings = tuple(Reading(obis, Data(DataType.LONG64, number * 8 + at), -1, 30) for at, obis in enumerate(REGISTERS))
    target = stamp.utc_us if number % 100 == 0 else None
    return Record(Capture("house", DEVICE, stamp, None, readings), target)


@pytest.fixture(scope="module")
def sound(tmp_path_factory):
    """A store of 2000 captures as its owner leaves it, half of them in the -wal."""
    directory = tmp_path_factory.mktemp("sound")
    with opened(directory) as store:
        for first in range(1, ROWS + 1, 100):
            store.append([record(number) for number in range(first, first + 100)])
        store.log("started", 1, "test", record(1).capture.stamp)
        identity = store.store_id
    return directory, identity


@pytest.fixture
def directory(sound, tmp_path):
    copy = tmp_path / "state"
    shutil.copytree(sound[0], copy)
    return copy


@pytest.fixture
def identity(sound):
    return sound[1]


def checkpointed(directory):
    """All rows in the database itself, an empty -wal beside it."""
    with opened(directory) as store:
        store._file.writer.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return directory / "lmn.db"


def overwrite(path, at, octets):
    with path.open("r+b") as file:
        file.seek(at)
        file.write(octets)


def open_damaged(directory, identity, caplog):
    """Open it; it must say aloud what happened and give the rows their old identity. The rows that were saved."""
    with caplog.at_level(logging.WARNING, "smgw.store"), opened(directory) as store:
        assert store.store_id != identity
        assert any("was damaged" in message and "lmn.db.corrupt-" in message for message in caplog.messages)
        (number,) = append(store, [record(ROWS + 1)])
        with LmnView.open(directory) as view:
            rows = view.records(HOUSE, 0, 2 * ROWS)
            entry = view.log_entries(10)[-1]
            assert "lmn.db.corrupt-" in entry.subject
            assert [one.event for one in view.log_entries(10)][-2:] == ["store-salvaged", "salvage-ended"]
        assert rows[-1].position == rows[-1].record_number == number
        assert rows[-1].store_id == store.store_id
    saved = rows[:-1]
    assert {row.store_id for row in saved} <= {identity}
    for row in saved:
        wanted = record(row.record_number).capture
        assert set(row.readings) <= set(wanted.readings)
        assert row.stamp == wanted.stamp
    return saved


def whole(rows):
    return [row for row in rows if row.readings == record(row.record_number).capture.readings]


def test_a_sound_store_is_not_salvaged(directory, identity):
    with opened(directory) as store:
        assert store.store_id == identity
        assert store.salvaged is None


def test_a_lost_wal_costs_its_rows_and_their_numbers_are_not_given_again(directory, identity, caplog):
    (directory / "lmn.db-wal").unlink()

    saved = open_damaged(directory, identity, caplog)

    assert len(whole(saved)) == len(saved)
    assert [row.record_number for row in saved] == list(range(1, len(saved) + 1))


def test_a_file_cut_short_gives_what_stands_before_the_cut(directory, identity, caplog):
    database = checkpointed(directory)
    size = database.stat().st_size
    with database.open("r+b") as file:
        file.truncate(size * 7 // 10 + 123)

    saved = open_damaged(directory, identity, caplog)

    assert len(whole(saved)) > ROWS // 2


@pytest.mark.parametrize("octets", [16, 100, PAGE_SIZE])
def test_a_header_of_zeroes_costs_nothing_but_its_page(directory, identity, caplog, octets):
    overwrite(checkpointed(directory), 0, bytes(octets))

    saved = open_damaged(directory, identity, caplog)

    assert len(whole(saved)) == ROWS


def test_pages_that_stand_in_the_wal_are_searched_in_their_newest_version(directory):
    with opened(directory) as store:
        store._file.writer.execute("PRAGMA wal_autocheckpoint = 0")
        store.append([record(ROWS + number) for number in range(1, 101)])
        copy = directory / "copy"
        copy.mkdir()
        for file in (directory / "lmn.db", directory / "lmn.db-wal"):
            shutil.copy(file, copy)

    numbers = [carved.rowid for carved in carve(copy / "lmn.db") if len(carved.columns) == 17 and carved.rowid]

    assert sorted(numbers) == list(range(1, ROWS + 101))


def test_long_octets_are_carved_with_their_overflow_pages(tmp_path):
    octets = bytes(range(256)) * 60
    reading = Reading(REGISTERS[0], Data(DataType.OCTET_STRING, octets))
    with opened(tmp_path) as store:
        store.append([Record(record(1).capture._replace(readings=(reading,)))])
    overwrite(checkpointed(tmp_path), 0, bytes(PAGE_SIZE))

    with opened(tmp_path), LmnView.open(tmp_path) as view:
        assert view.records(HOUSE, 0, 9)[0].readings == (reading,)


def test_a_power_cut_while_the_salvage_ran_leaves_the_damaged_file_for_the_next_start(directory, identity, monkeypatch):
    (directory / "lmn.db-wal").unlink()

    def dies(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("smgw.store.file.owned._sync", dies)
        with pytest.raises(KeyboardInterrupt):
            opened(directory)
    assert (directory / "lmn.db").exists()

    with opened(directory), LmnView.open(directory) as view:
        assert view.records(HOUSE, 0, 1)[0].store_id == identity


@pytest.mark.parametrize("seed", range(8))
def test_pages_of_noise_in_the_middle_cost_their_rows_only(directory, identity, caplog, seed):
    database = checkpointed(directory)
    noise = random.Random(seed)
    pages = database.stat().st_size // PAGE_SIZE
    for _ in range(3):
        overwrite(database, noise.randrange(pages // 4, pages) * PAGE_SIZE, noise.randbytes(PAGE_SIZE))

    saved = open_damaged(directory, identity, caplog)

    assert len(whole(saved)) > ROWS * 8 // 10


@pytest.mark.parametrize("seed", range(6))
def test_noise_in_the_first_pages_is_survived(directory, identity, caplog, seed):
    """The interned words and the roots of all tables stand there."""
    noise = random.Random(seed)
    overwrite(checkpointed(directory), noise.randrange(1, 20) * PAGE_SIZE, noise.randbytes(PAGE_SIZE))

    with caplog.at_level(logging.WARNING), opened(directory) as store:
        assert append(store, [record(ROWS + 1)]) != [None]


def test_a_file_of_garbage_starts_a_new_store(directory, identity, caplog):
    database = checkpointed(directory)
    database.write_bytes(random.Random(1).randbytes(50_000))

    assert open_damaged(directory, identity, caplog) == []
    assert (directory / "lmn.db.corrupt-1").stat().st_size == 50_000


@pytest.mark.parametrize("content", [b"", b"SQLite format 3\0", bytes(100)])
def test_a_file_without_content_starts_a_new_store(directory, identity, caplog, content):
    checkpointed(directory).write_bytes(content)

    assert open_damaged(directory, identity, caplog) == []


def test_rows_salvaged_twice_keep_their_first_identity(directory, identity, caplog):
    (directory / "lmn.db-wal").unlink()
    saved = len(open_damaged(directory, identity, caplog))
    (directory / "lmn.db-wal").unlink()

    with opened(directory), LmnView.open(directory) as view:
        rows = view.records(HOUSE, 0, 2 * ROWS)

    assert [row.record_number for row in rows if row.store_id == identity] == list(range(1, saved + 1))


def test_of_the_damaged_files_three_are_kept(directory):
    for _ in range(5):
        with opened(directory):
            pass
        (directory / "lmn.db-wal").unlink()

    with opened(directory) as store:
        assert "lmn.db.corrupt-5" in (store.salvaged or "")
    kept = sorted(file.name for file in directory.iterdir() if "corrupt" in file.name and "wal" not in file.name)
    assert kept == ["lmn.db.corrupt-3", "lmn.db.corrupt-4", "lmn.db.corrupt-5"]


def test_a_view_notices_that_the_file_was_replaced(directory, identity):
    with opened(directory), LmnView.open(directory) as view:
        view.changed()
    view = LmnView.open(directory)
    try:
        assert (view.store_id, view.changed()) == (identity, False)
        (directory / "lmn.db-wal").unlink()

        with opened(directory) as store:
            assert view.changed()
            assert view.store_id == store.store_id != identity
            assert view.records(HOUSE, 0, 1)[0].store_id == identity
            assert not view.changed()
    finally:
        view.close()


def test_damage_that_shows_while_running_is_repaired_and_the_append_done(directory, identity, caplog):
    """The page goes bad under the open store; the writer meets it when it needs that page."""
    database = checkpointed(directory)
    with opened(directory) as store, LmnView.open(directory) as view:
        for page in range(1, database.stat().st_size // PAGE_SIZE):
            overwrite(database, page * PAGE_SIZE, random.Random(page).randbytes(PAGE_SIZE))
        store._file.writer.execute("PRAGMA shrink_memory")  # forget the pages that were read before

        assert append(store, [record(ROWS + 1)]) != [None]
        assert store.store_id != identity
        finish_salvage(store)
        assert view.changed()
        assert view.records(HOUSE, 0, 10)[-1].readings == record(ROWS + 1).capture.readings


def test_a_big_file_is_checked_while_it_is_used(directory, identity, monkeypatch):
    overwrite(checkpointed(directory), 40 * PAGE_SIZE, random.Random(5).randbytes(PAGE_SIZE))
    monkeypatch.setattr("smgw.store.file.owned.CHECKED_BYTES", 0)

    with opened(directory) as store:
        assert store.salvaged is None
        until = time.monotonic() + 60
        while store._file.broken is None and time.monotonic() < until:
            time.sleep(0.01)
        assert append(store, [record(ROWS + 1)]) != [None]
        assert store.store_id != identity
        finish_salvage(store)
        with LmnView.open(directory) as view:
            assert len(whole(view.records(HOUSE, 0, 2 * ROWS))) > ROWS * 8 // 10


def test_a_store_closes_while_its_pages_are_checked(directory, identity, monkeypatch):
    monkeypatch.setattr("smgw.store.file.owned.CHECKED_BYTES", 0)

    for _ in range(10):
        with opened(directory) as store:
            assert store.store_id == identity


def test_a_crash_between_the_renames_of_a_replacement_is_finished_at_the_next_start(directory, identity, monkeypatch):
    import smgw.store.file.owned as owned

    (directory / "lmn.db-wal").unlink()
    rename = owned._rename
    calls = []

    def dies(source, target):
        calls.append(target)
        if len(calls) == 2:
            raise KeyboardInterrupt
        rename(source, target)

    monkeypatch.setattr(owned, "_rename", dies)
    with pytest.raises(KeyboardInterrupt):
        opened(directory)
    monkeypatch.undo()
    assert not (directory / "lmn.db").exists()

    with opened(directory), LmnView.open(directory) as view:
        assert {row.store_id for row in view.records(HOUSE, 0, ROWS)} == {identity}


def test_a_wal_without_its_database_never_meets_a_new_one(directory, identity):
    (directory / "lmn.db").unlink()

    with opened(directory) as store, LmnView.open(directory) as view:
        assert store.store_id != identity
        assert view.last_position(HOUSE) == 0
        assert append(store, [record(1)]) == [1]


def test_old_rows_that_were_salvaged_still_age(directory):
    (directory / "lmn.db-wal").unlink()
    with opened(directory) as store:
        while store.retain(START + 10**15, Retention(), {DEVICE: NOBODY_WAITS}).more:
            pass
        with LmnView.open(directory) as view:
            assert view.last_position(HOUSE) == 0


def test_a_damaged_wan_store_starts_with_the_cursors_that_are_left(tmp_path, caplog):
    with WanStore.open(tmp_path) as store:
        for meter in range(2000):
            store.acknowledge("north", "ab" * 16, Source(f"meter {meter}", DEVICE), 7, 5) if meter % 100 == 0 else None
        identity = store.store_id
        store._file.writer.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    view = WanView.open(tmp_path)
    database = tmp_path / "wan.db"
    overwrite(database, 3 * PAGE_SIZE, random.Random(1).randbytes(PAGE_SIZE))

    with caplog.at_level(logging.WARNING), WanStore.open(tmp_path) as store:
        assert store.store_id != identity
        assert "cursors were saved" in caplog.text
        assert view.changed()
        store.acknowledge("north", "ab" * 16, HOUSE, 1, 1)
        assert reached(store, "north", "ab" * 16) == 1
    view.close()


def test_a_start_does_not_wait_for_very_many_quarantined_rows(tmp_path, monkeypatch):
    aside = [SetAside("north", "ab" * 16, "house", bytes(DEVICE), at, "ab" * 16, at, "no", 5) for at in range(1, 2501)]
    with WanStore.open(tmp_path) as store:
        store.acknowledge("north", "ab" * 16, HOUSE, 2500, 0, aside)
        (page,) = store._file.writer.execute("SELECT rootpage FROM sqlite_master WHERE name = 'counts'").fetchone()
        store._file.writer.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    overwrite(tmp_path / "wan.db", (page - 1) * PAGE_SIZE, bytes(PAGE_SIZE))
    monkeypatch.setattr(small, "MOST_ROWS", 2400)

    with WanStore.open(tmp_path) as store:
        assert "only 2400 quarantined rows were saved" in (store.salvaged or "")
        query = "SELECT count(*), min(position), max(position) FROM set_aside"
        assert store._file.writer.execute(query).fetchone() == (2400, 101, 2500)


def test_a_wan_store_of_garbage_delivers_everything_again(tmp_path):
    WanStore.open(tmp_path).close()
    (tmp_path / "wan.db").write_bytes(b"garbage" * 1000)

    with WanStore.open(tmp_path) as store:
        assert reached(store, "north", "ab" * 16) == 0
        assert "cursors were saved" in (store.salvaged or "")


def test_a_wan_store_without_its_wal_goes_on(tmp_path):
    with WanStore.open(tmp_path) as store:
        store.acknowledge("north", "ab" * 16, HOUSE, 7, 5)
        identity = store.store_id
        store._file.writer.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    (tmp_path / "wan.db-wal").unlink()

    with WanStore.open(tmp_path) as store:
        assert (store.store_id, reached(store, "north", "ab" * 16)) == (identity, 7)


def test_a_salvaged_record_is_found_under_the_identity_it_was_recorded_under(directory, identity):
    (directory / "lmn.db-wal").unlink()
    with opened(directory) as store, LmnView.open(directory) as view:
        (number,) = append(store, [record(ROWS + 1)])

        assert view.find(HOUSE, identity, 5).readings == record(5).capture.readings
        assert view.find(HOUSE, store.store_id, number).position == number
        assert view.find(GARAGE, identity, 5) is None
        assert view.find(HOUSE, store.store_id, 5) is None
        assert view.find(HOUSE, identity, 10**6) is None
        assert view.find(HOUSE, "no store", 5) is None

import contextlib
import sqlite3

import pytest
from smgw.cosem.data import Data, DataType
from smgw.cosem.device_id import DeviceId
from smgw.cosem.obis import Obis
from smgw.cosem.reading import Capture, ClockState, Reading, Stamp
from smgw.store.errors import StoreTooNew, StoreTooOld
from smgw.store.lmn import schema
from smgw.store.lmn import store as lmn
from smgw.store.lmn import view as lmn_view
from smgw.store.lmn.store import LmnStore
from smgw.store.lmn.view import LmnView
from smgw.store.records import ProfileName, Record, Source
from stored import append

HOUSE = Source("house", DeviceId.parse("1EMH0011802881"))
RECORD = Record(
    Capture(
        *HOUSE,
        Stamp("boot", 1, 2, 3, ClockState.SYNCHRONISED),
        None,
        (Reading(Obis.parse("1.8.0"), Data(DataType.LONG64, 5)),),
    )
)


@pytest.fixture
def directory(tmp_path):
    """A store of the newest version with one record."""
    with LmnStore.open(tmp_path, ballast_bytes=0) as store:
        store.append([RECORD])
    return tmp_path


NOW = schema.lmn_schema().version


def next_version(monkeypatch, migration):
    """Let this program know one schema version more."""
    known = schema.lmn_schema()
    newer = known._replace(version=NOW + 1, migrations={**known.migrations, NOW: migration})
    monkeypatch.setattr(lmn, "lmn_schema", lambda: newer)
    monkeypatch.setattr(lmn_view, "lmn_schema", lambda: newer)


def columns(directory):
    connection = sqlite3.connect(f"file:{directory}/lmn.db?mode=ro", uri=True)
    try:
        names = [row[1] for row in connection.execute("PRAGMA table_info(capture)")]
        return names, connection.execute("PRAGMA user_version").fetchone()[0]
    finally:
        connection.close()


def test_a_new_store_has_version_6(directory):
    assert columns(directory)[1] == 6


def test_a_store_of_version_4_opens_and_is_written_and_read(directory):
    with contextlib.closing(sqlite3.connect(directory / "lmn.db", isolation_level=None)) as connection:
        connection.executescript(
            """DROP TABLE salvage; DROP TABLE salvage_alias; DROP TABLE evaluation_state;
            ALTER TABLE log DROP COLUMN identity;
            ALTER TABLE log DROP COLUMN user; PRAGMA user_version = 4;"""
        )
    (directory / "lmn.db-wal").touch()
    with pytest.raises(StoreTooOld):
        LmnView.open(directory)

    with LmnStore.open(directory, ballast_bytes=0) as store, LmnView.open(directory) as view:
        assert store.salvaged is None
        assert append(store, [RECORD]) == [2]
        assert store.salvage_step() is None
        assert [row.position for row in view.records(HOUSE, 0, 9)] == [1, 2]
        assert view.salvage() is None
    assert columns(directory)[1] == 6


def test_a_migration_takes_the_rows_along(directory, monkeypatch):
    next_version(monkeypatch, lambda connection: connection.execute("ALTER TABLE capture ADD COLUMN signature BLOB"))

    with LmnStore.open(directory, ballast_bytes=0) as store:
        assert store.salvaged is None
        assert append(store, [RECORD]) == [2]
        with LmnView.open(directory) as view:
            assert [row.position for row in view.records(HOUSE, 0, 9)] == [1, 2]
    names, version = columns(directory)
    assert (names[-1], version) == ("signature", NOW + 1)


def test_a_migration_that_fails_half_way_leaves_the_version_before_as_it_was(directory, monkeypatch):
    before = columns(directory)

    def fails(connection):
        connection.execute("ALTER TABLE capture ADD COLUMN signature BLOB")
        connection.execute("DELETE FROM capture")
        raise RuntimeError("power cut")

    with monkeypatch.context() as patch:
        next_version(patch, fails)
        with pytest.raises(RuntimeError):
            LmnStore.open(directory, ballast_bytes=0)

    assert columns(directory) == before
    with LmnStore.open(directory, ballast_bytes=0) as store:
        assert store.salvaged is None
        assert append(store, [RECORD]) == [2]


def test_a_newer_store_is_refused_and_left_alone(directory):
    connection = sqlite3.connect(directory / "lmn.db")
    keeper = sqlite3.connect(f"file:{directory}/lmn.db?mode=ro", uri=True)
    keeper.execute("SELECT 1 FROM store").fetchone()
    connection.execute("PRAGMA user_version = 7")
    connection.close()
    keeper.close()

    for opens in (LmnStore.open, LmnView.open):
        with pytest.raises(StoreTooNew, match=r"lmn\.db: has schema version 7, this program knows 6 at most"):
            opens(directory)
    assert columns(directory)[1] == 7
    assert not list(directory.glob("*corrupt*"))


def adds_a_table(monkeypatch, oldest):
    """The program of the next version, whose schema only adds a table and names `oldest`."""
    next_version(monkeypatch, lambda connection: connection.execute("CREATE TABLE later (note TEXT) STRICT"))
    newer = lmn.lmn_schema()._replace(oldest=oldest)
    monkeypatch.setattr(lmn, "lmn_schema", lambda: newer)
    monkeypatch.setattr(lmn_view, "lmn_schema", lambda: newer)


@pytest.mark.parametrize("made_by", ["older", "newer"])
def test_programs_before_and_after_a_schema_that_only_adds_write_one_store_in_turn(tmp_path, monkeypatch, made_by):
    positions = []

    def one_row():
        with LmnStore.open(tmp_path, ballast_bytes=0) as store, LmnView.open(tmp_path) as view:
            assert store.salvaged is None
            positions.extend(append(store, [RECORD]))
            assert [row.position for row in view.records(HOUSE, 0, 9)] == positions

    if made_by == "older":
        one_row()
    with monkeypatch.context() as patch:
        adds_a_table(patch, oldest=NOW)
        one_row()
    one_row()
    with monkeypatch.context() as patch:
        adds_a_table(patch, oldest=NOW)
        one_row()
    assert columns(tmp_path)[1] == NOW + 1
    assert positions == list(range(1, len(positions) + 1))


def test_a_newer_store_that_names_no_older_program_is_refused(directory, monkeypatch):
    with monkeypatch.context() as patch:
        adds_a_table(patch, oldest=0)
        LmnStore.open(directory, ballast_bytes=0).close()
    with pytest.raises(StoreTooNew):
        LmnStore.open(directory, ballast_bytes=0)
    with pytest.raises(StoreTooNew):
        LmnView.open(directory)


def test_a_store_of_version_1_gets_what_came_later_and_keeps_its_rows(tmp_path, monkeypatch):
    old = schema.lmn_schema()._replace(version=1, migrations={})
    with monkeypatch.context() as patch:
        patch.setattr(lmn, "lmn_schema", lambda: old)
        patch.setattr(LmnStore, "_look_at_salvage", lambda _: None)  # a table of version 5
        with LmnStore.open(tmp_path, ballast_bytes=0) as store:
            store.append([RECORD])
    assert columns(tmp_path)[1] == 1

    name = ProfileName("house", RECORD.capture.device, Obis.parse("1-0:99.1.0"))
    with LmnStore.open(tmp_path, ballast_bytes=0) as store:
        assert store.salvaged is None
        assert store.profile_ranges(name) == []
        assert append(store, [RECORD]) == [2]
    assert columns(tmp_path)[1] == 6

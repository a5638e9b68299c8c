"""Stores that the released package wrote: what they hold is there after an upgrade, and after damage."""

import contextlib
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
import released
from log_faults import faults
from smgw.clock.gateway_clock import Saved
from smgw.cosem import ClockState, DeviceId, Obis
from smgw.store import paths
from smgw.store.errors import StoreTooOld
from smgw.store.lmn.store import LmnStore
from smgw.store.lmn.view import LmnView
from smgw.store.ranges import Range
from smgw.store.records import CacheKind, Condition, MeterState, Origin, ProfileName, Record, Source, StoredRecord
from smgw.store.wan.store import WanStore
from smgw.store.wan.view import WanView
from stored import append, opened, reserve

FIRMWARE = Path(__file__).parents[3] / "firmware"
MIDNIGHT = 1_772_323_200 * 10**6
HOUSE = Source("house", DeviceId.parse("1EMH0011802881"))
PV = Source("pv", DeviceId.parse("1LOG0065800042"))
STORE_ID = "db882b4f249ab46a5d91eb459de2d8c9"
PROFILE = ProfileName(*HOUSE, Obis.parse("1-0:99.1.0"))
#: What the released package wrote, counted by table.
ROWS = {"capture": 45, "reading": 111, "register": 6, "word": 5, "profile_version": 4, "log": 2, "profile_range": 1}


@pytest.fixture
def state(tmp_path: Path) -> Path:
    released.unpack(tmp_path)
    return tmp_path


@pytest.fixture
def directory(state: Path) -> Path:
    return paths.lmn_directory(state)


def raw(directory: Path, query: str) -> list[tuple[object, ...]]:
    """Read past the store; -wal and -shm stay."""
    with contextlib.closing(sqlite3.connect(f"file:{directory}/lmn.db?mode=ro", uri=True)) as connection:
        return connection.execute(query).fetchall()


def content(directory: Path) -> dict[str, list[tuple[object, ...]]]:
    found = {table: raw(directory, f"SELECT * FROM {table} ORDER BY 1, 2") for table in ROWS}
    return found | {"log": [row[:11] for row in found["log"]]}  # version 6 has two columns more


def migrated(directory: Path) -> None:
    with LmnStore.open(directory, ballast_bytes=0) as store:
        assert store.salvaged is None


def rows_of(directory: Path) -> list[StoredRecord]:
    with LmnView.open(directory) as view:
        return [row for source in view.sources() for row in view.records(source, 0, 1000)]


def test_every_row_keeps_its_identity_its_number_and_its_values(directory: Path) -> None:
    before = content(directory)
    assert {table: len(rows) for table, rows in before.items()} == ROWS
    migrated(directory)
    assert content(directory) == before
    rows = rows_of(directory)
    assert sorted(row.record_number for row in rows) == list(range(1, 46))
    assert {row.store_id for row in rows} == {STORE_ID}
    assert sum(len(row.readings) for row in rows) == 111
    assert {row.signature for row in rows} | {one.signature for row in rows for one in row.readings} == {None}


def test_a_number_follows_the_last_one_and_a_taken_slot_stays_taken(directory: Path) -> None:
    with LmnStore.open(directory, ballast_bytes=0) as store, LmnView.open(directory) as view:
        assert store.last_target_us(HOUSE) == MIDNIGHT + 7 * 900 * 10**6
        last = view.records(HOUSE, 28, 1)[0]
        again = Record(released.capture_of(last), last.target_time_us)
        assert append(store, [again]) == [None]
        assert append(store, [again._replace(target_time_us=None)]) == [46]


def test_what_a_meter_told_and_the_counters_of_its_key_are_kept(directory: Path) -> None:
    with LmnStore.open(directory, ballast_bytes=0) as store:
        assert store.cached(CacheKind.OBJECT_LIST, HOUSE.device, b"2.05") == b'[["1-0:1.8.0",3,0]]'
        assert store.cached(CacheKind.SCALER_UNIT, HOUSE.device, b"2.05") == b'[[3,"1-0:1.8.0",2,-1,30]]'
        assert reserve(store, "flat", 1, "a1b2c3", 0, 1) == 3_000_000_128
        assert store.counts() == {"refused_register": 3}
        assert store.load_clock() == Saved(
            "0f3c6f3e-5c1b-4d32-9a52-6e2f9d3a0a11", 10**9, MIDNIGHT - 10**6, 4000, ClockState.SYNCHRONISED
        )


def test_states_and_log_entries_are_kept(directory: Path) -> None:
    migrated(directory)
    with LmnView.open(directory) as view:
        house, roof = view.meter_states()
        entries = view.log_entries(9)
    assert house[:3] == (*HOUSE, Condition.READING)
    assert (house.good, house.refused, house.note, house.remark) == (21, 1, "device 1EMH0011802881", "")
    assert roof == MeterState("roof", None, Condition.ABSENT, MIDNIGHT, note="no port /dev/ttyUSB7")
    assert [entry.event for entry in entries] == ["lmn-started", "registers-refused"]
    assert faults(entries) == []


def test_a_load_profile_is_kept_and_not_asked_again(directory: Path) -> None:
    migrated(directory)
    with LmnView.open(directory) as view:
        assert view.profile_ranges(PROFILE) == [Range(MIDNIGHT - 12 * 900 * 10**6, MIDNIGHT - 900 * 10**6)]
        rows = view.profile_rows(PROFILE, Range(0, MIDNIGHT), 99)
    assert [(row.origin, row.record_number) for row in rows] == [(Origin.HISTORY, number) for number in range(34, 46)]


def test_cursors_and_refused_rows_are_kept(state: Path) -> None:
    migrated(paths.lmn_directory(state))
    directory = paths.wan_directory(state)
    with WanStore.open(directory) as store, WanView.open(directory) as view:
        assert store.salvaged is None
        found = {(row.emp, row.store_id, row.meter, row.position, row.acknowledged) for row in view.cursors()}
        (refused,) = store.set_aside("power")
        (sample,) = view.time_samples(0)
    assert found == {
        ("power", STORE_ID, "house", 17, 4),
        ("power", STORE_ID, "pv", 9, 5),
        ("archive", STORE_ID, "house", 5, 2),
        ("archive", "ab" * 16, "house", 7, 7),
    }
    assert (refused.meter, refused.position, refused.record_number) == ("house", 9, 9)
    assert sample[0] == 1


def test_a_reader_that_comes_before_the_owner_is_told_to_wait(directory: Path) -> None:
    with pytest.raises(StoreTooOld, match="when it next starts"):
        LmnView.open(directory)
    migrated(directory)
    LmnView.open(directory).close()


KILLED = """
import os, signal, sys
from pathlib import Path
from smgw.store.file import schema
from smgw.store.lmn.store import LmnStore
statements = schema._statements
def cut(script):
    yield from statements(script)[: int(sys.argv[2])]
    os.kill(os.getpid(), signal.SIGKILL)
schema._statements = cut
LmnStore.open(Path(sys.argv[1]), ballast_bytes=0)
"""


@pytest.mark.parametrize("after", [1, 2, 6, 9, 13, 99])
def test_a_kill_in_the_middle_of_the_migration_leaves_the_version_before(directory: Path, after: int) -> None:
    before = content(directory)
    done = subprocess.run(
        [sys.executable, "-c", KILLED, directory, str(after)], env={"PYTHONPATH": str(FIRMWARE)}, check=False
    )
    assert done.returncode == -signal.SIGKILL
    assert raw(directory, "PRAGMA user_version") == [(2,)]
    assert content(directory) == before
    assert len(raw(directory, "SELECT * FROM object_list")) == 2
    migrated(directory)
    assert content(directory) == before


def as_version_1(directory: Path) -> None:
    """Take away what version 2 added."""
    with contextlib.closing(sqlite3.connect(directory / "lmn.db", isolation_level=None)) as connection:
        connection.executescript(
            """DELETE FROM reading WHERE capture IN (SELECT number FROM capture WHERE origin = 2);
            DELETE FROM capture WHERE origin = 2;
            DROP TABLE invocation_counter; DROP TABLE profile_range;
            DROP TRIGGER object_list_bound; DROP INDEX capture_history;
            PRAGMA user_version = 1; PRAGMA wal_checkpoint(TRUNCATE);"""
        )
    paths.wal_of(directory / "lmn.db").touch()


def as_version_4(directory: Path) -> None:
    """Take away what versions 5 and 6 added."""
    as_version_5(directory)
    with contextlib.closing(sqlite3.connect(directory / "lmn.db", isolation_level=None)) as connection:
        connection.executescript("DROP TABLE salvage; DROP TABLE salvage_alias; PRAGMA user_version = 4;")


def as_version_5(directory: Path) -> None:
    """Take away what version 6 added."""
    with contextlib.closing(sqlite3.connect(directory / "lmn.db", isolation_level=None)) as connection:
        connection.executescript(
            """ALTER TABLE log DROP COLUMN identity; ALTER TABLE log DROP COLUMN user; PRAGMA user_version = 5;"""
        )


def damage(directory: Path, table: str) -> None:
    """Half of the root page of a table becomes zeroes."""
    (row,) = raw(directory, f"SELECT rootpage FROM sqlite_master WHERE name = '{table}'")
    database = directory / "lmn.db"
    octets = bytearray(database.read_bytes())
    at = (int(str(row[0])) - 1) * 4096
    octets[at : at + 2048] = bytes(2048)
    database.write_bytes(octets)


@pytest.mark.parametrize("version", [1, 2, 4, 5, 6])
@pytest.mark.parametrize("table", ["capture_older", "counts"])
def test_a_damaged_store_of_any_version_is_salvaged_under_its_identity(
    directory: Path, version: int, table: str
) -> None:
    if version == 1:
        as_version_1(directory)
    if version >= 4:
        migrated(directory)
        if version < 6:
            {4: as_version_4, 5: as_version_5}[version](directory)
        raw_connection = sqlite3.connect(directory / "lmn.db")
        raw_connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        raw_connection.close()
        paths.wal_of(directory / "lmn.db").touch()
    damage(directory, table)
    number = 33 if version == 1 else 45
    with opened(directory) as store:
        assert store.counts()["salvaged"] == number
        assert "counters" not in (store.salvaged or "")
        assert store.store_id != STORE_ID
        if version > 1:
            assert reserve(store, "flat", 1, "a1b2c3", 0, 1) == 3_000_000_128 + 65_536
        assert store.cached(CacheKind.SCALER_UNIT, HOUSE.device, b"2.05") == b'[[3,"1-0:1.8.0",2,-1,30]]'
    rows = rows_of(directory)
    assert {row.store_id for row in rows} == {STORE_ID}
    assert sorted(row.record_number for row in rows) == list(range(1, number + 1))
    with LmnView.open(directory) as view:
        assert [state.meter for state in view.meter_states()] == ["house", "roof"]
        assert "store-salvaged" in [entry.event for entry in view.log_entries(9)]
    assert raw(directory, "PRAGMA user_version") == [(6,)]

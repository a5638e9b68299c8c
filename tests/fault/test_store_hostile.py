"""A view reads another process's file and trusts nothing in it: any column may hold anything."""

import contextlib
import random
import sqlite3

import pytest
from smgw.clock.sample import TimeSample
from smgw.cosem.data import Data, DataType
from smgw.cosem.device_id import DeviceId
from smgw.cosem.obis import Obis
from smgw.cosem.reading import Capture, ClockState, MeterTime, MeterTimeKind, Reading, Stamp
from smgw.store.errors import StoreDamaged, StoreError
from smgw.store.file.log_book import Level
from smgw.store.lmn.store import LmnStore
from smgw.store.lmn.view import LmnView
from smgw.store.ranges import Range
from smgw.store.records import CacheKind, Condition, Covered, MeterState, Origin, ProfileName, Record, Source
from smgw.store.wan.records import ChannelKind, ChannelState, SetAside
from smgw.store.wan.store import WanStore
from smgw.store.wan.view import WanView
from stored import reserve

DEVICE = DeviceId.parse("1EMH0011802881")
HOUSE = Source("house", DEVICE)
PROFILE = ProfileName("house", DEVICE, Obis.parse("1-0:99.1.0"))
STAMP = Stamp("boot", 10**9, 1_700_000_000_000_000, 3, ClockState.SYNCHRONISED)
VALUES = [
    None, "text", "", "9", b"octets", b"", b"\xff" * 16, 1.5, -0.0, 1e308, float("inf"), 0, -1, 1, 2**31, 2**63 - 1,
    -(2**63), "2023-01-01", b"\x01\x02\x00\x00\x00\xff", b"\x02\x02\x7f\xff\xff\xff" * 3000,
]  # fmt: skip


def lmn_reads(view):
    yield view.counts
    yield lambda: view.log_entries(9)
    yield lambda: view.log_entries(9, "system")
    yield view.sources
    yield lambda: view.records(HOUSE, 0, 9)
    yield lambda: view.find(HOUSE, view.store_id, 1)
    yield lambda: view.find(HOUSE, "ab" * 16, 1)
    yield lambda: view.backlog(HOUSE, 0)
    yield lambda: view.last_target_us(HOUSE)
    yield lambda: view.last_position(HOUSE)
    yield lambda: view.newest(HOUSE)
    yield lambda: view.profile_ranges(PROFILE)
    yield lambda: view.profile_rows(PROFILE, Range(0, 9), 9)
    yield view.meter_states
    yield view.clock


def wan_reads(view):
    yield view.counts
    yield lambda: view.log_entries(9)
    yield view.cursors
    yield view.channels
    yield view.set_aside_counts
    yield lambda: view.time_samples(0)


def fill_lmn(directory):
    with LmnStore.open(directory, ballast_bytes=0) as store:
        readings = (
            Reading(
                Obis.parse("1.8.0"),
                Data(DataType.LONG64_UNSIGNED, 5),
                -1,
                30,
                Data(DataType.LONG, 1),
                Data(DataType.LONG, 1),
            ),
            Reading(Obis.parse("2.8.0"), Data(DataType.STRUCTURE, (Data(DataType.LONG, 1),)), -1, 30),
        )
        time = MeterTime(MeterTimeKind.SEC_INDEX, b"\0\0\0\1")
        readings = (*readings, readings[0]._replace(signature=b"of the value"))
        capture = Capture("house", DEVICE, STAMP, time, readings, b"of the list")
        store.append([Record(capture, STAMP.utc_us)])
        past = Record(capture, 5, origin=Origin.HISTORY, profile=PROFILE.profile)
        store.append([past], Covered(PROFILE, Range(0, 9)))
        store.note_meter(MeterState("house", DEVICE, Condition.READING, 1, 2))
        store.note_meter(MeterState("garage", None, Condition.ABSENT, 1))
        store.cache(CacheKind.OBJECT_LIST, DEVICE, b"1.0", b"list")
        reserve(store, "house", 1, "aa", 0, 1)
        store.save_clock("boot", 1, 2, 3, ClockState.SYNCHRONISED)
        store.count("x", 1)
        store.log("event", Level.INFO, "x", STAMP)


def fill_wan(directory):
    with WanStore.open(directory) as store:
        aside = SetAside("north", "ab" * 16, "house", bytes(DEVICE), 3, "ab" * 16, 3, "no", 5)
        store.acknowledge("north", "ab" * 16, HOUSE, 7, 5, [aside])
        store.note_channel(ChannelState("north", ChannelKind.HELD, 5))
        store.add_time_sample(TimeSample("boot", 1, 2, 3, "ntp"))
        store.log("event", Level.INFO, "x", STAMP)


CASES = {"lmn.db": (fill_lmn, LmnView, lmn_reads), "wan.db": (fill_wan, WanView, wan_reads)}


def columns(path):
    with contextlib.closing(sqlite3.connect(path)) as connection:
        tables = [row[0] for row in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")]
        return [
            (table, row[1])
            for table in tables
            if not table.startswith("sqlite_")
            for row in connection.execute(f"PRAGMA table_info({table})")
        ]


def forge(path, table, column, value):
    """Put the value there, whatever the schema says of it."""
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute(f"CREATE TABLE forged AS SELECT * FROM {table}")
        connection.execute(f"DROP TABLE {table}")
        names = [row[1] for row in connection.execute("PRAGMA table_info(forged)")]
        connection.execute(f"CREATE TABLE {table} ({', '.join(names)})")
        connection.execute(f"INSERT INTO {table} SELECT * FROM forged")
        connection.execute(f"UPDATE {table} SET {column} = ?", (value,))


@pytest.mark.parametrize("name", CASES)
def test_whatever_stands_in_a_column_a_view_gives_an_answer_or_a_store_error(tmp_path, name):
    fill, view_class, reads = CASES[name]
    fill(tmp_path)
    for file in tmp_path.glob("*-shm"):
        file.unlink()
    with contextlib.closing(sqlite3.connect(tmp_path / name)) as connection:
        connection.execute("PRAGMA journal_mode = DELETE")
    sound = (tmp_path / name).read_bytes()
    refused = 0
    for table, column in columns(tmp_path / name):
        for value in VALUES:
            (tmp_path / name).write_bytes(sound)
            forge(tmp_path / name, table, column, value)
            try:
                view = view_class.open(tmp_path)
            except StoreError:
                refused += 1
                continue
            with view:
                for read in reads(view):
                    try:
                        read()
                    except StoreError:
                        refused += 1
                    except Exception as error:
                        pytest.fail(f"{table}.{column} = {value!r:.60}: {error!r}")
    assert refused > 100


@pytest.mark.parametrize("column", ["boottime_ns", "offset_us", "dispersion_us"])
@pytest.mark.parametrize("value", ["text", b"octets", 1.5, -(2**63), None])
def test_a_time_sample_that_makes_no_sense_is_damage(tmp_path, column, value):
    fill_wan(tmp_path)
    forge(tmp_path / "wan.db", "time_sample", column, value)

    with WanView.open(tmp_path) as view, pytest.raises(StoreDamaged):
        view.time_samples(0)


@pytest.mark.parametrize("value", ["text", 5, b"short", None])
def test_a_file_without_an_identity_is_damaged(tmp_path, value):
    fill_wan(tmp_path)
    forge(tmp_path / "wan.db", "store", "store_id", value)

    with pytest.raises(StoreDamaged):
        WanView.open(tmp_path)


@pytest.mark.parametrize("seed", range(3))
def test_random_bytes_in_a_nested_value_are_refused_or_read(tmp_path, seed):
    from smgw.store.lmn.values import from_column

    noise = random.Random(seed)
    for _ in range(3000):
        octets = noise.randbytes(noise.randrange(40))
        with contextlib.suppress(ValueError):
            from_column(noise.choice([1, 2, 19]), octets)

"""Load profiles in lmn.db: each row once, and what is said to be kept is there."""

import sqlite3
import time
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from smgw.cosem.data import Data, DataType
from smgw.cosem.device_id import DeviceId
from smgw.cosem.obis import Obis
from smgw.cosem.reading import Capture, ClockState, MeterTime, MeterTimeKind, Reading, Stamp
from smgw.errors import SmgwError
from smgw.store.file.connection import PAGE_SIZE
from smgw.store.lmn import counters
from smgw.store.lmn.store import LmnStore
from smgw.store.lmn.view import LmnView
from smgw.store.ranges import Range, gaps, merged
from smgw.store.records import Origin, ProfileName, Record, Source
from stored import append, keep, opened, reserve

DEVICE = DeviceId.parse("1EMH0011802881")
HOUSE = Source("house", DEVICE)
OTHER = DeviceId.parse("1ISK0071234567")
NAME = ProfileName("house", DEVICE, Obis.parse("1-0:99.1.0"))
ENERGY = Obis.parse("1-0:1.8.0")
QUARTER = 900_000_000
FAR = 2_000_000_000  # counters beyond where a key starts
RANGES = st.lists(st.tuples(st.integers(0, 40), st.integers(0, 10)).map(lambda pair: Range(pair[0], sum(pair))))


def row(place, device=DEVICE):
    """The row that ends a quarter hour; its value tells which."""
    capture = Capture(
        "house",
        device,
        Stamp("boot", 1, 2, 3, ClockState.SYNCHRONISED),
        MeterTime(MeterTimeKind.TIMESTAMP, (900 * place).to_bytes(4, "big")),
        (Reading(ENERGY, Data(DataType.LONG64_UNSIGNED, place), -1, 30),),
    )
    return Record(capture, QUARTER * place, origin=Origin.HISTORY)


def rows(first, last):
    return [row(place) for place in range(first, last + 1)]


def covered(first, last):
    return Range(QUARTER * first, QUARTER * last)


def damage(directory, page):
    """Half of a page, counted from 0, becomes zeroes."""
    database = directory / "lmn.db"
    octets = bytearray(database.read_bytes())
    octets[PAGE_SIZE * page : PAGE_SIZE * page + PAGE_SIZE // 2] = bytes(PAGE_SIZE // 2)
    database.write_bytes(octets)


@pytest.fixture
def store(tmp_path):
    with LmnStore.open(tmp_path, ballast_bytes=0) as opened:
        yield opened


def values(directory, first=0, last=1000, name=NAME, limit=10_000):
    with LmnView.open(directory) as view:
        return [one.readings[0].value.value for one in view.profile_rows(name, covered(first, last), limit)]


def test_rows_are_kept_with_what_they_cover(store, tmp_path):
    assert keep(store, NAME, rows(1, 3), covered(0, 3)) == [1, 2, 3]
    assert store.profile_ranges(NAME) == [covered(0, 3)]
    with LmnView.open(tmp_path) as view:
        assert view.profile_ranges(NAME) == [covered(0, 3)]
        kept = view.profile_rows(NAME, covered(0, 9), 10)
    assert [(one.target_time_us, one.origin, one.meter_time.seconds) for one in kept] == [
        (QUARTER * place, Origin.HISTORY, 900 * place) for place in (1, 2, 3)
    ]


def test_a_row_that_is_there_is_not_kept_again(store, tmp_path):
    keep(store, NAME, rows(1, 3), covered(0, 3))
    assert keep(store, NAME, rows(2, 5), covered(2, 5)) == [None, None, 4, 5]
    assert values(tmp_path) == [1, 2, 3, 4, 5]
    assert store.profile_ranges(NAME) == [covered(0, 5)]


def test_a_row_beside_a_value_that_the_gateway_measured_is_kept_and_so_is_that_value(store, tmp_path):
    measured = row(2)._replace(origin=Origin.MEASURED)
    assert append(store, [measured]) == [1]
    keep(store, NAME, rows(1, 3), covered(1, 3))
    assert append(store, [measured]) == [None]  # the slot is still the measured value's
    assert values(tmp_path) == [1, 2, 3]
    with LmnView.open(tmp_path) as view:
        assert view.last_target_us(HOUSE) == 2 * QUARTER  # the grid knows of what was measured only


def test_the_newest_reading_of_a_meter_is_none_of_its_profile(store, tmp_path):
    with LmnView.open(tmp_path) as view:
        assert view.newest(HOUSE) is None
    store.append([row(7)._replace(origin=Origin.MEASURED)])
    keep(store, NAME, rows(1, 3), covered(1, 3))
    with LmnView.open(tmp_path) as view:
        assert view.newest(HOUSE).readings[0].value.value == 7
        assert view.last_position(HOUSE) == 4


def test_rows_come_by_range_and_in_the_order_of_their_times(store, tmp_path):
    keep(store, NAME, rows(10, 20), covered(10, 20))
    keep(store, NAME, rows(1, 5), covered(1, 5))
    assert values(tmp_path) == [*range(1, 6), *range(10, 21)]
    assert values(tmp_path, 3, 11) == [3, 4, 5, 10, 11]
    assert values(tmp_path, limit=2) == [1, 2]


def test_devices_and_profiles_are_kept_apart(store, tmp_path):
    daily = NAME._replace(profile=Obis.parse("1-0:99.2.0"))
    exchanged = NAME._replace(device=OTHER)
    keep(store, NAME, rows(1, 2), covered(1, 2))
    keep(store, daily, rows(2, 2), covered(2, 2))
    keep(store, exchanged, [row(2, OTHER)], covered(2, 9))
    assert [values(tmp_path, name=name) for name in (NAME, daily, exchanged)] == [[1, 2], [2], [2]]
    assert store.profile_ranges(exchanged) == [covered(2, 9)]


def test_what_is_kept_is_known_after_a_restart_and_rows_stay_single(tmp_path):
    for last in (3, 6):
        with LmnStore.open(tmp_path, ballast_bytes=0) as store:
            keep(store, NAME, rows(1, last), covered(1, last))
    assert values(tmp_path) == [1, 2, 3, 4, 5, 6]
    with LmnStore.open(tmp_path, ballast_bytes=0) as store:
        assert store.profile_ranges(NAME) == [covered(1, 6)]


def test_rows_and_their_range_are_one_transaction(store, tmp_path):
    keep(store, NAME, rows(1, 2), covered(1, 2))
    store._file.writer.execute(
        "CREATE TEMP TRIGGER power_cut BEFORE INSERT ON main.profile_range BEGIN SELECT raise(ABORT, 'power cut'); END"
    )
    with pytest.raises(Exception, match="power cut"):
        keep(store, NAME, rows(3, 4), covered(3, 4))
    store._file.writer.execute("DROP TRIGGER power_cut")
    assert values(tmp_path) == [1, 2]
    assert store.profile_ranges(NAME) == [covered(1, 2)]
    assert keep(store, NAME, rows(3, 4), covered(3, 4)) == [3, 4]


def test_after_a_salvage_the_rows_are_asked_again_and_stay_single(tmp_path):
    with LmnStore.open(tmp_path, ballast_bytes=0) as store:
        for place in range(0, 3000, 100):
            keep(store, NAME, rows(place, place + 99), covered(place, place + 99))
        store._file.writer.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    database = tmp_path / "lmn.db"
    octets = bytearray(database.read_bytes())
    for page in range(20, len(octets) // PAGE_SIZE, 10):
        octets[PAGE_SIZE * page : PAGE_SIZE * page + PAGE_SIZE // 2] = bytes(PAGE_SIZE // 2)
    database.write_bytes(octets)
    with opened(tmp_path) as store:
        assert store.salvaged
        assert store.profile_ranges(NAME) == []
        assert 0 < sum(number is not None for number in keep(store, NAME, rows(0, 2999), covered(0, 2999))) < 3000
    assert values(tmp_path, 0, 3000) == list(range(3000))


def test_counters_are_given_once_also_after_a_crash(store, tmp_path):
    assert reserve(store, "house", 1, "aa", FAR, 10) == FAR
    assert reserve(store, "house", 1, "aa", 7, 1) == FAR + 10
    assert reserve(store, "house", 1, "bb", FAR, 1) == FAR
    with sqlite3.connect(f"file:{tmp_path}/lmn.db?mode=ro", uri=True) as other:  # durable before it is used
        assert other.execute("SELECT max(reserved) FROM reserved_counter").fetchone() == (FAR + 10,)
    other.close()
    assert reserve(store, "house", 1, "aa", FAR + 500, 2) == FAR + 500


def test_a_new_store_does_not_give_the_counters_of_a_key_again_that_a_lost_one_gave(tmp_path, monkeypatch):
    """A nonce that comes twice gives both plain texts away, and the key of the tag."""
    given = []
    for age_s, name in ((0, "lost"), (0, "twin"), (13 * 86_400, "new")):
        monkeypatch.setattr(counters, "_SINCE", int(time.time()) - 400_000_000 - age_s)
        with LmnStore.open(tmp_path / name, ballast_bytes=0) as store:
            given.append(reserve(store, "house", 1, "aa", 0, 1))
    lost, twin, new = given
    assert lost != twin
    assert max(lost, twin) < new < 0xFFFF_FFFF


@pytest.mark.parametrize("state", ClockState)
@pytest.mark.parametrize("year", [1970, 2020, 2150])
def test_a_key_that_the_store_does_not_know_gets_no_counter_while_the_clock_is_plainly_wrong(store, year, state):
    store.use_clock(lambda: Stamp("boot", 0, (year - 1970) * 31_556_952 * 1_000_000, 0, state))
    with pytest.raises(SmgwError, match="the time is synchronised"):
        reserve(store, "house", 1, "aa", FAR, 1)
    store.use_clock(lambda: Stamp("boot", 0, time.time_ns() // 1000, 0, state))
    assert reserve(store, "house", 1, "aa", FAR, 1) == FAR
    store.use_clock(lambda: Stamp("boot", 0, 0, 0, state))
    assert reserve(store, "house", 1, "aa", 0, 1) == FAR + 1


def test_the_first_counter_of_a_key_follows_the_gateways_clock_and_not_the_systems(store):
    years = (2030 - 2026) * 31_556_952
    store.use_clock(lambda: Stamp("boot", 0, (1_767_225_600 + years) * 1_000_000, 0, ClockState.SYNCHRONISED))
    assert 4 * years <= reserve(store, "house", 1, "aa", 0, 1) < 4 * years + (1 << 22)


def test_the_counters_of_a_key_are_one_row_whoever_asks(store):
    """A renamed meter, a second client, two meters with one key: a nonce is the title and the counter, no more."""
    assert reserve(store, "house", 1, "aa", FAR, 10) == FAR
    assert reserve(store, "cellar", 1, "aa", 0, 1) == FAR + 10
    assert reserve(store, "house", 2, "aa", 0, 1) == FAR + 11


def test_after_a_salvage_counters_that_may_be_forgotten_are_not_given_again(tmp_path):
    with LmnStore.open(tmp_path, ballast_bytes=0) as store:
        keep(store, NAME, rows(0, 999), covered(0, 999))
        reserve(store, "house", 1, "aa", FAR, 10)
        store._file.writer.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    damage(tmp_path, 30)
    with LmnStore.open(tmp_path, ballast_bytes=0) as store:
        assert store.salvaged
        assert "counters" not in store.salvaged
        assert FAR + 60_000 < reserve(store, "house", 1, "aa", 0, 1) < FAR + 70_000


def test_after_a_salvage_the_counters_of_pushes_stay(tmp_path):
    """The next push of an honest meter must not count as an old one."""
    with LmnStore.open(tmp_path, ballast_bytes=0) as store:
        keep(store, NAME, rows(0, 999), covered(0, 999))
        store.note_push("aa", "house", b"title", 7)
        store.flush(now=True)
        store._file.writer.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    damage(tmp_path, 30)
    with LmnStore.open(tmp_path, ballast_bytes=0) as store:
        assert store.salvaged
        assert store.newest_push("aa", b"title") == 7


def test_a_salvage_that_found_the_counters_unreadable_says_so(tmp_path):
    with LmnStore.open(tmp_path, ballast_bytes=0) as store:
        keep(store, NAME, rows(0, 99), covered(0, 99))
        reserve(store, "house", 1, "aa", FAR, 10)
        query = "SELECT rootpage FROM sqlite_master WHERE name = 'reserved_counter'"
        (page,) = store._file.writer.execute(query).fetchone()
        store._file.writer.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    damage(tmp_path, page - 1)
    with opened(tmp_path) as store:
        assert store.counts()["salvaged"] == 100
        assert "the invocation counters of ciphered meters were not all readable" in (store.salvaged or "")
        assert reserve(store, "house", 1, "aa", 0, 1) > 0


@given(RANGES, st.integers(0, 40), st.integers(0, 20))
def test_gaps_and_what_is_kept_are_the_whole_and_share_nothing(kept, since, length):
    wanted = Range(since, since + length)
    numbers = {number for one in kept for number in range(one.since, one.until + 1)}
    missing = [number for one in gaps(wanted, kept) for number in range(one.since, one.until + 1)]
    assert missing == [number for number in range(wanted.since, wanted.until + 1) if number not in numbers]


@given(RANGES)
def test_merged_ranges_hold_the_same_numbers_and_neither_touch_nor_overlap(ranges):
    found = merged(ranges)
    assert all(one.until + 1 < other.since for one, other in pairwise(found))
    assert {number for one in found for number in range(one.since, one.until + 1)} == {
        number for one in ranges for number in range(one.since, one.until + 1)
    }

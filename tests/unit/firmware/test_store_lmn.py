import itertools
import os
import sqlite3
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from smgw.cosem.data import NULL, RANGE, Data, DataType
from smgw.cosem.device_id import DeviceId
from smgw.cosem.obis import Obis
from smgw.cosem.reading import Capture, ClockState, MeterTime, MeterTimeKind, Reading, Stamp
from smgw.errors import LocalProtocolError
from smgw.store.errors import StoreAbsent, StoreOwned
from smgw.store.file.connection import PAGE_SIZE
from smgw.store.file.log_book import Level
from smgw.store.lmn.store import LmnStore
from smgw.store.lmn.view import LmnView
from smgw.store.records import CacheKind, ListKind, MeterState, Origin, Record, Source, StoredRecord
from stored import append

DEVICE = DeviceId.parse("1EMH0011802881")
ATTIC = Source("attic", DEVICE)
GARAGE = Source("garage", DEVICE)
HOUSE = Source("house", DEVICE)
ENERGY = Obis.parse("1.8.0")
POWER = Obis.parse("16.7.0")
FIRMWARE = str(Path(__file__).parents[3] / "firmware")
BOOT = "0f3c6f3e-5c1b-4d32-9a52-6e2f9d3a0a11"


def stamp(second: int = 0) -> Stamp:
    return Stamp(BOOT, second * 10**9, 1_700_000_000_000_000 + second * 10**6, 5000, ClockState.SYNCHRONISED)


def energy(value: int, scaler: int = -1) -> Reading:
    return Reading(ENERGY, Data(DataType.LONG64_UNSIGNED, value), scaler, 30)


def live(second: int, *readings: Reading, meter: str = "house") -> Record:
    return Record(Capture(meter, DEVICE, stamp(second), None, readings or (energy(second),)))


def captured(row: StoredRecord) -> Capture:
    return Capture(row.meter, row.device, row.stamp, row.meter_time, row.readings, row.signature)


def grid(second: int, *readings: Reading) -> Record:
    return live(second, *readings)._replace(target_time_us=1_700_000_000_000_000 + second * 10**6)


@pytest.fixture
def store(tmp_path):
    with LmnStore.open(tmp_path, ballast_bytes=0) as opened:
        yield opened


@pytest.fixture
def view(store, tmp_path):
    with LmnView.open(tmp_path) as opened:
        yield opened


def test_a_record_comes_out_as_it_went_in(store, view):
    reading = Reading(
        POWER,
        Data(DataType.LONG, -12),
        -1,
        27,
        raw=Data(DataType.LONG, 12),
        status=Data(DataType.DOUBLE_LONG_UNSIGNED, 0x1C0104),
        class_id=1,
        attribute=3,
        signature=b"of the value",
    )
    time = MeterTime(MeterTimeKind.SEC_INDEX, b"\0\1\2\3")
    capture = Capture("house", DEVICE, stamp(), time, (energy(5), reading), b"of the list")
    record = Record(capture, 1_700_000_100_000_000, 0x205, ListKind.DERIVED, Origin.HISTORY, Obis.parse("1-0:99.1.0"))

    assert append(store, [record]) == [1]

    (found,) = view.records(HOUSE, 0, 10)
    assert (found.position, found.store_id, found.record_number) == (1, store.store_id, 1)
    assert captured(found) == capture
    assert (found.target_time_us, found.gateway_status) == (1_700_000_100_000_000, 0x205)
    assert (found.list, found.origin) == (ListKind.DERIVED, Origin.HISTORY)


GATEWAYS = [Origin.MEASURED, Origin.MISSING]  # a row of history goes another way
TEXTS = {DataType.VISIBLE_STRING, DataType.UTF8_STRING}
OCTETS = (DataType.OCTET_STRING, DataType.BCD, DataType.FLOAT32, DataType.FLOAT64, DataType.DATE_TIME, DataType.DATE)
plain_data = st.one_of(
    st.sampled_from(sorted(RANGE)).flatmap(lambda kind: st.integers(*RANGE[kind]).map(lambda n: Data(kind, n))),
    st.builds(Data, st.sampled_from(sorted(TEXTS)), st.text(max_size=20)),
    st.builds(Data, st.just(DataType.BIT_STRING), st.text("01", max_size=20)),
    st.builds(Data, st.sampled_from(OCTETS), st.binary(max_size=2000)),
    st.sampled_from([NULL, Data(DataType.DONT_CARE, None)]),
)
data = st.recursive(
    plain_data,
    lambda inner: st.builds(
        Data,
        st.sampled_from([DataType.ARRAY, DataType.STRUCTURE, DataType.COMPACT_ARRAY]),
        st.lists(inner, max_size=4).map(tuple),
    ),
    max_leaves=8,
)
captures = st.builds(
    Capture,
    st.text(min_size=1, max_size=12),
    st.binary(min_size=1, max_size=64).map(DeviceId),
    st.builds(
        Stamp,
        st.text(max_size=36),
        st.integers(0, 2**62),
        st.integers(-(2**62), 2**62),
        st.integers(0, 2**62),
        st.sampled_from(ClockState),
    ),
    st.none() | st.builds(MeterTime, st.sampled_from(MeterTimeKind), st.binary(max_size=12)),
    st.lists(
        st.builds(
            Reading,
            st.binary(min_size=6, max_size=6).map(Obis),
            data,
            st.integers(-128, 127),
            st.integers(0, 255),
            st.none() | data,
            st.none() | data,
            st.integers(1, 65535),
            st.integers(-128, 127),
            st.none() | st.binary(max_size=80),
        ),
        max_size=5,
    ).map(tuple),
    st.none() | st.binary(max_size=80),
    st.just(0),  # a record has them in its gateway status
)


NUMBERS = itertools.count()


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    captures, st.sampled_from(ListKind), st.sampled_from([Origin.MEASURED, Origin.MISSING]), st.integers(0, 2**32 - 1)
)
def test_every_capture_comes_out_as_it_went_in(store, view, capture, kind, origin, status):
    # A meter of its own: the examples share the store, which takes 64 devices a meter.
    capture = capture._replace(meter=f"{capture.meter} {next(NUMBERS)}")
    (number,) = append(store, [Record(capture, None, status, kind, origin)])

    (found,) = view.records(Source(capture.meter, capture.device), number - 1, 10)
    assert captured(found) == capture
    assert (found.record_number, found.list, found.origin, found.gateway_status) == (number, kind, origin, status)
    assert [type(reading.value.type) for reading in found.readings] == [DataType] * len(found.readings)


def test_records_come_by_meter_in_the_order_of_positions(store, view):
    store.append([live(1), live(2, meter="garage"), live(3), live(4)])

    assert [record.position for record in view.records(HOUSE, 1, 10)] == [3, 4]
    assert [record.position for record in view.records(HOUSE, 0, 2)] == [1, 3]
    assert [record.position for record in view.records(GARAGE, 0, 2)] == [2]
    assert view.records(ATTIC, 0, 2) == []
    assert (view.backlog(HOUSE, 1), view.last_position(HOUSE), view.last_position(ATTIC)) == (2, 4, 0)
    assert view.sources() == [("house", DEVICE), ("garage", DEVICE)]


def test_a_changed_scaler_is_a_new_register_and_old_rows_keep_theirs(store, view):
    store.append([live(1, energy(5, -1)), live(2, energy(5, 0))])

    assert [record.readings[0].scaler for record in view.records(HOUSE, 0, 10)] == [-1, 0]


def test_a_second_value_for_a_slot_is_kept_out_and_reported(store, view):
    assert append(store, [grid(900, energy(1))]) == [1]

    assert append(store, [grid(900, energy(2))]) == [None]

    (first,) = view.records(HOUSE, 0, 10)
    assert first.readings == (energy(1),)
    assert view.counts() == {"refused_grid": 1}


def test_a_record_with_one_taken_slot_is_refused_whole_so_that_no_value_of_it_is_lost(store, view):
    store.append([grid(900, energy(1))])
    both = grid(900, energy(2), Reading(POWER, Data(DataType.LONG, 7)))

    assert append(store, [both]) == [None]
    assert append(store, [both._replace(target_time_us=None)]) == [2]

    assert view.records(HOUSE, 1, 10)[0].readings == both.capture.readings
    assert view.counts() == {"refused_grid": 2}


def test_a_register_may_stand_twice_on_the_grid_and_keeps_both_values(store, view):
    assert append(store, [grid(900, energy(1), energy(2))]) == [1]

    assert view.records(HOUSE, 0, 1)[0].readings == (energy(1), energy(2))
    assert append(store, [grid(900, energy(3))]) == [None]


def test_the_same_slot_of_another_list_is_free(store):
    assert append(store, [grid(900), grid(900)._replace(list=ListKind.DAILY)]) == [1, 2]


def test_live_rate_values_have_no_slot(store):
    assert append(store, [live(1), live(1)]) == [1, 2]


def test_a_register_may_stand_twice_in_a_telegram(store, view):
    store.append([live(1, energy(1), energy(2))])

    assert view.records(HOUSE, 0, 1)[0].readings == (energy(1), energy(2))


def test_a_value_that_does_not_suit_its_type_is_refused_before_anything_is_written(store, view):
    wrong = live(2, Reading(ENERGY, Data(DataType.LONG64, 1 << 63)))

    with pytest.raises(LocalProtocolError, match="does not fit LONG64"):
        store.append([live(1), wrong])
    assert view.last_position(HOUSE) == 0


def test_numbers_are_not_given_again_after_all_rows_have_gone(tmp_path):
    with LmnStore.open(tmp_path, ballast_bytes=0) as store:
        assert append(store, [live(1), live(2)]) == [1, 2]
    connection = sqlite3.connect(tmp_path / "lmn.db")
    connection.executescript("PRAGMA synchronous = OFF; DELETE FROM reading; DELETE FROM capture;")
    keeper = sqlite3.connect(f"file:{tmp_path}/lmn.db?mode=ro", uri=True)
    keeper.execute("SELECT 1 FROM store").fetchone()
    connection.close()
    keeper.close()

    with LmnStore.open(tmp_path, ballast_bytes=0) as store:
        assert append(store, [live(3)]) == [3]


def test_states_are_written_with_the_next_append(store, view):
    state = MeterState("house", DEVICE, "reading", 1, 2, ClockState.SYNCHRONISED, 3, 4, "")
    store.note_meter(state)
    store.save_clock(BOOT, 1, 2, 3, ClockState.SYNCHRONISED)
    assert view.meter_states() == []

    store.append([live(1)])

    assert view.meter_states() == [state]
    assert view.clock() == store.load_clock() == (BOOT, 1, 2, 3, ClockState.SYNCHRONISED)


def test_a_flush_right_after_a_commit_writes_nothing_until_five_seconds_have_passed(store, view, monkeypatch):
    store.append([live(1)])
    store.note_meter(MeterState("house", None, "silent", 1))

    store.flush()
    assert view.meter_states() == []

    monkeypatch.setattr("smgw.store.lmn.pending._NEWS_S", 0.0)
    store.flush()
    assert [state.state for state in view.meter_states()] == ["silent"]


def test_what_waits_is_written_when_the_store_closes(tmp_path):
    with LmnStore.open(tmp_path, ballast_bytes=0) as store:
        store.note_meter(MeterState("house", None, "silent", 1))

    with LmnView.open(tmp_path) as view:
        assert [state.meter for state in view.meter_states()] == ["house"]


def test_an_object_list_is_found_by_device_and_firmware(store):
    store.cache(CacheKind.OBJECT_LIST, DEVICE, b"1.2", b"{}")

    assert store.cached(CacheKind.OBJECT_LIST, DEVICE, b"1.2") == b"{}"
    assert store.cached(CacheKind.OBJECT_LIST, DEVICE, b"1.3") is None


def test_the_same_profile_content_has_the_same_number(store):
    first = store.profile_version("meter", "house", "a")

    assert store.profile_version("meter", "house", "b") != first
    assert store.profile_version("meter", "house", "a") == first


def test_a_capture_names_the_version_of_its_meter_profile(tmp_path):
    with LmnStore.open(tmp_path, ballast_bytes=0) as store:
        store.append([live(1)])
        version = store.profile_version("meter", "house", "a")
        store.append([live(2)])

    connection = sqlite3.connect(f"file:{tmp_path}/lmn.db?mode=ro", uri=True)
    assert connection.execute("SELECT profile_version FROM capture ORDER BY number").fetchall() == [(None,), (version,)]
    connection.close()


def test_a_view_sees_that_something_was_written_once(store, view):
    view.changed()
    store.append([live(1)])

    assert view.changed()
    assert not view.changed()


def test_the_store_keeps_its_identity(tmp_path):
    with LmnStore.open(tmp_path, ballast_bytes=0) as store:
        first = store.store_id
    with LmnStore.open(tmp_path, ballast_bytes=0) as store:
        assert store.store_id == first
        assert store.salvaged is None
    assert len(bytes.fromhex(first)) == 16


def test_a_second_writer_is_told_who_the_first_is(store, tmp_path):
    with pytest.raises(StoreOwned, match=f"process {os.getpid()} already writes"):
        LmnStore.open(tmp_path)


def test_without_a_store_a_view_says_so(tmp_path):
    with pytest.raises(StoreAbsent, match="there is no database yet"):
        LmnView.open(tmp_path)


@pytest.mark.parametrize("umask", [0o000, 0o027, 0o077])
def test_every_file_is_for_the_owner_to_write_and_the_group_to_read(tmp_path, umask):
    before = os.umask(umask)
    try:
        with LmnStore.open(tmp_path) as store:
            store.append([live(1)])
            modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in Path(tmp_path).iterdir()}
    finally:
        os.umask(before)

    for name in ("lmn.db", "lmn.db-wal", "lmn.db-shm"):
        assert modes[name] == 0o640, name
    assert all(mode & 0o027 == 0 for mode in modes.values())


def test_a_capture_of_eight_registers_takes_less_than_400_octets(store):
    codes = ("1.8.0", "2.8.0", "16.7.0", "36.7.0", "56.7.0", "76.7.0", "1.8.1", "2.8.1")
    readings = [Reading(Obis.parse(code), Data(DataType.LONG64, 86_038_387_975), -1, 30) for code in codes]
    store.append([live(second, *readings) for second in range(2000)])

    pages = store._file.writer.execute("PRAGMA page_count").fetchone()[0]
    assert pages * PAGE_SIZE / 2000 < 400


def test_the_store_loads_nothing_heavy():
    heavy = {"lxml", "urllib3", "ssl", "http.client", "asyncio", "urllib.request", "email", "hashlib", "tempfile"}
    script = f"import sys, smgw.store.lmn, smgw.store.wan.view; print(*{heavy} & set(sys.modules))"

    done = subprocess.run(
        [sys.executable, "-S", "-c", script], env={"PYTHONPATH": FIRMWARE}, capture_output=True, text=True
    )

    assert (done.stdout.strip(), done.stderr) == ("", "")


def test_a_log_entry_is_there_for_every_reader(store, view):
    store.log("clock-stepped", Level.WARNING, "by 3 s", stamp(7), outcome=False)

    (entry,) = view.log_entries(10)
    assert entry[:6] == ("system", 1, "clock-stepped", Level.WARNING, False, "by 3 s")
    assert (entry.utc_us, entry.boot_id, entry.boottime_ns) == (stamp(7).utc_us, BOOT, 7 * 10**9)

"""States of the devices behind a meter, and the clock that stamps what the store itself has to say."""

import sqlite3

import pytest
from captures_made import BOOT, DEVICE, MIDNIGHT, SECOND, capture
from smgw.clock import SystemSource
from smgw.cosem import ClockState, DeviceId, Stamp
from smgw.store.file import log_book
from smgw.store.file.connection import PAGE_SIZE
from smgw.store.lmn.store import LmnStore
from smgw.store.lmn.view import LmnView
from smgw.store.records import Condition, CounterKind, MeterState, Record
from smgw.store.wan.store import WanStore

GAS = DeviceId(b"gas")
READING, ABSENT = Condition.READING, Condition.ABSENT


@pytest.fixture
def store(tmp_path):
    with LmnStore.open(tmp_path, ballast_bytes=0) as opened:
        yield opened


@pytest.fixture
def states(store, tmp_path):
    """What a reader sees once all that waits is written: (meter, device, good)."""

    def read():
        store.flush(now=True)
        with LmnView.open(tmp_path) as view:
            return [(state.meter, state.device, state.good) for state in view.meter_states()]

    return read


@pytest.fixture
def note(store):
    def noted(device, good=0, meter="house"):
        store.note_meter(MeterState(meter, device, READING if device else ABSENT, 1, good=good))

    return noted


def test_each_device_of_a_meter_has_a_state_of_its_own(note, states):
    note(DEVICE, 1)
    note(GAS, 2)
    note(DEVICE, 3)
    assert states() == [("house", DEVICE, 3), ("house", GAS, 2)]
    note(GAS, 4)
    assert states() == [("house", DEVICE, 3), ("house", GAS, 4)]


@pytest.mark.parametrize("written", [False, True])
def test_a_state_without_a_device_replaces_all_of_its_meter(note, states, written):
    note(DEVICE, 1)
    note(GAS, 2)
    note(DEVICE, 3, meter="other")
    if written:
        states()
    note(None, 4)
    assert states() == [("house", None, 4), ("other", DEVICE, 3)]


@pytest.mark.parametrize("written", [False, True])
def test_a_state_with_a_device_removes_the_one_without(note, states, written):
    note(GAS, 1)
    states()
    note(None, 2)
    if written:
        states()
    note(DEVICE, 3)
    assert states() == [("house", DEVICE, 3)]


@pytest.mark.parametrize("written", [False, True])
def test_the_state_of_a_device_that_left_goes(store, note, states, written):
    note(DEVICE, 1)
    note(GAS, 2)
    if written:
        states()
    store.drop_meter("house", GAS)
    assert states() == [("house", DEVICE, 1)]
    note(GAS, 3)
    store.drop_meter("house", DEVICE)
    assert states() == [("house", GAS, 3)]


def test_a_remark_is_kept_apart_from_the_note(store, tmp_path):
    state = MeterState("house", DEVICE, READING, 1, note="device x", remark="its clock is 90 s behind")
    store.note_meter(state)
    store.flush(now=True)
    with LmnView.open(tmp_path) as view:
        assert view.meter_states() == [state]


def entries(directory):
    with LmnView.open(directory) as view:
        return {entry.event: entry for entry in view.log_entries(99)}


def test_the_stores_own_entries_have_the_time_of_the_clock_that_it_was_given(store, tmp_path):
    stamp = Stamp(BOOT, 5, MIDNIGHT, 7, ClockState.SYNCHRONISED)
    store.use_clock(lambda: stamp)
    store._begin_need()
    store.flush(now=True)
    found = entries(tmp_path)["disk-full"]
    assert (found.utc_us, found.clock_state, found.boot_id) == (MIDNIGHT, ClockState.SYNCHRONISED, BOOT)


def test_before_it_is_given_a_clock_it_goes_on_from_the_one_that_was_saved(tmp_path):
    """Damage is found when the file is opened, long before anybody knows the time anew."""
    source = SystemSource()
    with LmnStore.open(tmp_path, ballast_bytes=0) as store:
        offset = MIDNIGHT - source.boottime_ns() // 1000
        store.save_clock(source.boot_id, source.boottime_ns(), offset, 5000, ClockState.SYNCHRONISED)
        store.append([Record(capture(MIDNIGHT + number * SECOND)) for number in range(100)])
        store._file.writer.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        (page,) = store._file.writer.execute("SELECT rootpage FROM sqlite_master WHERE name = 'counts'").fetchone()
    with (tmp_path / "lmn.db").open("r+b") as file:
        file.seek((page - 1) * PAGE_SIZE)
        file.write(b"\xa5" * 2048)
    with LmnStore.open(tmp_path, ballast_bytes=0) as store:
        assert store.salvaged
    found = entries(tmp_path)["store-salvaged"]
    assert found.clock_state is ClockState.SYNCHRONISED
    assert 0 <= found.utc_us - MIDNIGHT < 600 * SECOND


def test_the_store_of_the_wan_takes_the_clock_of_its_process_too(tmp_path):
    stamp = Stamp(BOOT, 5, MIDNIGHT, 7, ClockState.SYNCHRONISED)
    with WanStore.open(tmp_path) as store:
        store.use_clock(lambda: stamp)
        store._begin_need()
        store._write_pending()
    with sqlite3.connect(f"file:{tmp_path}/wan.db?mode=ro", uri=True) as connection:
        (entry,) = log_book.newest(connection, 9)
    connection.close()
    assert (entry.event, entry.clock_state) == ("disk-full", ClockState.SYNCHRONISED)


def test_counters_of_another_kind_begin_where_their_holder_says(store):
    pulses = 2
    assert store.reserve(pulses, "input 1", "pulses", 0, 10) == 0
    assert store.reserve(pulses, "input 1", "pulses", 0, 1) == 10
    assert store.reserve(pulses, "input 2", "pulses", 700, 1) == 700
    assert store.reserve(CounterKind.INVOCATION, "input 1", "pulses", 0, 1) > 10


# What only counts on is written rarely: it wears the card.


@pytest.fixture
def later(monkeypatch):
    """Let seconds pass for what waits."""
    now = [0.0]
    monkeypatch.setattr("smgw.store.lmn.pending.time.monotonic", lambda: now[0])

    def passed(seconds):
        now[0] += seconds

    return passed


@pytest.fixture
def seen(tmp_path):
    def read():
        with LmnView.open(tmp_path) as view:
            return [state.good for state in view.meter_states()]

    return read


@pytest.mark.parametrize(("seconds", "good"), [(299, 1), (300, 2)])
def test_a_state_without_news_is_written_by_itself_after_five_minutes(later, store, note, seen, seconds, good):
    note(DEVICE, 1)
    store.flush(now=True)
    note(DEVICE, 2)
    later(seconds)
    store.flush()
    assert seen() == [good]


def test_a_state_with_news_is_written_after_five_seconds(later, store, note, seen):
    note(DEVICE, 1)
    store.flush(now=True)
    note(DEVICE, 2)
    note(GAS, 7)
    later(5)
    store.flush()
    assert seen() == [2, 7]


@pytest.mark.parametrize(("seconds", "good"), [(59, 1), (60, 2)])
def test_a_commit_of_rows_takes_a_state_without_news_along_every_minute(later, store, note, seen, seconds, good):
    note(DEVICE, 1)
    store.flush(now=True)
    note(DEVICE, 2)
    later(seconds)
    store.append([Record(capture(MIDNIGHT))])
    assert seen() == [good]


def test_a_close_leaves_nothing_waiting(note, store, seen):
    note(DEVICE, 1)
    store.flush(now=True)
    note(DEVICE, 2)
    store.close()
    assert seen() == [2]


@pytest.fixture
def pushes(tmp_path):
    def read():
        with LmnView.open(tmp_path) as view:
            return view._rows(f"SELECT reserved FROM reserved_counter WHERE kind = {CounterKind.PUSHED:d}")

    return read


def test_the_counter_of_a_push_waits_for_its_capture_and_for_no_other_commit(store, pushes):
    store.note_push("key", "house", b"title", 7)
    store.log("tested", log_book.Level.INFO, "no rows", Stamp(BOOT, 5, MIDNIGHT, 7, ClockState.SYNCHRONISED))
    assert pushes() == []
    store.append([Record(capture(MIDNIGHT))])
    assert pushes() == [(7,)]


def test_a_counter_of_a_push_is_known_while_it_waits(store):
    store.note_push("key", "house", b"title", 7)
    assert store.newest_push("key", b"title") == 7

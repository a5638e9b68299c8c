"""What waits to be written with the next commit must never keep that commit from succeeding."""

import pytest
from captures_made import HOUSE
from log_faults import faults
from smgw.cosem.data import Data, DataType
from smgw.cosem.device_id import DeviceId
from smgw.cosem.obis import Obis
from smgw.cosem.reading import Capture, ClockState, Reading, Stamp
from smgw.store.file.log_book import Level, Note
from smgw.store.lmn.store import LmnStore
from smgw.store.lmn.view import LmnView
from smgw.store.records import MeterState, Record
from smgw.store.wan.records import ChannelKind, ChannelState, SetAside
from smgw.store.wan.store import WanStore
from smgw.store.wan.view import WanView
from stored import append

DEVICE = DeviceId.parse("1EMH0011802881")
STAMP = Stamp("boot", 1, 2, 3, ClockState.INVALID)
RECORD = Record(
    Capture("house", DEVICE, STAMP, None, (Reading(Obis.parse("1.8.0"), Data(DataType.LONG64, 1), -1, 30),))
)
NO_TEXT = "port \udcff"


@pytest.fixture
def store(tmp_path):
    with LmnStore.open(tmp_path, ballast_bytes=0) as opened:
        yield opened


@pytest.fixture
def view(store, tmp_path):
    with LmnView.open(tmp_path) as opened:
        yield opened


def test_a_note_that_is_no_text_is_written_with_its_faults_replaced(store, view):
    store.note_meter(MeterState("house", None, "silent", 1, note=NO_TEXT))

    assert append(store, [RECORD]) == [1]
    assert [state.note for state in view.meter_states()] == ["port ?"]


def test_a_log_entry_that_is_no_text_is_written_with_its_faults_replaced(store, view):
    store.log("event", Level.INFO, NO_TEXT, STAMP._replace(boot_id=NO_TEXT))

    assert [(entry.subject, entry.boot_id) for entry in view.log_entries(9)] == [("port ?", "port ?")]


def test_a_state_that_cannot_be_written_fails_alone(store, view):
    store.note_meter(MeterState("house", None, "reading", 2**70))
    store.note_meter(MeterState("garage", None, "reading", 5))

    assert append(store, [RECORD]) == [1]
    assert append(store, [RECORD]) == [2]
    assert [state.meter for state in view.meter_states()] == ["garage"]
    assert view.counts() == {"lost_state": 1}


def test_a_clock_that_cannot_be_written_fails_alone(store, view):
    store.save_clock("boot", 2**70, 1, 1, ClockState.SYNCHRONISED)

    assert append(store, [RECORD]) == [1]
    assert view.clock() is None


def test_a_log_entry_that_cannot_be_written_fails_alone_and_leaves_no_gap(store, view):
    store._pending.note(Note("system", "first", Level.INFO, True, "", STAMP))
    store._pending.note(Note("system", "bad", Level.INFO, True, "", STAMP._replace(utc_us=2**70)))
    store._pending.note(Note("system", "last", Level.INFO, True, "", STAMP))

    assert append(store, [RECORD]) == [1]
    entries = view.log_entries(9, "system")
    assert [(entry.number, entry.event) for entry in entries] == [(1, "first"), (2, "last")]
    assert faults(entries) == []
    assert view.counts() == {"lost_log": 1}


def test_counters_of_the_caller_are_written_with_the_next_commit(store, view):
    store.count("lost_inbox", 3)
    store.count("lost_inbox")
    assert store.counts() == {"lost_inbox": 4}

    store.append([RECORD])
    assert view.counts() == {"lost_inbox": 4}


def test_a_channel_or_a_refusal_that_is_no_text_is_written_with_its_faults_replaced(tmp_path):
    row = SetAside("north", "ab" * 16, "house", bytes(DEVICE), 3, "ab" * 16, 3, NO_TEXT, 5)
    with WanStore.open(tmp_path) as store, WanView.open(tmp_path) as view:
        store.note_channel(ChannelState("north", ChannelKind.HELD, 5, detail=NO_TEXT))
        store.acknowledge("north", "ab" * 16, HOUSE, 7, 5, [row])

        channels = [channel._replace(last_ack_us=None) for channel in view.channels()]
        assert channels == [ChannelState("north", ChannelKind.HELD, 5, detail="port ?")]
        assert [aside.reason for aside in store.set_aside("north")] == ["port ?"]

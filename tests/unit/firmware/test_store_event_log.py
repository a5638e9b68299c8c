"""Event logs: what happens twice in one second is two rows; what is sent twice is one."""

import pytest
from smgw.cosem.data import Data, DataType
from smgw.cosem.device_id import DeviceId
from smgw.cosem.obis import Obis
from smgw.cosem.reading import Capture, ClockState, Reading, Stamp
from smgw.lmn.backfill import Fetch
from smgw.store.lmn.store import LmnStore
from smgw.store.lmn.view import LmnView
from smgw.store.ranges import Range
from smgw.store.records import Origin, ProfileName, ProfilePiece, ProfileRow, Record
from stored import keep, keeper

NAME = ProfileName("house", DeviceId.parse("1EMH0011802881"), Obis.parse("0-0:99.98.0"))
STAMP = Stamp("boot", 1, 2, 3, ClockState.SYNCHRONISED)
SECOND = 1_000_000


class Clock:
    def stamp(self):
        return STAMP


class Source:
    """Answers with one piece."""

    done = True

    def __init__(self, piece, period_s):
        self.piece = piece
        self.period_s = period_s

    def step(self, port):
        return self.piece


def event(code):
    return (Reading(Obis.parse("0-0:96.11.0"), Data(DataType.UNSIGNED, code), 0, 255),)


def records(*events):
    return [
        Record(Capture("house", NAME.device, STAMP, None, event(code)), second * SECOND, origin=Origin.HISTORY)
        for second, code in events
    ]


def piece(*events):
    rows = tuple(ProfileRow(second * SECOND, None, event(code)) for second, code in events)
    return ProfilePiece(rows, 0, 10 * SECOND)


@pytest.fixture
def store(tmp_path):
    with LmnStore.open(tmp_path, ballast_bytes=0) as opened:
        yield opened


def codes(directory):
    with LmnView.open(directory) as view:
        return [one.readings[0].value.value for one in view.profile_rows(NAME, Range(0, 10 * SECOND), 99)]


def test_two_events_in_one_second_are_both_kept_also_if_they_are_alike(store, tmp_path):
    assert keep(store, NAME, records((1, 3), (2, 4), (2, 5), (2, 5)), Range(0, 10)) == [1, 2, 3, 4]
    assert codes(tmp_path) == [3, 4, 5, 5]


def test_events_that_are_asked_again_stay_single(store, tmp_path):
    keep(store, NAME, records((1, 3), (2, 4)), Range(0, 10))
    assert keep(store, NAME, records((1, 3), (2, 4), (2, 5)), Range(0, 10)) == [None, None, 3]
    assert keep(store, NAME, records((1, 3), (2, 4), (2, 5)), Range(0, 10)) == [None, None, None]
    assert codes(tmp_path) == [3, 4, 5]


@pytest.mark.parametrize(("period_s", "kept"), [(0, [4, 5, 6]), (900, [4, 6])])
def test_a_row_of_the_same_time_is_another_one_where_rows_come_by_event_only(store, tmp_path, period_s, kept):
    source = Source(piece((1, 4), (1, 5), (2, 6)), period_s)
    fetch = Fetch(NAME, source, Range(0, 10 * SECOND), 10 * SECOND)
    fetch.step(None, keeper(store, Clock()))
    assert fetch.new == len(kept)
    assert codes(tmp_path) == kept

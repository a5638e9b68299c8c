"""What a meter invents, or who speaks in its place, fills neither the memory nor the card."""

import pytest
from smgw.cosem.data import Data, DataType
from smgw.cosem.device_id import DeviceId
from smgw.cosem.obis import Obis
from smgw.cosem.reading import Capture, ClockState, Reading, Stamp
from smgw.store.lmn.rows import REGISTERS_PER_DEVICE
from smgw.store.lmn.store import LmnStore
from smgw.store.lmn.view import RECORDS_OCTETS, LmnView
from smgw.store.ranges import Range
from smgw.store.records import DEVICES_PER_METER, CacheKind, ProfileName, Record, Source
from stored import append, keep

DEVICE = DeviceId.parse("1EMH0011802881")
HOUSE = Source("house", DEVICE)


def reading(number):
    """Of a register of its own."""
    return Reading(Obis(b"\1\0" + number.to_bytes(3, "big") + b"\xff"), Data(DataType.UNSIGNED, 7), 0, 30)


def record(*numbers, meter="house", device=DEVICE, target=None):
    stamp = Stamp("boot", 1, 2, 3, ClockState.SYNCHRONISED)
    return Record(Capture(meter, device, stamp, None, tuple(map(reading, numbers))), target)


def device(number):
    return DeviceId(number.to_bytes(10, "big"))


@pytest.fixture
def store(tmp_path):
    with LmnStore.open(tmp_path, ballast_bytes=0) as opened:
        yield opened


@pytest.fixture
def full(store):
    """A store whose meter has as many registers as are kept."""
    store.append([record(*range(REGISTERS_PER_DEVICE))])
    return store


def rows(store, table):
    return store._file.writer.execute(f"SELECT count(*) FROM {table}").fetchone()[0]


def told(directory):
    with LmnView.open(directory) as view:
        return [entry.event for entry in view.log_entries(9)]


def test_registers_past_the_bound_are_left_out_and_the_known_ones_are_kept(full, tmp_path):
    assert append(full, [record(5000, 1, 5001, 2, target=900_000_000)]) == [2]
    with LmnView.open(tmp_path) as view:
        assert view.records(HOUSE, 1, 9)[0].readings == (reading(1), reading(2))
    assert rows(full, "register") == REGISTERS_PER_DEVICE
    assert full.counts() == {"refused_register": 2}


def test_a_record_of_registers_past_the_bound_only_is_none(full):
    assert append(full, [record(5000, target=900_000_000), record(1, target=900_000_000)]) == [None, 2]
    assert full.counts() == {"refused_register": 1}


def test_a_row_of_a_load_profile_has_the_same_bound(full):
    name = ProfileName("house", DEVICE, Obis.parse("1-0:99.1.0"))
    batch = [record(5000, target=1), record(5000, 1, target=2)]
    assert keep(full, name, batch, Range(1, 2)) == [None, 2]
    assert full.counts() == {"refused_register": 2}


def test_of_devices_past_the_bound_no_load_profile_is_kept(store):
    name = ProfileName("house", DEVICE, Obis.parse("1-0:99.1.0"))
    for place in range(DEVICES_PER_METER + 10):
        keep(store, name._replace(device=device(place)), [], Range(0, 1))
    assert rows(store, "profile_range") == rows(store, "profile_version") == DEVICES_PER_METER
    assert keep(store, name, [record(1, target=2)], Range(1, 2)) == [None]
    assert store.profile_ranges(name) == []
    assert store.counts() == {"refused_profile": 1}
    known = name._replace(device=device(0))
    assert keep(store, known, [record(1, device=device(0), target=2)], Range(1, 2)) == [1]


def test_another_meter_has_a_bound_of_its_own(full):
    assert append(full, [record(5000, meter="cellar")]) == [2]


def test_devices_past_the_bound_leave_no_trace(store):
    places = range(DEVICES_PER_METER + 10)
    numbers = append(store, [record(1, device=device(place)) for place in places])
    assert numbers == [*range(1, DEVICES_PER_METER + 1), *[None] * 10]
    assert rows(store, "word WHERE kind = 3") == DEVICES_PER_METER
    assert store.counts() == {"refused_register": 10}
    assert append(store, [record(2, device=device(0))]) == [DEVICES_PER_METER + 1]


def test_the_bounds_hold_after_a_restart(tmp_path):
    for _ in range(2):
        with LmnStore.open(tmp_path, ballast_bytes=0) as store:
            store.append([record(*range(REGISTERS_PER_DEVICE + 1))])
            store.append([record(1, device=device(place)) for place in range(DEVICES_PER_METER)])
            assert rows(store, "register") == REGISTERS_PER_DEVICE + DEVICES_PER_METER - 1


def test_that_registers_are_left_out_is_told_once_a_meter(full, tmp_path):
    for number in range(3):
        full.append([record(5000 + number), record(6000 + number, device=device(1), meter="cellar")])
    assert told(tmp_path) == ["registers-refused"]


def test_what_was_told_in_a_transaction_that_failed_is_told_again(full, tmp_path):
    full._file.writer.execute(
        "CREATE TEMP TRIGGER power_cut BEFORE INSERT ON main.capture BEGIN SELECT raise(ABORT, 'power cut'); END"
    )
    with pytest.raises(Exception, match="power cut"):
        full.append([record(5000, 1)])
    full._file.writer.execute("DROP TRIGGER power_cut")
    assert told(tmp_path) == []
    full.append([record(5000, 1)])
    assert told(tmp_path) == ["registers-refused"]
    assert full.counts() == {"refused_register": 1}


def test_of_what_meters_told_the_newest_256_of_each_kind_are_kept(store):
    store.cache(CacheKind.SCALER_UNIT, device(0), b"1.2", b"scalers")
    for place in range(300):
        store.cache(CacheKind.OBJECT_LIST, device(0), b"1.2", b"again")
        store.cache(CacheKind.OBJECT_LIST, device(place), b"1.2", b"list")
    assert rows(store, "cache") == 256 + 1
    assert store.cached(CacheKind.SCALER_UNIT, device(0), b"1.2") == b"scalers"
    kept = [place for place in range(300) if store.cached(CacheKind.OBJECT_LIST, device(place), b"1.2") is not None]
    assert kept == [0, *range(45, 300)]


def text(number, octets):
    return reading(number)._replace(value=Data(DataType.UTF8_STRING, f"{number:02}" + "x" * octets), unit=255)


def texts(count, octets, values=1):
    stamp = Stamp("boot", 1, 2, 3, ClockState.SYNCHRONISED)
    readings = tuple(text(number, octets) for number in range(values))
    return [Record(Capture("house", DEVICE, stamp, None, readings), None) for _ in range(count)]


def test_records_of_long_texts_are_read_in_pieces_of_bounded_size_and_none_is_torn(store, tmp_path):
    numbers = append(store, texts(100, 60_000, values=3))
    read = []
    with LmnView.open(tmp_path) as view:
        while piece := view.records(HOUSE, read[-1].position if read else 0, 1000):
            size = sum(len(one.value.value) for record in piece for one in record.readings)
            assert size <= RECORDS_OCTETS + 70 * 60_000
            assert len(piece) < 100
            read += piece
    assert [record.position for record in read] == numbers
    assert {tuple(len(one.value.value) for one in record.readings) for record in read} == {(60_002,) * 3}


def test_a_record_larger_than_a_piece_is_read_alone(store, tmp_path):
    numbers = append(store, texts(3, 60_000, values=100))
    with LmnView.open(tmp_path) as view:
        pieces = [view.records(HOUSE, after, 1000) for after in (0, *numbers)]
    assert [[record.position for record in piece] for piece in pieces] == [[number] for number in numbers] + [[]]
    assert {len(record.readings) for piece in pieces for record in piece} == {100}


def test_records_of_numbers_are_read_as_many_as_are_asked_for(store, tmp_path):
    append(store, [record(*range(20)) for _ in range(1000)])
    with LmnView.open(tmp_path) as view:
        assert len(view.records(HOUSE, 0, 1000)) == 1000

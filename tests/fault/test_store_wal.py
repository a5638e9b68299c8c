"""The -wal stays small, even where a reader holds it back for a while."""

import logging

import pytest
from smgw.cosem.data import Data, DataType
from smgw.cosem.device_id import DeviceId
from smgw.cosem.obis import Obis
from smgw.cosem.reading import Capture, ClockState, Reading, Stamp
from smgw.store.file.connection import connect_reader
from smgw.store.lmn.store import LmnStore
from smgw.store.lmn.view import LmnView
from smgw.store.records import Record, Source

DEVICE = DeviceId.parse("1EMH0011802881")
HOUSE = Source("house", DEVICE)
MIB = 1024 * 1024


def record(number: int) -> Record:
    reading = Reading(Obis.parse("1.8.0"), Data(DataType.OCTET_STRING, bytes(500)))
    return Record(Capture("house", DEVICE, Stamp("boot", number, number, 1, ClockState.INVALID), None, (reading,)))


@pytest.fixture
def store(tmp_path, monkeypatch):
    monkeypatch.setattr("smgw.store.file.writer._CHECKPOINT_EVERY_S", 0.0)
    monkeypatch.setattr("smgw.store.file.writer._CHECKPOINT_WAIT_MS", 1)
    with LmnStore.open(tmp_path, ballast_bytes=0) as opened:
        yield opened


def write(store, transactions):
    for number in range(transactions):
        store.append([record(number)])


def wal_size(tmp_path):
    return (tmp_path / "lmn.db-wal").stat().st_size


def test_the_wal_stays_near_two_mebibytes(store, tmp_path):
    with LmnView.open(tmp_path) as view:
        for _ in range(20):
            write(store, 100)
            assert view.changed()
            assert view.records(HOUSE, 0, 1)
            assert wal_size(tmp_path) < 3 * MIB


def test_a_reader_that_stays_in_its_snapshot_is_named_and_the_wal_shrinks_when_it_leaves(store, tmp_path, caplog):
    write(store, 10)
    reader = connect_reader(tmp_path / "lmn.db")
    reader.execute("BEGIN")
    reader.execute("SELECT count(*) FROM capture").fetchone()
    with caplog.at_level(logging.WARNING):
        write(store, 2400)
    held = wal_size(tmp_path)
    assert held > 8 * MIB
    assert "a reader holds" in caplog.text

    reader.execute("COMMIT")
    write(store, 2)
    reader.close()
    assert wal_size(tmp_path) <= 4 * MIB

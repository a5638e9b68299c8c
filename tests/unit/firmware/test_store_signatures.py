"""Signatures that a meter sent: kept with their row, gone with it, and costing nothing where there are none."""

import pytest
from captures_made import DEVICE, HOUSE, MIDNIGHT, SECOND, capture, energy
from smgw.cosem.obis import Obis
from smgw.store.lmn import rows
from smgw.store.lmn.store import LmnStore
from smgw.store.lmn.view import LmnView
from smgw.store.ranges import Range
from smgw.store.records import NOBODY_WAITS, OutcomeKind, ProfileName, Record, Retention
from stored import keep, numbers, opened


def signed(number: int, target: int | None = None) -> Record:
    """The second of three values is signed, and the whole list is."""
    readings = (energy(number), energy(number, 0)._replace(signature=b"value %d" % number), energy(number, 1))
    made = capture(MIDNIGHT + number * SECOND, *readings)._replace(signature=b"list %d" % number)
    return Record(made, target)


@pytest.fixture
def store(tmp_path):
    with LmnStore.open(tmp_path, ballast_bytes=0) as opened:
        yield opened


def signatures(store):
    return store._read("SELECT * FROM signature ORDER BY capture, place")


def test_signatures_stand_by_the_place_of_their_value(store):
    store.append([signed(1)])
    assert signatures(store) == [(1, rows.WHOLE_LIST, b"list 1"), (1, 1, b"value 1")]


def test_a_row_without_a_signature_has_no_row_among_them(store, tmp_path):
    store.append([Record(capture(MIDNIGHT)), signed(2), Record(capture(MIDNIGHT))])
    assert {capture for capture, _, _ in signatures(store)} == {2}
    with LmnView.open(tmp_path) as view:
        found = [(row.signature, *(one.signature for one in row.readings)) for row in view.records(HOUSE, 0, 9)]
    assert found == [(None, None), (b"list 2", None, b"value 2", None), (None, None)]


def test_of_a_device_past_its_bound_a_signature_stays_with_its_value(store, tmp_path, monkeypatch):
    monkeypatch.setattr(rows, "REGISTERS_PER_DEVICE", 2)
    store.append([Record(capture(MIDNIGHT, energy(1, 5), energy(1, 0)))])
    store.append([signed(2)])
    with LmnView.open(tmp_path) as view:
        (row,) = view.records(HOUSE, 1, 9)
    assert [(one.scaler, one.signature) for one in row.readings] == [(0, b"value 2")]


def test_a_row_that_is_retired_takes_its_signatures_along(store):
    store.append([signed(1), signed(2), signed(3, MIDNIGHT)])
    later = MIDNIGHT + 10 * 86_400 * SECOND
    store.retain(later, Retention(live_s=1), {bytes(DEVICE): NOBODY_WAITS})
    assert {capture for capture, _, _ in signatures(store)} == {3}


def test_a_row_that_makes_room_takes_its_signatures_along(store):
    store.append([signed(1), signed(2, MIDNIGHT)])
    store._thin_oldest()
    assert {capture for capture, _, _ in signatures(store)} == {2}


def test_rows_of_a_load_profile_have_signatures_too(store, tmp_path):
    name = ProfileName("house", DEVICE, Obis.parse("1-0:99.1.0"))
    keep(store, name, [signed(1, 900), signed(2, 1800)], Range(0, 1800))
    with LmnView.open(tmp_path) as view:
        found = view.profile_rows(name, Range(0, 1800), 9)
    assert [(row.signature, row.readings[1].signature) for row in found] == [
        (b"list 1", b"value 1"),
        (b"list 2", b"value 2"),
    ]


@pytest.mark.parametrize("table", ["counts", "sqlite_schema"])
def test_signatures_are_salvaged(tmp_path, table):
    """Row by row where SQLite still reads them, and from the pages where it does not."""
    with LmnStore.open(tmp_path, ballast_bytes=0) as store:
        outcomes = store.append([signed(number) for number in range(1, 201)])
        assert numbers(outcomes) == list(range(1, 201))
        assert {outcome.kind for outcome in outcomes} == {OutcomeKind.WRITTEN}
        before = signatures(store)
        query = f"SELECT rootpage FROM sqlite_master WHERE name = '{table}'"
        page = 1 if table == "sqlite_schema" else store._file.writer.execute(query).fetchone()[0]
        store._file.writer.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    with (tmp_path / "lmn.db").open("r+b") as file:
        file.seek((page - 1) * 4096 + (100 if page == 1 else 0))
        file.write(b"\xa5" * 2048)
    with opened(tmp_path) as store:
        assert store.counts()["salvaged"] == 200
        assert signatures(store) == before
    with LmnView.open(tmp_path) as view:
        assert all(row.signature == b"list %d" % row.record_number for row in view.records(HOUSE, 0, 999))


def test_signatures_without_their_row_are_not_salvaged(tmp_path):
    with LmnStore.open(tmp_path, ballast_bytes=0) as store:
        store.append([signed(1)])
        writer = store._file.writer
        writer.execute("INSERT INTO signature VALUES (77, 0, x'00')")
        (page,) = writer.execute("SELECT rootpage FROM sqlite_master WHERE name = 'counts'").fetchone()
        writer.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    with (tmp_path / "lmn.db").open("r+b") as file:
        file.seek((page - 1) * 4096)
        file.write(b"\xa5" * 2048)
    with opened(tmp_path) as store:
        assert store.salvaged
        assert {capture for capture, _, _ in signatures(store)} == {1}

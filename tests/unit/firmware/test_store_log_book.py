from itertools import pairwise

import pytest
from smgw.cosem.reading import ClockState, Stamp
from smgw.store.file.log_book import Level, first_broken, newest
from smgw.store.lmn.store import LmnStore

STAMP = Stamp("boot", 1, 2, 3, ClockState.INVALID)


@pytest.fixture
def store(tmp_path):
    with LmnStore.open(tmp_path, ballast_bytes=0) as opened:
        yield opened


def book(store, name="system"):
    return newest(store._file.writer, 100, name)


def fill(store, entries=5):
    for number in range(entries):
        store.log("event", Level.INFO, f"subject {number}", STAMP)


def test_numbers_are_gapless_in_each_book(store):
    fill(store, 2)
    store.log("value-sent", Level.INFO, "x", STAMP, book="consumer")
    fill(store, 1)

    assert [entry.number for entry in book(store)] == [1, 2, 3]
    assert [entry.number for entry in book(store, "consumer")] == [1]


def test_each_entry_carries_the_hash_of_the_entry_before(store):
    fill(store)

    entries = book(store)
    assert entries[0].hash == bytes(32)
    assert all(after.hash == before.digest() for before, after in pairwise(entries))
    assert first_broken(entries) is None


@pytest.mark.parametrize("field", ["event", "subject", "utc_us", "boot_id", "level"])
def test_a_changed_entry_breaks_the_chain_at_its_successor(store, field):
    fill(store)
    entries = book(store)
    entries[2] = entries[2]._replace(**{field: {"utc_us": 9, "level": Level.FATAL}.get(field, "forged")})

    assert first_broken(entries) is entries[3]


def test_a_removed_entry_breaks_the_chain(store):
    fill(store)
    entries = book(store)
    del entries[2]

    assert first_broken(entries) is entries[2]


def test_the_chain_goes_on_after_the_store_was_opened_again(tmp_path):
    for _ in range(2):
        with LmnStore.open(tmp_path, ballast_bytes=0) as store:
            fill(store, 2)
            entries = book(store)

    assert [entry.number for entry in entries] == [1, 2, 3, 4]
    assert first_broken(entries) is None


def test_a_book_is_bounded_and_its_chain_holds_from_the_oldest_that_is_kept(store, monkeypatch):
    monkeypatch.setattr("smgw.store.file.log_book.ENTRIES_KEPT", 10)
    fill(store, 25)
    store.log("value-sent", Level.INFO, "x", STAMP, book="consumer")

    entries = book(store)
    assert [entry.number for entry in entries] == list(range(16, 26))
    assert first_broken(entries) is None
    assert [entry.number for entry in book(store, "consumer")] == [1]


def test_a_book_that_was_longer_is_cut_in_small_pieces(store, monkeypatch):
    fill(store, 30)
    monkeypatch.setattr("smgw.store.file.log_book.ENTRIES_KEPT", 5)
    monkeypatch.setattr("smgw.store.file.log_book._REMOVED_AT_MOST", 10)

    lengths = []
    for _ in range(4):
        fill(store, 1)
        lengths.append(len(book(store)))

    assert lengths == [21, 12, 5, 5]
    assert first_broken(book(store)) is None

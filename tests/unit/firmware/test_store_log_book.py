from itertools import pairwise

import pytest
from log_faults import faults
from smgw.cosem.reading import ClockState, Stamp
from smgw.store.file import log_book, log_books
from smgw.store.file.log_book import Level, newest
from smgw.store.file.log_check import check, rows_of
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
    assert faults(entries) == []


@pytest.mark.parametrize("field", ["event", "subject", "utc_us", "boot_id", "level"])
def test_a_changed_entry_is_named(store, field):
    fill(store)
    entries = book(store)
    entries[2] = entries[2]._replace(**{field: {"utc_us": 9, "level": Level.FATAL}.get(field, "forged")})

    assert faults(entries) == ["entry 3 was changed"]


def test_a_removed_entry_is_named(store):
    fill(store)
    entries = book(store)
    del entries[2]

    assert faults(entries) == ["entry 3 is missing"]


def test_the_chain_goes_on_after_the_store_was_opened_again(tmp_path):
    for _ in range(2):
        with LmnStore.open(tmp_path, ballast_bytes=0) as store:
            fill(store, 2)
            entries = book(store)

    assert [entry.number for entry in entries] == [1, 2, 3, 4]
    assert faults(entries) == []


def test_a_book_is_bounded_and_its_chain_holds_from_the_oldest_that_is_kept(store, monkeypatch):
    monkeypatch.setattr("smgw.store.file.log_book.ENTRIES_KEPT", 10)
    fill(store, 25)
    store.log("value-sent", Level.INFO, "x", STAMP, book="consumer")

    entries = book(store)
    assert [entry.number for entry in entries] == list(range(16, 26))
    assert faults(entries) == []
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
    assert faults(book(store)) == []


def test_an_entry_whose_seal_was_changed_is_named(store):
    fill(store)
    entries = book(store)
    entries[2] = entries[2]._replace(hash=bytes(32))

    assert faults(entries) == ["entry 3 was changed"]


def test_two_changed_entries_are_both_named(store):
    fill(store, 9)
    entries = book(store)
    for number in (2, 6):
        entries[number - 1] = entries[number - 1]._replace(subject="forged")

    assert faults(entries) == ["entry 2 was changed", "entry 6 was changed"]


def test_of_the_two_newest_entries_either_may_be_the_changed_one(store):
    fill(store)
    entries = book(store)
    entries[3] = entries[3]._replace(subject="forged")

    assert faults(entries) == ["entry 4 was changed, or the seal in entry 5"]


def test_a_changed_newest_entry_is_found_by_its_signed_head(store):
    fill(store)
    entries = book(store)
    heads = {number: entries[number - 1].digest() for number in (3, 5)}
    entries[4] = entries[4]._replace(subject="forged")

    assert faults(entries) == []
    assert faults(entries, heads) == ["one of the entries 4 to 5 was changed: entry 5 differs from its signed head"]


def test_entries_that_were_changed_with_all_seals_behind_them_are_found_by_a_signed_head(store):
    fill(store)
    entries = book(store)
    heads = {number: entries[number - 1].digest() for number in (2, 5)}
    forged = entries[:3]
    forged[2] = forged[2]._replace(subject="forged")
    for entry in entries[3:]:
        forged.append(entry._replace(hash=forged[-1].digest()))

    assert faults(forged) == []
    assert faults(forged, heads) == ["one of the entries 3 to 5 was changed: entry 5 differs from its signed head"]


def test_newest_entries_that_were_cut_off_are_missed_by_a_signed_head(store):
    fill(store)
    entries = book(store)

    assert faults(entries[:3], {5: entries[4].digest()}) == ["entries 4 to 5 are missing: they were signed"]


def test_the_oldest_entry_that_is_left_must_follow_a_signed_one_that_went(store, monkeypatch):
    monkeypatch.setattr("smgw.store.file.log_book.ENTRIES_KEPT", 3)
    fill(store, 3)
    head = {3: book(store)[-1].digest()}
    fill(store, 3)
    entries = book(store)

    assert entries[0].number == 4
    assert faults(entries, head) == []
    forged = [entries[0]._replace(hash=bytes(32))]
    for entry in entries[1:]:
        forged.append(entry._replace(hash=forged[-1].digest()))
    assert faults(forged, head)[0].endswith("entry 3 differs from its signed head")


def test_old_entries_that_retention_would_have_kept_are_missed(store):
    fill(store)

    assert faults(book(store)[2:]) == ["entries 1 to 2 are missing: the newest 10000 are always stored"]


def test_a_row_that_makes_no_sense_is_named(store):
    fill(store)
    store._file.writer.execute("UPDATE log SET level = 'x' WHERE number = 3")

    assert [fault.text for fault in check(rows_of(store._file.writer, "system")).faults] == ["entry 3 makes no sense"]


def test_an_event_goes_into_the_books_of_its_row(store):
    store.log("meter-lost", Level.WARNING, "house is silent", STAMP, identity="house", consumers=["anna", "bert"])
    store.log("clock-deviated", Level.WARNING, "2 s off", STAMP, consumers=["anna"])
    store.log("values-sent", Level.INFO, "96 values", STAMP, identity="taf-7", consumers=["anna"])

    assert [entry.event for entry in book(store)] == ["meter-lost", "clock-deviated"]
    assert [entry.event for entry in book(store, "calibration")] == ["clock-deviated"]
    assert [(entry.event, entry.identity, entry.user) for entry in book(store, "consumer anna")] == [
        ("meter-lost", "house", "anna"),
        ("values-sent", "taf-7", "anna"),
    ]
    assert [entry.number for entry in book(store, "consumer bert")] == [1]
    assert all(faults(book(store, name)) == [] for name in ("system", "calibration", "consumer anna"))


def test_a_list_of_all_books_has_each_event_once(store):
    store.log("clock-deviated", Level.WARNING, "2 s off", STAMP)
    store.log("meter-lost", Level.WARNING, "house is silent", STAMP, consumers=["anna"])

    assert [entry.event for entry in newest(store._file.writer, 10)] == ["clock-deviated", "meter-lost"]


def test_an_entry_without_identity_and_user_has_the_hash_that_older_programs_gave_it(store):
    fill(store, 1)
    (entry,) = book(store)

    assert entry.digest() == log_book.digest(entry[:11])
    assert entry._replace(identity="house").digest() != entry.digest()
    assert entry._replace(identity="house").digest() != entry._replace(user="house").digest()


def test_numbers_of_the_field_stand_with_their_events():
    assert log_books.NUMBERS["values-sent"] == 16001
    assert (log_books.NUMBERS["meter-lost"], log_books.NUMBERS["meter-back"]) == (2005, 2006)
    assert (log_books.NUMBERS["values-missing"], log_books.NUMBERS["values-complete"]) == (2023, 2024)

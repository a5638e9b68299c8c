"""The log books of consumers tell what was sent to EMPs: count, range and receiver."""

from pathlib import Path

import pytest
from captures_made import DEVICE, HOUSE
from released import unpack_version_5
from smgw.cosem.reading import ClockState, Stamp
from smgw.store import paths
from smgw.store.file.log_book import LogEntry
from smgw.store.wan.store import WanStore
from smgw.store.wan.view import WanView

STORE = "ab" * 16
STAMP = Stamp("boot", 1, 2, 3, ClockState.SYNCHRONISED)
CONSUMERS = {"house": ("anna", "bert")}


def book(directory: Path, name: str) -> list[LogEntry]:
    with WanView.open(directory) as view:
        return view.log_entries(100, f"consumer {name}")


def test_each_consumer_of_a_meter_gets_an_entry(tmp_path: Path) -> None:
    with WanStore.open(tmp_path) as store:
        store.acknowledge("north", STORE, HOUSE, 96, 90)
        store.log_sent(CONSUMERS, STAMP)
        store.acknowledge("north", STORE, HOUSE, 100, 4)
        store.log_sent(CONSUMERS, STAMP)
    for name in ("anna", "bert"):
        first, second = book(tmp_path, name)
        assert first.subject == f"90 rows of house, device {DEVICE} sent to EMP north: positions 1 to 96"
        assert second.subject == f"4 rows of house, device {DEVICE} sent to EMP north: positions 97 to 100"
        assert (first.event, first.identity, first.user) == ("values-sent", "house", name)
    with WanView.open(tmp_path) as view:
        assert view.log_entries(100, "system") == []


def test_nothing_is_written_if_nothing_was_sent(tmp_path: Path) -> None:
    with WanStore.open(tmp_path) as store:
        store.acknowledge("north", STORE, HOUSE, 96, 90)
        store.log_sent(CONSUMERS, STAMP)
        before = store._file.writer.total_changes
        store.log_sent(CONSUMERS, STAMP)
        assert store._file.writer.total_changes == before


def test_a_kill_loses_no_entry(tmp_path: Path) -> None:
    with WanStore.open(tmp_path) as store:
        store.acknowledge("north", STORE, HOUSE, 96, 90)
    with WanStore.open(tmp_path) as store:
        store.log_sent(CONSUMERS, STAMP)
    assert len(book(tmp_path, "anna")) == 1


def test_what_concerns_no_consumer_counts_as_logged(tmp_path: Path) -> None:
    with WanStore.open(tmp_path) as store:
        store.acknowledge("north", STORE, HOUSE, 96, 90)
        store.log_sent({}, STAMP)
        store.log_sent(CONSUMERS, STAMP)
    assert book(tmp_path, "anna") == []


@pytest.mark.parametrize("rows", [0, 7])
def test_what_was_sent_before_a_migration_is_not_logged(tmp_path: Path, rows: int) -> None:
    unpack_version_5(tmp_path)
    directory = paths.wan_directory(tmp_path)
    with WanStore.open(directory) as store:
        if rows:
            store.acknowledge("north", STORE, HOUSE, 500, rows)
        store.log_sent(CONSUMERS, STAMP)
    assert len(book(directory, "anna")) == bool(rows)

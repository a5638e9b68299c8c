"""Log books of a damaged database: what is readable is saved, and each book says what is lost."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from captures_made import BOOT
from log_faults import faults
from smgw.cosem import ClockState, Stamp
from smgw.reports.support import collect
from smgw.store import paths
from smgw.store.file.log_book import Level, LogEntry
from smgw.store.lmn.store import LmnStore
from smgw.store.lmn.view import LmnView
from smgw.store.wan.store import WanStore

STAMP = Stamp(BOOT, 1, 2, 0, ClockState.SYNCHRONISED)


def filled(directory: Path) -> None:
    with LmnStore.open(directory, ballast_bytes=0) as store:
        for number in range(1, 201):
            about = {"identity": "house"} if number % 2 else {}
            store.log("meter-lost", Level.WARNING, f"house is silent {number}", STAMP, consumers=["anna"], **about)  # type: ignore[arg-type]


def damage(directory: Path, *, leaves: int) -> None:
    """Zeroes in the root of the table `log` (no leaf), or in so many of its leaves."""
    file = directory / paths.LMN
    with closing(sqlite3.connect(file)) as database:
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        (size,) = database.execute("PRAGMA page_size").fetchone()
        (root,) = database.execute("SELECT rootpage FROM sqlite_master WHERE name = 'log'").fetchone()
    octets = bytearray(file.read_bytes())
    pages = [
        at for at in range(size, len(octets), size) if octets[at] == 10 and b"house is silent" in octets[at : at + size]
    ]
    for at in pages[3 : 3 + leaves] if leaves else [(root - 1) * size]:
        octets[at : at + size // 2] = bytes(size // 2)
    file.write_bytes(octets)
    paths.wal_of(file).touch()


def entries(directory: Path, book: str) -> list[LogEntry]:
    with LmnView.open(directory) as view:
        return view.log_entries(1000, book)


@pytest.mark.parametrize("leaves", [0, 2])
def test_entries_of_a_damaged_table_are_saved_and_the_break_is_named(tmp_path: Path, leaves: int) -> None:
    filled(tmp_path)
    damage(tmp_path, leaves=leaves)
    with LmnStore.open(tmp_path, ballast_bytes=0) as store:
        assert store.salvaged
    for book in ("system", "consumer anna"):
        found = entries(tmp_path, book)
        saved = [entry for entry in found if entry.event == "meter-lost"]
        assert len(saved) > 150
        assert all(entry.identity == ("house" if entry.number % 2 else "") for entry in saved)
        told = [entry.subject for entry in found if entry.event == "log-broken"]
        missing = faults([entry for entry in found if entry.event != "log-broken"])
        assert bool(told) == bool(missing), (told, missing)
        assert all(text in told[0] for text in missing[:1])
    assert [entry.event for entry in entries(tmp_path, "calibration")][:1] == ["store-salvaged"]


def test_the_support_bundle_has_the_check_without_the_names_of_consumers(tmp_path: Path) -> None:
    filled(paths.lmn_directory(tmp_path))
    with WanStore.open(paths.wan_directory(tmp_path)):
        pass
    file = tmp_path / "gateway.toml"
    file.write_text("")
    text = collect(file, tmp_path, redact_ids=False)["log-check.txt"]
    assert "lmn: book 'system': 200 entries (1 to 200), numbers and seals are whole" in text
    assert "lmn: book of a consumer: 200 entries" in text
    assert "anna" not in text

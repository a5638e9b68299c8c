"""`smgw log`, in the process of the test."""

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from captures_made import BOOT, MIDNIGHT, SECOND
from released import unpack_version_5
from smgw.cli import main
from smgw.cosem import ClockState, Stamp
from smgw.store import paths
from smgw.store.file.log_book import Level, LogEntry
from smgw.store.lmn.store import LmnStore
from smgw.store.lmn.view import LmnView
from smgw.store.wan.store import WanStore


def stamp(seconds: int, state: ClockState = ClockState.SYNCHRONISED) -> Stamp:
    return Stamp(BOOT, seconds * 1_000_000_000, MIDNIGHT + seconds * SECOND, 0, state)


@pytest.fixture
def state(tmp_path: Path) -> Path:
    with LmnStore.open(paths.lmn_directory(tmp_path)) as lmn, WanStore.open(paths.wan_directory(tmp_path)) as wan:
        lmn.log("lmn-started", Level.INFO, "2 meters", stamp(1, ClockState.INVALID))
        wan.log("delivery-held", Level.ERROR, "utility: answers 403", stamp(2))
        lmn.log("clock-synchronised", Level.INFO, "by ntp", stamp(3))
    return tmp_path


def test_the_books_of_both_processes_come_in_the_order_of_time(state: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["log", "--state", str(state)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[-2 if "2 meters" in line else -1] for line in lines] == ["2", "403", "ntp"]
    assert ["(?)" in line for line in lines] == [True, False, False]


def test_as_json_and_only_the_newest(state: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["log", "--state", str(state), "--json", "-n", "2"]) == 0
    entries = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(entry["process"], entry["event"], entry["level"]) for entry in entries] == [
        ("wan", "delivery-held", "ERROR"),
        ("lmn", "clock-synchronised", "INFO"),
    ]


def test_a_changed_entry_is_named(state: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["log", "--state", str(state), "--verify"]) == 0
    with closing(sqlite3.connect(paths.lmn_directory(state) / paths.LMN)) as database:
        database.execute("UPDATE log SET subject = '3 meters' WHERE number = 1")
        database.commit()
    capsys.readouterr()
    assert main(["log", "--state", str(state), "--verify"]) == 1
    assert "lmn: book 'system': entry 1 was changed, or the seal in entry 2" in capsys.readouterr().out


def test_a_state_directory_without_stores_is_no_traceback(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["log", "--state", str(tmp_path), "--verify"]) == 1
    told = capsys.readouterr()
    assert told.out == ""
    assert "lmn.db: there is no database yet; smgw lmn makes it when it starts" in told.err


def test_a_book_is_printed_by_its_name(state: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with LmnStore.open(paths.lmn_directory(state)) as lmn:
        lmn.log("meter-lost", Level.WARNING, "house is silent", stamp(4), identity="house", consumers=["anna"])
    assert main(["log", "--state", str(state), "--book", "calibration"]) == 0
    assert "clock-synchronised" in capsys.readouterr().out
    assert main(["log", "--state", str(state), "--json", "--book", "consumer", "anna"]) == 0
    (entry,) = map(json.loads, capsys.readouterr().out.splitlines())
    assert (entry["event_id"], entry["subject_identity"], entry["user_identity"]) == (2005, "house", "anna")
    assert entry["number"] == 1


def test_a_book_that_nobody_has_is_told_with_those_that_are_there(
    state: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["log", "--state", str(state), "--book", "consumer", "nobody"]) == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("smgw log: the book consumer nobody has no entry; there are ")
    assert "system" in said.err
    assert main(["log", "--state", str(state), "--book", "calibration"]) == 0


@pytest.mark.parametrize(("words", "told"), [(["consumer"], "whose?"), (["system", "x"], "no such book")])
def test_a_book_that_cannot_be_meant_is_told(
    state: Path, words: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["log", "--state", str(state), "--book", *words]) != 0
    assert told in capsys.readouterr().err


def test_verify_looks_at_every_book(state: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with LmnStore.open(paths.lmn_directory(state)) as lmn:
        for number in range(3):
            lmn.log("clock-deviated", Level.WARNING, f"{number} s off", stamp(5))
    with closing(sqlite3.connect(paths.lmn_directory(state) / paths.LMN)) as database:
        database.execute("DELETE FROM log WHERE book = 'calibration' AND number = 2")
        database.commit()
    assert main(["log", "--state", str(state), "--verify"]) == 1
    told = capsys.readouterr().out
    assert "lmn: book 'calibration': entry 2 is missing" in told
    assert "lmn: book 'system': 5 entries (1 to 5), numbers and seals are whole; not signed" in told
    assert main(["log", "--state", str(state), "--verify", "--book", "system"]) == 0


def test_a_database_of_the_version_before_is_migrated_and_verified(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    unpack_version_5(tmp_path)
    assert main(["log", "--state", str(tmp_path), "--verify"]) == 1
    assert "start" in capsys.readouterr().err
    with LmnStore.open(paths.lmn_directory(tmp_path)) as lmn, WanStore.open(paths.wan_directory(tmp_path)) as wan:
        assert lmn.salvaged is None
        assert wan.salvaged is None
        lmn.log("meter-lost", Level.WARNING, "house is silent", stamp(4), identity="house")
    assert main(["log", "--state", str(tmp_path), "--verify"]) == 0
    told = capsys.readouterr().out
    assert "lmn: book 'system': 13 entries (1 to 13), numbers and seals are whole" in told
    assert "wan: book 'system': 3 entries (1 to 3), numbers and seals are whole" in told


def test_a_salvaged_book_tells_what_is_lost(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    unpack_version_5(tmp_path)
    directory = paths.lmn_directory(tmp_path)
    with LmnStore.open(directory):
        pass
    with closing(sqlite3.connect(directory / paths.LMN)) as database:
        database.execute("DELETE FROM log WHERE book = 'system' AND number BETWEEN 4 AND 6")
        database.execute("DROP TABLE counts")
        database.commit()
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    paths.wal_of(directory / paths.LMN).unlink(missing_ok=True)
    with LmnStore.open(directory) as lmn:
        assert lmn.salvaged
        entries = {entry.event: entry for entry in lmn_entries(directory)}
    assert "entries 4 to 6 are missing" in entries["log-broken"].subject
    assert entries["store-salvaged"].number == 13
    assert main(["log", "--state", str(tmp_path), "--verify"]) == 1
    assert "lmn: book 'system': entries 4 to 6 are missing" in capsys.readouterr().out


def lmn_entries(directory: Path) -> list[LogEntry]:
    with LmnView.open(directory) as view:
        return view.log_entries(100, "system")

"""`smgw log`, in the process of the test."""

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from captures_made import BOOT, MIDNIGHT, SECOND
from smgw.cli import main
from smgw.cosem import ClockState, Stamp
from smgw.store import paths
from smgw.store.file.log_book import Level
from smgw.store.lmn.store import LmnStore
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


def test_a_changed_entry_breaks_the_seal_behind_it(state: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["log", "--state", str(state), "--verify"]) == 0
    with closing(sqlite3.connect(paths.lmn_directory(state) / paths.LMN)) as database:
        database.execute("UPDATE log SET subject = '3 meters' WHERE number = 1")
        database.commit()
    capsys.readouterr()
    assert main(["log", "--state", str(state), "--verify"]) == 1
    assert "the seal before entry 2 of book 'system' is broken" in capsys.readouterr().out


def test_a_state_directory_without_stores_is_no_traceback(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["log", "--state", str(tmp_path), "--verify"]) == 1
    told = capsys.readouterr()
    assert told.out == ""
    assert "lmn.db: there is no database yet; smgw lmn makes it when it starts" in told.err

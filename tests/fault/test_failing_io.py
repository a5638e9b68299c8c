"""Calls of the operating system fail below SQLite: nothing acknowledged is lost, nothing is doubled.

A library in C is preloaded into the writer of each database (failing_io.c, failing_writers.py). It makes write, fsync,
ftruncate, mmap and malloc fail at a random call, once or for good, and cuts some writes in their middle.
"""

import os
import shutil
import sqlite3
import subprocess
import sys
from collections import Counter
from contextlib import closing
from pathlib import Path

import pytest
from effort import SEED, rounds
from failing_writers import HOUSE, KINDS, WRITERS, on_grid
from smgw.store.lmn.view import LmnView
from smgw.store.wan.view import WanView
from stored import opened

ROOT = Path(__file__).parents[2]
ROUNDS = rounds(6, long=300)
if shutil.which("cc") is None:
    pytest.skip("MISSING cc, sudo apt-get install gcc libc6-dev: no call can be made to fail", allow_module_level=True)


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("library") / "failing_io.so"
    subprocess.run(["cc", "-shared", "-fPIC", "-O2", "-o", made, ROOT / "tests/fault/failing_io.c", "-ldl"], check=True)
    return made


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", WRITERS)
def test_what_was_acknowledged_is_there_once_whatever_call_failed(
    library: Path, tmp_path: Path, name: str, kind: str
) -> None:
    print(f"SMGW_KILL_SEED={SEED}")
    done = subprocess.run(
        [sys.executable, ROOT / "tests/support/failing_writers.py", name, tmp_path, kind, str(ROUNDS), str(SEED)],
        env={
            **os.environ,
            "LD_PRELOAD": str(library),
            "PYTHONPATH": f"{ROOT / 'firmware'}:{ROOT / 'simulator-host'}",
            "PYTHONMALLOC": "malloc",
        },
        capture_output=True,
        text=True,
        check=True,
    )
    lines = [line.split() for line in done.stdout.splitlines()]
    acknowledged = {int(line[1]) for line in lines if line[0] == "done"}
    failed = sum(int(line[1]) for line in lines if line[0] == "failed")
    print(f"{name} {kind}: {failed} calls failed, {len(acknowledged)} acknowledged")
    assert failed, "no call failed"
    restarts = [line[-1] for line in lines if line[:2] == ["ended", "without"]]
    assert restarts == ["0"] * ROUNDS, "a restart without failures did not work"
    CHECKS[name](tmp_path, acknowledged, lines)


def check_lmn(directory: Path, acknowledged: set[int], _: list[list[str]]) -> None:
    """A write without room removes the oldest live-rate rows, and counts each. A failed opening may be a salvage."""
    opened(directory).close()
    with LmnView.open(directory) as view:
        rows = view.records(HOUSE, 0, 10**6)
        counted = view.counts().get("lost_live", 0)
    found = [row.readings[0].value.value for row in rows]
    gone = acknowledged - set(found)
    assert not [value for value in gone if on_grid(value)], "acknowledged and lost"
    assert len(gone) <= counted, "acknowledged and lost, and not counted"
    assert not doubles(found)
    assert len({row.record_number for row in rows}) == len(rows), "a number was given twice"


def check_wan(directory: Path, _: set[int], lines: list[list[str]]) -> None:
    """A cursor that is ahead would lose rows; one that is behind delivers rows again, which the EMP ignores."""
    with WanView.open(directory) as view:
        (cursor,) = view.cursors()
    assert cursor.acknowledged == cursor.position, "a row was counted twice, or not at all"
    assert cursor.position == max(int(line[1]) for line in lines if line[0] == "at"), "the last child wrote all"


def check_emp(directory: Path, acknowledged: set[int], _: list[list[str]]) -> None:
    query = "SELECT r.record_number, v.value FROM record r JOIN reading v ON v.record = r.id"
    with closing(sqlite3.connect(directory / "emp.db")) as database:
        rows = database.execute(query).fetchall()
        assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    assert all(number == value for number, value in rows)
    assert not acknowledged - {number for number, _ in rows}, "acknowledged and lost"
    assert not doubles([number for number, _ in rows])


def doubles(found: list[object]) -> list[object]:
    return [value for value, count in Counter(found).items() if count > 1]


CHECKS = {"lmn": check_lmn, "wan": check_wan, "emp": check_emp}

"""kill -9 in the middle of a salvage: all is copied once and in order, while new values are stored and delivered."""

import contextlib
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from effort import SEED, rounds
from many_captures import make_many
from smgw.store.file.connection import PAGE_SIZE
from smgw.store.lmn.view import LmnView
from smgw.store.records import Source

FIRMWARE = Path(__file__).parents[2] / "firmware"
SUPPORT = Path(__file__).parents[1] / "support"
METERS = 8
CAPTURES = rounds(8_000, long=1_000_000)
KILLS = 20
#: Pieces of a run before its kill, at most, and how long a piece may take to write: short ones, so that there are many.
PIECES, PIECE_S = rounds(3, long=40), rounds(0.002, long=0.04)
#: Copies, and stores a capture of each meter after every step.
WRITER = """
import sys
from pathlib import Path
from smgw.store.lmn import salvaging
from smgw.store.lmn.store import LmnStore
from many_captures import BEGAN_US, SECOND, record, sources
salvaging._PIECE_S = float(sys.argv[3])
store = LmnStore.open(Path(sys.argv[1]), ballast_bytes=0)
began = int(sys.argv[2])
print("open", flush=True)
for at in range(10**9):
    step = store.salvage_step()
    kept = [record(source, 8, BEGAN_US + (began + at) * SECOND) for source in sources()]
    numbers = [outcome.number for outcome in store.append(kept)]
    print("end" if step is None else "copied", *numbers, flush=True)
    if step is None:
        break
store.close()
"""


class Emp:
    """Takes the rows of one source in the order of their positions."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.taken: list[tuple[str, int]] = []
        self._reached = 0

    def take(self, view: LmnView) -> None:
        """All that may be delivered now."""
        while rows := view.records(self.source, self._reached, 1000):
            assert all(len(row.readings) == 8 for row in rows)
            self.taken += [(row.store_id, row.record_number) for row in rows]
            self._reached = rows[-1].position


@pytest.mark.parametrize("where", ["middle", "header"])
def test_a_salvage_that_is_killed_again_and_again_copies_all_once_and_in_order(tmp_path: Path, where: str) -> None:
    print(f"SMGW_KILL_SEED={SEED}")
    dice = random.Random(f"{SEED} {where}")
    made = make_many(tmp_path, CAPTURES, meters=METERS)
    with LmnView.open(tmp_path) as view:
        identity = view.store_id
    with (tmp_path / "lmn.db").open("r+b") as file:
        # The root of a small table that is read at the start, or all that SQLite goes by: no capture is lost.
        file.seek(0 if where == "header" else (_root(tmp_path) - 1) * PAGE_SIZE)
        file.write(bytes(PAGE_SIZE))

    promised: list[int] = []
    emp = Emp(made[0])
    progress: list[tuple[int, int, int]] = []
    for turn in range(KILLS):
        with _writer(tmp_path, turn) as process:
            assert process.stdout is not None
            for _ in range(dice.randint(1, PIECES)):  # the store has progressed
                promised += _numbers(process.stdout.readline())
            time.sleep(dice.uniform(0.0, 2 * PIECE_S))
            process.send_signal(signal.SIGKILL)
            for line in process.stdout.read().splitlines(keepends=True):
                promised += _numbers(line)
        assert process.returncode == -signal.SIGKILL
        with LmnView.open(tmp_path) as view:
            state = view.salvage()
            assert state is not None, f"kill {turn + 1} did not fall into the salvage"
            progress.append((state.phase, state.next, state.captures))
            emp.take(view)
    assert progress == sorted(set(progress)), "a run before a kill copied nothing"

    with _writer(tmp_path, KILLS) as process:
        assert process.stdout is not None
        for line in process.stdout:
            promised += _numbers(line)
    with LmnView.open(tmp_path) as view:
        assert view.salvage() is None
        emp.take(view)
        there = {row.position for source in made for row in _all(view, source, CAPTURES)}

    old = [number for store_id, number in emp.taken if store_id == identity]
    assert old == list(range(1, CAPTURES + 1, METERS))
    assert emp.taken[: len(old)] == [(identity, number) for number in old], "new captures came before old ones"
    assert len(set(emp.taken)) == len(emp.taken)
    assert len(set(promised)) == len(promised)
    assert set(promised) <= there


@contextlib.contextmanager
def _writer(directory: Path, turn: int) -> Iterator["subprocess.Popen[str]"]:
    """It has opened the store."""
    with subprocess.Popen(
        [sys.executable, "-c", WRITER, str(directory), str(10_000_000 + turn * 100_000), str(PIECE_S)],
        env={"PYTHONPATH": f"{FIRMWARE}:{SUPPORT}"},
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "open\n"
        yield process


def _numbers(line: str) -> list[int]:
    """The numbers that the writer says were stored; a line that was cut says nothing."""
    return list(map(int, line.split()[1:])) if line.endswith("\n") else []


def _all(view, source, after):
    while rows := view.records(source, after, 1000):
        yield from rows
        after = rows[-1].position


def _root(directory: Path) -> int:
    import sqlite3

    with sqlite3.connect(directory / "lmn.db") as connection:
        (page,) = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = 'store'").fetchone()
    connection.close()
    (directory / "lmn.db-wal").touch()
    return int(page)

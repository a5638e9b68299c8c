"""A power cut at any moment: what was acknowledged is there, counters are not given twice, the rest is as promised.

A registrar and a dispatcher work below a library in C that notes each write, sync, rename and removal with its octets
(power_cut.c, power_cut_writer.py). From the notes up to a moment the files are made as the card would hold them
(power_cut.py), and opened by the stores. The time is virtual, so the age of a row does not depend on this machine.
"""

import os
import random
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest
from captures_made import DEVICE
from effort import SEED, rounds
from power_cut import SAID, Change, Disk, changes, said
from power_cut_writer import GRID, LIVE
from smgw.cosem.source import Source
from smgw.store.lmn.store import LmnStore
from smgw.store.lmn.view import LmnView
from smgw.store.records import CounterKind
from smgw.store.wan.store import WanStore

ROOT = Path(__file__).parents[2]
CUTS = rounds(20, long=200)
#: Of virtual time. So long that the -wal is checkpointed more than once.
SECONDS = rounds(300, long=900)
#: Longest time that a grid value stays in memory.
GRID_LOSS = 1.0
if shutil.which("cc") is None:
    pytest.skip("MISSING cc, sudo apt-get install gcc libc6-dev: no write can be noted", allow_module_level=True)


class Case(NamedTuple):
    """`gathering` as the LMN process has it; `loss`: seconds of live-rate values that a power cut may cost."""

    gathering: tuple[float, float, float]
    loss: float


CASES = {
    "default": Case((0.5, 5, 0), 5),
    "a minute": Case((0.5, 60, 0), 60),
    "immediate": Case((0, 0, 0.5), 1),
}


class Known:
    """What the world knew at a moment."""

    def __init__(self) -> None:
        self.now = 0.0
        self.live: dict[int, float] = {}
        self.grid: dict[int, float] = {}
        self.acknowledged: set[int] = set()
        self.given = 0
        self.gathered = self.settled = 0

    def hear(self, change: Change) -> None:
        what, *words = said(change)
        if what == "now":
            self.now = float(words[0])
        elif what in ("live", "grid"):
            getattr(self, what)[int(words[0])] = float(words[1])
        elif what == "acknowledged":
            self.acknowledged.add(int(words[0]))
        elif what == "given":
            self.given = int(words[1])
        else:
            setattr(self, what, int(words[0]))


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("library") / "power_cut.so"
    source = ROOT / "tests/fault/power_cut.c"
    subprocess.run(["cc", "-shared", "-fPIC", "-O2", "-o", made, source, "-ldl", "-lpthread"], check=True)
    return made


@pytest.mark.parametrize("name", CASES)
def test_a_power_cut_costs_what_was_promised_and_nothing_that_was_acknowledged(
    library: Path, tmp_path: Path, name: str
) -> None:
    print(f"SMGW_KILL_SEED={SEED}")
    chance, case, under = random.Random(f"{name} {SEED}"), CASES[name], tmp_path / "state"
    under.mkdir()
    noted = recorded(library, under, tmp_path / "notes", case)
    disk, known, after = Disk(), Known(), 0
    for number, moment in enumerate(sorted(chance.sample(range(len(noted)), CUTS))):
        for change in noted[after:moment]:
            if change.kind == SAID:
                known.hear(change)
            else:
                disk.take(change)
        after = moment
        target = tmp_path / f"cut{number}"
        disk.cut(chance, under, target)
        check_lmn(target / "lmn", known, case.loss)
        check_wan(target / "wan", known)
        shutil.rmtree(target)
    print(
        f"{name}: {CUTS} cuts in {len(noted)} changes; {len(known.live)} live-rate values, {len(known.grid)} of grids"
    )


def recorded(library: Path, under: Path, notes: Path, case: Case) -> list[Change]:
    subprocess.run(
        [sys.executable, ROOT / "tests/support/power_cut_writer.py", under, notes, str(SECONDS)]
        + [str(seconds) for seconds in case.gathering],
        env={**os.environ, "LD_PRELOAD": str(library), "PYTHONPATH": str(ROOT / "firmware")},
        check=True,
    )
    return changes(notes)


def check_lmn(directory: Path, known: Known, loss: float) -> None:
    with LmnStore.open(directory, ballast_bytes=0) as store:
        # Before the first commit of a new file the name of its -wal may not be there yet.
        assert store.salvaged is None or not (known.given or known.acknowledged), store.salvaged
        again = store.reserve(CounterKind.INVOCATION, "key", "live0", 1, 64)
    assert again >= known.given, "a counter was given twice"
    with LmnView.open(directory) as view:
        rows = [row for meter in (*LIVE, *GRID, "counted") for row in view.records(Source(meter, DEVICE), 0, 10**6)]
    found = {(row.meter == "counted", row.readings[0].value.value) for row in rows}
    assert len(found) == len(rows), "a row is there twice"
    assert not [value for value in known.acknowledged if (True, value) not in found], "acknowledged and lost"
    assert not lost(known.grid, found, known.now - GRID_LOSS), "a grid value was lost"
    assert not lost(known.live, found, known.now - loss), "more live-rate values were lost than a power cut may cost"


def lost(taken: dict[int, float], found: set[tuple[bool, object]], since: float) -> list[int]:
    """Of those that came before this moment."""
    return [value for value, moment in taken.items() if moment < since and (False, value) not in found]


def check_wan(directory: Path, known: Known) -> None:
    """A cursor that is ahead would lose rows; one that is behind repeats a round, which the EMP ignores."""
    with WanStore.open(directory) as store:
        assert store.salvaged is None, store.salvaged
        cursors = store.cursors("emp")
    assert len({cursor.position for cursor in cursors}) <= 1, "a part of a round was written"
    position = cursors[0].position if cursors else 0
    assert known.settled <= position <= known.gathered
    assert all(cursor.acknowledged * 40 == cursor.position for cursor in cursors)

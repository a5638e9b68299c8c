"""Seconds from exec to READY of `smgw lmn` with databases of all sizes, whole and damaged, and of its stop meanwhile.

A damaged database is copied behind: the rate of that is printed, too. BENCH_START=1000000 for the large one (default).
Run alone: `python tests/bench/bench_start.py`; exits 1 under a bar.
"""

import os
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [
    str(ROOT / "firmware"), str(ROOT / "simulator-host"), str(ROOT / "tests" / "support"), str(Path(__file__).parent)
]  # fmt: skip

from many_captures import make_many  # noqa: E402
from result import Result, shown  # noqa: E402
from smgw.store import paths  # noqa: E402
from smgw.store.file.connection import PAGE_SIZE  # noqa: E402
from smgw.store.lmn.view import LmnView  # noqa: E402
from testbed import Chain, push  # noqa: E402

READY_WITHIN, STOPS_WITHIN = 5.0, 2.0  # s
LARGE = int(os.environ.get("BENCH_START", "1000000"))
PAGE = PAGE_SIZE
#: The rate of the salvage is measured for so long.
LOOKED_S = 60.0


def damage(database: Path) -> None:
    """One page in the middle, and the end, as after a bad block and a torn write."""
    octets = database.stat().st_size
    with database.open("r+b") as file:
        file.seek(octets // 2 // PAGE * PAGE)
        file.write(bytes(PAGE))
        file.truncate(octets - 3 * PAGE)


def copied_within(directory: Path, seconds: float) -> int:
    """How many captures were copied until the end of the salvage, or in this time."""
    ends = time.monotonic() + seconds
    with LmnView.open(directory) as view:
        while view.salvage() is not None and time.monotonic() < ends:
            time.sleep(0.1)
        return view.counts()["salvaged"]


def started(captures: int, *, damaged: bool) -> list[Result]:
    """`captures`: in the database before."""
    what = f"{captures:,} captures{', damaged' if damaged else ''}"
    with tempfile.TemporaryDirectory() as folder, Chain(Path(folder), [push("house", 1)]) as chain:
        directory = paths.lmn_directory(chain.state)
        if captures:
            make_many(directory, captures)
        if damaged:
            damage(directory / paths.LMN)
        began = time.monotonic()
        chain.lmn.start()
        chain.lmn.wait_for("services.lmn: ready")
        results = [Result(f"exec to READY, {what}", time.monotonic() - began, "s", READY_WITHIN)]
        if damaged:
            began = time.monotonic()
            code = chain.lmn.stop()
            assert code == 0, chain.lmn.tail()
            results.append(Result(f"SIGTERM to the end, {what}", time.monotonic() - began, "s", STOPS_WITHIN))
            began = time.monotonic()
            chain.lmn.start()
            chain.lmn.wait_for("services.lmn: ready")
            copied = copied_within(directory, LOOKED_S)
            results.append(Result(f"copied behind, {what}", copied / (time.monotonic() - began), "captures/s"))
        return results


def main() -> list[Result]:
    """Empty, small and large."""
    results = started(0, damaged=False)
    for captures in (10_000, LARGE):
        for damaged in (False, True):
            results += started(captures, damaged=damaged)
    return results


if __name__ == "__main__":
    sys.exit(shown(main()))

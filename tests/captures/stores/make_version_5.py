"""Writes version-5/lmn.db.gz and wan.db.gz: stores with a log book, as lmn.db 5 and wan.db 3 had it.

Run once, by a Python that has that program: `git worktree add OLD 127c791`, `make setup` there, then
`OLD/.venv/bin/python make_version_5.py version-5`. Today's package makes later versions.
"""

import gzip
import sys
import tempfile
from pathlib import Path

from smgw.cosem import Capture, ClockState, Data, DataType, DeviceId, Obis, Reading, Stamp
from smgw.store.file.log_book import Level
from smgw.store.lmn.store import LmnStore
from smgw.store.records import Record
from smgw.store.wan.store import WanStore

SECOND = 1_000_000
MIDNIGHT = 1_772_323_200 * SECOND  # 2026-03-01 00:00:00 UTC
BOOT = "0f3c6f3e-5c1b-4d32-9a52-6e2f9d3a0a11"
ENERGY = Obis.parse("1.8.0")
HOUSE = DeviceId.parse("1EMH0011802881")


def stamp(seconds: int) -> Stamp:
    """By a synchronised clock, so many seconds after midnight."""
    return Stamp(BOOT, seconds * 10**9, MIDNIGHT + seconds * SECOND, 5000, ClockState.SYNCHRONISED)


def record(number: int) -> Record:
    """A quarter hour of the grid."""
    reading = Reading(ENERGY, Data(DataType.LONG64_UNSIGNED, 86_038_000 + number), -1, 30)
    moment = stamp(900 * number)
    return Record(Capture("house", HOUSE, moment, None, (reading,), b"meter" * 8), moment.utc_us)


def main() -> None:
    """Into the folder that is named."""
    target = Path(sys.argv[1])
    with tempfile.TemporaryDirectory() as folder:
        lmn, wan = Path(folder) / "lmn", Path(folder) / "wan"
        with LmnStore.open(lmn, ballast_bytes=0) as store, WanStore.open(wan) as other:
            for number in range(1, 13):
                store.append([record(number)])
                store.log("clock-synchronised", Level.INFO, f"by server {number}", stamp(number))
            store.log("configuration-running", Level.INFO, "gateway 0a1b2c3d", stamp(13), book="configuration")
            for number in range(1, 4):
                other.log("delivery-held", Level.ERROR, f"north: answers 403 ({number})", stamp(number), outcome=False)
        target.mkdir(exist_ok=True)
        for file in (lmn / "lmn.db", wan / "wan.db"):
            (target / f"{file.name}.gz").write_bytes(gzip.compress(file.read_bytes(), mtime=0))


if __name__ == "__main__":
    main()

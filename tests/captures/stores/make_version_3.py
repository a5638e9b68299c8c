"""Writes version-3/lmn.db.gz: a store of several blocks of record numbers, as schema version 3 made it.

Run once, by a Python that has that program: `git worktree add OLD 2c8cc37`, `make setup` there, then
`OLD/.venv/bin/python make_version_3.py version-3`. Today's package makes later versions.
"""

import gzip
import sys
import tempfile
from pathlib import Path

from smgw.cosem import Capture, ClockState, Data, DataType, DeviceId, Obis, Reading, Stamp
from smgw.store.lmn.store import LmnStore
from smgw.store.records import Origin, Record

SECOND = 1_000_000
MIDNIGHT = 1_772_323_200 * SECOND  # 2026-03-01 00:00:00 UTC
BOOT = "0f3c6f3e-5c1b-4d32-9a52-6e2f9d3a0a11"
ENERGY = Obis.parse("1.8.0")
DENSE, SPARSE, GRID = (DeviceId.parse(f"1EMH001180288{digit}") for digit in (1, 2, 3))


def record(number: int) -> Record:
    """Mostly of the dense meter. The grid's has one in 10, the sparse one some at the begin and one in the third block."""
    meter, device, target = "dense", DENSE, None
    moment = MIDNIGHT + number * SECOND
    if number < 20 or number == 3000:
        meter, device = "sparse", SPARSE
    elif number % 10 == 0:
        meter, device, target = "grid", GRID, moment
    reading = Reading(ENERGY, Data(DataType.LONG64_UNSIGNED, 86_038_000 + number), -1, 30)
    stamp = Stamp(BOOT, number * 10**9, moment, 5000, ClockState.SYNCHRONISED)
    origin = Origin.MISSING if number == 4000 else Origin.MEASURED
    return Record(Capture(meter, device, stamp, None, (reading,)), target, 0, origin=origin)


def main() -> None:
    """Into the folder that is named."""
    with tempfile.TemporaryDirectory() as folder:
        with LmnStore.open(Path(folder), ballast_bytes=0) as store:
            for first in range(1, 4201, 100):
                store.append([record(number) for number in range(first, first + 100)])
        packed = gzip.compress((Path(folder) / "lmn.db").read_bytes(), mtime=0)
    (Path(sys.argv[1]) / "lmn.db.gz").write_bytes(packed)


if __name__ == "__main__":
    main()

"""Writers of the three databases, for test_failing_io.py, which preloads failing_io.c: one child for each round.

    failing_writers.py lmn|wan|emp DIRECTORY KIND ROUNDS SEED

Each child opens the database, writes and closes it, while calls fail. It tries again as the gateway does. The child of
every other round has no failures: a restart. Lines: `tried VALUE` before, `done VALUE` after what returned, `failed N`
for calls that failed in a round.
"""

import contextlib
import ctypes
import errno
import logging
import os
import random
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from smgw.cosem import Capture, ClockState, Data, DataType, DeviceId, Obis, Reading, Stamp, StatusWord
from smgw.cosemxml.document import Document, Register, Row
from smgw.store.lmn.store import LmnStore
from smgw.store.records import OutcomeKind, Record, Source
from smgw.store.wan.store import WanStore

KINDS = {"write": 1, "sync": 2, "truncate": 4, "map": 8, "memory": 16}
#: The last call that may be the first to fail: about as many as a child makes.
LATEST = {"write": 120, "sync": 15, "truncate": 2, "map": 2, "memory": 600}
DEVICE = DeviceId.parse("1EMH0011802881")
HOUSE = Source("house", DEVICE)
GATEWAY = DeviceId.parse("1SMG0000000001")
STORE = "ab" * 16
ENERGY = Register(Obis.parse("1.8.0"), -1, 30)
RECORDS, TRIES = 12, 3
_START_US = 1_772_323_200_000_000
#: Writes a value; false: it was not stored, and that is counted.
Write = Callable[[int], bool]


def on_grid(value: int) -> bool:
    """Whether the row of this value has a target time: it never makes room for others."""
    return value % 3 == 0


@contextlib.contextmanager
def lmn(directory: Path) -> Iterator[Write]:
    """One row each, every third one on the grid. Where a slot is taken, a live-rate row follows as the registrar's."""
    with LmnStore.open(directory, ballast_bytes=0) as store:

        def write(value: int) -> bool:
            stamp = Stamp("boot", value, value, 1, ClockState.SYNCHRONISED)
            reading = Reading(Obis.parse("1.8.0"), Data(DataType.LONG64, value))
            target = value * 900_000_000 if on_grid(value) else None
            record = Record(Capture("house", DEVICE, stamp, None, (reading,)), target)
            (outcome,) = store.append([record])
            if outcome.kind is OutcomeKind.SLOT_TAKEN:
                (outcome,) = store.append([record._replace(target_time_us=None)])
            return outcome.kind is OutcomeKind.WRITTEN

        yield write


@contextlib.contextmanager
def wan(directory: Path) -> Iterator[Write]:
    """The next position acknowledged, from the cursor on, as a dispatcher does."""
    with WanStore.open(directory) as store:
        cursors = store.cursors("emp")
        at = cursors[0].position if cursors else 0

        def write(_: int) -> bool:
            nonlocal at
            print(f"at {at + 1}", flush=True)
            at += 1
            store.acknowledge("emp", STORE, HOUSE, at, 1)
            return True

        yield write


@contextlib.contextmanager
def emp(directory: Path) -> Iterator[Write]:
    """A document of one row each, sent again if it was not acknowledged."""
    from emp.store.sqlite_storage import SqliteStorage

    storage = SqliteStorage(directory / "emp.db")
    try:

        def write(value: int) -> bool:
            row = Row(value, _START_US + value, None, True, StatusWord(5, 0), (Data(DataType.LONG64, value),))
            storage.deposit(Document(GATEWAY, STORE, DEVICE, (ENERGY,), (row,)), _START_US).result()
            return True

        yield write
    finally:
        storage.close()


WRITERS = {"lmn": lmn, "wan": wan, "emp": emp}


def child(name: str, directory: Path, first: int, arm: Callable[[], object]) -> None:
    """Write some values; an error of the database is handled by another try, at most a few times."""
    with WRITERS[name](directory) as write:
        arm()
        for value in range(first, first + RECORDS):
            print(f"tried {value}", flush=True)
            for _ in range(TRIES):
                try:
                    stored = write(value)
                except Exception as error:  # MemoryError and sqlite3.Error too
                    print(f"error {type(error).__name__}", flush=True)
                    if name == "wan":  # the thread of a dispatcher begins anew, from the cursor
                        return
                else:
                    print(f"{'done' if stored else 'counted'} {value}", flush=True)
                    break


def main(name: str, directory: Path, kind: str, rounds: int, seed: str) -> None:
    """All rounds."""
    logging.disable(logging.CRITICAL)
    chance = random.Random(f"{name} {kind} {seed}")
    library = ctypes.CDLL(None)
    for number in range(2 * rounds):
        sys.stdout.flush()
        nth, times = chance.randint(1, LATEST[kind]), chance.choice((1, 1, 2, 10, 10**9))
        fault = errno.ENOMEM if kind in ("memory", "map") else chance.choice((errno.EIO, errno.ENOSPC))
        # Before the database is opened, else after it, when nothing is mapped any more.
        early = kind in ("map", "truncate") or chance.random() < 0.5
        pid = os.fork()
        if not pid:
            code, folder = 1, os.fsencode(directory)
            arm = partial(library.failing_arm, KINDS[kind], ctypes.c_long(nth), ctypes.c_long(times), fault, folder)
            try:
                if early and number % 2 == 0:
                    arm()
                child(name, directory, number * RECORDS + 1, (lambda: 0) if early or number % 2 else arm)
                code = 0
            except Exception as error:
                print(f"error {type(error).__name__}", flush=True)
            finally:
                print(f"failed {library.failing_count()}", flush=True)
                os._exit(code)  # nothing is closed behind the back of the test
        _, status = os.waitpid(pid, 0)
        print(f"ended {'with failures' if number % 2 == 0 else 'without'} {status}", flush=True)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), sys.argv[3], int(sys.argv[4]), sys.argv[5])

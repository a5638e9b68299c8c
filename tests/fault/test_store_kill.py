"""kill -9 in the middle of append loops: what append returned is there, once, and no number is given twice."""

import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from effort import rounds
from smgw.cosem.device_id import DeviceId
from smgw.store.lmn.store import LmnStore
from smgw.store.lmn.view import LmnView
from smgw.store.records import Source

HOUSE = Source("house", DeviceId.parse("1EMH0011802881"))
FIRMWARE = Path(__file__).parents[2] / "firmware"
WRITER = """
import sys
from pathlib import Path
from smgw.cosem.data import Data, DataType
from smgw.cosem.device_id import DeviceId
from smgw.cosem.obis import Obis
from smgw.cosem.reading import Capture, ClockState, Reading, Stamp
from smgw.store.lmn.store import LmnStore
from smgw.store.records import NOBODY_WAITS, Record, Retention
device = DeviceId.parse("1EMH0011802881")
store = LmnStore.open(Path(sys.argv[1]), ballast_bytes=0)
assert store.salvaged is None, store.salvaged
value = int(sys.argv[2])
obis = [Obis.parse(code) for code in ("1.8.0", "2.8.0", "16.7.0")]
def record():
    global value
    value += 1
    stamp = Stamp("boot", value, value, 1, ClockState.SYNCHRONISED)
    return Record(Capture("house", device, stamp, None, tuple(Reading(o, Data(DataType.LONG64, value)) for o in obis)))
while True:
    batch = [record() for _ in range(1 + value % 5)]
    outcomes = store.append(batch)
    values = [entry.capture.readings[0].value.value for entry in batch]
    print(*(f"{outcome.number}={value}" for outcome, value in zip(outcomes, values)), flush=True)
"""


@pytest.mark.parametrize("seed", range(rounds(1, long=3)))
def test_what_append_returned_is_there_once_after_every_kill(tmp_path, seed):
    delay = random.Random(seed)
    promised: dict[int, int] = {}
    value = 0
    for _ in range(6):
        with subprocess.Popen(
            [sys.executable, "-c", WRITER, str(tmp_path), str(value)],
            env={"PYTHONPATH": str(FIRMWARE)},
            stdout=subprocess.PIPE,
            text=True,
        ) as process:
            lines = [process.stdout.readline()]
            time.sleep(delay.uniform(0.0, 0.25))
            process.send_signal(signal.SIGKILL)
            lines += process.stdout.read().splitlines(keepends=True)
        for line in lines:
            for pair in line.split() if line.endswith("\n") else ():
                number, _, entry = pair.partition("=")
                assert int(number) not in promised, "a number was given twice"
                promised[int(number)] = int(entry)
        value = max(promised.values()) + 1000  # a transaction may have been durable before its print

        with LmnView.open(tmp_path) as view:
            rows = view.records(HOUSE, 0, 10**6)
        there = {row.record_number: row.readings[0].value.value for row in rows}
        assert len(there) == len(rows)
        assert len(set(there.values())) == len(rows), "a capture is there twice"
        assert promised.items() <= there.items()
        assert all(len(row.readings) == 3 for row in rows)
        promised.update(there)

    with LmnStore.open(tmp_path, ballast_bytes=0) as store:
        assert store.salvaged is None
    assert len(promised) > 100

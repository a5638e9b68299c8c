"""The tool of the kill test: a process whose system clock is stepped, and nothing else of it."""

import json
import math
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import fake_time
import pytest
from soon import LIMIT

pytestmark = pytest.mark.skipif(fake_time.LIBRARY is None, reason=fake_time.MISSING)

# Answers each line on its standard input with its clocks; 'wait' first waits in all ways that a daemon waits.
PROGRAM = """
import json, select, sys, threading, time, queue

def timed(wait):
    began = time.clock_gettime(time.CLOCK_BOOTTIME)
    wait()
    return time.clock_gettime(time.CLOCK_BOOTTIME) - began

def get():
    try:
        queue.Queue().get(timeout=0.3)
    except queue.Empty:
        pass

lock = threading.Lock()
lock.acquire()
for line in sys.stdin:
    answer = {
        "realtime": time.clock_gettime(time.CLOCK_REALTIME), "time": time.time(), "ns": time.time_ns() / 1e9,
        "monotonic": time.monotonic(), "boottime": time.clock_gettime(time.CLOCK_BOOTTIME), "waits": [],
    }
    if line.strip() == "wait":
        answer["waits"] = [
            timed(lambda: time.sleep(0.3)), timed(lambda: threading.Event().wait(0.3)), timed(get),
            timed(lambda: lock.acquire(timeout=0.3)), timed(lambda: select.select([], [], [], 0.3)),
        ]
    print(json.dumps(answer), flush=True)
"""


class Faked:
    """A Python process with a clock of its own."""

    def __init__(self, clock: Path) -> None:
        self.clock = clock
        self.process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM],
            env={**os.environ, **fake_time.environment(clock)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def send(self, line: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def answer(self) -> dict[str, object]:
        assert self.process.stdout is not None
        answer: dict[str, object] = json.loads(self.process.stdout.readline())
        return answer

    def off(self, *names: str, now: Callable[[], float]) -> list[int]:
        """Whole seconds by which the process's clocks differ from ours, however long its answer takes."""
        before = now()
        self.send("")
        answer = self.answer()
        took = now() - before
        return [math.ceil(float(str(answer[name])) - before - took) for name in names]

    def close(self) -> None:
        self.process.kill()
        self.process.communicate()
        fake_time.forget(self.process.pid)


@pytest.fixture
def faked(tmp_path: Path) -> Iterator[Faked]:
    process = Faked(tmp_path / "clock")
    yield process
    process.close()


def test_realtime_is_stepped_a_day_back_and_forth_while_the_process_runs(faked: Faked) -> None:
    names = ("realtime", "time", "ns")
    assert faked.off(*names, now=time.time) == [0, 0, 0]
    fake_time.step(faked.clock, -86_400)
    assert faked.off(*names, now=time.time) == [-86_400] * 3
    fake_time.step(faked.clock, 90_000)
    assert faked.off(*names, now=time.time) == [3_600] * 3


def test_monotonic_and_boottime_are_not_touched(faked: Faked) -> None:
    fake_time.step(faked.clock, -86_400)
    assert faked.off("monotonic", now=time.monotonic) == [0]
    assert faked.off("boottime", now=lambda: time.clock_gettime(time.CLOCK_BOOTTIME)) == [0]


@pytest.mark.parametrize("seconds", [-86_400, 86_400])
def test_no_wait_is_shortened_or_lengthened_by_a_step_in_its_midst(faked: Faked, seconds: int) -> None:
    faked.off("time", now=time.time)
    faked.send("wait")
    for _ in range(10):
        time.sleep(0.15)
        fake_time.step(faked.clock, seconds)
        seconds = -seconds
    waits = faked.answer()["waits"]
    assert isinstance(waits, list)
    assert len(waits) == 5
    assert all(0.29 < wait < LIMIT for wait in waits), waits


def test_file_times_are_true(tmp_path: Path) -> None:
    clock, written = tmp_path / "clock", tmp_path / "file"
    variables = fake_time.environment(clock)
    fake_time.step(clock, -86_400)
    written.touch()
    program = "import os, sys; print(os.stat(sys.argv[1]).st_mtime_ns)"
    printed = subprocess.run(
        [sys.executable, "-c", program, str(written)],
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert int(printed) == written.stat().st_mtime_ns

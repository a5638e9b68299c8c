"""Pulses counted by a real process: kill -9 again and again, and `smgw set-counter` beside it."""

import contextlib
import os
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from line_meter import until
from smgw.cli import main
from smgw.s0.edges import Edge, event_octets
from smgw.store.live_reader import read_live
from smgw.store.lmn.pulses import state

SUPPORT = Path(__file__).resolve().parents[2] / "support"
CONFIGURATION = """\
[gateway]
device_id = "ESMG0000000001"
[[meter]]
name = "boiler"
protocol = "s0"
port = "gpio://pinctrl-bcm2711/17?active=low&bias=pull-up"
interval = 1
s0 = { pulses = 100, per = "m3", medium = "gas", start = "10", shortest_pulse = 10 }
"""
KILLS = 8
SECONDS = 60.0


class Bench:
    """A FIFO that stays open here, so what a killed process has not read waits for the next one."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.fifo = folder / "line"
        os.mkfifo(self.fifo)
        self._far_end = os.open(self.fifo, os.O_RDWR)
        (folder / "gateway.toml").write_text(CONFIGURATION)
        (folder / "state").mkdir()
        self.arguments = ["--config", str(folder / "gateway.toml"), "--state", str(folder / "state")]
        self._edges = self.pulses = 0

    @contextlib.contextmanager
    def gateway(self) -> Iterator[subprocess.Popen[bytes]]:
        command = [sys.executable, SUPPORT / "pulse_process.py", self.fifo, "lmn", *self.arguments]
        with (self.folder / "log").open("ab") as log:
            process = subprocess.Popen(command, stdout=log, stderr=log, env={**os.environ, "PYTHONPATH": _path()})
        try:
            yield process
        finally:
            process.kill()
            process.wait()

    def edge(self, *, active: bool) -> None:
        self._edges += 1
        os.write(self._far_end, event_octets(Edge(time.monotonic_ns(), active, self._edges)))

    def pulse(self) -> None:
        """As fast as a meter can."""
        self.edge(active=True)
        time.sleep(0.03)
        self.edge(active=False)
        time.sleep(0.03)
        self.pulses += 1

    def newest(self) -> int:
        """Pulses in the live value of the running gateway; -1 if there is none yet."""
        lives = read_live(self.folder / "state" / "run" / "live")
        values = [one.value.value for live in lives for one in live.capture.readings]
        return int(str(values[0])) // 10 - 1000 if values else -1


def _path() -> str:
    return os.pathsep.join([str(SUPPORT), *filter(None, sys.path)])


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def test_pulses_are_counted_to_the_last_one_over_kills(bench: Bench) -> None:
    """The kills come while pulses come. What nobody reads waits in the FIFO, as in the kernel's buffer."""
    chance = random.Random(13)
    for _ in range(KILLS):
        with bench.gateway() as process:
            until(lambda: bench.newest() >= 0, SECONDS)
            bench.pulse()
            for _ in range(chance.randrange(1, 8)):
                bench.pulse()
            time.sleep(chance.random() * 0.05)
            process.kill()
            process.wait()
        _forget_live(bench)
    with bench.gateway():
        until(lambda: bench.newest() >= bench.pulses, SECONDS)
        assert bench.newest() == bench.pulses


def test_a_kill_in_the_middle_of_a_pulse_neither_loses_nor_doubles_it(bench: Bench) -> None:
    with bench.gateway():
        until(lambda: bench.newest() >= 0, SECONDS)
        bench.pulse()  # from now on the state of the line is known
        until(lambda: bench.newest() == 1, SECONDS)
    _forget_live(bench)
    for wait in (0.0, 0.005, 0.02, 0.1, 0.4):
        with bench.gateway() as process:
            until(lambda: bench.newest() >= 0, SECONDS)
            bench.edge(active=True)
            time.sleep(wait)
            process.kill()
            process.wait()
        _forget_live(bench)
        time.sleep(0.03)
        bench.edge(active=False)
        bench.pulses += 1
    with bench.gateway():
        until(lambda: bench.newest() >= 0, SECONDS)
        bench.pulse()
        until(lambda: bench.newest() >= bench.pulses, SECONDS)
        assert bench.newest() == bench.pulses


def test_a_stop_stores_the_count_in_the_database(bench: Bench) -> None:
    with bench.gateway() as process:
        until(lambda: bench.newest() >= 0, SECONDS)
        bench.pulse()
        until(lambda: bench.newest() == 1, SECONDS)
        process.terminate()
        assert process.wait(SECONDS) == 0
    assert state(bench.folder / "state" / "lmn", "boiler")[0] == (1001, 0)


def test_set_counter_tells_the_old_and_the_new_value(bench: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    with bench.gateway() as process:
        until(lambda: bench.newest() >= 0, SECONDS)
        bench.pulse()
        until(lambda: bench.newest() == 1, SECONDS)
        assert main(["set-counter", "boiler", "12345.67", *bench.arguments, "--seconds", "60"]) == 0
        assert "is set to 12345.670 m³" in capsys.readouterr().out
        bench.pulse()
        until(lambda: bench.newest() == 1_234_568 - 1000, SECONDS)
        process.terminate()
        process.wait(SECONDS)
    assert "its counter was 10.010 m³ and is set to 12345.670 m³" in (bench.folder / "log").read_text()
    main(["log", *bench.arguments])
    assert "its counter was 10.010 m³" in capsys.readouterr().out


def test_set_counter_waits_for_the_next_start(bench: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    with bench.gateway() as process:
        until(lambda: bench.newest() >= 0, SECONDS)
        process.terminate()
        process.wait(SECONDS)
    assert main(["set-counter", "boiler", "20", *bench.arguments]) == 0
    assert "20.000 m³ counts from the next start" in capsys.readouterr().out
    with bench.gateway():
        until(lambda: bench.newest() == 1000, SECONDS)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["house", "1"], "has no meter 'house' whose pulses are counted; it has boiler"),
        (["boiler", "1,5"], "no reading"),
    ],
)
def test_set_counter_says_what_is_wrong(
    bench: Bench, capsys: pytest.CaptureFixture[str], arguments: list[str], words: str
) -> None:
    assert main(["set-counter", *arguments, *bench.arguments]) == 2
    assert words in capsys.readouterr().err


def _forget_live(bench: Bench) -> None:
    """The next gateway empties the directory itself; until then an old value must not pass for a new one."""
    for file in (bench.folder / "state" / "run" / "live").glob("*"):
        file.unlink()

"""What a person's or systemd's signals do to the processes, at any moment."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from line_meter import until
from soon import LIMIT
from testbed import surroundings

CONFIGURATION = """\
[gateway]
device_id = "ESMG0000000001"
[[meter]]
name = "house"
protocol = "sml-push"
port = "/nowhere/head"
"""


@pytest.fixture
def arguments(tmp_path: Path) -> list[str]:
    (tmp_path / "gateway.toml").write_text(CONFIGURATION)
    (tmp_path / "state").mkdir()
    return ["--config", str(tmp_path / "gateway.toml"), "--state", str(tmp_path / "state")]


def start(command: str, arguments: list[str]) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-m", "smgw", command, *arguments], env=surroundings(), stderr=subprocess.PIPE, text=True
    )


@pytest.mark.parametrize("command", ["lmn", "wan", "run"])
def test_sigterm_at_any_moment_of_the_start_is_obeyed(command: str, arguments: list[str]) -> None:
    for delay in (0.12, 0.2, 0.3, 0.5, 1.0):
        process = start(command, arguments)
        time.sleep(delay)
        process.send_signal(signal.SIGTERM)
        _, said = process.communicate(timeout=LIMIT)
        assert process.returncode in (0, -signal.SIGTERM), said  # before Python runs our code it is the kernel's
        assert "Traceback" not in said


def catches(process: "subprocess.Popen[str]", number: signal.Signals) -> bool:
    """Whether the process has a handler for the signal; before that the kernel would end it."""
    status = Path(f"/proc/{process.pid}/status").read_text(encoding="ascii")
    mask = next(int(line.split()[1], 16) for line in status.splitlines() if line.startswith("SigCgt:"))
    return bool(mask >> (number - 1) & 1)


def test_a_drain_asked_for_during_the_start_is_done_after_it(arguments: list[str]) -> None:
    process = start("wan", arguments)
    until(lambda: catches(process, signal.SIGUSR1))
    process.send_signal(signal.SIGUSR1)
    _, said = process.communicate(timeout=LIMIT)
    assert process.returncode == 0, said


@pytest.mark.parametrize("command", ["lmn", "wan"])
def test_a_thousand_signals_do_not_hang_a_process(command: str, arguments: list[str]) -> None:
    process = start(command, arguments)
    said = Said(process)
    said.wait_for("ready")
    for _ in range(1000):
        os.kill(process.pid, signal.SIGWINCH)
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=LIMIT)
    assert process.returncode == 0


def test_children_end_with_their_parent(arguments: list[str]) -> None:
    process = start("run", arguments)
    listed = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    until(lambda: len(listed.read_text().split()) == 2)
    children = listed.read_text().split()
    process.kill()
    process.wait()
    until(lambda: not any(Path(f"/proc/{child}").exists() for child in children))
    assert process.stderr is not None
    process.stderr.close()


class Said:
    """What a process writes to stderr, line by line, until the test has seen what it waits for."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self.process = process
        self.lines: list[str] = []

    def wait_for(self, *wanted: str) -> None:
        """Read on until each of these has been said since the last call."""
        assert self.process.stderr is not None
        missing = list(wanted)
        while missing:
            line = self.process.stderr.readline()
            assert line, self.lines
            self.lines.append(line)
            missing = [text for text in missing if text not in line]


def test_run_takes_a_changed_configuration_on_sighup_and_refuses_a_wrong_one(arguments: list[str]) -> None:
    file = Path(arguments[1])
    process = subprocess.Popen(
        [sys.executable, "-m", "smgw", "run", *arguments],
        env=surroundings(), stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        said = Said(process)
        said.wait_for("services.lmn: ready", "services.wan: ready")
        file.write_text(CONFIGURATION.replace('"house"', '"roof"'))
        process.send_signal(signal.SIGHUP)
        said.wait_for(
            "services.lmn: the configuration is taken: meter roof is new; meter house is read no more",
            "services.wan: the configuration is taken: no EMP changed",
        )
        file.write_text(CONFIGURATION.replace('"sml-push"', '"sml-pusch"'))
        process.send_signal(signal.SIGHUP)
        said.wait_for("services.run: the configuration is not taken, the one before stays")
        assert not [line for line in said.lines if "starts again" in line]
        process.send_signal(signal.SIGTERM)
        assert process.wait(LIMIT) == 0
    finally:
        process.kill()
        process.communicate()


def test_a_sighup_during_the_start_of_the_children_kills_none_of_them(arguments: list[str]) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "smgw", "run", *arguments],
        env=surroundings(), stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
        until(lambda: len(children.read_text().split()) == 2)
        for _ in range(5):
            process.send_signal(signal.SIGHUP)
            time.sleep(0.05)
        said = Said(process)
        said.wait_for("services.lmn: the configuration is taken", "services.wan: the configuration is taken")
        assert not [line for line in said.lines if "starts again" in line], said.lines
        process.send_signal(signal.SIGTERM)
        assert process.wait(LIMIT) == 0
    finally:
        process.kill()
        process.communicate()

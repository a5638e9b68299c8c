"""tests/system-packages.sh asks on a terminal before it installs, and asks nobody where there is none."""

import os
import pty
import subprocess
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[1] / "system-packages.sh"


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A system without packages, on which we are root; the file is there once something was installed."""
    called = tmp_path / "called"
    programs = {"apt-get": f"touch {called}", "dpkg-query": "exit 1", "id": "echo 0"}
    for name, does in programs.items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{does}\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    return called


@pytest.mark.parametrize(("answer", "installs"), [(b"\n", False), (b"n\n", False), (b"y\n", True)])
def test_on_a_terminal_it_installs_what_was_agreed_to(installed: Path, answer: bytes, installs: bool) -> None:
    master, terminal = pty.openpty()
    try:
        os.write(master, answer)
        done = subprocess.run(["sh", str(SCRIPT)], stdin=terminal, stdout=terminal, timeout=60, check=False)
    finally:
        os.close(terminal)
        os.close(master)
    assert (done.returncode, installed.exists()) == (0, installs)


def test_without_a_terminal_it_installs_and_does_not_ask(installed: Path) -> None:
    done = subprocess.run(
        ["sh", str(SCRIPT)], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, check=False
    )
    assert installed.exists()
    assert "[y/N]" not in done.stdout

"""What `make demo` stands on: its programs, each from its command line, their keys, and free ports."""

import contextlib
import json
import signal
import socket
import subprocess
import sys
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TextIO

ROOT = Path(__file__).resolve().parents[2]
HERE = ROOT / "demo-state"
CONFIGURATIONS = ROOT / "config" / "testbed"
# What the configurations say, and the demo replaces by what is free on this computer.
PAPER_PORT, PORTS, EMP_URL, TIME = 33333, "/tmp/smgw-testbed", 'url = "https://127.0.0.1:8080/"', "127.0.0.1:123"
#: The gateway of all meters, and that of the tariff.
GATEWAY, TARIFF_GATEWAY, EMP = "ESMG0000000001", "ESMG0000000002", "utility"


class DemoError(Exception):
    """Something that keeps the demo from running."""


@dataclass
class Testbed:
    """The programs, each from its command line."""

    plain: bool
    time_port: int
    emp_url: str = ""
    pages_url: str = ""
    meter_port: int = PAPER_PORT
    running: dict[str, subprocess.Popen[str]] = field(default_factory=dict)
    only_one: TextIO = field(default_factory=Path(__file__).open)  # locked while a demo runs in this folder

    def start(self, name: str, *arguments: str | Path, folder: Path = HERE) -> subprocess.Popen[str]:
        """Start `python -m NAME ...`; its stderr goes to NAME.log of the folder, by which it is known from then on."""
        log = (folder / f"{name}.log").open("w")
        # A group of its own: Ctrl-C reaches the demo alone, which then stops the programs in order.
        process = subprocess.Popen(
            [sys.executable, "-m", name, *map(str, arguments)],
            stdout=subprocess.PIPE, stderr=log, text=True, process_group=0,
        )  # fmt: skip
        log.close()
        self.running[log.name] = process
        return process

    def run(self, name: str, *arguments: str | Path) -> str:
        """Run `NAME ...` to its end and return what it printed; raise DemoError if it fails."""
        done = subprocess.run(
            [sys.executable, "-m", name, *map(str, arguments)], capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise DemoError(f"{name} {' '.join(map(str, arguments))}: {done.stderr.strip()}")
        return done.stdout

    def stop(self, name: str, seconds: float, folder: Path = HERE) -> int | None:
        """SIGTERM, wait, and kill what does not end."""
        process = self.running.pop(str(folder / f"{name}.log"), None)
        if process is None:
            return None
        process.send_signal(signal.SIGTERM)
        try:
            code = process.wait(seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            code = process.wait()
        if process.stdout:
            process.stdout.close()
        return code

    def check(self) -> None:
        """Raise DemoError if a program has ended by itself."""
        for log, process in self.running.items():
            if process.poll() is not None:
                said = Path(log).read_text().strip().splitlines()[-5:]
                raise DemoError(f"{Path(log).stem} ended with exit code {process.returncode}:\n  " + "\n  ".join(said))

    def configure(self, name: str, into: Path, *more: tuple[str, str]) -> Path:
        """Copy a configuration into a folder, with what is free on this computer; `more` is replaced, too."""
        text = (CONFIGURATIONS / name).read_text()
        for said, free in (
            (str(PAPER_PORT), str(self.meter_port)),
            (PORTS, str(HERE)),
            (EMP_URL, f'url = "{self.emp_url}"' + ("\ninsecure = true" if self.plain else "")),
            (TIME, f"127.0.0.1:{self.time_port}"),
            *more,
        ):
            text = text.replace(said, free)
        file = into / Path(name).name
        file.write_text(text)
        return file


def free_port(wanted: int) -> int:
    """The wanted port, or a free one if somebody has it."""
    for port in (wanted, 0):
        with contextlib.closing(socket.socket()) as listener, contextlib.suppress(OSError):
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(("127.0.0.1", port))
            return int(listener.getsockname()[1])
    raise DemoError("no free TCP port on the loopback interface")


def certify(testbed: Testbed, states: dict[str, Path]) -> None:
    """Make the keys and certificates of gateways and EMP, with the commands of a field trial (docs/trust.md).

    `states`: the state directory of each gateway.
    """
    pki, requests = ("--pki", HERE / "pki"), HERE / "requests"
    testbed.run("pki", *pki, "init")
    testbed.run("pki", *pki, "emp", EMP, "--host", "localhost")
    for gateway, state in states.items():
        testbed.run("smgw", "keys", "request", "--id", gateway, "--out", requests, "--state", state)
        testbed.run("pki", *pki, "gateway", gateway, "--request", requests)
        testbed.run("pki", *pki, "export", gateway, HERE / "for-gateway" / gateway)
        testbed.run("smgw", "keys", "install", HERE / "for-gateway" / gateway, "--state", state)
    testbed.run("pki", *pki, "export", EMP, HERE / "emp-trust")


def status(folder: Path = HERE) -> dict[str, Any]:
    """`smgw status --json`; empty before the gateway has a store."""
    done = subprocess.run(
        [sys.executable, "-m", "smgw", "status", "--json",
         "--config", str(folder / "gateway.toml"), "--state", str(folder / "state")],
        capture_output=True, text=True, timeout=20, check=False,
    )  # fmt: skip
    return json.loads(done.stdout) if done.stdout.strip() else {}


def get(url: str) -> bytes:
    """One GET at the EMP."""
    with urllib.request.urlopen(url, timeout=10) as answer:
        return bytes(answer.read())

"""A field trial around one emulated board: two meters behind optical heads, a time server, an EMP with TLS, a PKI.

The way from a blank card to readings at the EMP is the one of the documentation, step by step.
"""

import http.client
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple, Self

from board_machine import HOST, BoardMachine
from pki.cli import main as smgw_pki
from testbed import PARTICIPANT, Key, Program, free_port, wait_until
from time_server import TimeServer

GATEWAY = "ESMG0012345678"
_METERS = """
[[meter]]
name = "house"
device = "1EMH0000000001"
port = "pty:{folder}/HEAD01"
push_interval = 1
baud = 9600

[[dlms]]
port = "pty:{folder}/HEAD02"
baud = 9600
[[dlms.meter]]
name = "heat-pump"
device = "1UTB0000000071"
address = 17
history_days = 1
"""
_GATEWAY = """
[gateway]
device_id = "{gateway}"
ntp = ["{host}:{ntp}"]

[[meter]]
name = "house"
protocol = "sml-push"
port = "/dev/smgw/serial-ftdi-HEAD01"
registration_period = 0

[[meter]]
name = "heat-pump"
protocol = "dlms"
port = "/dev/smgw/serial-ftdi-HEAD02"
baudrate = 9600
interval = 10
registration_period = 0
dlms = {{ client = 16, server = 1, physical = 17 }}

[[emp]]
name = "utility"
url = "https://{host}:{emp}"
participant = "{participant}"
forward = "immediate"
"""
_ROWS = """
import json, sqlite3
store = sqlite3.connect("file:/var/lib/smgw/lmn/lmn.db?mode=ro", uri=True)
own = bytes(store.execute("SELECT store_id FROM store").fetchone()[0]).hex()
print(json.dumps([own, [number for number, in store.execute("SELECT number FROM capture")]]))
"""
_USE = """
import json, os, subprocess, time
def ticks(pid): return sum(map(int, open(f"/proc/{pid}/stat").read().rpartition(")")[2].split()[11:13]))
def main(unit):
    return subprocess.check_output(["systemctl", "show", "--value", "-p", "MainPID", unit], text=True).strip()
found = {unit: main(unit) for unit in ("smgw-lmn", "smgw-wan", "smgw-keys")}
before = {unit: ticks(pid) for unit, pid in found.items()}; began = time.monotonic()
time.sleep(10)
spent = time.monotonic() - began
for unit, pid in found.items():
    rss = next(int(line.split()[1]) for line in open(f"/proc/{pid}/status") if line.startswith("VmRSS"))
    cpu = (ticks(pid) - before[unit]) / os.sysconf("SC_CLK_TCK") / spent
    print(json.dumps([unit, rss, cpu]))
"""


class Use(NamedTuple):
    """What the process of a service takes: RSS in kB, and its part of one core."""

    unit: str
    rss_kb: int
    cpu: float


class BoardTrial:
    """Everything around the board; the board is off until somebody powers it."""

    def __init__(self, image: Path, folder: Path) -> None:
        self.folder = folder
        self.board = BoardMachine(image, folder / "board")
        self.time_server = TimeServer()
        self.emp_port, self.people_port = free_port(), free_port()
        meters = folder / "meters.toml"
        meters.write_text(_METERS.format(folder=folder))
        self.smsim = Program("smsim", ["-m", "smsim", "run", str(meters)])
        listen = ("--listen", f"127.0.0.1:{self.emp_port}", "--people", f"127.0.0.1:{self.people_port}")
        self.emp_trust = folder / "emp-trust"
        self.emp = Program(
            "emp",
            ["-m", "emp", "serve", *listen, "--trust", str(self.emp_trust), "--db", str(folder / "emp.db")],
        )
        self.ptys = {name: folder / name for name in ("HEAD01", "HEAD02")}

    def __enter__(self) -> Self:
        self.smsim.start()
        self.smsim.wait_for("heat-pump")
        return self

    def __exit__(self, *_: object) -> None:
        self.board.cut_power()
        for program in (self.emp, self.smsim):
            program.destroy()
        self.time_server.close()

    def fill_in_card(self) -> None:
        """Steps 3 and 4: configuration and SSH key."""
        text = _GATEWAY.format(
            gateway=GATEWAY, host=HOST, ntp=self.time_server.port, emp=self.emp_port, participant=PARTICIPANT
        )
        self.board.write_card({"gateway.toml": text, "authorized_keys": self.board.public_key})

    def make_certificates(self) -> None:
        """Steps 7 and 8: with the requests that the gateway left on the card; its folder comes onto the card."""
        requests, folder = self.folder / "requests", self.folder / "trust"
        self.board.copy_card("requests", requests)
        self._pki("init")
        self._pki("emp", PARTICIPANT, "--host", HOST)
        self._pki("gateway", GATEWAY, "--request", requests)
        self._pki("export", GATEWAY, folder)
        self._pki("export", PARTICIPANT, self.emp_trust)
        self.board.write_card({"trust": folder})

    def _pki(self, *words: object) -> None:
        assert smgw_pki(["--pki", str(self.folder / "pki"), *map(str, words)]) == 0

    def start_emp(self) -> None:
        """Step 9."""
        self.emp.start()
        self.emp.wait_for("emp: listening")

    def power_on(self) -> None:
        """With both heads plugged in."""
        self.board.power_on(*self.board.heads(self.ptys))

    def _ask(self, path: str) -> tuple[int, bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.people_port, timeout=20)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def has_device(self, device: str) -> bool:
        """If the EMP has readings of a device, by its name in addresses."""
        return self._ask(f"/devices/{device}")[0] == 200

    def delivered(self) -> set[Key]:
        """The rows that the EMP has; none twice."""
        found = json.loads(self._ask("/api/keys?form=list")[1])["sources"]
        keys = [(source["store_id"], number) for source in found for number in source["record_numbers"]]
        assert len(keys) == len(set(keys)), "a row came twice"
        return set(keys)

    def wait_for_delivery(self, before: set[Key], rows: int = 1, seconds: float = 1800) -> float:
        """Until the EMP has so many rows more; how long after power-on the last of them came, in seconds."""
        wait_until(lambda: len(self.delivered() - before) >= rows, seconds, f"the EMP got no {rows} new rows")
        return time.monotonic() - self.board.powered

    def stored(self) -> set[Key]:
        """The rows that the gateway committed. It must be running."""
        store_id, numbers = json.loads(self.board.run("python3", "-", given=_ROWS))
        return {(store_id, number) for number in numbers}

    def use(self) -> list[Use]:
        """What each process of the gateway takes, whatever commands and judges run beside them."""
        return [Use(*json.loads(line)) for line in self.board.run("python3", "-", given=_USE).splitlines()]

    def noticed(self, change: Callable[[], None], wanted: Callable[[dict[str, Any]], bool]) -> float:
        """Do something, and wait for the gateway's log entry; how long it took by the board's clock, in seconds."""
        ahead = self._ahead()
        cursor = self.board.run("journalctl", "-u", "smgw-lmn", "-n", "0", "--show-cursor").rpartition(": ")[2].strip()
        began = time.time()
        change()
        entry: dict[str, Any] = {}

        def told() -> bool:
            lines = self.board.run("journalctl", "-u", "smgw-lmn", "-o", "json", f"--after-cursor='{cursor}'")
            entry.update(next(filter(wanted, map(json.loads, lines.splitlines())), {}))
            return bool(entry)

        self.board.until(told)
        return int(entry["__REALTIME_TIMESTAMP"]) / 1e6 - ahead - began

    def _ahead(self) -> float:
        """How far the board's clock is ahead of this computer's, as the quickest of three questions says."""
        found = []
        for _ in range(3):
            asked = time.time()
            theirs = float(self.board.run("date", "+%s.%N"))
            answered = time.time()
            found.append((answered - asked, theirs - (asked + answered) / 2))
        return min(found)[1]


def numbers(lines: list[str]) -> None:
    """Show what was measured, also where pytest keeps the output, and where a worker has none but that for errors."""
    assert sys.__stderr__ is not None
    sys.__stderr__.write("".join(f"\n  test-image: {line}" for line in lines) + "\n")
    sys.__stderr__.flush()

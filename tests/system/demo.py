"""`make demo`: the experiment of the jOSEF paper with this project's programs, watched from outside.

A meter with H0 consumption and PV generation is asked for its object list once and then polled every 2 s over SML on
TCP port 33333 for five objects; beside it an eHZ pushes a telegram each second into an optical head (a pty), and a DLMS
meter is polled over HDLC on a pty that stands for RS-485. A P1 port pushes its meter and a gas meter. A D0 meter is
asked at 300 Bd and answers at 9600 Bd; a heat and a water meter share an M-Bus. The gateway forwards what it buffered
every 5 s by HTTP PUT; the EMP is read back with GET. At the end the meters stop, the LMN process commits, the WAN
process drains; then it is counted. Exit code 0 only if nothing is lost and nothing double.

A PKI of its own is made first, as for a field trial. Documents go over TLS, signed and sealed. PLAIN=1 does without.
DEMO_SECONDS=N bounds it (30 without a terminal; with one it runs until Ctrl-C).
"""

import contextlib
import fcntl
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from http import HTTPStatus
from pathlib import Path
from typing import Any, TextIO

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "support"))

from time_server import TimeServer  # noqa: E402 - of the tests

HERE = ROOT / "demo-state"
CONFIGURATIONS = ROOT / "config" / "testbed"
# What the configurations say, and the demo replaces by what is free on this computer.
PAPER_PORT, PORTS, EMP_URL, TIME = 33333, "/tmp/smgw-testbed", 'url = "https://127.0.0.1:8080/"', "127.0.0.1:123"
GATEWAY, EMP = "ESMG0000000001", "utility"
METERS = (
    "1UTB0000000001", "1EMH0000000002", "1KFM0000000003", "1LGZ0000000005", "1UTB0000000071", "6UTB0100000006",
    "8UTB0100000007",
)  # fmt: skip
DEVICES = (*METERS, "7KFM0000000003")  # with the gas meter behind the P1 port
HOUSEHOLD = DEVICES[0]
PART = 1000
SAID = {"telegrams": "telegrams pushed", "answers": "answers sent", "requests": "requests answered"}
ATTRIBUTE = "{urn:k461-dke-de:cor-1}attribute"


class DemoError(Exception):
    """Something that keeps the demo from running."""


@dataclass
class Testbed:
    """The programs, each from its command line."""

    plain: bool
    emp_url: str = ""
    pages_url: str = ""
    meter_port: int = PAPER_PORT
    running: dict[str, subprocess.Popen[str]] = field(default_factory=dict)
    only_one: TextIO = field(default_factory=Path(__file__).open)  # locked while a demo runs in this folder

    def start(self, name: str, *arguments: str | Path) -> subprocess.Popen[str]:
        """Start `python -m NAME ...`; its stderr goes to demo-state/NAME.log."""
        log = (HERE / f"{name}.log").open("w")
        # A group of its own: Ctrl-C reaches the demo alone, which then stops the programs in order.
        process = subprocess.Popen(
            [sys.executable, "-m", name, *map(str, arguments)],
            stdout=subprocess.PIPE, stderr=log, text=True, process_group=0,
        )  # fmt: skip
        log.close()
        self.running[name] = process
        return process

    def run(self, name: str, *arguments: str | Path) -> None:
        """Run `NAME ...` to its end; raise DemoError if it fails."""
        done = subprocess.run(
            [sys.executable, "-m", name, *map(str, arguments)], capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise DemoError(f"{name} {' '.join(map(str, arguments))}: {done.stderr.strip()}")

    def stop(self, name: str, seconds: float) -> int | None:
        """SIGTERM, wait, and kill what does not end."""
        process = self.running.pop(name, None)
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
        for name, process in self.running.items():
            if process.poll() is not None:
                said = (HERE / f"{name}.log").read_text().strip().splitlines()[-5:]
                raise DemoError(f"{name} ended with exit code {process.returncode}:\n  " + "\n  ".join(said))


def free_port(wanted: int) -> int:
    """The wanted port, or a free one if somebody has it."""
    for port in (wanted, 0):
        with contextlib.closing(socket.socket()) as listener, contextlib.suppress(OSError):
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(("127.0.0.1", port))
            return int(listener.getsockname()[1])
    raise DemoError("no free TCP port on the loopback interface")


def certify(testbed: Testbed) -> None:
    """Make the keys and certificates of gateway and EMP, with the commands of a field trial (docs/trust.md)."""
    pki, requests, state = ("--pki", HERE / "pki"), HERE / "requests", ("--state", HERE / "state")
    testbed.run("pki", *pki, "init")
    testbed.run("pki", *pki, "emp", EMP, "--host", "localhost")
    testbed.run("smgw", "keys", "request", "--id", GATEWAY, "--out", requests, *state)
    testbed.run("pki", *pki, "gateway", GATEWAY, "--request", requests)
    for name, folder in ((GATEWAY, "for-gateway"), (EMP, "emp-trust")):
        testbed.run("pki", *pki, "export", name, HERE / folder)
    testbed.run("smgw", "keys", "install", HERE / "for-gateway", *state)


def set_up(testbed: Testbed, console: Console, time_port: int) -> None:
    """Write the configurations and start meters, EMP and gateway."""
    try:
        fcntl.flock(testbed.only_one, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise DemoError(f"another demo is running in {HERE}; end it first") from None
    shutil.rmtree(HERE, ignore_errors=True)
    HERE.mkdir()
    listen = ("--listen", f"127.0.0.1:{free_port(8080)}", "--people", f"127.0.0.1:{free_port(8081)}")
    if not testbed.plain:
        console.print("keys and certificates for gateway and EMP: demo-state/pki (PLAIN=1 does without)")
        certify(testbed)
        listen += ("--trust", str(HERE / "emp-trust"))
    emp = testbed.start("emp", "serve", *listen, "--db", HERE / "emp.db")
    assert emp.stdout is not None
    line = emp.stdout.readline()
    if "listening on" not in line:
        testbed.check()
        raise DemoError(f"the EMP did not start: {(HERE / 'emp.log').read_text()}")
    testbed.emp_url, testbed.pages_url = [word for word in line.split() if word.startswith("http")]
    testbed.meter_port = free_port(PAPER_PORT)
    for name in ("meters.toml", "gateway.toml"):
        text = (CONFIGURATIONS / name).read_text()
        for said, free in (
            (str(PAPER_PORT), str(testbed.meter_port)),
            (PORTS, str(HERE)),
            (EMP_URL, f'url = "{testbed.emp_url}"' + ("\ninsecure = true" if testbed.plain else "")),
            (TIME, f"127.0.0.1:{time_port}"),
        ):
            text = text.replace(said, free)
        (HERE / name).write_text(text)
    meters = testbed.start("smsim", "run", HERE / "meters.toml", "--json-report", HERE / "meters.json")
    assert meters.stdout is not None
    for _ in METERS:
        if "smsim: meter" not in meters.stdout.readline():
            raise DemoError(f"the meters did not start: {(HERE / 'smsim.log').read_text()}")
    testbed.start("smgw", "run", "--config", HERE / "gateway.toml", "--state", HERE / "state")


def status() -> dict[str, Any]:
    """`smgw status --json`; empty before the gateway has a store."""
    done = subprocess.run(
        [sys.executable, "-m", "smgw", "status", "--json",
         "--config", str(HERE / "gateway.toml"), "--state", str(HERE / "state")],
        capture_output=True, text=True, timeout=20, check=False,
    )  # fmt: skip
    return json.loads(done.stdout) if done.stdout.strip() else {}


def get(url: str) -> bytes:
    """One GET at the EMP."""
    with urllib.request.urlopen(url, timeout=10) as answer:
        return bytes(answer.read())


def read_back(testbed: Testbed, device: str, obis_hex: str) -> str | None:
    """The latest value of a register at the EMP, with its unit, by GET of its object; None before there is one."""
    path = f"cosem/ldevs/{device.lower()}.sm/objects/3-{obis_hex}"
    try:
        root = ElementTree.fromstring(get(testbed.pages_url + path))
    except (OSError, ElementTree.ParseError):
        return None
    attributes = {element.get("id"): element for element in root.iter(ATTRIBUTE)}
    value = attributes["2"][0].text
    scaler, unit = (part.text for part in attributes["3"][0])
    return f"{value}{'' if scaler == '0' else f' x 10^{scaler}'} {'Wh' if unit == '30' else f'unit {unit}'}"


def clock_time(utc_us: int) -> str:
    """A capture time as people read it."""
    return datetime.fromtimestamp(utc_us / 1e6).strftime("%H:%M:%S.%f")[:-3]  # noqa: DTZ006 - local, for eyes


def time_of_meter(said: list[Any] | None) -> str:
    """Seconds of an SML meter, the local time of a DLMS meter."""
    if said is None:
        return ""
    if isinstance(said[1], int):
        return f"{said[1]} s"
    octets = bytes.fromhex(said[1])  # year (2), month, day, day of week, hour, minute, second
    return f"{octets[5]:02}:{octets[6]:02}:{octets[7]:02}"


def rows_of(report: dict[str, Any]) -> Iterator[tuple[str, ...]]:
    """Meter, register, value, meter time, capture time, delivered."""
    for meter in report.get("meters", ()):
        latest = meter["latest"]
        if not latest:
            yield meter["name"], "", meter["state"], "", "", ""
            continue
        captured = clock_time(latest["capture_time_us"]) + ("" if latest["time_valid"] else " (?)")
        meter_time = time_of_meter(latest["meter_time"])
        for reading in latest["readings"]:
            delivered = "yes" if latest["delivered"] else "waiting"
            yield meter["name"], reading["obis"].removesuffix("*255"), reading["text"], meter_time, captured, delivered


def screen(testbed: Testbed, report: dict[str, Any], value: str | None, left: float | None) -> Group:
    """The live table."""
    table = Table(title="Smart meter gateway: what the meters said last")
    for title, side in (
        ("meter", "left"), ("register", "left"), ("value", "right"), ("meter time", "right"),
        ("capture time", "right"), ("delivered", "left"),
    ):  # fmt: skip
        table.add_column(title, justify=side)  # type: ignore[arg-type]
    previous = ""
    for row in rows_of(report):
        table.add_row(row[0] if row[0] != previous else "", *row[1:])
        previous = row[0]
    lines = [*facts(testbed, report, value)]
    lines.append("Ctrl-C ends it" if left is None else f"ends in {max(left, 0):.0f} s (Ctrl-C ends it now)")
    return Group(table, *(Text(line) for line in lines))


def facts(testbed: Testbed, report: dict[str, Any], value: str | None) -> Iterator[str]:
    """What stands under the table."""
    yield f"clock: {report.get('clock', {}).get('text', 'the gateway is starting')}"
    for emp in report.get("emps", ()):
        how = "plain HTTP" if testbed.plain else "TLS, signed and sealed"
        counts = f"{emp['acknowledged']} records acknowledged, {emp['backlog']} waiting"
        yield f"EMP {emp['name']} ({how}): {counts}; {emp['state']}"
    yield f"GET of 1.0.1.8.0.255 of {HOUSEHOLD} at the EMP: {value or 'nothing yet'}"
    yield f"in the browser: {testbed.pages_url}"


def watch(testbed: Testbed, console: Console, seconds: float | None) -> None:
    """Show what happens until the time is over or Ctrl-C."""
    began = time.monotonic()
    live = Live(console=console, refresh_per_second=4) if console.is_terminal else contextlib.nullcontext()
    said = 0.0
    with live as display:
        while True:
            testbed.check()
            report = status()
            value = read_back(testbed, HOUSEHOLD, "0100010800ff")
            passed = time.monotonic() - began
            left = None if seconds is None else seconds - passed
            if display is not None:
                display.update(screen(testbed, report, value, left))
            elif passed - said >= 5 or not said:
                said = max(passed, 0.1)
                console.print(screen(testbed, report, value, left))
            if left is not None and left <= 0:
                return
            time.sleep(0.5)


def records_at_emp(testbed: Testbed) -> list[tuple[str, int]]:
    """(store id, record number) of every row that GETs of the load profiles give, doubles included."""
    found: list[tuple[str, int]] = []
    for device in DEVICES:
        path = f"cosem/ldevs/{device.lower()}.sm/objects/7-0100630100ff"
        rows = 0
        while True:  # the EMP gives rows in parts
            try:
                octets = get(f"{testbed.pages_url}{path}?q.fromidx={rows + 1}&q.count={PART}")
            except urllib.error.HTTPError as error:
                if error.code != HTTPStatus.NOT_FOUND:
                    raise
                break  # a meter that had no time to be read
            buffer = next(part for part in ElementTree.fromstring(octets).iter(ATTRIBUTE) if part.get("id") == "2")
            for row in buffer[0]:
                gateway_and_store = row[4]  # the column that the EMP adds to the gateway's
                found.append((gateway_and_store[1].text or "", int(row[0].text or "")))
            rows += len(buffer[0])
            if len(buffer[0]) < PART:
                break
    return found


def summary(testbed: Testbed, console: Console) -> int:
    """Count: taken by the readers, committed, acknowledged, at the EMP. The exit code."""
    report = status()
    taken = sum(meter["good"] for meter in report["meters"])
    committed = sum(meter["records"] for meter in report["meters"])
    acknowledged = sum(emp["acknowledged"] for emp in report["emps"])
    rows = records_at_emp(testbed)
    wanted = {(report["store"]["store_id"], number) for number in range(1, committed + 1)}
    lost = max(taken - committed, 0) + len(wanted - set(rows))
    double = len(rows) - len(set(rows))
    foreign = len(set(rows) - wanted)
    for meter in json.loads((HERE / "meters.json").read_text())["meters"]:
        kind = next(kind for kind in SAID if kind in meter)
        said = f"{meter[kind]} {SAID[kind]}"
        console.print(f"meter {meter['name']}: {said}")
    console.print(
        f"taken {taken}, committed {committed}, acknowledged {acknowledged}, at the EMP {len(rows)}; "
        f"lost {lost}, double {double}"
    )
    good = taken > 0 and taken == committed == acknowledged == len(rows) and not (lost or double or foreign)
    console.print("[bold green]nothing lost, nothing double[/]" if good else "[bold red]the counts do not agree[/]")
    return 0 if good else 1


def main() -> int:
    """Run the demo."""
    console = Console(width=None if sys.stdout.isatty() else 110)
    given = os.environ.get("DEMO_SECONDS", "" if console.is_terminal else "30")
    try:
        seconds = float(given) if given else None
    except ValueError:
        print(f"DEMO_SECONDS={given} is no number of seconds", file=sys.stderr)
        return 2
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job would ignore it
    signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))
    testbed = Testbed(plain=bool(os.environ.get("PLAIN")))
    time_server = TimeServer()
    try:
        set_up(testbed, console, time_server.port)
        with contextlib.suppress(KeyboardInterrupt):
            watch(testbed, console, seconds)
        console.print("stopping: meters first, then the LMN process commits, then the WAN process drains")
        testbed.stop("smsim", 5)
        code = testbed.stop("smgw", 20)
        if code:
            console.print(f"[red]smgw run ended with exit code {code}[/]")
        return summary(testbed, console) or (code or 0)
    except (DemoError, OSError) as error:
        print(f"demo: {error}", file=sys.stderr)
        return 1
    finally:
        for name in ("smsim", "smgw", "emp"):
            testbed.stop(name, 5)
        time_server.close()


if __name__ == "__main__":
    sys.exit(main())

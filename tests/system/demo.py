"""`make demo`: the experiment of the jOSEF paper with this project's programs, watched from outside.

A meter with H0 consumption and PV generation is asked for its object list once and then polled every 2 s over SML on
TCP port 33333 for five objects; beside it an eHZ pushes a telegram each second into an optical head (a pty), and a DLMS
meter is polled over HDLC on a pty that stands for RS-485. A P1 port pushes its meter and a gas meter. A D0 meter is
asked at 300 Bd and answers at 9600 Bd; a heat and a water meter share an M-Bus. The gateway forwards what it buffered
every 5 s by HTTP PUT; the EMP is read back with GET. At the end the meters stop, the LMN process commits, the WAN
process drains; then it is counted. Exit code 0 only if nothing is lost and nothing double.

A second gateway has a tariff (demo_tariff.py). Its registers are looked up at the EMP; a wrong sum is exit code 1.

A PKI of its own is made first, as for a field trial. Documents go over TLS, signed and sealed. PLAIN=1 does without.
DEMO_SECONDS=N bounds it. Without it, it runs until Ctrl-C on a terminal; elsewhere until the tariff's month is over.
"""

import contextlib
import fcntl
import json
import os
import shutil
import signal
import sys
import time
import urllib.error
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from datetime import datetime
from http import HTTPStatus
from pathlib import Path
from typing import Any, NamedTuple

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))

from demo_bed import HERE, PAPER_PORT, DemoError, Testbed, certify, free_port, get, status
from demo_tariff import FOLDER, Tariff, states
from time_server import TimeServer

METERS = (
    "1UTB0000000001", "1EMH0000000002", "1KFM0000000003", "1LGZ0000000005", "1UTB0000000071", "6UTB0100000006",
    "8UTB0100000007",
)  # fmt: skip
DEVICES = (*METERS, "7KFM0000000003")  # with the gas meter behind the P1 port
HOUSEHOLD = DEVICES[0]
PART = 1000
#: Seconds of the demo without a terminal: the tariff's month takes about 35.
SHORTEST, LONGEST = 30, 180
SAID = {"telegrams": "telegrams pushed", "answers": "answers sent", "requests": "requests answered"}
ATTRIBUTE = "{urn:k461-dke-de:cor-1}attribute"


class Bound(NamedTuple):
    """When the demo ends: after these seconds; None: when the tariff's month is over, or with Ctrl-C."""

    seconds: float | None
    by_hand: bool

    @classmethod
    def given(cls, *, terminal: bool) -> "Bound":
        """By DEMO_SECONDS; ValueError if it is no number."""
        given = os.environ.get("DEMO_SECONDS", "")
        return cls(float(given) if given else None, terminal)

    def is_over(self, passed: float, tariff: Tariff) -> bool:
        """Whether it ends now."""
        if self.seconds is not None:
            return passed >= self.seconds
        if self.by_hand:
            return False
        return passed >= LONGEST or (passed >= SHORTEST and tariff.is_billed())

    def text(self, passed: float) -> str:
        """Its line on the screen."""
        if self.seconds is not None:
            return f"ends in {max(self.seconds - passed, 0):.0f} s (Ctrl-C ends it now)"
        return "Ctrl-C ends it" if self.by_hand else "ends when the month of the tariff is over (Ctrl-C ends it now)"


def set_up(testbed: Testbed, tariff: Tariff, console: Console) -> None:
    """Write the configurations and start meters, EMP and gateways."""
    try:
        fcntl.flock(testbed.only_one, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise DemoError(f"another demo is running in {HERE}; end it first") from None
    shutil.rmtree(HERE, ignore_errors=True)
    FOLDER.mkdir(parents=True)
    listen = ("--listen", f"127.0.0.1:{free_port(8080)}", "--people", f"127.0.0.1:{free_port(8081)}")
    if not testbed.plain:
        console.print("keys and certificates for gateways and EMP: demo-state/pki (PLAIN=1 does without)")
        certify(testbed, states())
        listen += ("--trust", str(HERE / "emp-trust"))
    emp = testbed.start("emp", "serve", *listen, "--db", HERE / "emp.db")
    assert emp.stdout is not None
    line = emp.stdout.readline()
    if "listening on" not in line:
        testbed.check()
        raise DemoError(f"the EMP did not start: {(HERE / 'emp.log').read_text()}")
    testbed.emp_url, testbed.pages_url = [word for word in line.split() if word.startswith("http")]
    tariff.start()  # first, since it takes longest
    testbed.meter_port = free_port(PAPER_PORT)
    for name in ("meters.toml", "gateway.toml"):
        testbed.configure(name, HERE)
    meters = testbed.start("smsim", "run", HERE / "meters.toml", "--json-report", HERE / "meters.json")
    assert meters.stdout is not None
    for _ in METERS:
        if "smsim: meter" not in meters.stdout.readline():
            raise DemoError(f"the meters did not start: {(HERE / 'smsim.log').read_text()}")
    testbed.start("smgw", "run", "--config", HERE / "gateway.toml", "--state", HERE / "state")


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


def screen(testbed: Testbed, tariff: Tariff, report: dict[str, Any], value: str | None, end: str) -> Group:
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
    lines = [*facts(testbed, report, value), *tariff.facts(), end]
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


def watch(testbed: Testbed, tariff: Tariff, console: Console, bound: Bound) -> None:
    """Show what happens until the bound is reached or Ctrl-C."""
    began = time.monotonic()
    live = Live(console=console, refresh_per_second=4) if console.is_terminal else contextlib.nullcontext()
    said = 0.0
    with live as display:
        while True:
            testbed.check()
            report = status()
            tariff.look()
            value = read_back(testbed, HOUSEHOLD, "0100010800ff")
            passed = time.monotonic() - began
            if display is not None:
                display.update(screen(testbed, tariff, report, value, bound.text(passed)))
            elif passed - said >= 5 or not said:
                said = max(passed, 0.1)
                console.print(screen(testbed, tariff, report, value, bound.text(passed)))
            if bound.is_over(passed, tariff):
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


def tariff_summary(tariff: Tariff, console: Console, bound: Bound) -> int:
    """The registers of the tariff at the EMP, and the check of their sum. The exit code."""
    lines, right = tariff.summary()
    for line in lines:
        console.print(line, highlight=False)
    if right is None:  # ended before the month was over
        return 1 if bound.seconds is None and not bound.by_hand else 0
    console.print("[bold green]the tariff's sum is right[/]" if right else "[bold red]the tariff's sum is wrong[/]")
    return 0 if right else 1


def main() -> int:
    """Run the demo."""
    console = Console(width=None if sys.stdout.isatty() else 110)
    try:
        bound = Bound.given(terminal=console.is_terminal)
    except ValueError:
        print(f"DEMO_SECONDS={os.environ['DEMO_SECONDS']} is no number of seconds", file=sys.stderr)
        return 2
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job would ignore it
    signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))
    time_server = TimeServer()
    testbed = Testbed(bool(os.environ.get("PLAIN")), time_server.port)
    tariff = Tariff(testbed)
    try:
        set_up(testbed, tariff, console)
        with contextlib.suppress(KeyboardInterrupt):
            watch(testbed, tariff, console, bound)
        console.print("stopping: meters first, then the LMN process commits, then the WAN process drains")
        testbed.stop("smsim", 5)
        codes = testbed.stop("smgw", 20), tariff.stop()
        for code in filter(None, codes):
            console.print(f"[red]smgw run ended with exit code {code}[/]")
        return max(summary(testbed, console), tariff_summary(tariff, console, bound), *(code or 0 for code in codes))
    except (DemoError, OSError) as error:
        print(f"demo: {error}", file=sys.stderr)
        return 1
    finally:
        tariff.stop()
        for name in ("smsim", "smgw", "emp"):
            testbed.stop(name, 5)
        time_server.close()


if __name__ == "__main__":
    sys.exit(main())

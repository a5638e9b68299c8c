"""The whole chain as processes of their own: meters (smsim), gateway (smgw lmn, wan or run) and head-end (emp).

    with Chain(tmp_path, [push("house"), poll("solar")]) as chain:
        chain.start()
        chain.lmn.kill()
        chain.lmn.start()

Everything listens on loopback at free ports. Each process's output is collected line by line with the time when it
came; leaving the `with` block kills what still runs and names what was alive unasked for.
"""

import contextlib
import http.client
import json
import os
import re
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Self

from soon import LIMIT
from time_server import TimeServer

if TYPE_CHECKING:
    from trial_pki import TrialPki

GATEWAY = "ESMG0000000001"
EMP = "lab"
PARTICIPANT = "Stadtwerke"  # the EMP in its certificates
_ROOT = Path(__file__).parents[2]
_PYTHONPATH = os.pathsep.join(str(_ROOT / part) for part in ("firmware", "simulator-host"))
_ROW = re.compile(rb"\n      <cod:structure><cod:double-long(?:64)?-unsigned>(\d+)<")

COMMIT_BEGINS, COMMIT_DONE = "commit begins", "commit done"
PUT_BEGINS, PUT_DONE = "PUT begins", "PUT done"

Key = tuple[str, int]  # store id, record number


class Line(NamedTuple):
    """One line of a process's output; `run` counts its starts from 0. Times of both clocks, in seconds."""

    run: int
    monotonic: float
    utc: float
    text: str


class Program:
    """One command line, started, killed and started again."""

    def __init__(self, name: str, arguments: Sequence[str], environment: Mapping[str, str] | None = None) -> None:
        self.name = name
        self.arguments = list(arguments)
        self.environment = surroundings(environment)
        self.lines: list[Line] = []
        self.run = -1
        self.started = 0.0  # monotonic
        self._process: subprocess.Popen[bytes] | None = None
        self._thread: threading.Thread | None = None
        self._news = threading.Condition()
        self._aim: tuple[str, float] | None = None

    def start(self) -> None:
        """Start it; it must not be running."""
        assert not self.running, f"{self.name} runs already"
        self._reap()
        self.run += 1
        self.started = time.monotonic()
        self._process = subprocess.Popen(
            [sys.executable, *self.arguments],
            env=self.environment,
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            process_group=0,
        )
        self._thread = threading.Thread(target=self._collect, args=(self._process,), name=f"log of {self.name}")
        self._thread.start()

    @property
    def running(self) -> bool:
        """True while the process lives."""
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int:
        """Of the process started last."""
        assert self._process is not None
        return self._process.pid

    def send(self, number: signal.Signals) -> None:
        """Send a signal to the process."""
        assert self._process is not None
        self._process.send_signal(number)

    def kill(self) -> float:
        """SIGKILL, and its end; when, in seconds UTC."""
        at = time.time()
        self.send(signal.SIGKILL)
        self.ended(LIMIT)
        return at

    def aim(self, text: str, delay: float = 0.0) -> None:
        """Kill it by SIGKILL as soon as a line with `text` comes, or `delay` seconds after that."""
        with self._news:
            self._aim = (text, delay)

    def disarm(self) -> None:
        """Forget the aim."""
        with self._news:
            self._aim = None

    def ended(self, seconds: float) -> int:
        """Wait for its end and for the last of its output; its exit code, negative for a signal."""
        assert self._process is not None
        try:
            code = self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"{self.name} did not end within {seconds} s\n{self.tail()}") from None
        self._reap()
        return code

    def stop(self, number: signal.Signals = signal.SIGTERM, seconds: float = LIMIT) -> int:
        """Ask it to end; its exit code."""
        self.send(number)
        return self.ended(seconds)

    def wait_for(self, pattern: str, seconds: float = LIMIT, *, run: int | None = None, since: int = 0) -> Line:
        """The first line of this run (or of `run`) with that pattern, from line number `since` on."""
        wanted = re.compile(pattern)
        ends = time.monotonic() + seconds
        at = since
        with self._news:
            while True:
                while at < len(self.lines):
                    line = self.lines[at]
                    at += 1
                    if line.run == (self.run if run is None else run) and wanted.search(line.text):
                        return line
                left = ends - time.monotonic()
                if left <= 0 or (not self.running and not (self._thread and self._thread.is_alive())):
                    raise AssertionError(f"{self.name}: no line {pattern!r} within {seconds} s\n{self.tail()}")
                self._news.wait(min(left, 0.2))

    def text(self, run: int | None = None) -> str:
        """Its output, of all runs or of one."""
        with self._news:
            return "\n".join(line.text for line in self.lines if run is None or line.run == run)

    def tail(self, count: int = 25) -> str:
        """The last lines, for a message."""
        with self._news:
            return "\n".join(f"  {self.name}[{line.run}] {line.text}" for line in self.lines[-count:])

    def open_at_end(self, begins: str, done: str) -> bool:
        """True if the last run's output ends between a line with `begins` and its line with `done`."""
        with self._news:
            for line in reversed(self.lines):
                if line.run != self.run:
                    return False
                if done in line.text:
                    return False
                if begins in line.text:
                    return True
        return False

    def destroy(self) -> None:
        """Kill it whatever its state."""
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)  # its children too
            self._process.wait(LIMIT)
        self._reap()

    def _reap(self) -> None:
        if self._thread is not None:
            self._thread.join(LIMIT)
            self._thread = None
        if self._process is not None and self._process.stdout is not None:
            self._process.stdout.close()

    def _collect(self, process: "subprocess.Popen[bytes]") -> None:
        assert process.stdout is not None
        run = self.run
        for octets in process.stdout:
            text = octets.decode("utf-8", "replace").rstrip("\n")
            aim = self._aim
            if aim is not None and aim[0] in text:
                if aim[1]:
                    time.sleep(aim[1])
                process.kill()
                self._aim = None
            with self._news:
                self.lines.append(Line(run, time.monotonic(), time.time(), text))
                self._news.notify_all()


class Meter(NamedTuple):
    """A meter on both sides: at the simulator and at the gateway."""

    name: str
    polled: bool
    interval: float
    device: str
    registration_period: int = 0
    silence: int = 5


def push(name: str, number: int = 1, interval: float = 0.1, **more: Any) -> Meter:
    """A meter that pushes through a pty."""
    return Meter(name, polled=False, interval=interval, device=f"1EMH{number:010d}", **more)


def poll(name: str, number: int = 99, interval: int = 1, **more: Any) -> Meter:
    """A meter that is asked over TCP."""
    return Meter(name, polled=True, interval=interval, device=f"1UTB{number:010d}", **more)


class Chain:
    """Meters, gateway and head-end, with their configurations in one directory."""

    def __init__(
        self,
        directory: Path,
        meters: Sequence[Meter],
        *,
        forward: object = "immediate",
        emp_url: str | None = None,
        state: Path | None = None,
        emp_db: Path | None = None,
        ntp: bool = False,
        log_level: str = "debug",
        timeout: int = 20,
        environment: Mapping[str, str] | None = None,
        pki: "TrialPki | None" = None,
    ) -> None:
        """`pki`: with TLS and CMS; the trust folders are `trust` of the state directory and `emp-trust`."""
        self.directory = directory
        self.meters = list(meters)
        self.state = state or directory / "state"
        self.state.mkdir(exist_ok=True)
        self.emp_db = emp_db or directory / "emp.db"
        self.emp_port, self.people_port = free_port(), free_port()
        self.time_server = TimeServer() if ntp else None
        self._tcp = {meter.name: free_port() for meter in meters if meter.polled}
        self.meters_file, self.gateway_file = directory / "meters.toml", directory / "gateway.toml"
        self.meters_file.write_text(self._simulator())
        self.emp_trust = directory / "emp-trust"
        self._secure = pki is not None
        if pki is not None:
            self._write_trust(pki)
        url = emp_url or f"http{'s' if self._secure else ''}://127.0.0.1:{self.emp_port}"
        self.gateway_file.write_text(self._gateway(url, forward, timeout))
        self.report_file = directory / "smsim.json"
        self._where = ["--config", str(self.gateway_file), "--state", str(self.state)]
        common = [*self._where, "--log-level", log_level]
        self.smsim = Program(
            "smsim", ["-m", "smsim", "run", str(self.meters_file), "--json-report", str(self.report_file)]
        )
        self.lmn = Program("lmn", ["-m", "smgw", "lmn", *common], environment)
        self.wan = Program("wan", ["-m", "smgw", "wan", *common], environment)
        self.keys = Program("keys", ["-m", "smgw", "keys", "serve", *common], environment)
        self.both = Program("run", ["-m", "smgw", "run", *common], environment)
        listen = ["--listen", f"127.0.0.1:{self.emp_port}", "--people", f"127.0.0.1:{self.people_port}"]
        listen += ["--trust", str(self.emp_trust)] if self._secure else []
        self.emp = Program("emp", ["-m", "emp", "serve", *listen, "--db", str(self.emp_db)])
        self.programs = [self.smsim, self.lmn, self.wan, self.both, self.keys, self.emp]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        # The meters end last: a reader would open the next terminal of that number, which is another test's.
        for program in reversed(self.programs):
            program.destroy()
        if (run := self.state / "run").is_symlink():  # a killed gateway left its live values on the tmpfs
            shutil.rmtree(run.resolve(), ignore_errors=True)
        if self.time_server is not None:
            self.time_server.close()

    def link(self, meter: str) -> Path:
        """The pty of a meter that pushes."""
        return self.directory / f"port-{meter}"

    def port(self, meter: str) -> str:
        """A meter's port, for the gateway."""
        return f"socket://127.0.0.1:{self._tcp[meter]}" if meter in self._tcp else str(self.link(meter))

    def start(self, *, ready: bool = True) -> None:
        """Start meters, head-end and gateway; with `ready`, wait until each says that it is."""
        for program in (self.smsim, self.emp, self.lmn, self.wan):
            program.start()
        if ready:
            self.smsim.wait_for("smsim: meter")
            self.emp.wait_for("emp: listening")
            for program in (self.lmn, self.wan):
                program.wait_for("ready:")

    def no_more_rows(self) -> None:
        """The meters stop, the LMN process commits what it read and ends: from now on the store is at rest."""
        if self.smsim.running:
            self.smsim.stop()
        code = self.lmn.stop()
        assert code == 0, f"lmn ended with {code}\n{self.lmn.tail()}"

    def drain(self) -> None:
        """No more rows come, the WAN process delivers all and ends."""
        if self.smsim.running:
            self.smsim.stop()
        time.sleep(0.3)  # what lies in the ptys is read
        self.no_more_rows()
        code = self.wan.stop(signal.SIGUSR1)
        assert code == 0, f"wan ended with {code}\n{self.wan.tail()}"

    def smgw(self, *arguments: str, seconds: float = 60.0) -> "subprocess.CompletedProcess[str]":
        """A command with this chain's configuration and state, as a user runs it. A traceback fails at once."""
        done = subprocess.run(
            [sys.executable, "-m", "smgw", arguments[0], *self._where, *arguments[1:]],
            env=surroundings(),
            cwd="/",
            capture_output=True,
            text=True,
            timeout=seconds,
        )
        assert "Traceback" not in done.stderr + done.stdout, done.stderr
        return done

    def status(self) -> dict[str, Any]:
        """`smgw status --json`."""
        found: dict[str, Any] = json.loads(self.smgw("status", "--json").stdout)
        return found

    def get(self, path: str) -> bytes | None:
        """GET from the head-end; None if it knows nothing of the kind, AssertionError for another answer than 200."""
        connection = http.client.HTTPConnection("127.0.0.1", self.people_port, timeout=10)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            octets = answer.read()
            assert answer.status in (200, 404), (path, answer.status, octets[:200])
            return octets if answer.status == 200 else None
        finally:
            connection.close()

    def emp_keys(self) -> list[Key]:
        """The keys of all rows at the head-end, as its key list tells them: doubles and all."""
        found = json.loads(self.get("/api/keys?form=list") or b"")["sources"]
        assert {source["gateway"] for source in found} <= {GATEWAY}
        for source in found:
            assert source["records"] == len(source["record_numbers"])
        return [(source["store_id"], number) for source in found for number in source["record_numbers"]]

    def emp_rows(self) -> list[tuple[Key, dict[str, Any]]]:
        """All rows at the head-end, device by device, as its row table tells them."""
        rows: list[tuple[Key, dict[str, Any]]] = []
        for meter in self.meters:
            octets = self.get(f"/devices/{meter.device}.sm.json")
            found: dict[str, Any] = json.loads(octets) if octets else {"rows": []}
            rows += [
                ((row["store_id"], row["record_number"]), {"device": meter.device, **row}) for row in found["rows"]
            ]
        return rows

    def emp_row_count(self) -> int:
        """How many rows GET on the load profiles of the COSEM tree gives, all meters together."""
        return sum(len(self.emp_numbers(meter)) for meter in self.meters)

    def emp_numbers(self, meter: Meter) -> list[int]:
        """The record numbers of one meter's rows in the order in which the head-end took them."""
        octets = self.get(f"/cosem/ldevs/{meter.device}.sm/objects/7-0100630100ff?q.count=10000") or b""
        return [int(number) for number in _ROW.findall(octets)]

    def store_keys(self) -> list[Key]:
        """The keys of all rows in lmn.db: the record's own identity, an older one where it was salvaged."""
        with contextlib.closing(self.database()) as database:
            own = bytes(database.execute("SELECT store_id FROM store").fetchone()[0]).hex()
            return [
                (bytes(older).hex() if older else own, older_number or number)
                for number, older, older_number in database.execute(
                    "SELECT c.number, w.octets, c.older_number FROM capture c LEFT JOIN word w ON w.id = c.older_store"
                )
            ]

    def captures(self, meter: str) -> list[tuple[int, int]]:
        """(record number, capture time in microseconds UTC) of a meter's rows in lmn.db, in order."""
        query = """SELECT number, utc_us FROM capture WHERE meter =
            (SELECT id FROM word WHERE kind = 2 AND octets = ?) ORDER BY number"""
        with contextlib.closing(self.database()) as database:
            return database.execute(query, (meter.encode(),)).fetchall()

    def database(self, name: str = "lmn.db") -> sqlite3.Connection:
        """A reading connection to one of the gateway's stores."""
        return sqlite3.connect(f"file:{self.store(name)}?mode=ro", uri=True)

    def store(self, name: str) -> Path:
        """Where lmn.db or wan.db lies: each in a directory of its own."""
        return self.state / name.removesuffix(".db").removesuffix(".db-wal") / name

    def caught_up(self, seconds: float = LIMIT) -> None:
        """Wait until the head-end has every row that is in lmn.db."""
        wait_until(lambda: not set(self.store_keys()) - set(self.emp_keys()), seconds, "the backlog is not delivered")

    def _simulator(self) -> str:
        text = "[simulator]\nresolution = 100\n"
        for number, meter in enumerate(self.meters):
            port = f"tcp:{self._tcp[meter.name]}" if meter.polled else f"pty:{self.link(meter.name)}"
            text += f'[[meter]]\nname = "{meter.name}"\ndevice = "{meter.device}"\nport = "{port}"\nseed = {number}\n'
            if not meter.polled:
                text += f"push_interval = {meter.interval}\nbaud = 115200\n"
        return text

    def _write_trust(self, pki: "TrialPki") -> None:
        from smgw.trust.names import Role, Subject, gateway

        own, participant = gateway(GATEWAY), Subject.checked(Role.EMT, PARTICIPANT)
        pki.write_gateway(self.state / "trust", own)
        pki.write_peer(self.state / "trust", participant)
        pki.write_emp(self.emp_trust, participant, [own])

    def _gateway(self, url: str, forward: object, timeout: int) -> str:
        ntp = f'ntp = ["127.0.0.1:{self.time_server.port}"]\n' if self.time_server else "system_clock = false\n"
        text = f'[gateway]\ndevice_id = "{GATEWAY}"\n{ntp}'
        for meter in self.meters:
            kind = f'"sml-poll"\ninterval = {meter.interval}\ntimeout = 1' if meter.polled else '"sml-push"'
            text += f'[[meter]]\nname = "{meter.name}"\nprotocol = {kind}\nport = "{self.port(meter.name)}"\n'
            text += f"registration_period = {meter.registration_period}\nsilence = {meter.silence}\n"
        security = f'participant = "{PARTICIPANT}"' if self._secure else "insecure = true"
        return text + (
            f'[[emp]]\nname = "{EMP}"\nurl = "{url}"\n'
            f"{security}\n"
            f"forward = {json.dumps(forward)}\ntimeout = {timeout}\n"
        )


def surroundings(more: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment of a process of this tree; a PYTHONPATH in `more`, then the caller's own, come first."""
    paths = (more or {}).get("PYTHONPATH"), os.environ.get("PYTHONPATH"), _PYTHONPATH
    return {**os.environ, **(more or {}), "PYTHONPATH": os.pathsep.join(filter(None, paths))}


_HELD: list[socket.socket] = []


def free_port() -> int:
    """A TCP port on loopback for a server with SO_REUSEADDR, which nobody else is given while this process lives.

    A socket that is bound and does not listen keeps the system from giving the port away. SO_REUSEADDR comes after
    bind, so two of these never share a port.
    """
    endpoint = socket.socket()
    endpoint.bind(("127.0.0.1", 0))
    endpoint.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    _HELD.append(endpoint)
    port: int = endpoint.getsockname()[1]
    return port


def wait_until(holds: Callable[[], object], seconds: float, why: str) -> None:
    """Ask until it holds; a store in the midst of a replacement or a head-end that is down is asked again."""
    ends = time.monotonic() + seconds
    error: Exception | None = None
    while time.monotonic() < ends:
        try:
            if holds():
                return
            error = None
        except (OSError, http.client.HTTPException, sqlite3.Error) as caught:
            error = caught
        time.sleep(0.1)
    raise AssertionError(f"{why} within {seconds:.0f} s{f' ({error})' if error else ''}")


@contextlib.contextmanager
def frozen(program: Program) -> Iterator[None]:
    """SIGSTOP for the length of the block."""
    program.send(signal.SIGSTOP)
    try:
        yield
    finally:
        program.send(signal.SIGCONT)

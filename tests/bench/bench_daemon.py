"""What the gateway costs and how quick it is, with 1, 8 and 64 meters that push 8 registers a second at 9600 Bd.

Memory and CPU of the two processes, and at the same time of a Python loop around SmlLib that reads as many meters and
does nothing but decode. The bars of CPU are ratios to that loop. Time from exec to the open ports; from a telegram's
last octet to the commit, and, with forward = "immediate", to the EMP's acknowledgement. How late the stamps are, of
64 lines. The run directory is a tmpfs, as on an installed gateway.
Run alone: `python tests/bench/bench_daemon.py`; exits 1 under a bar.
"""

import contextlib
import os
import pty
import select
import signal
import subprocess
import sys
import tempfile
import threading
import time
import tty
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "firmware"), str(ROOT / "simulator-host"), str(Path(__file__).parent)]

from result import Result, shown  # noqa: E402
from smgw.cosem import DeviceId, Obis  # noqa: E402
from smgw.sml.file import encode_messages  # noqa: E402
from smgw.sml.messages import CloseResponse, GetListResponse, ListEntry, Message, OpenResponse, Time  # noqa: E402
from smgw.sml.tlv import octets, signed, unsigned  # noqa: E402
from smgw.sml.transport import encode_frame  # noqa: E402
from smgw.store.errors import StoreError  # noqa: E402
from smgw.store.lmn.view import LmnView  # noqa: E402
from smgw.store.wan.view import WanView  # noqa: E402

METERS, REGISTERS = 8, 8
NUMBERS = (1, METERS, 64)  # of meters
SLACK = 1.15
LONGEST_COMMIT = 6.0  # live-rate rows wait 5 s for each other (power_cut_loss)
#: CPU as multiples of what the SmlLib loop takes in the same seconds: of the LMN process, and of both processes.
#: vzlogger takes 1.2 and, with HTTP, 2.2 at 8 meters; 1.9 at 64 without output.
BARS = {8: (None, 1.5), 64: (1.1, 1.9)}
CHUNK, CHUNK_SECONDS = 16, 16 * 10 / 9600  # as a UART's FIFO hands them over
SECONDS = float(os.environ.get("BENCH_SECONDS", "30"))
SHARED_MEMORY = Path("/dev/shm")  # a tmpfs, for the run directory
PAGE = os.sysconf("SC_PAGE_SIZE")
CPU_OF_A_PROCESS = 2  # the kernel's number of the clock that counts all threads of a process, those ended, too


class Cost(NamedTuple):
    """What the processes took: CPU in % of a core, memory in MB."""

    cpu: list[float]
    rss: list[float]
    opened: float  # seconds from exec to the last port
    records: int
    peer_cpu: float  # of the SmlLib loop, in the same seconds
    peer_rss: float
    late: list[float]  # seconds from the first octets to the stamp


def telegram(meter: int, number: int) -> bytes:
    """A telegram of 8 registers; its sec index is its number."""
    server = bytes(DeviceId.parse(f"1EMH{meter:010d}"))
    entries = [ListEntry(bytes.fromhex("8181c78203ff"), value=octets(b"EMH"))]
    for register in range(REGISTERS):
        obis = Obis(bytes((1, 0, 1 + register, 8, 0, 255)))
        entries.append(ListEntry(bytes(obis), unsigned(0x10182, 4), None, 30, -1, signed(number * 7 + register, 8)))
    key = number.to_bytes(4, "big")
    messages = [
        Message(key + b"\1", OpenResponse(key, server, reference_time=Time(1, number))),
        Message(key + b"\2", GetListResponse(server, tuple(entries), sensor_time=Time(1, number))),
        Message(key + b"\3", CloseResponse()),
    ]
    return encode_frame(encode_messages(messages))


class Meter(threading.Thread):
    """One optical head: a pty whose other end a gateway opens; writes at the speed of the line."""

    def __init__(self, number: int, of: int) -> None:
        super().__init__(daemon=True)
        self.number = number
        self._offset = number / of  # meters do not speak in chorus
        self.master, slave = pty.openpty()
        tty.setraw(slave)
        self.path = os.ttyname(slave)
        os.close(slave)
        os.set_blocking(self.master, False)
        self.began: dict[int, int] = {}  # telegram -> when its first octets were written, microseconds UTC
        self.ended: dict[int, float] = {}  # telegram -> when its last octet was written
        self.going = True

    def run(self) -> None:
        due = time.monotonic() + self._offset
        number = 0
        while self.going:
            number += 1
            frame = telegram(self.number, number)
            for start in range(0, len(frame), CHUNK):
                time.sleep(max(0.0, due + (start // CHUNK + 1) * CHUNK_SECONDS - time.monotonic()))
                if start == 0:
                    self.began[number] = time.time_ns() // 1000
                with contextlib.suppress(BlockingIOError):
                    os.write(self.master, frame[start : start + CHUNK])
            self.ended[number] = time.monotonic()
            due += 1.0

    def opened(self) -> bool:
        """True while somebody has the other end open."""
        poll = select.poll()
        poll.register(self.master, select.POLLHUP)
        return not poll.poll(0)


@contextlib.contextmanager
def heads(number: int) -> Iterator[list[Meter]]:
    """So many meters, not yet started."""
    meters = [Meter(place, number) for place in range(number)]
    try:
        yield meters
    finally:
        for meter in meters:
            meter.going = False
        for meter in meters:
            if meter.is_alive():
                meter.join(3)
            os.close(meter.master)


def start(*command: str) -> "subprocess.Popen[str]":
    environment = {**os.environ, "PYTHONPATH": f"{ROOT / 'firmware'}:{ROOT / 'simulator-host'}"}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)  # as installed: the package has byte code, no process compiles
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)


@contextlib.contextmanager
def running(*command: str) -> Iterator["subprocess.Popen[str]"]:
    process = start(*command)
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(10)
        if process.stdout:
            process.stdout.close()


def rss_mb(pid: int) -> float:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * PAGE / 1e6


def cpu_seconds(pid: int) -> float:
    """To the nanosecond; /proc counts in ticks of 10 ms, which is much for one meter."""
    return time.clock_gettime(~pid << 3 | CPU_OF_A_PROCESS)


def used(pids: list[int], seconds: float, peak: list[float]) -> list[float]:
    """% of a core that each takes in this time; `peak` becomes the most memory seen."""
    before = [cpu_seconds(pid) for pid in pids]
    began = time.monotonic()
    while time.monotonic() < began + seconds:
        time.sleep(0.5)
        peak[:] = [max(old, rss_mb(pid)) for old, pid in zip(peak, pids, strict=True)]
    took = time.monotonic() - began
    return [(cpu_seconds(pid) - old) / took * 100 for pid, old in zip(pids, before, strict=True)]


def configure(directory: Path, meters: list[Meter], emp: str, forward: str) -> list[str]:
    lines = ["[gateway]", 'device_id = "ESMG0000000001"']
    for meter in meters:
        lines += ["[[meter]]", f'name = "m{meter.number}"', 'protocol = "sml-push"', f'port = "{meter.path}"']
        lines += ["registration_period = 0"]
    lines += ["[[emp]]", 'name = "utility"', f'url = "{emp}"', "insecure = true", f"forward = {forward}"]
    path = directory / "gateway.toml"
    path.write_text("\n".join(lines) + "\n")
    return ["--config", str(path), "--state", str(directory), "--log-level", "warning"]


def percentile(values: list[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def settled(view: type[LmnView] | type[WanView], directory: Path) -> LmnView | WanView:
    for _ in range(200):
        with contextlib.suppress(StoreError):
            return view.open(directory)
        time.sleep(0.05)
    raise SystemExit(f"no store in {directory}")


def follow(directory: Path, meters: list[Meter], seconds: float) -> tuple[list[float], list[float]]:
    """Latencies in seconds: last octet to commit, last octet to acknowledged."""
    lmn, wan = settled(LmnView, directory / "lmn"), settled(WanView, directory / "wan")
    assert isinstance(lmn, LmnView)
    assert isinstance(wan, WanView)
    names = {f"m{meter.number}": meter for meter in meters}
    seen = dict.fromkeys(names, 0)
    for source in lmn.sources():
        seen[source.meter] = lmn.last_position(source)
    waiting: dict[str, list[tuple[int, float]]] = {name: [] for name in names}
    committed, acknowledged = [], []
    ends = time.monotonic() + seconds
    with lmn, wan:
        while time.monotonic() < ends:
            time.sleep(0.002)
            if lmn.changed():
                now = time.monotonic()
                for source in lmn.sources():
                    name = source.meter
                    meter = names[name]
                    for record in lmn.records(source, seen[name], 100):
                        seen[name] = record.position
                        assert record.meter_time is not None
                        last = meter.ended.get(record.meter_time.seconds or 0)
                        # None: committed before the pushing thread noted its time, which is no time at all.
                        committed.append(now - last if last else 0.0)
                        waiting[name].append((record.position, last or now))
            if wan.changed():
                now = time.monotonic()
                for cursor in wan.cursors():
                    acknowledged += [now - last for at, last in waiting[cursor.meter] if at <= cursor.position]
                    waiting[cursor.meter] = [pair for pair in waiting[cursor.meter] if pair[0] > cursor.position]
    return committed, acknowledged


@contextlib.contextmanager
def testbed(forward: str, number: int) -> Iterator[tuple[Path, list[Meter], list[str]]]:
    with contextlib.ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        if SHARED_MEMORY.is_dir():
            run = Path(stack.enter_context(tempfile.TemporaryDirectory(dir=SHARED_MEMORY)))
            (directory / "run").symlink_to(run)
        emp = stack.enter_context(
            running(sys.executable, "-m", "emp", "serve", "--listen", "127.0.0.1:0", "--db", f"{directory}/emp.db")
        )
        assert emp.stdout is not None
        url = next(word for word in emp.stdout.readline().split() if word.startswith("http"))
        meters = stack.enter_context(heads(number))
        yield directory, meters, configure(directory, meters, url, forward)


def cost(number: int) -> Cost:
    """Memory and CPU with so many meters, forwarding every 5 s, and of the SmlLib loop beside it."""
    with testbed("5", number) as (directory, meters, arguments), contextlib.ExitStack() as stack:
        began = time.monotonic()
        lmn = stack.enter_context(running(sys.executable, "-m", "smgw", "lmn", *arguments))
        while not all(meter.opened() for meter in meters):
            if time.monotonic() - began > 30:
                raise SystemExit("the ports were not opened within 30 s")
            time.sleep(0.005)
        opened = time.monotonic() - began
        wan = stack.enter_context(running(sys.executable, "-m", "smgw", "wan", *arguments))
        others = stack.enter_context(heads(number))
        loop = stack.enter_context(smllib_loop(others))
        time.sleep(1)
        for meter in (*meters, *others):
            meter.start()
        time.sleep(5)
        peak = [0.0, 0.0, 0.0]
        *cpu, peer_cpu = used([lmn.pid, wan.pid, loop.pid], SECONDS, peak)
        for meter in (*meters, *others):
            meter.going = False
        time.sleep(LONGEST_COMMIT)
        view = settled(LmnView, directory / "lmn")
        assert isinstance(view, LmnView)
        with view:
            records = sum(view.backlog(source, 0) for source in view.sources())
            late = lateness(view, meters)
    return Cost(cpu, peak[:2], opened, records, peer_cpu, peak[2], late)


def lateness(view: LmnView, meters: list[Meter]) -> list[float]:
    """Seconds from the write of a telegram's first octets to its stamp. The first telegrams are left out."""
    found = []
    names = {f"m{meter.number}": meter for meter in meters}
    for source in view.sources():
        for record in view.records(source, 0, 1000):
            assert record.meter_time is not None
            number = record.meter_time.seconds or 0
            if number > 2 and (began := names[source.meter].began.get(number)):
                found.append((record.stamp.utc_us - began) / 1e6)
    return found


def costs() -> list[Result]:
    """Of 1, 8 and 64 meters."""
    found = {number: cost(number) for number in NUMBERS}
    few, many = sum(found[METERS].cpu), sum(found[NUMBERS[-1]].cpu)
    linear = round(few * NUMBERS[-1] / METERS * SLACK, 2)
    results = [
        Result("CPU of both, 8 meters", few, "% of a core", 2.0),
        Result("CPU of both, 64 meters: 8 times as many, 15 % of slack", many, "% of a core", linear),
    ]
    for number, each in found.items():
        lmn, both = each.cpu[0], sum(each.cpu)
        lmn_bar, both_bar = BARS.get(number, (None, None))
        expected = number * (SECONDS + 2)
        results += [
            Result(f"{number} meters: CPU of LMN, times the SmlLib loop's", lmn / each.peer_cpu, "", lmn_bar),
            Result(f"{number} meters: CPU of LMN and WAN, times the SmlLib loop's", both / each.peer_cpu, "", both_bar),
            Result(f"{number} meters: CPU of LMN", lmn, "% of a core"),
            Result(f"{number} meters: CPU of WAN", each.cpu[1], "% of a core"),
            Result(f"{number} meters: peer: SmlLib loop, decoding only, CPU", each.peer_cpu, "% of a core"),
            Result(f"{number} meters: RSS of LMN", each.rss[0], "MB", 21.0 if number == METERS else None),
            Result(f"{number} meters: RSS of LMN and WAN", sum(each.rss), "MB", 60.0 if number == METERS else None),
            Result(f"{number} meters: peer: SmlLib loop, RSS", each.peer_rss, "MB"),
            Result(f"{number} meters: exec to all ports open", each.opened, "s", 1.0 if number == METERS else None),
            Result(f"{number} meters: records", each.records, "", expected, at_most=False),
            Result(f"{number} meters: first octets to stamp, median", percentile(each.late, 0.5) * 1e3, "ms"),
            Result(f"{number} meters: first octets to stamp, p99", percentile(each.late, 0.99) * 1e3, "ms"),
            Result(f"{number} meters: first octets to stamp, worst", max(each.late) * 1e3, "ms"),
        ]
    return results


def latency() -> list[Result]:
    """From a telegram's last octet, forwarding immediately."""
    with testbed('"immediate"', METERS) as (directory, meters, arguments), contextlib.ExitStack() as stack:
        pids = [
            stack.enter_context(running(sys.executable, "-m", "smgw", name, *arguments)).pid for name in ("lmn", "wan")
        ]
        for meter in meters:
            meter.start()
        time.sleep(3)
        before = sum(map(cpu_seconds, pids))
        committed, acknowledged = follow(directory, meters, SECONDS)
        cpu = (sum(map(cpu_seconds, pids)) - before) / SECONDS * 100
    return [
        Result(f"last octet to commit, p99 of {len(committed)}", percentile(committed, 0.99), "s", 0.1, at_most=True),
        Result(
            f"last octet to the EMP's 200 kept, p99 of {len(acknowledged)}",
            percentile(acknowledged, 0.99), "s", 0.3, at_most=True,
        ),
        Result("last octet to commit, median", percentile(committed, 0.5), "s"),
        Result("last octet to the EMP's 200 kept, median", percentile(acknowledged, 0.5), "s"),
        Result("CPU of both, 8 meters, each record forwarded immediately", cpu, "% of a core"),
    ]  # fmt: skip


@contextlib.contextmanager
def smllib_loop(meters: list[Meter]) -> Iterator["subprocess.Popen[str]"]:
    """The floor: a loop around SmlLib that reads so many ports and keeps nothing."""
    python = ROOT / ".venv-peers" / "bin" / "python"
    if not python.exists():
        raise SystemExit("the peers are missing: make setup")
    script = Path(__file__).parent / "peers" / "smllib_loop.py"
    with running(str(python), str(script), *(meter.path for meter in meters)) as process:
        yield process


def main() -> list[Result]:
    return [*costs(), *latency()]


if __name__ == "__main__":
    sys.exit(shown(main()))

"""What the gateway costs and how quick it is, with 8 meters that push 8 registers a second at 9600 Bd.

Memory and CPU of the two processes, beside a Python loop around SmlLib that does nothing but decode the same octets;
time from exec to the open port; from a telegram's last octet to the commit, and, with forward = "immediate", to the
EMP's acknowledgement. Run alone: `python tests/bench/bench_daemon.py`; exits 1 under a bar.
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

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "firmware"), str(ROOT / "simulator-host"), str(Path(__file__).parent)]

from result import Result, shown  # noqa: E402
from smgw.cosem import DeviceId, Obis  # noqa: E402
from smgw.sml.file import encode_messages  # noqa: E402
from smgw.sml.messages import CloseResponse, GetListResponse, ListEntry, Message, OpenResponse, Time  # noqa: E402
from smgw.sml.tlv import octets, signed, unsigned  # noqa: E402
from smgw.sml.transport import encode_frame  # noqa: E402
from smgw.store.errors import StoreError  # noqa: E402
from smgw.store.lmn_view import LmnView  # noqa: E402
from smgw.store.wan_view import WanView  # noqa: E402

METERS, REGISTERS = 8, 8
CHUNK, CHUNK_SECONDS = 16, 16 * 10 / 9600  # as a UART's FIFO hands them over
SECONDS = float(os.environ.get("BENCH_SECONDS", "30"))
PAGE, TICKS = os.sysconf("SC_PAGE_SIZE"), os.sysconf("SC_CLK_TCK")


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

    def __init__(self, number: int) -> None:
        super().__init__(daemon=True)
        self.number = number
        self.master, slave = pty.openpty()
        tty.setraw(slave)
        self.path = os.ttyname(slave)
        os.close(slave)
        os.set_blocking(self.master, False)
        self.ended: dict[int, float] = {}  # telegram -> when its last octet was written
        self.going = True

    def run(self) -> None:
        due = time.monotonic() + self.number / METERS  # meters do not speak in chorus
        number = 0
        while self.going:
            number += 1
            frame = telegram(self.number, number)
            for start in range(0, len(frame), CHUNK):
                time.sleep(max(0.0, due + (start // CHUNK + 1) * CHUNK_SECONDS - time.monotonic()))
                with contextlib.suppress(BlockingIOError):
                    os.write(self.master, frame[start : start + CHUNK])
            self.ended[number] = time.monotonic()
            due += 1.0

    def opened(self) -> bool:
        """True while somebody has the other end open."""
        poll = select.poll()
        poll.register(self.master, select.POLLHUP)
        return not poll.poll(0)

    def end(self) -> None:
        self.going = False
        self.join(3)
        os.close(self.master)


def start(*command: str) -> "subprocess.Popen[str]":
    environment = {**os.environ, "PYTHONPATH": f"{ROOT / 'firmware'}:{ROOT / 'simulator-host'}"}
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
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def configure(directory: Path, meters: list[Meter], emp: str, forward: str) -> list[str]:
    lines = ["[gateway]", 'device_id = "ESMG0000000001"']
    for meter in meters:
        lines += ["[[meter]]", f'name = "m{meter.number}"', 'protocol = "sml-push"', f'port = "{meter.path}"']
        lines += ["registration_period = 0"]
    lines += ["[[emp]]", 'name = "utility"', f'url = "{emp}"', f"forward = {forward}"]
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
    seen = {name: lmn.last_position(name) for name in names}
    waiting: dict[str, list[tuple[int, float]]] = {name: [] for name in names}
    committed, acknowledged = [], []
    ends = time.monotonic() + seconds
    with lmn, wan:
        while time.monotonic() < ends:
            time.sleep(0.002)
            if lmn.changed():
                now = time.monotonic()
                for name, meter in names.items():
                    for record in lmn.records(name, seen[name], 100):
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
def testbed(forward: str) -> Iterator[tuple[Path, list[Meter], list[str]]]:
    with contextlib.ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        emp = stack.enter_context(
            running(sys.executable, "-m", "emp", "serve", "--listen", "127.0.0.1:0", "--db", f"{directory}/emp.db")
        )
        assert emp.stdout is not None
        url = next(word for word in emp.stdout.readline().split() if word.startswith("http"))
        meters = [Meter(number) for number in range(METERS)]
        for meter in meters:
            stack.callback(meter.end)
        yield directory, meters, configure(directory, meters, url, forward)


def cost() -> list[Result]:
    """Memory and CPU, forwarding every 5 s."""
    with testbed("5") as (directory, meters, arguments), contextlib.ExitStack() as stack:
        began = time.monotonic()
        lmn = stack.enter_context(running(sys.executable, "-m", "smgw", "lmn", *arguments))
        while not all(meter.opened() for meter in meters):
            if time.monotonic() - began > 10:
                raise SystemExit("the ports were not opened within 10 s")
            time.sleep(0.005)
        opened = time.monotonic() - began
        wan = stack.enter_context(running(sys.executable, "-m", "smgw", "wan", *arguments))
        for meter in meters:
            meter.start()
        time.sleep(5)
        pids = [lmn.pid, wan.pid]
        before = [cpu_seconds(pid) for pid in pids]
        peak = [0.0, 0.0]
        ends = time.monotonic() + SECONDS
        while time.monotonic() < ends:
            time.sleep(0.5)
            peak = [max(old, rss_mb(pid)) for old, pid in zip(peak, pids, strict=True)]
        used = [(cpu_seconds(pid) - old) / SECONDS * 100 for pid, old in zip(pids, before, strict=True)]
        view = settled(LmnView, directory / "lmn")
        assert isinstance(view, LmnView)
        with view:
            records = sum(view.backlog(f"m{meter.number}", 0) for meter in meters)
    return [
        Result("LMN process, RSS", peak[0], "MB", 24.0, at_most=True),
        Result("LMN and WAN process, RSS", sum(peak), "MB", 60.0, at_most=True),
        Result(f"CPU of both ({used[0]:.2f} LMN, {used[1]:.2f} WAN)", sum(used), "% of a core", 3.0, at_most=True),
        Result("exec to all 8 ports open", opened, "s", 1.0, at_most=True),
        Result("records of 8 meters", records, "", METERS * (SECONDS + 2), at_most=False),
    ]


def latency() -> list[Result]:
    """From a telegram's last octet, forwarding immediately."""
    with testbed('"immediate"') as (directory, meters, arguments), contextlib.ExitStack() as stack:
        for name in ("lmn", "wan"):
            stack.enter_context(running(sys.executable, "-m", "smgw", name, *arguments))
        for meter in meters:
            meter.start()
        time.sleep(3)
        committed, acknowledged = follow(directory, meters, SECONDS)
    return [
        Result(f"last octet to commit, p99 of {len(committed)}", percentile(committed, 0.99), "s", 0.1, at_most=True),
        Result(
            f"last octet to the EMP's 200 kept, p99 of {len(acknowledged)}",
            percentile(acknowledged, 0.99), "s", 0.3, at_most=True,
        ),
        Result("last octet to commit, median", percentile(committed, 0.5), "s"),
        Result("last octet to the EMP's 200 kept, median", percentile(acknowledged, 0.5), "s"),
    ]  # fmt: skip


def peer() -> list[Result]:
    """The floor: a loop around SmlLib that reads the same 8 ports and keeps nothing."""
    python = ROOT / ".venv-peers" / "bin" / "python"
    if not python.exists():
        raise SystemExit("the peers are missing: make setup")
    with contextlib.ExitStack() as stack:
        meters = [Meter(number) for number in range(METERS)]
        for meter in meters:
            stack.callback(meter.end)
        script = Path(__file__).parent / "peers" / "smllib_loop.py"
        loop = stack.enter_context(running(str(python), str(script), *(meter.path for meter in meters)))
        time.sleep(1)
        for meter in meters:
            meter.start()
        time.sleep(3)
        before = cpu_seconds(loop.pid)
        time.sleep(SECONDS)
        used = (cpu_seconds(loop.pid) - before) / SECONDS * 100
        memory = rss_mb(loop.pid)
    return [
        Result("peer: SmlLib loop, decoding only, CPU", used, "% of a core"),
        Result("peer: SmlLib loop, decoding only, RSS", memory, "MB"),
    ]


def main() -> list[Result]:
    return [*cost(), *latency(), *peer()]


if __name__ == "__main__":
    sys.exit(shown(main()))

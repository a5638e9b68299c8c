"""What hundreds of simulated meters cost: 500 that push a telegram a second at 9600 Bd, of all styles in turn.

The bar: under one core, and every telegram arrives. Once on pseudo terminals, once over TCP; this process reads them.
Beside it the CPU that one telegram costs, and what SmlLib takes to decode the same telegrams. BENCH_SECONDS: how long
each is measured. Run alone: `python tests/bench/bench_smsim.py`; exits 1 under a bar.
"""

import contextlib
import os
import pickle
import resource
import select
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from json import loads
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "firmware"), str(ROOT / "simulator-host"), str(Path(__file__).parent)]

from result import Result, shown  # noqa: E402
from smgw.sml.client import Client  # noqa: E402
from smgw.sml.telegram import Telegram, TelegramReader  # noqa: E402
from smgw.sml.transport import START  # noqa: E402
from smsim.config import parse  # noqa: E402
from smsim.sml import style  # noqa: E402
from smsim.sml.meter import Meter  # noqa: E402

METERS = 500
SECONDS = float(os.environ.get("BENCH_SECONDS", "20"))
TICKS, PAGE = os.sysconf("SC_CLK_TCK"), os.sysconf("SC_PAGE_SIZE")


def configuration(port: str) -> str:
    """As many meters of every style; in `port` stands {name} for that of the style."""
    names = style.names()
    text = ""
    for place, name in enumerate(names):
        count = METERS // len(names) + (place < METERS % len(names))
        text += f'[[meter]]\nname = "{name} {{n}}"\nstyle = "{name}"\ncount = {count}\nseed = 7\n'
        text += f'port = "{port.format(name=name)}"\n'
    return text


@contextlib.contextmanager
def simulator(directory: Path, port: str) -> Iterator[tuple["subprocess.Popen[str]", list[str]]]:
    """A running smsim and its ports."""
    (directory / "meters.toml").write_text(configuration(port))
    process = subprocess.Popen(
        [sys.executable, "-m", "smsim", "run", str(directory / "meters.toml")],
        env={**os.environ, "PYTHONPATH": f"{ROOT / 'firmware'}:{ROOT / 'simulator-host'}"},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    try:
        ports = [process.stdout.readline().rpartition(" on ")[2].strip() for _ in range(METERS)]
        if not all(ports):
            raise SystemExit("smsim did not start")
        yield process, ports
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=30)


def opened(ports: list[str]) -> list[int]:
    """Descriptors of all ports, read without waiting."""
    descriptors = []
    for port in ports:
        if port.startswith("pty:"):
            descriptors.append(os.open(port.removeprefix("pty:"), os.O_RDONLY | os.O_NOCTTY | os.O_NONBLOCK))
        else:
            _, host, number = port.rsplit(":", 2)
            connection = socket.create_connection((host, int(number)))
            connection.setblocking(False)
            descriptors.append(connection.detach())
    return descriptors


def cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def read_for(descriptors: list[int], seconds: float) -> dict[int, bytearray]:
    """What came meanwhile."""
    found = {descriptor: bytearray() for descriptor in descriptors}
    poll = select.epoll()
    for descriptor in descriptors:
        poll.register(descriptor, select.EPOLLIN)
    ends = time.monotonic() + seconds
    while time.monotonic() < ends:
        for descriptor, _ in poll.poll(0.2):
            with contextlib.suppress(BlockingIOError):
                found[descriptor] += os.read(descriptor, 4096)
        time.sleep(0.02)  # octets gather: what reading costs is not measured, but it has the other core's time
    poll.close()
    return found


def pushed(port: str, how: str) -> list[Result]:
    """CPU, memory and telegrams of one run."""
    with contextlib.ExitStack() as stack:
        directory = stack.enter_context(tempfile.TemporaryDirectory())
        smsim, ports = stack.enter_context(simulator(Path(directory), port.replace("DIRECTORY", directory)))
        descriptors = opened(ports)
        read_for(descriptors, 3)
        before = cpu_seconds(smsim.pid)
        began = time.monotonic()
        octets = read_for(descriptors, SECONDS)
        took = time.monotonic() - began
        used = cpu_seconds(smsim.pid) - before
        memory = int(Path(f"/proc/{smsim.pid}/statm").read_text().split()[1]) * PAGE / 1e6
        for descriptor in descriptors:
            os.close(descriptor)
    begun = missing = 0
    for stream in octets.values():
        reader = TelegramReader()
        events = reader.receive(bytes(stream[max(stream.find(START), 0) :]))
        starts = stream.count(START)
        begun += starts
        missing += starts - reader.receiving - sum(isinstance(event, Telegram) for event in events)
    return [
        Result(f"{METERS} meters, {how}: CPU", used / took * 100, "% of a core", 100.0, at_most=True),
        Result(f"{METERS} meters, {how}: telegrams begun a second", begun / took, "", METERS * 0.98, at_most=False),
        Result(f"{METERS} meters, {how}: telegrams begun and not whole", missing, "", 0, at_most=True),
        Result(f"{METERS} meters, {how}: CPU a telegram, in 16-octet pieces", used / max(begun, 1) * 1e6, "us"),
        Result(f"{METERS} meters, {how}: RSS", memory, "MB"),
    ]


def asked() -> list[Result]:
    """CPU of as many meters that are asked for their lists over TCP, one after the other, 500 a second at most."""
    with contextlib.ExitStack() as stack:
        directory = stack.enter_context(tempfile.TemporaryDirectory())
        smsim, ports = stack.enter_context(simulator(Path(directory), "tcp:0"))
        connections = [socket.create_connection(("127.0.0.1", int(port.rpartition(":")[2])), 5) for port in ports]
        client = Client(b"bench", b"seed")
        request = client.send([client.get_list()], 0.0)
        before, began, answers = cpu_seconds(smsim.pid), time.monotonic(), 0
        while time.monotonic() - began < SECONDS:
            for connection in connections:
                time.sleep(max(0.0, began + answers / METERS - time.monotonic()))
                connection.sendall(request)
                answers += bool(connection.recv(4096))
        took, used = time.monotonic() - began, cpu_seconds(smsim.pid) - before
        for connection in connections:
            connection.close()
    return [
        Result(f"{METERS} meters, asked over TCP: answers a second", answers / took, ""),
        Result(f"{METERS} meters, asked over TCP: CPU an answer", used / answers * 1e6, "us"),
    ]


def made() -> list[Result]:
    """A telegram alone, as smsim makes it, and as SmlLib reads it."""
    elapsed = [0]
    config = parse(configuration("tcp-push:0"))
    meters = [Meter(meter.spec, config.time, lambda: elapsed[0]) for meter in config.meters]
    frames: list[bytes] = []
    began = time.process_time()
    for second in range(5):
        elapsed[0] = second * 1000
        frames += [meter.telegram() for meter in meters]
    ours = (time.process_time() - began) / len(frames)
    python = ROOT / ".venv-peers" / "bin" / "python"
    if not python.exists():
        raise SystemExit("the peers are missing: make setup")
    script = Path(__file__).parent / "peers" / "smllib_frames.py"
    rounds = pickle.dumps(frames) + pickle.dumps([])
    done = subprocess.run([str(python), str(script)], input=rounds, capture_output=True)
    answers: list[float | None] = loads(done.stdout.splitlines()[0])
    read = [took for took in answers if took is not None]
    print(f"SmlLib reads {len(read)} of {len(frames)} telegrams of {len(style.names())} styles")
    return [
        Result("a telegram, registers moved on and encoded", ours * 1e6, "us"),
        Result("peer: SmlLib, decoding such a telegram", sum(read) / len(read) * 1e6, "us"),
        Result("peer: SmlLib, decoding as many as smsim sends", sum(read) / len(read) * METERS * 100, "% of a core"),
    ]


def main() -> list[Result]:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(2 * METERS, hard)), hard))
    return [*pushed("pty:DIRECTORY/{name}-{{n}}", "ptys"), *pushed("tcp-push:0", "TCP"), *asked(), *made()]


if __name__ == "__main__":
    sys.exit(shown(main()))

"""The HAN process: memory, processor time when nobody asks, 200 requests a second, a year as CSV.

Run alone: `python tests/bench/bench_han.py`; exits 1 under a bar. BENCH_HAN_S: seconds of each part (default 10).
"""

import contextlib
import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [
    str(ROOT / "firmware"), str(ROOT / "simulator-host"), str(ROOT / "tests" / "support"), str(Path(__file__).parent)
]  # fmt: skip

import han_pages  # noqa: E402
from captures_made import MIDNIGHT  # noqa: E402
from han_client import Client  # noqa: E402
from han_login import add_consumer  # noqa: E402
from result import Result, shown  # noqa: E402
from smgw.store import paths  # noqa: E402

SECONDS = float(os.environ.get("BENCH_HAN_S", "10"))
RATE, CLIENTS = 200, 8
MEMORY_MB, IDLE_PERCENT, P99_MS, YEAR_S = 40.0, 0.1, 300.0, 2.0
PASSWORD = "bench-password"
#: What pages and programs ask for, in turn.
TARGETS = (
    "/",
    "/static/look.css",
    "/energy",
    "/smgw/con/v1/",
    "/contracts",
    "/trudi/contracts",
    "/log",
    "/gateway",
)
DAYS = 365
FIRST = datetime.fromtimestamp(MIDNIGHT / 1e6, UTC).date()
YEAR = f"/exports/energy.csv?meter=house&step=quarter-hour&from={FIRST}&to={FIRST + timedelta(days=DAYS - 1)}"


def _free() -> int:
    with socket.create_server(("127.0.0.1", 0)) as found:
        return int(found.getsockname()[1])


@contextlib.contextmanager
def _running(folder: Path, port: int) -> Iterator[int]:
    """`smgw han` over a year of a house; its pid."""
    han_pages.SLOTS = DAYS * 96
    han_pages.make(folder)
    (folder / "gateway.toml").write_text(f'{han_pages.TEXT}\n[han]\nlisten = "127.0.0.1:{port}"\n')
    directory = paths.han_directory(folder)
    add_consumer(directory, "anna", PASSWORD)
    command = [sys.executable, "-m", "smgw", "han", "--config", str(folder / "gateway.toml"), "--state", str(folder)]
    environment = {**os.environ, "MALLOC_ARENA_MAX": "1"}  # as the unit has it
    process = subprocess.Popen([*command, "--log-level", "error"], cwd=ROOT / "firmware", env=environment)
    try:
        ends = time.monotonic() + 60
        while True:
            try:
                socket.create_connection(("127.0.0.1", port)).close()
                break
            except OSError:
                assert time.monotonic() < ends
                time.sleep(0.1)
        yield process.pid
    finally:
        process.terminate()
        process.wait()


def _memory_mb(pid: int, line: str = "VmRSS") -> float:
    for text in Path(f"/proc/{pid}/status").read_text().splitlines():
        if text.startswith(line):
            return int(text.split()[1]) * 1024 / 1e6
    raise AssertionError(line)


def _processor_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _load(port: int) -> tuple[list[float], int]:
    """Milliseconds of each request, counted from when it was due, and how many failed."""
    times: list[float] = []
    failed = 0
    lock = threading.Lock()
    begin = time.monotonic() + 0.5

    def one(number: int) -> None:
        nonlocal failed
        client = Client(port, "anna", PASSWORD, f"127.0.0.{number + 2}")
        client.get("/")
        for turn in range(int(RATE * SECONDS / CLIENTS)):
            due = begin + (turn * CLIENTS + number) / RATE
            time.sleep(max(0.0, due - time.monotonic()))
            status, _ = client.get(TARGETS[(turn + number) % len(TARGETS)])
            with lock:
                times.append((time.monotonic() - due) * 1000)
                failed += status != 200
        client.close()

    threads = [threading.Thread(target=one, args=(number,)) for number in range(CLIENTS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sorted(times), failed


def main() -> list[Result]:
    """One process, all parts."""
    port = _free()
    with tempfile.TemporaryDirectory() as folder, _running(Path(folder), port) as pid:
        started = _memory_mb(pid)
        time.sleep(2)
        before = _processor_s(pid)
        time.sleep(SECONDS)
        idle = (_processor_s(pid) - before) / SECONDS * 100
        client = Client(port, "anna", PASSWORD)
        for target in TARGETS:
            status, body = client.get(target)
            assert status == 200, (target, status, body[:300])
        asked = _memory_mb(pid)
        began, spent = time.monotonic(), _processor_s(pid)
        times, failed = _load(port)
        loaded = _memory_mb(pid)
        spent = (_processor_s(pid) - spent) / (time.monotonic() - began) * 100
        began = time.monotonic()
        status, body = client.get(YEAR)
        year = time.monotonic() - began
        assert status == 200, (status, body[:300])
        lines = body.count(b"\n")
        client.close()
        return [
            Result("HAN process, memory after the start", started, "MB", MEMORY_MB),
            Result("HAN process, memory after each page once", asked, "MB", MEMORY_MB),
            Result("HAN process, memory after the load", loaded, "MB", MEMORY_MB),
            Result("HAN process, memory after a year as CSV", _memory_mb(pid), "MB"),
            Result("HAN process, processor when nobody asks", idle, "%", IDLE_PERCENT),
            Result(f"{RATE} requests/s of pages and programs, median", times[len(times) // 2], "ms"),
            Result(f"{RATE} requests/s of pages and programs, p99", times[int(len(times) * 0.99)], "ms", P99_MS),
            Result("the same, requests that failed", failed, "requests", 0),
            Result("the same, processor", spent, "% of a core"),
            Result(f"a year of quarter hours as CSV, {lines} lines", year, "s", YEAR_S),
        ]


if __name__ == "__main__":
    sys.exit(shown(main()))

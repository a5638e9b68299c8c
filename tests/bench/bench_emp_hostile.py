"""How long one hostile peer delays the deliveries of another one, and how many lines of log it causes.

The hostile peer has the address 127.0.0.2. Each case runs a head-end of its own with 1024 files. Meanwhile another
peer delivers a row at a time: the longest of these deliveries counts.
Run alone: `python tests/bench/bench_emp_hostile.py`; exits 1 under a bar.
"""

import contextlib
import gzip
import http.client
import socket
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "firmware"), str(ROOT / "simulator-host"), str(ROOT / "tests/support")]
sys.path[:0] = [str(Path(__file__).parent)]

import emp_process  # noqa: E402
from emp_process import PATH, XML, content, row  # noqa: E402
from result import Result, shown  # noqa: E402

SECONDS = 5.0
DELAY = 2.0
FILES = 1024
LINES = 50
BODY = 4 * 1024 * 1024
ROWS = 16_000  # in nearly 4 MiB


def costly() -> bytes:
    """A packed document that is read to its end before it is refused."""
    octets = emp_process.document.encode(content(*[row(number, 1) for number in range(ROWS)]))
    assert len(octets) < BODY, len(octets)
    return gzip.compress(octets[:-10] + b"<a></a>" + octets[-10:])


BOMB = costly()
HEAD = f"PUT {PATH} HTTP/1.1\r\nHost: localhost\r\nContent-Type: {XML}\r\n"


def connect(port: int) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), timeout=5, source_address=("127.0.0.2", 0))


def again_and_again(port: int, stop: threading.Event, one: Callable[[socket.socket], None]) -> None:
    while not stop.is_set():
        with contextlib.suppress(OSError), connect(port) as connection:
            one(connection)


def packed(port: int, stop: threading.Event) -> None:
    """A small body that unpacks to nearly 4 MiB."""

    def one(connection: socket.socket) -> None:
        for _ in range(100):
            connection.sendall(f"{HEAD}Content-Encoding: gzip\r\nContent-Length: {len(BOMB)}\r\n\r\n".encode() + BOMB)
            if not connection.recv(4096) or stop.is_set():
                return

    again_and_again(port, stop, one)


def slow(port: int, stop: threading.Event) -> None:
    """Bodies of 4 MiB that lack their last octet."""

    def one(connection: socket.socket) -> None:
        connection.sendall(f"{HEAD}Content-Length: {BODY}\r\n\r\n".encode() + bytes(BODY - 1))
        connection.recv(4096)

    again_and_again(port, stop, one)


def flood(port: int, stop: threading.Event) -> None:
    """As many connections as there are, never closed."""
    held = []
    while not stop.is_set():
        with contextlib.suppress(OSError):
            held.append(connect(port))
        if len(held) >= 300:
            for connection in held:
                connection.close()
            held.clear()


def deliver(port: int, number: int) -> float:
    began = time.monotonic()
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        body = emp_process.document.encode(content(row(number, number)))
        connection.request("PUT", PATH, body, {"Content-Type": XML, "Host": "localhost"})
        if connection.getresponse().status not in (200, 201):
            return float("inf")
    except OSError:
        return float("inf")
    finally:
        connection.close()
    return time.monotonic() - began


def measure(name: str, attack: Callable[[int, threading.Event], None], threads: int) -> list[Result]:
    stop = threading.Event()
    with tempfile.TemporaryDirectory() as directory:
        emp = emp_process.start(Path(directory) / "emp.db", files=FILES)
        hostile = [threading.Thread(target=attack, args=(emp.port, stop), daemon=True) for _ in range(threads)]
        for thread in hostile:
            thread.start()
        time.sleep(1.0)
        longest, number, end = 0.0, 0, time.monotonic() + SECONDS
        while time.monotonic() < end:
            number += 1
            longest = max(longest, deliver(emp.port, number))
            time.sleep(0.1)
        stop.set()
        lines = len(emp_process.stop(emp).splitlines())
        for thread in hostile:
            thread.join(10)
    return [
        Result(f"{name}: longest delivery of another peer", longest, "s", DELAY),
        Result(f"{name}: lines of log", lines, "lines", LINES),
    ]


def main() -> list[Result]:
    """All cases."""
    return [
        *measure(f"24 senders of {len(BOMB) / 1000:.1f} kB gzip", packed, 24),
        *measure("40 slow bodies of 4 MiB", slow, 40),
        *measure("8 floods of connections", flood, 8),
    ]


if __name__ == "__main__":
    sys.exit(shown(main()))

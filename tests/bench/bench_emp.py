"""How many readings a second the head-end makes durable: 100 rows of 8 registers a PUT, over HTTP, one process.

From the first octet of the first PUT to the last durable answer; the sender (this process) has its bodies ready.
And how many rows of one register it makes into an export in a second of one core, as text, without the network.
Run alone: `python tests/bench/bench_emp.py`; exits 1 under the bar.
"""

import contextlib
import http.client
import os
import signal
import ssl
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / part) for part in ("firmware", "simulator-host", "tests/support", "tests/bench")]

import emp_many  # noqa: E402
from emp.answers.forms import Form, as_text  # noqa: E402
from emp.answers.resources import PROFILE_ID, answer  # noqa: E402
from emp.store.sqlite_storage import SqliteView  # noqa: E402
from result import Result, shown  # noqa: E402
from smgw.cosem.data import Data, DataType  # noqa: E402
from smgw.cosem.device_id import DeviceId  # noqa: E402
from smgw.cosem.obis import Obis  # noqa: E402
from smgw.cosem.status_word import StatusWord  # noqa: E402
from smgw.cosemxml import document  # noqa: E402
from smgw.webservice.media_type import CSV  # noqa: E402
from smgw.webservice.query import Query  # noqa: E402
from smgw.webservice.uri import Node, Target  # noqa: E402

BAR = 20_000
ROWS, REGISTERS, SENDERS, PARTS = 100, 8, 4, 400
SECONDS = 5.0
EXPORTED = 100_000


def body(sender: int, part: int) -> bytes:
    registers = tuple(document.Register(Obis(bytes((1, 0, n, 8, 0, 255))), -1, 30) for n in range(1, REGISTERS + 1))
    rows = tuple(
        document.Row(
            number,
            1_700_000_000_000_000 + number * 1_000_000,
            None,
            True,
            StatusWord(5, 0x10104),
            tuple(Data(DataType.LONG64_UNSIGNED, 12_345_678 + number * column) for column in range(REGISTERS)),
        )
        for number in range(part * ROWS + 1, (part + 1) * ROWS + 1)
    )
    gateway = DeviceId.parse(f"ESMG{sender:010d}")
    return document.encode(
        document.Document(gateway, f"{sender:032x}", DeviceId.parse(f"1EMH{sender:010d}"), registers, rows)
    )


class Way(NamedTuple):
    """How documents are sent: with a TLS context for each sender, or plain; and their media type."""

    contexts: tuple[ssl.SSLContext, ...] = ()
    media_type: str = "application/vnd.de-dke-k461-cosem+xml"

    def connection(self, port: int, sender: int) -> http.client.HTTPConnection:
        if not self.contexts:
            return http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        return http.client.HTTPSConnection("127.0.0.1", port, timeout=30, context=self.contexts[sender])


def send(
    port: int, way: Way, sender: int, bodies: list[bytes], end: float, counts: list[int], slowest: list[float]
) -> None:
    connection = way.connection(port, sender)
    path = f"/cosem/ldevs/1emh{sender:010d}.sm"
    headers = {"Content-Type": way.media_type}
    for octets in bodies:
        started = time.perf_counter()
        if started > end:
            break
        connection.request("PUT", path, octets, headers)
        answer = connection.getresponse()
        answer.read()
        if answer.status not in (200, 201):
            raise SystemExit(f"emp answered {answer.status}")
        counts[sender] += ROWS * REGISTERS
        slowest[sender] = max(slowest[sender], time.perf_counter() - started)
    connection.close()


@contextlib.contextmanager
def server(*command: str) -> Iterator[int]:
    """A server by its command line; its port."""
    with served(*command) as (port, _):
        yield port


@contextlib.contextmanager
def served(*command: str) -> Iterator[tuple[int, int]]:
    """A server by its command line; its port, which it prints in a URL, and the number of its process."""
    environment = {**os.environ, "PYTHONPATH": f"{ROOT / 'firmware'}:{ROOT / 'simulator-host'}"}
    process = subprocess.Popen([sys.executable, *command], env=environment, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield int(process.stdout.readline().split("://")[1].split("/")[0].rsplit(":", 1)[1]), process.pid
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(5)
        if process.stdout:
            process.stdout.close()


def rate(port: int, bodies: list[list[bytes]], way: Way | None = None) -> tuple[float, float]:
    """Readings a second, and the slowest PUT in seconds."""
    counts, slowest = [0] * SENDERS, [0.0] * SENDERS
    started = time.perf_counter()
    end = started + SECONDS
    threads = [
        threading.Thread(target=send, args=(port, way or Way(), sender, bodies[sender], end, counts, slowest))
        for sender in range(SENDERS)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(counts) / (time.perf_counter() - started), max(slowest)


def exports(directory: Path) -> dict[Form, float]:
    """Rows a second of processor time, by form."""
    emp_many.fill(directory / "many.db", EXPORTED)
    view, device = SqliteView(directory / "many.db"), DeviceId.parse("1EMH0005347109")
    found: dict[Form, float] = {}
    for form in Form:
        began = time.process_time()
        asked = answer(view, Target(Node.OBJECT, device, PROFILE_ID), Query(), default_rows=None)
        for _ in as_text(view, device, asked, form, CSV, {}).pieces():
            pass
        found[form] = EXPORTED / (time.process_time() - began)
    view.close()
    return found


def main() -> list[Result]:
    bodies = [[body(sender, part) for part in range(PARTS)] for sender in range(SENDERS)]
    with tempfile.TemporaryDirectory() as directory:
        serve = ("-m", "emp", "serve", "--listen", "127.0.0.1:0", "--db", f"{directory}/emp.db")
        with server(*serve) as port:
            kept, slowest = rate(port, bodies)
        made = exports(Path(directory))
    with server(str(Path(__file__).parent / "peers" / "keeps_nothing.py")) as port:
        floor, _ = rate(port, bodies)
    return [
        Result("EMP, readings over HTTP with XML, durable", kept, "readings/s", BAR, at_most=False),
        Result("EMP, slowest PUT of 800 readings", slowest, "s", 1.0, at_most=True),
        *[Result(f"EMP, rows exported as {form.value}, one core", made[form], "rows/s") for form in Form],
        Result("peer: aiohttp that reads the body and keeps nothing", floor, "readings/s"),
    ]


if __name__ == "__main__":
    sys.exit(shown(main()))

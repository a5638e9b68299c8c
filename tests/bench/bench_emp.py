"""How many readings a second the head-end makes durable: 100 rows of 8 registers a PUT, over HTTP, one process.

From the first octet of the first PUT to the last durable answer; the sender (this process) has its bodies ready.
Run alone: `python tests/bench/bench_emp.py`; exits 1 under the bar.
"""

import http.client
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import NamedTuple

from smgw.cosem.data import Data, DataType
from smgw.cosem.device_id import DeviceId
from smgw.cosem.obis import Obis
from smgw.cosem.status_word import StatusWord
from smgw.cosemxml import document

BAR = 20_000
ROWS, REGISTERS, SENDERS = 100, 8, 4
SECONDS = 5.0
ROOT = Path(__file__).resolve().parents[2]


class Result(NamedTuple):
    name: str
    value: float
    unit: str
    bar: float
    ok: bool


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


def send(port: int, sender: int, bodies: list[bytes], end: float, counts: list[int], slowest: list[float]) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    path = f"/cosem/ldevs/1emh{sender:010d}.sm"
    headers = {"Content-Type": "application/vnd.de-dke-k461-cosem+xml"}
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


def main() -> list[Result]:
    parts = 120
    bodies = [[body(sender, part) for part in range(parts)] for sender in range(SENDERS)]
    with tempfile.TemporaryDirectory() as directory:
        environment = {**os.environ, "PYTHONPATH": f"{ROOT / 'firmware'}:{ROOT / 'simulator-host'}"}
        command = [sys.executable, "-m", "emp", "serve", "--listen", "127.0.0.1:0", "--db", f"{directory}/emp.db"]
        server = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
        try:
            assert server.stdout is not None
            port = int(server.stdout.readline().split("://")[1].split("/")[0].rsplit(":", 1)[1])
            counts, slowest = [0] * SENDERS, [0.0] * SENDERS
            started = time.perf_counter()
            threads = [
                threading.Thread(target=send, args=(port, sender, bodies[sender], started + SECONDS, counts, slowest))
                for sender in range(SENDERS)
            ]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            seconds = time.perf_counter() - started
        finally:
            server.send_signal(signal.SIGTERM)
            server.wait(5)
            server.stdout.close()
    rate = sum(counts) / seconds
    return [
        Result("emp_readings", round(rate), "readings/s", BAR, rate >= BAR),
        Result("emp_slowest_put", round(max(slowest) * 1000, 1), "ms", 1000, max(slowest) < 1.0),
    ]


if __name__ == "__main__":
    results = main()
    for result in results:
        print(f"{result.name}: {result.value:g} {result.unit} (bar {result.bar:g}) {'ok' if result.ok else 'MISSED'}")
    sys.exit(0 if all(result.ok for result in results) else 1)

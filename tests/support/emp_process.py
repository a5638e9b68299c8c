"""A head-end for tests: on loopback, on free ports, stopped afterwards; as `emp serve`, or inside this process."""

import asyncio
import http.client
import json
import os
import queue
import signal
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from emp.store.sqlite_storage import SqliteStorage
from emp.web.listener import Address
from emp.web.server import HeadEnd, Settings
from smgw.cosem.data import Data, DataType
from smgw.cosem.device_id import DeviceId
from smgw.cosem.obis import Obis
from smgw.cosem.status_word import StatusWord
from smgw.cosemxml import document
from smgw.cosemxml.document import Document, Register, Row
from soon import LIMIT

ROOT = Path(__file__).resolve().parents[2]
XML = "application/vnd.de-dke-k461-cosem+xml"
GATEWAY = DeviceId.parse("ESMG0000000001")
DEVICE = DeviceId.parse("1EMH0005347109")
STORE = "ab" * 16
ENERGY = Register(Obis.parse("1.8.0"), -1, 30)
POWER = Register(Obis.parse("16.7.0"), 0, 27)
PEOPLES = ("/devices", "/bills", "/api", "/healthz", "/metrics", "/static", "/?")
START_US = 1_700_000_000_000_000
PATH = f"/cosem/ldevs/{DEVICE.uri}"  # of the device


class Answer(NamedTuple):
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode()


class Emp(NamedTuple):
    process: "subprocess.Popen[str] | None"
    port: int  # of the gateways
    people: int
    tls: ssl.SSLContext | None = None  # a gateway's, if the gateways' port speaks TLS

    def ask(self, verb: str, path: str, body: bytes | None = None, port: int | None = None, **headers: str) -> Answer:
        """One request: to the port given, else the COSEM tree where gateways deliver, the rest where people look."""
        if port is None:
            port = self.people if path == "/" or path.startswith(PEOPLES) else self.port
        connection = self.connection(port)
        try:
            named = {name.replace("_", "-"): value for name, value in headers.items()}
            connection.request(verb, path, body, named)
            answer = connection.getresponse()
            return Answer(answer.status, dict(answer.getheaders()), answer.read())
        finally:
            connection.close()

    def connection(self, port: int) -> http.client.HTTPConnection:
        if self.tls is None or port != self.port:
            return http.client.HTTPConnection("127.0.0.1", port, timeout=LIMIT)
        return http.client.HTTPSConnection("127.0.0.1", port, timeout=LIMIT, context=self.tls)

    def put(self, content: Document, **headers: str) -> Answer:
        named = {"Content_Type": XML, **headers}
        return self.ask("PUT", f"/cosem/ldevs/{content.device.uri}", document.encode(content), **named)


def row(number: int, *values: int, **changes: object) -> Row:
    data = tuple(Data(DataType.LONG64, value) for value in values)
    return Row(number, START_US + number * 1_000_000, None, True, StatusWord(5, 0x10104), data)._replace(**changes)


def content(*rows: Row, registers: tuple[Register, ...] = (ENERGY,), **changes: object) -> Document:
    return Document(GATEWAY, STORE, DEVICE, registers, rows)._replace(**changes)


def connect(emp: Emp) -> socket.socket:
    """A connection to the gateways' port."""
    return socket.create_connection(("127.0.0.1", emp.port), timeout=LIMIT)


def read_all(connection: socket.socket) -> bytes:
    """What comes until the other side closes."""
    answer = b""
    try:
        while part := connection.recv(65536):
            answer += part
    except ConnectionError:
        pass
    return answer


def resident_kib(emp: Emp) -> int:
    """The memory of the server's process."""
    lines = Path(f"/proc/{emp.process.pid}/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS"))


def numbers(emp: Emp) -> list[int]:
    """The record numbers of the only source; none if there is no source."""
    sources = json.loads(emp.ask("GET", "/api/keys?form=list").body)["sources"]
    return sources[0]["record_numbers"] if sources else []


def start(database: Path, *options: str, files: int | None = None) -> Emp:
    """`files`: how many files the server may open."""
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(map(str, (ROOT / "firmware", ROOT / "simulator-host"))),
        "TZ": "Europe/Berlin",
    }
    command = [sys.executable, "-m", "emp", "serve", "--listen", "127.0.0.1:0", "--db", str(database), *options]
    if files is not None:
        command = ["prlimit", f"--nofile={files}", *command]
    process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stderr is not None
    line = process.stdout.readline()
    if not line.startswith(("emp: listening on http://127.0.0.1:", "emp: listening on https://127.0.0.1:")):
        process.kill()
        raise AssertionError(line + process.stderr.read())
    gateways, people = (int(part.split("/")[0]) for part in line.split("127.0.0.1:")[1:3])
    return Emp(process, gateways, people)


def stop(emp: Emp, number: int = signal.SIGTERM) -> str:
    """End the server and return what it said on standard error."""
    emp.process.send_signal(number)
    try:
        _, said = emp.process.communicate(timeout=LIMIT)
    except subprocess.TimeoutExpired:
        emp.process.kill()
        emp.process.communicate()
        raise
    return said


@contextmanager
def running(database: Path, *options: str) -> Iterator[Emp]:
    emp = start(database, *options)
    try:
        yield emp
    finally:
        if emp.process.poll() is None:
            said = stop(emp)
            assert "Traceback" not in said, said


@contextmanager
def inside(database: Path, settings: Settings | None = None) -> Iterator[Emp]:
    """The same in a thread of this process, for tests that need no process of its own: it is there at once."""
    storage = SqliteStorage(database)
    told: queue.Queue[object] = queue.Queue()

    async def serve() -> None:
        head_end, end = HeadEnd(storage, settings), asyncio.Event()
        try:
            addresses = await head_end.start(Address("127.0.0.1", 0), Address("127.0.0.1", 0))
            told.put((*addresses, asyncio.get_running_loop(), end))
            await end.wait()
        except Exception as error:
            told.put(error)
        finally:
            await head_end.stop()

    thread = threading.Thread(target=asyncio.run, args=(serve(),))
    thread.start()
    try:
        found = told.get(timeout=LIMIT)
        if isinstance(found, Exception):
            raise found
        gateways, people, loop, end = found
        try:
            yield Emp(None, gateways.port, people.port)
        finally:
            loop.call_soon_threadsafe(end.set)
    finally:
        thread.join(LIMIT)
        storage.close()

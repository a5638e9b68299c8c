"""A head-end of a few lines: a real HTTP server that answers what a test wants, and keeps rows by their key."""

import contextlib
import gzip
import socket
import sys
import threading
import time
from collections.abc import Callable
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import NamedTuple

from smgw.cosem import DeviceId
from smgw.cosemxml.document import Document, Row, decode


class Put(NamedTuple):
    """One request as it arrived."""

    path: str
    headers: dict[str, str]
    document: Document
    octets: int
    at: float

    @property
    def numbers(self) -> list[int]:
        return [row.record_number for row in self.document.rows]


class Answer(NamedTuple):
    """One answer. `octets` replaces all of it; `drip` sends it one octet each so many seconds; `hang` never answers.

    `lost` keeps the rows and closes the connection without an answer.
    """

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = {}  # noqa: RUF012 - never changed
    octets: bytes | None = None
    drip: float = 0.0
    delay: float = 0.0
    hang: bool = False
    close: bool = False
    lost: bool = False


OK = Answer()


class SmallEmp:
    """Answers each PUT by `answer`; rows of a PUT answered with 2xx are kept."""

    def __init__(self, port: int = 0) -> None:
        self.answer: Callable[[Put], Answer] = lambda _: OK
        self.puts: list[Put] = []
        self.kept: dict[tuple[str, int], Row] = {}
        self.kept_of: dict[DeviceId, list[int]] = {}
        self.again = 0  # rows that came although they were kept
        self.accepted = 0
        self.connections: list[socket.socket] = []
        self.errors: list[BaseException | None] = []
        self.stopping = threading.Event()
        emp = self

        class Server(ThreadingHTTPServer):
            daemon_threads = False

            def get_request(self) -> tuple[socket.socket, object]:
                emp.accepted += 1
                request = super().get_request()
                emp.connections.append(request[0])
                return request

            def finish_request(self, request: object, client_address: object) -> None:
                prepared = emp.prepare(request)
                try:
                    super().finish_request(prepared, client_address)  # type: ignore[arg-type]
                finally:
                    if prepared is not request:
                        prepared.close()  # type: ignore[attr-defined]

            def handle_error(self, *_: object) -> None:
                # Mostly the client went away: that is what many of these tests are about.
                emp.errors.append(sys.exc_info()[1])

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            timeout = 5

            def do_PUT(self) -> None:
                emp.take(self)

            def log_message(self, *_: object) -> None:
                pass

        self._server = Server(("127.0.0.1", port), Handler)
        self.port = self._server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}/smgw"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self._thread.start()

    def __enter__(self) -> "SmallEmp":
        return self

    def __exit__(self, *_: object) -> None:
        self.stopping.set()
        self._server.shutdown()
        self._thread.join(5)
        for connection in self.connections:  # a handler may wait for the next request on it
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        self._server.server_close()

    @property
    def statuses(self) -> list[int]:
        return [len(put.document.rows) for put in self.puts]

    def numbers(self) -> list[int]:
        """The record numbers kept, in the order in which they came first."""
        return [number for _, number in self.kept]

    def prepare(self, connection: object) -> object:
        """The connection as the handler gets it."""
        return connection

    def plain(self, headers: Message, octets: bytes) -> bytes:
        """The document in a body."""
        return gzip.decompress(octets) if headers["Content-Encoding"] == "gzip" else octets

    def take(self, handler: BaseHTTPRequestHandler) -> None:
        at = time.monotonic()
        octets = handler.rfile.read(int(handler.headers["Content-Length"]))
        plain = self.plain(handler.headers, octets)
        put = Put(handler.path, dict(handler.headers), decode(plain), len(octets), at)
        self.puts.append(put)
        answer = self.answer(put)
        self.stopping.wait(answer.delay)
        if answer.hang:
            self.stopping.wait(30)
            handler.close_connection = True
            return
        if 200 <= answer.status < 300 and answer.octets is None:
            self._keep(put)
        if answer.lost:
            handler.close_connection = True
        else:
            self._send(handler, answer)

    def _keep(self, put: Put) -> None:
        for row in put.document.rows:
            key = (put.document.store_id, row.record_number)
            self.again += key in self.kept
            self.kept[key] = row
            self.kept_of.setdefault(put.document.device, []).append(row.record_number)

    def _send(self, handler: BaseHTTPRequestHandler, answer: Answer) -> None:
        octets = answer.octets
        if octets is None:
            head = f"HTTP/1.1 {answer.status} said\r\nContent-Length: {len(answer.body)}\r\n"
            head += "".join(f"{name}: {value}\r\n" for name, value in answer.headers.items())
            octets = head.encode() + b"\r\n" + answer.body
        for start in range(0, len(octets), 1 if answer.drip else len(octets) or 1):
            if answer.drip and self.stopping.wait(answer.drip):
                break
            handler.wfile.write(octets[start : start + 1] if answer.drip else octets)
        if answer.octets is not None or answer.close:
            handler.close_connection = True

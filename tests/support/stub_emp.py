"""A head-end in this process that answers as a test wants: takes rows, refuses some of them, errs, or keeps silent."""

import gzip
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

from smgw.cosemxml.document import decode


class StubEmp:
    """Listens on a free port of loopback; `refused` and `status` may be changed at any time."""

    def __init__(self) -> None:
        self.refused: set[int] = set()  # record numbers that are answered 422
        self.status = 200  # of everything else
        self.silent = False  # takes requests and never answers
        self.taken: list[int] = []  # record numbers, in order, repeats too
        self.puts = 0
        self._ending = threading.Event()
        stub = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_PUT(self) -> None:
                octets = self.rfile.read(int(self.headers["Content-Length"]))
                if self.headers.get("Content-Encoding") == "gzip":
                    octets = gzip.decompress(octets)
                status, text = stub.answer(octets)
                self.send_response(status)
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            def log_message(self, *_: Any) -> None:
                """Nothing: the gateway's log tells it."""

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            block_on_close = False

            def handle_error(self, *_: object) -> None:
                """A gateway that went away in the midst is what the tests are about."""

        self._server = Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.1,), name="stub EMP")
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._ending.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)

    def answer(self, octets: bytes) -> tuple[int, bytes]:
        """The answer to a document; its rows are kept if it is 200."""
        self.puts += 1
        if self.silent:
            self._ending.wait(60)
        numbers = [row.record_number for row in decode(octets).rows]
        for number in numbers:
            if number in self.refused:
                return 422, f"record {number} is not to my taste\n".encode()
        if self.status == 200:
            self.taken += numbers
        return self.status, b""

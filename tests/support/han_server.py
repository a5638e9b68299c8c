"""The HAN's server in a thread of the test, with views of the test, and a client of raw octets."""

import asyncio
import contextlib
import socket
import ssl
import threading
from collections.abc import Callable, Iterator, Sequence

from smgw.han.exchange import Answer, Request, View
from smgw.han.refusal import Admitted, RefusedError
from smgw.han.server.listener import Listener, listen
from smgw.han.server.router import Router
from smgw.han.server.rules import own_names
from smgw.han.server.talk import Door, Shared

PATIENCE_S = 30.0
GATEWAY = "ESMG0000000001"


def echo(request: Request, _house: object) -> Answer:
    """What the server understood."""
    told = f"{request.method} {request.path} {dict(request.query)} {request.body!r} {request.language} {request.who}"
    return Answer(200, told.encode(), "text/plain")


#: A view without a login.
ECHO = View("echo", ("/",), None, echo, "says what it was asked")


class OpenDoor:
    """Lets everybody in who needs no login."""

    def admit(self, view: View, head: object, address: str, certificate: bytes | None) -> Admitted:
        return Admitted(refused=None if view.role is None else RefusedError(401, "Log in.", closing=False))


class Running:
    """A server that runs; `port` is where."""

    def __init__(self, port: int, shared: Shared) -> None:
        self.port = port
        self.shared = shared
        self.listener: Listener | None = None

    def connect(self) -> socket.socket:
        """A connection of raw octets."""
        return socket.create_connection(("127.0.0.1", self.port), PATIENCE_S)

    def ask(self, octets: bytes) -> bytes:
        """All that comes back for these octets until the server closes."""
        with self.connect() as connection:
            connection.sendall(octets)
            return everything(connection)

    def get(self, path: str = "/", *lines: str, method: str = "GET", body: bytes = b"") -> bytes:
        """The answer to one request with these header lines."""
        told = "".join(f"{line}\r\n" for line in ("Host: localhost", "Connection: close", *lines))
        length = f"Content-Length: {len(body)}\r\n" if body else ""
        return self.ask(f"{method} {path} HTTP/1.1\r\n{told}{length}\r\n".encode("latin-1") + body)


def everything(connection: socket.socket) -> bytes:
    """Octets until the other side closes."""
    found = b""
    with contextlib.suppress(ConnectionResetError):
        while piece := connection.recv(65536):
            found += piece
    return found


def status(answer: bytes) -> int:
    """The status of an answer."""
    return int(answer.split(b" ", 2)[1])


@contextlib.contextmanager
def serving(
    views: Sequence[View] = (ECHO,),
    door: Door | None = None,
    context: ssl.SSLContext | None = None,
    ask: Callable[[View, Request], Answer] = lambda view, request: view.answer(request, None),
    **shared: object,
) -> Iterator[Running]:
    """A server on a free port of loopback."""
    parts = Shared(Router(views), door or OpenDoor(), own_names(GATEWAY), ask, **shared)  # type: ignore[arg-type]
    sockets = listen("127.0.0.1", 0)
    running = Running(sockets[0].getsockname()[1], parts)
    begun, over = threading.Event(), threading.Event()

    async def body() -> None:
        running.listener = Listener(sockets, parts, None if context is None else lambda: context)
        begun.set()
        try:
            while not over.is_set():
                await asyncio.sleep(0.02)
        finally:
            running.listener.close()
            await asyncio.sleep(0.02)

    thread = threading.Thread(target=lambda: asyncio.run(body()), name="han")
    thread.start()
    try:
        assert begun.wait(PATIENCE_S)
        yield running
    finally:
        over.set()
        thread.join(PATIENCE_S)

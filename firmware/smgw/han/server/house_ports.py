"""TCP ports of the house without a login, on Tornado's servers: telegrams to all who connect, and answers over HTTP.

Nobody holds a port up. Connections are bounded in number, for each address too. Who does not ask, or does not take what
was sent, is ended. Peers with public addresses are refused. A browser that was led here by a foreign name (DNS
rebinding) is refused by that name.
"""

import asyncio
import contextlib
import ipaddress
import logging
import re
import socket
import threading
from collections import Counter
from collections.abc import Callable, Collection
from http import HTTPStatus
from typing import Any, Protocol

from tornado.httpserver import HTTPServer
from tornado.httputil import HTTPHeaders, HTTPServerRequest, ResponseStartLine
from tornado.iostream import IOStream, StreamClosedError
from tornado.tcpserver import TCPServer

from smgw.errors import reason
from smgw.han.live.ports.reply import Reply
from smgw.patience import BackOff
from smgw.ports.wake import Wake
from smgw.profiles.checks import is_public

log = logging.getLogger(__name__)
logging.getLogger("tornado.general").setLevel(logging.WARNING)  # a line for each malformed request would fill the log

_MOST, _MOST_OF_ADDRESS, _QUEUED = 64, 16, 128
#: Seconds in which somebody must ask, and in which what was sent must be taken.
_ASK_S, _TAKE_S = 10.0, 30.0
_HEADER, _BODY, _CHUNK = 8192, 1024, 4096
_FIRST_S, _LONGEST_S = 1.0, 60.0
#: Ends of names that belong to a house and to nobody on the internet.
_OF_HOUSES = (".local", ".lan", ".home", ".internal", ".home.arpa", ".fritz.box", ".localdomain")


class Server(Protocol):
    """A server of Tornado's that can end its connections."""

    def add_sockets(self, sockets: Any) -> None:
        """Listen at these."""

    def stop(self) -> None:
        """Listen no more."""

    def end_all(self) -> None:
        """End all connections."""


class HousePort:
    """Listens at one address, in one thread; see `smgw.services.fleet.Runner`."""

    def __init__(self, listen: str, make: Callable[[], Server]) -> None:
        """`make` gives the server, in the thread and its event loop."""
        self._listen = listen
        self._make = make
        self._stopping = threading.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        #: Why it does not listen; empty: it does, or has not tried.
        self.fault = ""
        #: Where it listens now; None: nowhere.
        self.bound: tuple[str, int] | None = None

    def run(self) -> None:
        """Until `stop`. While the address cannot be had it is tried again."""
        pauses = BackOff(_FIRST_S, _LONGEST_S)
        while not self._stopping.is_set():
            try:
                listening = self._opened()
            except OSError as error:
                self._failed(reason(error))
                self._stopping.wait(pauses.next())
                continue
            self.fault = ""
            asyncio.run(self._serve(listening))

    def stop(self) -> None:
        """End, from another thread."""
        self._stopping.set()
        loop = self._loop
        if loop is not None:
            with contextlib.suppress(RuntimeError):  # it ended meanwhile
                loop.call_soon_threadsafe(self._over.set)

    def _opened(self) -> socket.socket:
        host, _, port = self._listen.rpartition(":")
        address = host.strip("[]"), int(port)
        family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        found = socket.create_server(address, family=family, backlog=_QUEUED)
        found.setblocking(False)
        return found

    async def _serve(self, listening: socket.socket) -> None:
        self._over = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        server = self._make()
        server.add_sockets([listening])
        self.bound = listening.getsockname()[:2]
        try:
            if not self._stopping.is_set():
                await self._over.wait()
        finally:
            self._loop = self.bound = None
            server.stop()
            server.end_all()

    def _failed(self, why: str) -> None:
        say = log.debug if why == self.fault else log.warning
        self.fault = why
        extra = {"event": "house-port-refused", "PORT": self._listen}
        say("%s: no live values there: %s; it is tried again", self._listen, why, extra=extra)


class _Guests:
    """Who is connected."""

    def __init__(self) -> None:
        self.streams: dict[IOStream, str] = {}

    def admit(self, stream: IOStream, address: str) -> bool:
        """False: it is one too many, or no address of a house; it is ended."""
        of_address = Counter(self.streams.values())[address]
        if is_public(address) or len(self.streams) >= _MOST or of_address >= _MOST_OF_ADDRESS:
            stream.close()
            return False
        self.streams[stream] = address
        return True

    def left(self, stream: IOStream) -> None:
        """It ended."""
        self.streams.pop(stream, None)

    def end_all(self) -> None:
        """End all connections."""
        for stream in list(self.streams):
            stream.close()


class TelegramServer(TCPServer):
    """Sends the newest telegram to whoever connects, and each that follows. What they send is not heard."""

    def __init__(self, newest: Callable[[], bytes], news: Callable[[], bytes], wake: Wake) -> None:
        """`wake` is set when there are `news`; empty octets: nothing."""
        super().__init__(max_buffer_size=_CHUNK * 16)
        self._newest, self._news, self._wake = newest, news, wake
        self._guests = _Guests()
        asyncio.get_running_loop().add_reader(wake.fileno(), self._spread)

    async def handle_stream(self, stream: IOStream, address: tuple[Any, ...]) -> None:
        """Until the other side ends it."""
        if not self._guests.admit(stream, str(address[0])):
            return
        self._send(stream, self._newest())
        try:
            while True:
                await stream.read_bytes(_CHUNK, partial=True)
        except StreamClosedError:
            self._guests.left(stream)

    def end_all(self) -> None:
        """End all connections."""
        asyncio.get_running_loop().remove_reader(self._wake.fileno())
        self._guests.end_all()

    def _spread(self) -> None:
        """To all who took everything before. Others miss it."""
        self._wake.clear()
        octets = self._news()
        for stream in list(self._guests.streams):
            if not stream.writing():
                self._send(stream, octets)

    def _send(self, stream: IOStream, octets: bytes) -> None:
        if not octets or stream.closed():
            return
        late = asyncio.get_running_loop().call_later(_TAKE_S, stream.close)

        def taken(done: "asyncio.Future[None]") -> None:
            late.cancel()
            done.exception()  # of a stream that was closed; nobody else asks for it

        with contextlib.suppress(StreamClosedError):
            stream.write(octets).add_done_callback(taken)


class AnswerServer(HTTPServer):
    """Answers GET and HEAD, one question a connection."""

    guests: _Guests

    def handle_stream(self, stream: IOStream, address: tuple[Any, ...]) -> None:
        """One connection; it lives for as long as a question and its answer may take."""
        if self.guests.admit(stream, str(address[0])):
            asyncio.get_running_loop().call_later(_ASK_S + _TAKE_S, stream.close)
            super().handle_stream(stream, address)

    def on_close(self, server_conn: Any) -> None:
        """As Tornado calls it."""
        super().on_close(server_conn)
        self.guests.left(server_conn.stream)

    def end_all(self) -> None:
        """End all connections."""
        self.guests.end_all()


def answer_server(answer: Callable[[str], Reply], names: Collection[str]) -> AnswerServer:
    """`answer` gets a path. `names`: further names of this computer."""

    def asked(request: HTTPServerRequest) -> None:
        reply = _reply(request, answer, names)
        fields = {
            "Content-Type": reply.media, "Content-Length": str(len(reply.body)), "Cache-Control": "no-store",
            "X-Content-Type-Options": "nosniff", "Connection": "close",
        }  # fmt: skip
        if reply.status == HTTPStatus.METHOD_NOT_ALLOWED:
            fields["Allow"] = "GET, HEAD"
        start = ResponseStartLine("HTTP/1.1", reply.status, HTTPStatus(reply.status).phrase)
        connection = request.connection
        assert connection is not None
        connection.write_headers(start, HTTPHeaders(fields), b"" if request.method == "HEAD" else reply.body)
        connection.finish()

    server = AnswerServer(
        asked, no_keep_alive=True, idle_connection_timeout=_ASK_S, body_timeout=_ASK_S, max_header_size=_HEADER,
        max_body_size=_BODY, max_buffer_size=4 * _HEADER,
    )  # fmt: skip
    server.guests = _Guests()
    return server


def _reply(request: HTTPServerRequest, answer: Callable[[str], Reply], names: Collection[str]) -> Reply:
    if request.method not in ("GET", "HEAD"):
        return _refusal(HTTPStatus.METHOD_NOT_ALLOWED)
    if not request.path.startswith("/"):
        return _refusal(HTTPStatus.BAD_REQUEST)
    if not is_own(request.headers.get("Host", ""), names):
        return _refusal(HTTPStatus.MISDIRECTED_REQUEST)
    return answer(request.path)


def is_own(host: str, names: Collection[str]) -> bool:
    """Whether a field Host can only mean a computer of this house."""
    name = re.sub(r":\d{0,5}$", "", host).strip("[]").lower().rstrip(".")
    if "," in name:  # two fields
        return False
    if "." not in name or name.endswith(_OF_HOUSES) or name in names:
        return True
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _refusal(status: HTTPStatus) -> Reply:
    return Reply(status, f"{status.phrase}: {status.description}\n".encode(), "text/plain; charset=utf-8")

"""One connection: reads request after request within its times, and writes the answers."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from http import HTTPStatus
from typing import Final, Protocol

from tornado.iostream import IOStream, StreamClosedError

from smgw.han.exchange import Answer, Request, View, problem
from smgw.han.refusal import Admitted, RefusedError
from smgw.han.server import head as heads
from smgw.han.server.head import Head
from smgw.han.server.router import Router
from smgw.han.server.rules import check_host, check_site, preferred, wants_page
from smgw.han.server.work import Work

_log = logging.getLogger(__name__)

#: Seconds for the handshake and the first octet, between two requests, for a whole head or body, for a client to take
#: a piece of the answer, and for a whole answer.
_FIRST_S, _IDLE_S, _WHOLE_S, _TAKEN_S, _ANSWER_S = 15.0, 75.0, 10.0, 20.0, 600.0
_PIECE: Final = 64 * 1024
#: Octets of bodies that arrive at once, of all connections.
_BODIES_MOST: Final = 4 * 2**20
_PLAIN: Final[Mapping[str, str]] = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'self'; frame-ancestors 'none'; form-action 'self'; base-uri 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
_Lines = list[tuple[str, str]]


class Door(Protocol):
    """Says who asks."""

    def admit(self, view: View, head: Head, address: str, certificate: bytes | None) -> Admitted:
        """Whether this request may see the view."""


class Shared:
    """What all connections of a listener have in common."""

    def __init__(
        self,
        router: Router,
        door: Door,
        names: frozenset[str],
        ask: Callable[[View, Request], Answer],
        page: Callable[[int, str, str], bytes] | None = None,
        refused: Callable[[RefusedError, str], None] = lambda *_: None,
    ) -> None:
        """`ask` is called in a thread. `page` makes a page of a refusal; `refused` is told of suspicious ones."""
        self.router, self.door, self.names, self.ask, self.page, self.refused = router, door, names, ask, page, refused
        self.work = Work()
        self.bodies = 0


class Talk:
    """A connection that was accepted."""

    def __init__(self, stream: IOStream, peer: str, address: str, shared: Shared) -> None:
        self.peer = peer
        self.idle_since: float | None = time.monotonic()  # None while an answer is under way
        self._stream = stream
        self._address = address
        self._shared = shared
        self._buffer = bytearray()
        self._method = "GET"

    def close(self) -> None:
        """End it at once."""
        self._stream.close()

    async def run(self) -> None:
        """Until one side ends it."""
        try:
            seconds = _FIRST_S
            while await self._one(seconds):
                seconds = _IDLE_S
                self.idle_since = time.monotonic()
        except (StreamClosedError, TimeoutError, OSError) as error:
            _log.debug("%s: the connection ended: %r", self._address, error)
        finally:
            self._stream.close()

    async def _one(self, seconds: float) -> bool:
        """One request and its answer; False: it was the last."""
        if not self._buffer:
            await self._receive(seconds)
        head: Head | None = None
        self._method = "GET"
        try:
            async with asyncio.timeout(_WHOLE_S):
                head = heads.parse(await self._head())
                self._method = head.method
                body = await self._body(head)
            self.idle_since = None
        except TimeoutError:
            error = RefusedError(408, "The request did not arrive in time.")
            await self._write(self._refusal(error, head), head, persistent=False)
            return False
        except RefusedError as error:
            self._shared.refused(error, self._address)
            await self._write(self._refusal(error, head), head, persistent=False)
            return False
        lines: _Lines = []
        persistent = head.persistent
        try:
            answer = await self._answer(head, body, lines)
        except RefusedError as error:
            answer = self._refusal(error, head)
            persistent = persistent and not error.closing
        await self._write(answer, head, persistent=persistent, lines=lines)
        return persistent

    async def _answer(self, head: Head, body: bytes, lines: _Lines) -> Answer:
        shared = self._shared
        try:
            check_host(head, shared.names)
            check_site(head)
            view = shared.router.find(head.path)
        except RefusedError as error:
            if error.status == HTTPStatus.FORBIDDEN:
                shared.refused(error, self._address)
            raise
        admitted = shared.door.admit(view, head, self._address, self._certificate())
        lines.extend(admitted.lines)
        if admitted.refused is not None:
            raise admitted.refused
        language = preferred(head.headers.get("accept-language", ""))
        method = "GET" if head.method == "HEAD" else head.method
        request = Request(method, head.path, head.query, head.headers, body, admitted.who, self._address, language)
        answer = await shared.work.run(self.peer, lambda: shared.ask(view, request))
        if answer.status >= HTTPStatus.BAD_REQUEST and answer.media == "application/problem+json":
            return self._as_page(answer, head)
        return answer

    def _certificate(self) -> bytes | None:
        connection = self._stream.socket
        getter = getattr(connection, "getpeercert", None)
        return getter(True) if getter is not None else None

    async def _receive(self, seconds: float) -> None:
        async with asyncio.timeout(seconds):
            self._buffer += await self._stream.read_bytes(_PIECE, partial=True)

    async def _head(self) -> bytes:
        """The octets before the empty line. Empty lines before a request are left out (RFC 9112, 2.2)."""
        while True:
            while self._buffer.startswith(b"\r\n"):
                del self._buffer[:2]
            end = self._buffer.find(b"\r\n\r\n")
            if (end if end >= 0 else len(self._buffer)) > heads.HEAD_MOST:
                raise RefusedError(431, f"The head of a request has at most {heads.HEAD_MOST} octets.")
            if end >= 0:
                octets = bytes(self._buffer[:end])
                del self._buffer[: end + 4]
                return octets
            self._buffer += await self._stream.read_bytes(_PIECE, partial=True)

    async def _body(self, head: Head) -> bytes:
        shared = self._shared
        missing = head.length - len(self._buffer)
        if missing > 0:
            if shared.bodies + head.length > _BODIES_MOST:
                raise RefusedError(503, "Too many requests arrive. Try again.", headers={"Retry-After": "5"})
            shared.bodies += head.length
            try:
                if head.headers.get("expect", "").lower() == "100-continue":
                    await self._stream.write(b"HTTP/1.1 100 Continue\r\n\r\n")
                self._buffer += await self._stream.read_bytes(missing)
            finally:
                shared.bodies -= head.length
        body = bytes(self._buffer[: head.length])
        del self._buffer[: head.length]
        return body

    def _refusal(self, error: RefusedError, head: Head | None) -> Answer:
        return self._as_page(problem(error.status, error.text, error.headers), head)

    def _as_page(self, answer: Answer, head: Head | None) -> Answer:
        """A refusal for a browser, if there are pages."""
        page = self._shared.page
        if page is None or head is None or not wants_page(head.headers.get("accept", "")):
            return answer
        import json

        assert isinstance(answer.body, bytes)
        language = preferred(head.headers.get("accept-language", ""))
        body = page(answer.status, str(json.loads(answer.body)["text"]), language)
        return answer._replace(body=body, media="text/html; charset=utf-8")

    async def _write(self, answer: Answer, head: Head | None, *, persistent: bool, lines: _Lines | None = None) -> None:
        whole = answer.body if isinstance(answer.body, bytes) else None
        chunked = whole is None and head is not None and persistent
        fields = {**_PLAIN, "Content-Type": answer.media, **answer.headers}
        if whole is not None:
            fields["Content-Length"] = str(len(whole))
        elif chunked:
            fields["Transfer-Encoding"] = "chunked"
        fields["Connection"] = "keep-alive" if persistent and (chunked or whole is not None) else "close"
        told = [*fields.items(), *(lines or ())]
        first = f"HTTP/1.1 {int(answer.status)} {HTTPStatus(answer.status).phrase}\r\n"
        octets = (first + "".join(f"{name}: {_one_line(value)}\r\n" for name, value in told) + "\r\n").encode("latin-1")
        if self._method == "HEAD":
            await self._put(octets)
            _end(answer.body)
        elif whole is not None:
            for begin in range(0, max(1, len(whole)), _PIECE):
                await self._put(octets + whole[begin : begin + _PIECE])
                octets = b""
        else:
            assert not isinstance(answer.body, bytes)
            await self._put(octets)
            await self._stream_out(answer.body, chunked=chunked)
        if fields["Connection"] == "close":
            self._stream.close()

    async def _stream_out(self, pieces: Iterator[bytes], *, chunked: bool) -> None:
        try:
            async with asyncio.timeout(_ANSWER_S):
                while (piece := await self._shared.work.run(self.peer, lambda: next(pieces, None))) is not None:
                    if piece:
                        await self._put(b"%x\r\n%b\r\n" % (len(piece), piece) if chunked else piece)
            if chunked:
                await self._put(b"0\r\n\r\n")
        except Exception as error:  # the head is sent: only the end of the connection can tell that this is not all
            self._stream.close()
            if not isinstance(error, StreamClosedError | TimeoutError):
                _log.warning("%s: an answer ended early: %r", self._address, error)
        finally:
            _end(pieces)

    async def _put(self, octets: bytes) -> None:
        async with asyncio.timeout(_TAKEN_S):
            await _awaited(self._stream.write(octets))


async def _awaited(future: Awaitable[None]) -> None:
    await future


def _one_line(value: str) -> str:
    """A view may put what a client sent into a header; it must not end there."""
    return "".join(one if one.isprintable() and ord(one) < 256 else "?" for one in value)


def _end(body: bytes | Iterator[bytes]) -> None:
    close = getattr(body, "close", None)
    if close is not None:
        close()

"""Sends answers: short ones whole, long ones in chunks, parts by Range, 304 by ETag."""

import asyncio
import logging
from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from contextlib import contextmanager
from typing import NamedTuple

from aiohttp import web
from smgw.errors import SmgwError
from smgw.webservice import byte_range
from smgw.webservice.byte_range import ByteRange
from smgw.webservice.error import ServiceUnavailable, Status
from smgw.webservice.headers import ENCODINGS
from smgw.webservice.media_type import MediaType

from emp.store.storage import StorageError

_LOG = logging.getLogger(__name__)

COMPRESS_FROM = 2048
WHOLE_UP_TO = 2 * 1024 * 1024  # octets; an answer up to this size has a Content-Length, a longer one is sent in chunks
MAX_STREAMS = 16


class Text(NamedTuple):
    """An answer that can be made again with the same content. `tag` identifies it."""

    media_type: MediaType
    tag: str
    pieces: Callable[[], Iterator[bytes]]
    headers: dict[str, str]


class Sender:
    """Makes the pieces in worker threads, one at a time, at the speed of the client."""

    def __init__(self, workers: Executor, patience: float) -> None:
        self._workers = workers
        self._patience = patience  # seconds in which a client must take a piece
        self._streams = 0

    async def send(self, request: web.Request, text: Text) -> web.StreamResponse:
        """The answer, its part, or that it is unchanged. BadRequest or RangeNotSatisfiable for a wrong Range."""
        strong = f'"{text.tag}"'
        headers = {
            "Content-Type": str(text.media_type),
            "ETag": strong,
            "Accept-Ranges": "bytes",
            "Cache-Control": "no-cache",
            "Vary": "Accept, Accept-Encoding",
            **text.headers,
        }
        if _names(request.headers.get("If-None-Match"), strong):
            return web.Response(status=Status.NOT_MODIFIED, headers={"ETag": strong, "Vary": headers["Vary"]})
        wanted = request.headers.get("Range")
        if (
            wanted is not None
            and byte_range.asks_for_octets(wanted)
            and request.headers.get("If-Range", strong) == strong
        ):
            with self._slot():
                return await self._part(request, text, headers, wanted)
        pieces = text.pieces()
        begun: list[bytes] = []
        size = 0
        while size < WHOLE_UP_TO:
            piece = await self._next(pieces)
            if piece is None:
                response = web.Response(body=b"".join(begun), headers=headers)
                if size >= COMPRESS_FROM:
                    _compress(request, response)
                return response
            begun.append(piece)
            size += len(piece)
        streamed = web.StreamResponse(headers=headers)
        _compress(request, streamed)
        with self._slot():
            return await self._stream(request, streamed, b"".join(begun), pieces)

    @contextmanager
    def _slot(self) -> Iterator[None]:
        if self._streams >= MAX_STREAMS:
            raise ServiceUnavailable(f"{MAX_STREAMS} long answers are being sent already", 5)
        self._streams += 1
        try:
            yield
        finally:
            self._streams -= 1

    async def _part(self, request: web.Request, text: Text, headers: dict[str, str], wanted: str) -> web.StreamResponse:
        # The length is known only when the answer is made. So it is made twice and never held in memory.
        total = 0
        pieces = text.pieces()
        while (piece := await self._next(pieces)) is not None:
            total += len(piece)
        part = byte_range.parse(wanted, total)
        headers |= {"Content-Range": part.content_range, "Content-Length": str(part.length)}
        response = web.StreamResponse(status=Status.PARTIAL_CONTENT, headers=headers)
        return await self._stream(request, response, b"", _cut(text.pieces(), part))

    async def _stream(
        self, request: web.Request, response: web.StreamResponse, begun: bytes, pieces: Iterator[bytes]
    ) -> web.StreamResponse:
        await response.prepare(request)
        if request.method != "HEAD":
            await self._write(request, response, begun, pieces)
        return response

    async def _write(
        self, request: web.Request, response: web.StreamResponse, begun: bytes, pieces: Iterator[bytes]
    ) -> None:
        try:
            piece: bytes | None = begun
            while piece is not None:
                if piece:
                    async with asyncio.timeout(self._patience):
                        await response.write(piece)
                piece = await self._next(pieces)
            await response.write_eof()
        except BaseException as error:
            # An interrupted answer must not look complete.
            if request.transport is not None:
                request.transport.abort()
            if isinstance(error, SmgwError):
                _LOG.error("%.200s: broken off: %s", request.raw_path, error)
            if isinstance(error, SmgwError | TimeoutError):
                raise ConnectionResetError("the answer was broken off") from None
            raise

    async def _next(self, pieces: Iterator[bytes]) -> bytes | None:
        found: bytes | None = await asyncio.get_running_loop().run_in_executor(self._workers, next, pieces, None)
        return found


def _cut(pieces: Iterator[bytes], part: ByteRange) -> Iterator[bytes]:
    position = 0
    for piece in pieces:
        yield piece[max(0, part.first - position) : max(0, part.last + 1 - position)]
        position += len(piece)
        if position > part.last:
            return
    raise StorageError("rows were deleted while they were sent")


def _names(header: str | None, tag: str) -> bool:
    if header is None:
        return False
    return header.strip() == "*" or tag in [entry.strip().removeprefix("W/") for entry in header.split(",")]


def _compress(request: web.Request, response: web.StreamResponse) -> None:
    """Compress if the client accepts it. The tag becomes weak: equal meaning, not equal octets."""
    response.enable_compression()
    accepted = request.headers.get("Accept-Encoding", "").lower()
    if any(encoding in accepted for encoding in ENCODINGS):
        response.headers["ETag"] = f"W/{response.headers['ETag']}"

"""Request bodies: bounded in size, time and sum, and unpacked safely (decompression bombs)."""

import asyncio
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from aiohttp import StreamReader
from smgw.webservice.error import ContentTooLarge, RequestTimeout, ServiceUnavailable, Unprocessable

_GZIP_OR_ZLIB = 47
_RAW = -15


class Budget:
    """Counts the octets of all bodies in memory, so that many slow senders cannot fill it."""

    def __init__(self, octets: int) -> None:
        self._free = octets

    @contextmanager
    def account(self) -> Iterator[Callable[[int], None]]:
        """A function that counts received octets; they are released at the end. Raises ServiceUnavailable."""
        taken = 0

        def take(octets: int) -> None:
            nonlocal taken
            if octets > self._free:
                raise ServiceUnavailable("too many bodies arrive at once", 5)
            self._free -= octets
            taken += octets

        try:
            yield take
        finally:
            self._free += taken


async def read(content: StreamReader, length: int, timeout: float, take: Callable[[int], None]) -> bytes:
    """The `length` octets of a body; RequestTimeout if they have not arrived after `timeout` seconds."""
    chunks: list[bytes] = []
    try:
        async with asyncio.timeout(timeout):
            async for chunk in content.iter_any():
                take(len(chunk))
                chunks.append(chunk)
    except TimeoutError:
        raise RequestTimeout(
            f"{sum(map(len, chunks))} of {length} octets came within {timeout:g} s", {"Connection": "close"}
        ) from None
    return b"".join(chunks)


def unpack(octets: bytes, encoding: str | None, limit: int) -> bytes:
    """Undo gzip or deflate (zlib's format or a bare stream).

    Raises ContentTooLarge beyond `limit` octets, Unprocessable for a damaged or truncated stream.
    """
    if encoding is None:
        return octets
    try:
        return _inflate(octets, _GZIP_OR_ZLIB, limit)
    except zlib.error:
        if encoding != "deflate":
            raise Unprocessable(f"the body is no {encoding} stream, or a damaged one") from None
    try:
        return _inflate(octets, _RAW, limit)
    except zlib.error:
        raise Unprocessable("the body is no deflate stream, or a damaged one") from None


def _inflate(octets: bytes, window: int, limit: int) -> bytes:
    parts: list[bytes] = []
    size = 0
    rest = octets
    while rest:  # gzip allows several members one after the other
        inflater = zlib.decompressobj(window)
        parts.append(inflater.decompress(rest, limit + 1 - size))
        size += len(parts[-1])
        if size > limit:
            raise ContentTooLarge(f"the body unpacks to more than {limit} octets")
        if not inflater.eof:
            raise Unprocessable("the compressed body is cut off")
        if len(inflater.unused_data) == len(rest):
            raise Unprocessable("the compressed body has something else at its end")
        rest = inflater.unused_data
    return b"".join(parts)

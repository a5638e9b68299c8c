"""Request bodies: bounded in size, time and sum, and unpacked safely (decompression bombs)."""

import asyncio
import time
import zlib
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from aiohttp import StreamReader
from smgw.webservice.error import ContentTooLarge, RequestTimeout, ServiceUnavailable, Unprocessable

_GZIP_OR_ZLIB = 47
_RAW = -15
_SHARE = 4
_SLOW_S = 2.0  # a body that arrives for longer may give way


class Account:
    """The octets of one body in memory, and the time limit under which it arrives."""

    def __init__(self, peer: str) -> None:
        self.peer = peer
        self.octets = 0
        self.begun = time.monotonic()
        self.arrives: asyncio.Timeout | None = None


class Budget:
    """Counts the octets of all bodies in memory, so that many slow senders cannot fill it.

    One peer has a fourth of it. Where it does not suffice, the body that arrives for the longest time gives way.
    """

    def __init__(self, octets: int, largest: int) -> None:
        """`octets` in all; `largest`: those of one body, which a peer always has."""
        self._octets = octets
        self._share = max(octets // _SHARE, min(octets, largest))
        self._accounts: list[Account] = []  # in the order in which they came
        self._held: Counter[str] = Counter()

    @contextmanager
    def account(self, peer: str) -> Iterator[Account]:
        """An account; its octets are released at the end."""
        account = Account(peer)
        self._accounts.append(account)
        try:
            yield account
        finally:
            self._accounts.remove(account)
            self._release(account)

    def take(self, account: Account, octets: int) -> None:
        """Count received octets. Raises ServiceUnavailable."""
        account.octets += octets
        self._held[account.peer] += octets
        while self._held[account.peer] > self._share:
            self._end_a_slow_one([other for other in self._accounts if other.peer == account.peer])
        while self._held.total() > self._octets:
            self._end_a_slow_one(self._accounts)

    def _end_a_slow_one(self, accounts: list[Account]) -> None:
        now = time.monotonic()
        for account in accounts:
            if account.octets and account.arrives is not None and now - account.begun > _SLOW_S:
                account.arrives.reschedule(asyncio.get_running_loop().time())
                account.arrives = None
                self._release(account)
                return
        raise ServiceUnavailable("too many bodies arrive at once", 5)

    def _release(self, account: Account) -> None:
        self._held[account.peer] -= account.octets
        account.octets = 0
        if not self._held[account.peer]:
            del self._held[account.peer]


async def read(content: StreamReader, length: int, timeout: float, budget: Budget, account: Account) -> bytes:
    """The `length` octets of a body; RequestTimeout if they have not arrived after `timeout` seconds."""
    chunks: list[bytes] = []
    try:
        async with asyncio.timeout(timeout) as account.arrives:
            async for chunk in content.iter_any():
                if account.arrives is not None:  # else it has given way, and ends here
                    budget.take(account, len(chunk))
                chunks.append(chunk)
    except TimeoutError:
        raise RequestTimeout(
            f"{sum(map(len, chunks))} of {length} octets came within {timeout:g} s", {"Connection": "close"}
        ) from None
    finally:
        account.arrives = None
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

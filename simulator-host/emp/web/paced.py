"""Hands a connection's octets to aiohttp only while few of its requests wait for their answers.

A client may send requests without waiting (pipelining). aiohttp 3.8 of Debian 12 queues all of them: 50 connections
cost 40 MB of memory each second. Later releases stop reading by themselves.
"""

import asyncio

from aiohttp.web_protocol import RequestHandler

#: True if this release of aiohttp queues without bound.
IS_NEEDED = not hasattr(RequestHandler, "_pause_reading_for_buffer")
MOST_WAITING = 16  # requests
#: Octets at once. aiohttp 3.8 measures a line by the part of it that it gets, so this is more than a line may have.
SLICE = 20 * 1024
_PAUSE_S = 0.02


class Paced(asyncio.Protocol):
    """Stands between a transport and its handler."""

    def __init__(self, handler: RequestHandler) -> None:
        self._handler = handler
        self._transport: asyncio.Transport | None = None
        self._left = bytearray()
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See asyncio.Protocol."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._handler.connection_made(transport)

    def connection_lost(self, exc: BaseException | None) -> None:
        """See asyncio.Protocol."""
        if self._timer is not None:
            self._timer.cancel()
        self._left.clear()
        self._handler.connection_lost(exc)

    def pause_writing(self) -> None:
        """See asyncio.Protocol."""
        self._handler.pause_writing()

    def resume_writing(self) -> None:
        """See asyncio.Protocol."""
        self._handler.resume_writing()

    def eof_received(self) -> None:
        """See asyncio.Protocol."""
        self._handler.eof_received()

    def data_received(self, data: bytes) -> None:
        """See asyncio.Protocol."""
        self._left += data
        if self._timer is None:
            self._hand_over()
        elif self._transport is not None:
            self._transport.pause_reading()  # aiohttp has resumed it for a body

    def _hand_over(self) -> None:
        self._timer = None
        while self._left and len(self._handler._messages) <= MOST_WAITING:
            part = bytes(self._left[:SLICE])
            del self._left[:SLICE]
            self._handler.data_received(part)
        if self._transport is None or self._transport.is_closing():
            self._left.clear()
        elif self._left:
            self._transport.pause_reading()
            self._timer = asyncio.get_running_loop().call_later(_PAUSE_S, self._hand_over)
        elif not self._handler._reading_paused:
            self._transport.resume_reading()

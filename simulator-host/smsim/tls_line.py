"""A line for pushed octets over TLS: every client gets the same octets from its handshake on."""

import asyncio
import fcntl
import socket
import ssl
import struct
import termios
from typing import cast

from smsim.line import MOST_CLIENTS, listening
from smsim.ports import TcpPushPort

#: Octets that wait for a client; more are lost, as on a line without a reader.
_WAITING_MAX = 65_536


class _Client(asyncio.Protocol):
    def __init__(self, clients: list[asyncio.Transport]) -> None:
        self._clients = clients

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The handshake is over."""
        self._transport = cast(asyncio.Transport, transport)
        if len(self._clients) >= MOST_CLIENTS:
            self._transport.abort()
            return
        connection: socket.socket = transport.get_extra_info("socket")
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._clients.append(self._transport)

    def connection_lost(self, error: Exception | None) -> None:  # noqa: ARG002 - the interface of asyncio
        """The client has gone. What it sent was dropped."""
        if self._transport in self._clients:
            self._clients.remove(self._transport)


class TlsLine:
    """A listening socket. It needs a running loop, which does the handshakes."""

    def __init__(self, port: TcpPushPort, context: ssl.SSLContext) -> None:
        self._listener, self.port = listening(port)
        self._clients: list[asyncio.Transport] = []
        self._server: asyncio.Server | None = None
        self._serving = asyncio.get_running_loop().create_task(self._serve(context))

    async def _serve(self, context: ssl.SSLContext) -> None:
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: _Client(self._clients), sock=self._listener, ssl=context)

    def has_reader(self) -> bool:
        """True while a client is connected."""
        return bool(self._clients)

    def write(self, octets: bytes) -> bool:
        """Send to all; False without a client, or if one does not take it."""
        taken = bool(self._clients)
        for client in self._clients:
            if client.get_write_buffer_size() > _WAITING_MAX:
                taken = False
            else:
                client.write(octets)
        return taken

    def drained(self) -> bool:
        """True if the clients' computers have received all octets."""
        return not any(client.get_write_buffer_size() or _unsent(client) for client in self._clients)

    def close(self) -> None:
        """Stop listening and close the connections."""
        self._serving.cancel()
        if self._server is not None:
            self._server.close()
        self._listener.close()
        for client in self._clients:
            client.close()


def _unsent(client: asyncio.Transport) -> bool:
    return any(fcntl.ioctl(client.get_extra_info("socket").fileno(), termios.TIOCOUTQ, struct.pack("i", 0)))

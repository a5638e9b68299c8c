"""Accepts connections: in all no more than the limit of open files bears, and of one peer a part of them."""

import asyncio
import errno
import logging
import resource
import socket
from collections import Counter

from aiohttp import web
from aiohttp.web_protocol import RequestHandler
from smgw.errors import reason

from emp.web.handshakes import Handshakes
from emp.web.paced import IS_NEEDED, Paced
from emp.web.peers import name_of
from emp.web.seldom import Seldom

_LOG = logging.getLogger(__name__)

_BACKLOG = 512
_OTHER_FILES = 256  # database, standard streams, threads
_MOST = 4096
_SHARE = 4  # one peer has at most a fourth of the connections
_PAUSE_S = 0.2


def most_connections() -> int:
    """Connections of one of the two listeners, so that both leave files for the database."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    free = _MOST if soft == resource.RLIM_INFINITY else min(_MOST, soft - _OTHER_FILES)
    return max(_SHARE, free // 2)


class Door:
    """The listening sockets of one address. `most` connections are open at once; further ones wait in the system."""

    def __init__(self, name: str, server: web.Server, most: int, handshakes: Handshakes | None = None) -> None:
        """`handshakes`: those of TLS; None: plain HTTP."""
        self._name = name
        self._handshakes = handshakes
        self._server = server
        self._most = most
        self._of_one = max(1, most // _SHARE)
        self._peers: dict[RequestHandler, str] = {}
        self._open: Counter[str] = Counter()
        self._room = asyncio.Event()
        self._room.set()
        self._told = Seldom(_LOG)
        self._sockets: list[socket.socket] = []
        self._tasks: list[asyncio.Task[None]] = []
        self._lost = server.connection_lost
        server.connection_lost = self._leave  # type: ignore[method-assign, assignment]

    async def open(self, host: str, port: int) -> int:
        """Listen; returns the port. Raises OSError."""
        loop = asyncio.get_running_loop()
        found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        try:
            for family, kind, protocol, _, address in dict.fromkeys(found):
                listening = socket.socket(family, kind, protocol)
                self._sockets.append(listening)
                listening.setblocking(False)
                listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                if family == socket.AF_INET6:
                    listening.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
                listening.bind(address)
                listening.listen(_BACKLOG)
        except OSError:
            self.close()
            raise
        self._tasks = [asyncio.create_task(self._accept(listening)) for listening in self._sockets]
        return int(self._sockets[0].getsockname()[1])

    def close(self) -> None:
        """Accept nothing more. Open connections stay."""
        for task in self._tasks:
            task.cancel()
        for listening in self._sockets:
            listening.close()
        self._sockets.clear()
        if self._handshakes is not None:
            self._handshakes.close()

    async def _accept(self, listening: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        while True:
            if not self._room.is_set():
                self._say("all %d connections are in use; further ones wait", self._most)
                await self._room.wait()
            try:
                connection, address = await loop.sock_accept(listening)
            except OSError as error:
                if error.errno != errno.ECONNABORTED:
                    self._say("no connection can be accepted: %s", reason(error))
                    await asyncio.sleep(_PAUSE_S)
                continue
            peer = name_of(str(address[0]))
            if self._open[peer] < self._of_one:
                await self._let_in(connection, peer)
            else:
                connection.close()
                self._say("%s has %d connections open; further ones are closed", peer, self._of_one)
            await asyncio.sleep(0)  # whoever connects again and again keeps no other work waiting

    async def _let_in(self, connection: socket.socket, peer: str) -> None:
        handler = self._server()
        protocol = Paced(handler) if IS_NEEDED else handler
        self._peers[handler] = peer
        self._open[peer] += 1
        if len(self._peers) >= self._most:
            self._room.clear()
        if self._handshakes is not None:
            self._handshakes.begin(connection, protocol, peer, lambda: self._forget(handler))
            return
        try:
            await asyncio.get_running_loop().connect_accepted_socket(lambda: protocol, connection)
        except OSError:
            connection.close()
            self._forget(handler)

    def _leave(self, handler: RequestHandler, error: BaseException | None = None) -> None:
        self._forget(handler)
        self._lost(handler, error)

    def _forget(self, handler: RequestHandler) -> None:
        peer = self._peers.pop(handler, None)
        if peer is None:
            return
        self._open[peer] -= 1
        if not self._open[peer]:
            del self._open[peer]
        self._room.set()

    def _say(self, message: str, *values: object) -> None:
        self._told.say(logging.WARNING, message, f"{self._name}: {message}", *values)

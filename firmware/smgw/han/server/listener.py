"""The listening socket: accepts connections up to a bound, and of one address a part of them.

Who comes when all places are taken gets the place of the connection that has been idle longest. So a thousand idle ones
keep nobody out, and cost the memory of a hundred.
"""

import asyncio
import logging
import socket
import ssl
from collections.abc import Callable
from typing import Final

from tornado.iostream import IOStream, SSLIOStream
from tornado.netutil import add_accept_handler

from smgw.han.server.rules import peer_of
from smgw.han.server.talk import Shared, Talk

_log = logging.getLogger(__name__)

MOST: Final = 128
OF_ONE: Final = 32
_BACKLOG: Final = 128
_BUFFER: Final = 512 * 1024
_CHUNK: Final = 16 * 1024


def listen(host: str, port: int) -> list[socket.socket]:
    """Sockets that listen at an address or a host; OSError."""
    found = socket.getaddrinfo(host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    sockets: list[socket.socket] = []
    try:
        for family, kind, protocol, _, address in dict.fromkeys(found):
            one = socket.socket(family, kind, protocol)
            sockets.append(one)
            one.setblocking(False)
            one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                one.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            one.bind(address)
            one.listen(_BACKLOG)
    except OSError:
        for one in sockets:
            one.close()
        raise
    return sockets


class Listener:
    """Accepts at these sockets, in the loop of the thread that made it."""

    def __init__(
        self,
        sockets: list[socket.socket],
        shared: Shared,
        context: Callable[[], ssl.SSLContext] | None,
        host: str = "",
    ) -> None:
        """`context` None: without TLS, for tests. `host`: the own address that may be asked, if not every one.

        A socket of systemd listens at all addresses; who asks at another one than the HAN's is hung up on.
        """
        self._host = host
        self._shared = shared
        self._context = context
        self._talks: dict[Talk, asyncio.Task[None]] = {}
        self._sockets = sockets
        self._removers = [add_accept_handler(one, self._accepted) for one in sockets]

    @property
    def connections(self) -> int:
        """How many are open."""
        return len(self._talks)

    def close(self) -> None:
        """Accept nothing more, and end all connections."""
        for remove in self._removers:
            remove()
        for one in self._sockets:
            one.close()
        for talk in list(self._talks):
            talk.close()
        self._shared.work.close()

    def _accepted(self, connection: socket.socket, address: tuple[object, ...]) -> None:
        text = str(address[0]).removeprefix("::ffff:")
        peer = peer_of(text)
        if not self._is_here(connection) or not self._has_room(peer):
            connection.close()
            return
        try:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            stream = self._stream(connection)
        except (OSError, ValueError) as error:
            _log.debug("%s: no connection: %s", text, error)
            connection.close()
            return
        talk = Talk(stream, peer, text, self._shared)
        task = asyncio.get_running_loop().create_task(talk.run())
        self._talks[talk] = task
        task.add_done_callback(lambda _: self._talks.pop(talk, None))

    def _is_here(self, connection: socket.socket) -> bool:
        if not self._host:
            return True
        try:
            return str(connection.getsockname()[0]).removeprefix("::ffff:") == self._host
        except OSError:  # it has gone
            return False

    def _stream(self, connection: socket.socket) -> IOStream:
        bounds = {"max_buffer_size": _BUFFER, "read_chunk_size": _CHUNK}
        if self._context is None:
            return IOStream(connection, **bounds)
        wrapped = self._context().wrap_socket(connection, server_side=True, do_handshake_on_connect=False)
        return SSLIOStream(wrapped, **bounds)

    def _has_room(self, peer: str) -> bool:
        """A place for one more; if need be that of the longest idle one."""
        own = [talk for talk in self._talks if talk.peer == peer]
        crowd = own if len(own) >= OF_ONE else list(self._talks) if len(self._talks) >= MOST else []
        if not crowd:
            return True
        idle = min((talk for talk in crowd if talk.idle_since is not None), key=_since, default=None)
        if idle is None:
            return False
        idle.close()
        self._talks.pop(idle)
        return True


def _since(talk: Talk) -> float:
    return talk.idle_since or 0.0

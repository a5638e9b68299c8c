"""TLS handshakes of new connections: bounded in time and in number, so that half ones stop nobody else.

A handshake runs on the event loop, in steps of some milliseconds, and other connections have their turn between them.
What was refused, and why, is told in the log only: the peer sees a closed connection.
"""

import asyncio
import logging
import socket
import ssl
from asyncio import sslproto
from collections.abc import Callable
from typing import Final

from smgw.errors import SmgwError

from emp.web.counters import Counters, Handshake
from emp.web.seldom import Seldom

_LOG = logging.getLogger(__name__)

Contexts = Callable[[], ssl.SSLContext]

HANDSHAKE_S: Final = 10.0
CLOSE_S: Final = 15.0  # TR-03109-1 demands 20 s
_MOST: Final = 256  # handshakes at once; beyond it the oldest one ends
_OF_ONE: Final = 16  # of one peer; its further ones wait
#: asyncio gives each connection a buffer of this size, 256 KiB by itself. A record of TLS has 16 KiB.
sslproto.SSLProtocol.max_size = 32 * 1024


class _Peer:
    def __init__(self) -> None:
        self.users = 0
        self.turns = asyncio.Semaphore(_OF_ONE)


class Handshakes:
    """Makes the handshakes of one listener."""

    def __init__(self, name: str, contexts: Contexts, counters: Counters, *, level: int = logging.WARNING) -> None:
        """`contexts` gives the context of each new connection; `level`: of log lines about refused ones."""
        self._name = name
        self._contexts = contexts
        self._counters = counters
        self._level = level
        self._told = Seldom(_LOG)
        self._peers: dict[str, _Peer] = {}
        self._running: dict[asyncio.Task[None], None] = {}  # the oldest first

    def begin(
        self,
        connection: socket.socket,
        protocol: asyncio.BaseProtocol,
        peer: str,
        failed: Callable[[], None],
    ) -> None:
        """Make the handshake of an accepted connection beside everything else; `failed` is called if it fails."""
        if len(self._running) >= _MOST:
            oldest = next(iter(self._running))
            del self._running[oldest]
            oldest.cancel()
        task = asyncio.create_task(self._make(connection, protocol, peer, failed))
        self._running[task] = None
        task.add_done_callback(lambda done: self._running.pop(done, None))

    def close(self) -> None:
        """End the handshakes in progress."""
        for task in self._running:
            task.cancel()

    async def _make(
        self,
        connection: socket.socket,
        protocol: asyncio.BaseProtocol,
        peer: str,
        failed: Callable[[], None],
    ) -> None:
        state = self._peers.setdefault(peer, _Peer())
        state.users += 1
        begun = False
        try:
            async with asyncio.timeout(HANDSHAKE_S), state.turns:
                context = self._contexts()
                begun = True  # from now on the transport closes the socket
                transport, _ = await asyncio.get_running_loop().connect_accepted_socket(
                    lambda: protocol, connection, ssl=context, ssl_shutdown_timeout=CLOSE_S
                )
        except (TimeoutError, asyncio.CancelledError) as error:
            self._end(Handshake.UNFINISHED, peer, "the handshake took too long", failed)
            if isinstance(error, asyncio.CancelledError):
                raise
        except (SmgwError, ssl.SSLError) as error:
            self._end(Handshake.REFUSED, peer, str(error), failed)
        except OSError as error:
            self._end(Handshake.UNFINISHED, peer, str(error), failed)
        else:
            made = transport.get_extra_info("ssl_object")
            resumed = made is not None and made.session_reused
            self._count(Handshake.RESUMED if resumed else Handshake.FULL)
        finally:
            if not begun:
                connection.close()
            state.users -= 1
            if not state.users:
                del self._peers[peer]

    def _end(self, outcome: Handshake, peer: str, why: str, failed: Callable[[], None]) -> None:
        failed()
        self._count(outcome)
        level = self._level if outcome is Handshake.REFUSED else logging.INFO
        kind = f"{peer} {outcome.value}"
        self._told.say(level, kind, "%s: no TLS with %s: %s", self._name, peer or "a peer", one_line(why))

    def _count(self, outcome: Handshake) -> None:
        self._counters.handshakes[(self._name, outcome)] += 1


def one_line(text: str) -> str:
    """A text for the log that a stranger had a part in."""
    return "".join(sign if sign.isprintable() else " " for sign in text)[:600]

"""The wrapper over UDP, on the same port as TCP: a datagram is one APDU, each client has its own session."""

import asyncio
import logging
from collections.abc import Callable
from typing import cast

from smgw.wire import Transmit

from smsim.dlms.bus import Bus, Out

log = logging.getLogger(__name__)

_HEAD = 8  # octets of the wrapper before the APDU
_IDLE_S = 120.0  # a client counts as gone after this time without a datagram

_Client = tuple[str, int]


class _Session:
    """The session of one client."""

    def __init__(self, bus: Bus, now: float) -> None:
        self.bus = bus
        self.heard = now
        self.timer: asyncio.TimerHandle | None = None


class UdpEnd(asyncio.DatagramProtocol):
    """Answers datagrams. `new_bus` makes the meters for a client, `gone` releases them."""

    def __init__(self, new_bus: Callable[[], Bus], gone: Callable[[Bus], None], most_clients: int) -> None:
        self._new_bus = new_bus
        self._gone = gone
        self._most_clients = most_clients
        self._sessions: dict[_Client, _Session] = {}
        self._transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Store the open port."""
        self._transport = cast("asyncio.DatagramTransport", transport)  # asyncio's transport is not of this class

    def datagram_received(self, data: bytes, client: _Client) -> None:
        """Take one datagram; it is dropped unless it is a complete wrapper."""
        if len(data) < _HEAD or len(data) != _HEAD + int.from_bytes(data[6:_HEAD], "big"):
            return
        now = asyncio.get_running_loop().time()
        session = self._session(client, now)
        if session is not None:
            session.heard = now
            self._do(client, session, session.bus.receive(data, now))

    def error_received(self, error: Exception) -> None:
        """Ignore errors: the client has gone, or an answer is too long. It is lost, as usual with UDP."""
        log.debug("UDP: %s", error)

    def close(self) -> None:
        """Stop answering."""
        for client in list(self._sessions):
            self._drop(client)
        if self._transport is not None:
            self._transport.close()

    def _session(self, client: _Client, now: float) -> _Session | None:
        for other, session in list(self._sessions.items()):
            if now - session.heard > _IDLE_S:
                self._drop(other)
        if client not in self._sessions:
            if len(self._sessions) >= self._most_clients:
                log.warning("UDP: more than %d clients; one is not answered", self._most_clients)
                return None
            self._sessions[client] = _Session(self._new_bus(), now)
        return self._sessions[client]

    def _drop(self, client: _Client) -> None:
        session = self._sessions.pop(client)
        if session.timer is not None:
            session.timer.cancel()
        self._gone(session.bus)

    def _do(self, client: _Client, session: _Session, out: list[Out]) -> None:
        for event in out:
            if isinstance(event, Transmit) and self._transport is not None:
                self._transport.sendto(event.octets, client)
        if session.timer is not None:
            session.timer.cancel()
        loop = asyncio.get_running_loop()
        due = session.bus.deadline(loop.time())
        session.timer = None if due is None else loop.call_at(due, self._expire, client, session)

    def _expire(self, client: _Client, session: _Session) -> None:
        self._do(client, session, session.bus.expire(asyncio.get_running_loop().time()))

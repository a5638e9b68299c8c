"""A running line of meters that are asked: opens its port, and serves clients one connection, or the line itself."""

import asyncio
import logging
import socket
import ssl
from collections.abc import Sequence
from typing import Protocol

from smgw.errors import reason
from smgw.iec62056.events import ChangeBaud
from smgw.wire import Transmit

from smsim.channel import Channel, Gone, TcpChannel, TtyChannel
from smsim.errors import PortError
from smsim.ports import LOOPBACK, PtyPort, SerialPort, TcpPort

MOST_CLIENTS = 32
_REOPEN_S = 1.0

log = logging.getLogger(__name__)


class Bus(Protocol):
    """The meters of one line, or of one TCP connection. Its actions are carried out in order."""

    def receive(self, data: bytes, now: float) -> Sequence[Transmit | ChangeBaud]:
        """Take octets of the line."""

    def deadline(self, now: float) -> float | None:
        """The time when `expire` is due."""

    def expire(self, now: float) -> Sequence[Transmit | ChangeBaud]:
        """Handle a deadline."""


class AskedLine:
    """One port and what answers there. `listen` is the address of TCP ports that have none of their own."""

    parity = "N"  #: of a serial device

    def __init__(self, port: TcpPort | PtyPort | SerialPort, baud: int, listen: str | None = None) -> None:
        self.port = str(port)
        self._where = port
        self._baud = baud
        self._listen = listen
        self._server: asyncio.Server | None = None
        self._channel: Channel | None = None
        self._sessions: set[asyncio.Task[None]] = set()

    # What a protocol fills in.

    def _new_bus(self) -> Bus:
        """The meters for a new connection."""
        raise NotImplementedError

    def _gone(self, bus: Bus) -> None:
        """A connection has ended."""

    def _context(self) -> ssl.SSLContext | None:
        """What a port with TLS needs."""
        return None

    async def _listening(self, host: str, number: int) -> None:
        """The TCP port is open."""

    # The port.

    async def _open_port(self) -> None:
        """Raises PortError."""
        if isinstance(self._where, TcpPort):
            self.port = await self._listen_at(self._where)
        else:
            self._channel = self._open(self._where)

    async def run(self) -> None:
        """Serve until cancelled."""
        port = self._where
        while self._channel is not None and not isinstance(port, TcpPort):
            await self._converse(self._channel)
            log.warning("%s is gone; it is opened again when it is back", port)
            self._channel.close()
            self._channel = await self._reopened(port)
        await asyncio.Event().wait()

    def _open(self, port: PtyPort | SerialPort) -> TtyChannel:
        return TtyChannel(port, self._baud, parity=self.parity)

    async def _reopened(self, port: PtyPort | SerialPort) -> TtyChannel:
        while True:
            await asyncio.sleep(_REOPEN_S)
            try:
                return self._open(port)
            except PortError as error:
                log.debug("%s", error)

    async def _listen_at(self, port: TcpPort) -> str:
        host = (port.host or self._listen or LOOPBACK).strip("[]")
        try:
            self._server = await asyncio.start_server(self._accept, host, port.port, ssl=self._context())
        except OSError as error:
            raise PortError(
                f"tcp:{host}:{port.port}", f"cannot listen: {reason(error)}", "name another address or port"
            ) from None
        number = self._server.sockets[0].getsockname()[1]
        await self._listening(host, number)
        return str(TcpPort(number, f"[{host}]" if ":" in host else host))

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if len(self._sessions) >= MOST_CLIENTS or task is None:
            log.warning("%s: more than %d clients; one turned away", self.port, MOST_CLIENTS)
            writer.transport.abort()
            return
        writer.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._sessions.add(task)
        channel = TcpChannel(reader, writer)
        try:
            await self._converse(channel)
        finally:
            self._sessions.discard(task)
            channel.close()

    async def _converse(self, channel: Channel) -> None:
        """Serve one connection, or the line itself, until it ends."""
        bus = self._new_bus()
        loop = asyncio.get_running_loop()
        try:
            while True:
                now = loop.time()
                due = bus.deadline(now)
                data = await channel.read(None if due is None else max(0.0, due - now))
                now = loop.time()
                await self._do(channel, bus.receive(data, now) if data else bus.expire(now))
        except Gone:
            log.debug("%s: closed by the other side", self.port)
        finally:
            self._gone(bus)

    @staticmethod
    async def _do(channel: Channel, out: Sequence[Transmit | ChangeBaud]) -> None:
        for event in out:
            if isinstance(event, Transmit):
                await channel.write(event.octets)
            else:
                channel.change_baud(event.baudrate)

    def close(self) -> None:
        """Close the port and the connections."""
        if self._server is not None:
            self._server.close()
        for session in self._sessions:
            session.cancel()
        if self._channel is not None:
            self._channel.close()
            self._channel = None

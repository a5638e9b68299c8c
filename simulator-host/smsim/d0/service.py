"""A meter that answers requests of D0, on a line with the speeds of the protocol or over TCP."""

import asyncio
import logging
from typing import Protocol

from smgw.errors import reason
from smgw.iec62056.d0.meter import D0Meter
from smgw.iec62056.identification import INITIAL_BAUD_RATE
from smgw.wire import Transmit

from smsim.channel import Channel, Gone, TcpChannel, TtyChannel
from smsim.d0.model import D0Model, Measuring, identification
from smsim.errors import PortError
from smsim.ports import LOOPBACK, PtyPort, SerialPort, TcpPort

_REOPEN_S = 1.0
_SESSION_S = 60.0  # after this time without a request, the meter waits for a sign-on again
_REACTION_S = 0.2
_PAUSE_S = 0.02  # before a change of the speed, for the last octets
MOST_CLIENTS = 8

log = logging.getLogger(__name__)


class Disturber(Protocol):
    """What goes wrong on the way (`sml.faults`)."""

    @property
    def silent(self) -> bool:
        """True while nothing may leave."""

    def on_the_line(self, octets: bytes) -> tuple[bytes, bool]:
        """What a reader gets of octets, and whether they are whole in it."""


class D0Service:
    """Answers for one meter. A device that is unplugged is opened again when it is back."""

    def __init__(
        self,
        meter: Measuring,
        port: PtyPort | SerialPort | TcpPort,
        baud_code: str,
        password: str | None,
        disturber: Disturber,
    ) -> None:
        self.port = port
        self._meter = meter
        self._baud_code = baud_code
        self._password = (password or "").encode()
        self._disturber = disturber
        self._channel: TtyChannel | None = None
        self._server: asyncio.Server | None = None
        self._sessions: set[asyncio.Task[None]] = set()
        self._answers = self._octets = self._read_outs = 0

    async def start(self) -> str:
        """Open the line; PortError if that cannot be done. Returns the port to name to people."""
        if not isinstance(self.port, TcpPort):
            self._channel = self._open(self.port)
            return str(self.port)
        host = (self.port.host or LOOPBACK).strip("[]")
        try:
            self._server = await asyncio.start_server(self._accept, host, self.port.port)
        except OSError as error:
            raise PortError(
                f"tcp:{host}:{self.port.port}", f"cannot listen: {reason(error)}", "name another address or port"
            ) from None
        number = self._server.sockets[0].getsockname()[1]
        return str(TcpPort(number, f"[{host}]" if ":" in host else host))

    async def run(self) -> None:
        """Answer until cancelled."""
        if isinstance(self.port, TcpPort):
            await asyncio.Event().wait()
            return
        while True:
            if self._channel is not None:
                await self._serve(self._channel)
                log.warning("port %s: is gone; it is tried again every second", self.port)
                self._channel.close()
                self._channel = None
            await asyncio.sleep(_REOPEN_S)
            try:
                self._channel = self._open(self.port)
            except PortError as error:
                log.debug("%s", error)

    @staticmethod
    def _open(port: PtyPort | SerialPort) -> TtyChannel:
        return TtyChannel(port, INITIAL_BAUD_RATE, heeds_speed=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if len(self._sessions) >= MOST_CLIENTS or task is None:
            writer.transport.abort()
            return
        self._sessions.add(task)
        channel = TcpChannel(reader, writer)
        try:
            await self._serve(channel)
        finally:
            self._sessions.discard(task)
            channel.close()

    async def _serve(self, channel: Channel) -> None:
        """Until the other side is gone."""
        model = D0Model(self._meter)
        station = D0Meter(identification(self._meter.device, self._baud_code), model, password=self._password)
        channel.change_baud(INITIAL_BAUD_RATE)
        try:
            while True:
                octets = await channel.read(_SESSION_S)
                before = station.read_outs
                out = station.receive(octets) if octets else station.reset()
                self._read_outs += station.read_outs - before
                for event in out:
                    if not isinstance(event, Transmit):
                        await asyncio.sleep(_PAUSE_S)
                        channel.change_baud(event.baudrate)
                    elif not self._disturber.silent:
                        await asyncio.sleep(_REACTION_S)
                        await channel.write(self._disturber.on_the_line(event.octets)[0])
                        self._answers += 1
                        self._octets += len(event.octets)
        except Gone:
            log.debug("%s: closed by the other side", self.port)

    def close(self) -> None:
        """Close the line and the connections."""
        if self._server is not None:
            self._server.close()
        for session in self._sessions:
            session.cancel()
        if self._channel is not None:
            self._channel.close()
            self._channel = None

    def counts(self) -> dict[str, int]:
        """What was answered."""
        return {"answers": self._answers, "octets": self._octets, "read_outs": self._read_outs}

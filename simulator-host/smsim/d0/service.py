"""A meter that answers requests of D0, on a line with the speeds of the protocol or over TCP."""

import asyncio
import logging
from typing import Protocol

from smgw.iec62056.d0.meter import D0Meter
from smgw.iec62056.identification import INITIAL_BAUD_RATE
from smgw.wire import Transmit

from smsim.asked_line import AskedLine
from smsim.channel import Channel, Gone, TtyChannel
from smsim.d0.model import D0Model, Measuring, identification
from smsim.ports import PtyPort, SerialPort, TcpPort

_SESSION_S = 60.0  # after this time without a request, the meter waits for a sign-on again
_REACTION_S = 0.2
_PAUSE_S = 0.02  # before a change of the speed, for the last octets

log = logging.getLogger(__name__)


class Disturber(Protocol):
    """What goes wrong on the way (`sml.faults`)."""

    @property
    def silent(self) -> bool:
        """True while nothing may leave."""

    def on_the_line(self, octets: bytes) -> tuple[bytes, bool]:
        """What a reader gets of octets, and whether they are whole in it."""


class D0Service(AskedLine):
    """Answers for one meter. A device that is unplugged is opened again when it is back."""

    def __init__(
        self,
        meter: Measuring,
        port: PtyPort | SerialPort | TcpPort,
        baud_code: str,
        password: str | None,
        disturber: Disturber,
    ) -> None:
        super().__init__(port, INITIAL_BAUD_RATE)
        self._meter = meter
        self._baud_code = baud_code
        self._password = (password or "").encode()
        self._disturber = disturber
        self._answers = self._octets = self._read_outs = 0

    async def start(self) -> str:
        """Open the line; PortError if that cannot be done. Returns the port to name to people."""
        await self._open_port()
        return self.port

    def _open(self, port: PtyPort | SerialPort) -> TtyChannel:
        return TtyChannel(port, INITIAL_BAUD_RATE, heeds_speed=True)

    async def _converse(self, channel: Channel) -> None:
        """Serve one connection, or the line itself, until it ends."""
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

    def counts(self) -> dict[str, int]:
        """What was answered."""
        return {"answers": self._answers, "octets": self._octets, "read_outs": self._read_outs}

"""A meter that answers SML requests on a serial line, as an EMH DIZ does over RS-485 (docs/sml.md, section 5.3)."""

import asyncio
import logging

from smsim.channel import Gone, TtyChannel
from smsim.errors import PortError
from smsim.ports import PtyPort, SerialPort
from smsim.sml.answers import Answers
from smsim.sml.meter import Meter
from smsim.sml.push import Disturber

_REOPEN_S = 1.0
_KEEP_UP_S = 30.0

log = logging.getLogger(__name__)


class LineService:
    """Answers for one meter on one line. A device that is unplugged is opened again when it is back."""

    def __init__(
        self,
        meter: Meter,
        port: PtyPort | SerialPort,
        baud: int,
        credentials: tuple[str | None, str | None] = (None, None),
        disturber: Disturber | None = None,
        *,
        object_list: bool = True,
    ) -> None:
        self.port = port
        self.baud = baud
        self._meter = meter
        self._answers = Answers(meter, credentials, disturber, object_list=object_list)
        self._channel: TtyChannel | None = None

    async def start(self) -> str:
        """Open the line; PortError if that cannot be done. Returns the port to name to people."""
        self._channel = TtyChannel(self.port, self.baud)
        return str(self.port)

    async def run(self) -> None:
        """Answer until cancelled."""
        while True:
            if self._channel is not None:
                await self._serve(self._channel)
            await asyncio.sleep(_REOPEN_S)
            self._reopen()

    async def _serve(self, channel: TtyChannel) -> None:
        session = self._answers.session()
        try:
            while True:
                for octets in self._answers.to(session, await channel.read(_KEEP_UP_S)):
                    await channel.write(octets)
                self._meter.values()  # near the present, so that no answer waits for days to be computed
        except Gone as error:
            log.warning("port %s: is gone (%s); it is tried again every second", self.port, error.__cause__ or error)
            self.close()

    def _reopen(self) -> None:
        try:
            self._channel = TtyChannel(self.port, self.baud)
        except PortError as error:
            log.debug("%s", error)
        else:
            log.warning("port %s: it is back", self.port)

    def close(self) -> None:
        """Close the line."""
        if self._channel is not None:
            self._channel.close()
            self._channel = None

    def counts(self) -> dict[str, int]:
        """What was answered."""
        return self._answers.counts()

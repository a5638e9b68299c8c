"""Push: telegrams sent at the speed of the line, by a meter or from a capture."""

import asyncio
import logging
from typing import Protocol

from smsim.errors import PortError
from smsim.line import Line, open_line
from smsim.ports import PushPort

BITS_PER_OCTET = 10  # 8N1: a start bit, eight data bits, a stop bit
CHUNK = 16
_REOPEN_S = 1.0

log = logging.getLogger(__name__)


class Source(Protocol):
    """What gives telegrams."""

    def telegram(self) -> bytes:
        """The next one."""


async def transmit(line: Line, octets: bytes, baud: int) -> bool:
    """Send octets in chunks, each when its last bit would have left the line; False if some were lost.

    A telegram of n octets takes 10 · n / baud seconds whether somebody reads it or not.
    """
    now = asyncio.get_running_loop().time
    begin = now()
    complete = True
    for start in range(0, len(octets), CHUNK):
        chunk = octets[start : start + CHUNK]
        due = begin + (start + len(chunk)) * BITS_PER_OCTET / baud
        await asyncio.sleep(max(0.0, due - now()))
        complete = line.write(chunk) and complete
    return complete


class Pusher:
    """Sends one telegram each interval, for ever. A device that is unplugged is opened again when it is back."""

    def __init__(self, source: Source, port: PushPort, baud: int, interval_s: float) -> None:
        self.port = port
        self.baud = baud
        self.interval_s = interval_s
        self.telegrams = 0  # whole ones
        self.octets = 0
        self.lost = 0  # telegrams of which nobody took all
        self._source = source
        self._line: Line | None = None

    async def start(self) -> str:
        """Open the line; PortError if that cannot be done. Returns the port to name to people."""
        self._line = open_line(self.port, self.baud)
        return str(self.port)

    async def run(self) -> None:
        """Push until cancelled."""
        now = asyncio.get_running_loop().time
        due = now()
        while True:
            line = self._line
            if line is None:
                await asyncio.sleep(_REOPEN_S)
                self._reopen()
                continue
            telegram = self._source.telegram()
            try:
                complete = await transmit(line, telegram, self.baud)
            except OSError as error:
                log.warning("port %s: %s; it is tried again every second", self.port, error.strerror or error)
                self.close()
                continue
            if complete:
                self.telegrams += 1
                self.octets += len(telegram)
            else:
                self.lost += 1
            due = max(due + self.interval_s, now())  # a telegram longer than the interval delays the next
            await asyncio.sleep(due - now())

    def _reopen(self) -> None:
        try:
            self._line = open_line(self.port, self.baud)
        except PortError as error:
            log.debug("%s", error)
        else:
            log.warning("port %s: it is back", self.port)

    def close(self) -> None:
        """Close the line."""
        if self._line is not None:
            self._line.close()
            self._line = None

    def counts(self) -> dict[str, int]:
        """What was sent."""
        return {"telegrams": self.telegrams, "octets": self.octets, "telegrams_not_taken": self.lost}

"""Push: telegrams sent at the speed of the line, by a meter or from a capture.

One task, the `Pacer`, moves all lines: hundreds of meters cost no task, thread or timer each.
"""

import asyncio
import heapq
import logging
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Protocol

from smgw.errors import reason

from smsim.errors import PortError
from smsim.line import Line, open_line
from smsim.ports import PushPort, TcpPushPort

if TYPE_CHECKING:
    import ssl

#: Gives the context of a meter with TLS.
Secured = Callable[[], "ssl.SSLContext"]
BITS_PER_OCTET = 10  # 8N1: a start bit, eight data bits, a stop bit
CHUNK = 16
_GRID_S = 0.005  # chunks wait for the next of these moments, so that many lines share a wake-up
_REOPEN_S = 1.0
_GOLDEN = 0.618_033_988_75  # its multiples, without their whole part, spread evenly however many there are

log = logging.getLogger(__name__)


class Source(Protocol):
    """What gives telegrams."""

    def telegram(self) -> bytes:
        """The next one."""


class Disturber(Protocol):
    """What goes wrong on the way (see `faults`)."""

    @property
    def silent(self) -> bool:
        """True while nothing may leave."""

    def on_the_line(self, octets: bytes) -> tuple[bytes, bool]:
        """What a reader gets of octets, and whether they are whole in it."""


class Undisturbed:
    """Nothing goes wrong."""

    silent = False

    def on_the_line(self, octets: bytes) -> tuple[bytes, bool]:
        """Everything arrives."""
        return octets, True


class Transmission:
    """Octets on their way, in chunks, each when its last bit would have left the line.

    n octets take 10 · n / baud seconds whether somebody reads them or not.
    """

    def __init__(self, line: Line, octets: bytes, baud: int, begin: float) -> None:
        self.complete = True
        self._line = line
        self._octets = octets
        self._octet_s = BITS_PER_OCTET / baud
        self._begin = begin
        self._sent = 0

    @property
    def due(self) -> float | None:
        """When the next chunk is due; None if all is sent."""
        left = len(self._octets) - self._sent
        return self._begin + (self._sent + min(left, CHUNK)) * self._octet_s if left else None

    def send(self, now: float) -> None:
        """Send what is due. OSError if the line is gone."""
        left_the_line = int((now - self._begin) / self._octet_s + 0.001)
        end = left_the_line // CHUNK * CHUNK if left_the_line < len(self._octets) else len(self._octets)
        chunk = self._octets[self._sent : end]
        if chunk:
            self.complete = self._line.write(chunk) and self.complete
            self._sent = end


async def transmit(line: Line, octets: bytes, baud: int) -> bool:
    """Send octets; False if some were lost."""
    now = asyncio.get_running_loop().time
    transmission = Transmission(line, octets, baud, now())
    while (due := transmission.due) is not None:
        await asyncio.sleep(max(0.0, due - now()))
        transmission.send(now())
    return transmission.complete


class Pusher:
    """Sends one telegram each interval, for ever. A device that is unplugged is opened again when it is back."""

    def __init__(
        self,
        source: Source,
        port: PushPort,
        baud: int,
        interval_s: float,
        disturber: Disturber | None = None,
        secured: Secured | None = None,
    ) -> None:
        self.port = port
        self.baud = baud
        self.interval_s = interval_s
        self.telegrams = 0  # whole ones
        self.octets = 0
        self.damaged = 0  # telegrams that a fault damaged or cut
        self.lost = 0  # telegrams of which nobody took all
        self._source = source
        self._disturber = disturber or Undisturbed()
        self._secured = secured
        self._line: Line | None = None
        self._due = 0.0
        self._on_its_way: Transmission | None = None
        self._length = 0  # of the telegram on its way; 0 if it is damaged

    async def start(self) -> str:
        """Open the line; PortError if that cannot be done. Returns the port to name to people."""
        self._line = self._open()
        return str(self._line.port)

    def _open(self) -> Line:
        if self._secured is None or not isinstance(self.port, TcpPushPort):
            return open_line(self.port, self.baud)
        from smsim.tls_line import TlsLine  # few meters have TLS

        return TlsLine(self.port, self._secured())

    async def run(self) -> None:
        """Push until cancelled."""
        await Pacer([self]).run()

    def begin(self, first: float) -> float:
        """The first telegram is due at `first`."""
        self._due = first
        return first

    def step(self, now: float) -> float:
        """Do what is due; the moment of the next step. Moments are the event loop's."""
        try:
            return self._step(now)
        except OSError as error:
            log.warning("port %s: %s; it is tried again every second", self.port, reason(error))
            self.close()
            return now + _REOPEN_S

    def _step(self, now: float) -> float:
        if self._line is None:
            self._reopen()
            return now + _REOPEN_S if self._line is None else now
        if self._on_its_way is None:
            self._take_up(self._line, now)
        elif self._disturber.silent:
            self._on_its_way = None
            self.damaged += 1
        else:
            self._on_its_way.send(now)
        due = self._on_its_way.due if self._on_its_way else None
        if due is not None:
            return due
        if self._on_its_way is not None:
            self._count(self._on_its_way.complete)
            self._on_its_way = None
        self._due = max(self._due + self.interval_s, now)  # a telegram longer than the interval delays the next
        return self._due

    def _take_up(self, line: Line, now: float) -> None:
        """Begin the next telegram, if anything may leave and anybody may listen."""
        if self._disturber.silent:
            return
        if not line.has_reader():
            self.lost += 1
            return
        telegram = self._source.telegram()
        octets, intact = self._disturber.on_the_line(telegram)
        self._length = len(telegram) if intact else 0
        if octets:
            self._on_its_way = Transmission(line, octets, self.baud, now)
        elif telegram:
            self.damaged += 1

    def _count(self, complete: bool) -> None:
        if not complete:
            self.lost += 1
        elif self._length:
            self.telegrams += 1
            self.octets += self._length
        else:
            self.damaged += 1

    def _reopen(self) -> None:
        try:
            self._line = self._open()
        except PortError as error:
            log.debug("%s", error)
        else:
            log.warning("port %s: it is back", self.port)

    def close(self) -> None:
        """Close the line."""
        self._on_its_way = None
        if self._line is not None:
            self._line.close()
            self._line = None

    def counts(self) -> dict[str, int]:
        """What was sent."""
        return {
            "telegrams": self.telegrams,
            "octets": self.octets,
            "telegrams_damaged": self.damaged,
            "telegrams_not_taken": self.lost,
        }


class Pacer:
    """Moves many pushers on. The first begins at once; the others are spread over the interval, not in chorus."""

    def __init__(self, pushers: Sequence[Pusher]) -> None:
        self._pushers = pushers

    async def run(self) -> None:
        """Push until cancelled."""
        now = asyncio.get_running_loop().time
        begin = now()
        waiting = [
            (pusher.begin(begin + number * _GOLDEN % 1 * pusher.interval_s), number, pusher)
            for number, pusher in enumerate(self._pushers)
        ]
        heapq.heapify(waiting)
        while waiting:
            moment = now()
            while waiting[0][0] <= moment:
                _, number, pusher = waiting[0]
                heapq.heapreplace(waiting, (pusher.step(moment), number, pusher))
            late = (waiting[0][0] - begin) % _GRID_S
            await asyncio.sleep(max(0.0, waiting[0][0] - late + _GRID_S - now()))

"""A running line of M-Bus meters behind one level converter, with the faults of the line."""

from collections.abc import Callable
from typing import Any, NamedTuple

from smgw.mbus.readings import device_of
from smgw.mbus.slave import Bus as Slaves
from smgw.wire import Transmit

from smsim.asked_line import AskedLine, Bus
from smsim.load.timelapse import TimeLapse
from smsim.mbus.faults import MBusFaults
from smsim.mbus.meters import MBusMeter, MBusMeterConfig
from smsim.ports import PtyPort, SerialPort, TcpPort

_PAUSE_S = 0.05  # a request has ended after such a pause


class MBusLineConfig(NamedTuple):
    """One line and its meters."""

    port: TcpPort | PtyPort | SerialPort
    meters: tuple[MBusMeterConfig, ...]
    faults: MBusFaults
    baud: int = 2400
    calls: bool = False  # its one meter calls, and is acknowledged
    key: bytes = b""  # of a meter that calls


class _Connection:
    """The bus as one connection sees it: requests arrive in pieces, and are whole after a pause."""

    def __init__(self, line: "MBusLine") -> None:
        self._line = line
        self._octets = b""
        self._due: float | None = None

    def receive(self, data: bytes, now: float) -> list[Transmit]:
        """Take octets of the line."""
        self._octets += data
        self._due = now + _PAUSE_S
        return [Transmit(data)] if self._line.faults.echo else []

    def deadline(self, _now: float) -> float | None:
        """When the request counts as whole."""
        return self._due

    def expire(self, now: float) -> list[Transmit]:
        """Answer the request."""
        if self._due is None or now < self._due:
            return []
        octets, self._octets, self._due = self._octets, b"", None
        answer = self._line.answer(octets)
        return [Transmit(answer)] if answer else []


class MBusLine(AskedLine):
    """One line with its meters."""

    parity = "E"

    def __init__(
        self, config: MBusLineConfig, lapse: TimeLapse, elapsed_ms: Callable[[], int], listen: str | None = None
    ) -> None:
        super().__init__(config.port, config.baud, listen)
        self.config = config
        self.meters = [MBusMeter(meter, lapse, elapsed_ms) for meter in config.meters]
        self._bus = Slaves([meter.slave for meter in self.meters])
        self.faults = config.faults
        self.faults.begin(" ".join(self.names))
        self._done = {"requests": 0, "answers": 0}

    @property
    def names(self) -> list[str]:
        """The names of its meters."""
        return [meter.config.name for meter in self.meters]

    @property
    def open_files(self) -> int:
        """Number of files that its port keeps open, with one client."""
        return 2

    async def start(self) -> list[str]:
        """Open the port; returns a line of text for each meter. Raises PortError."""
        await self._open_port()
        return [
            f"meter {meter.config.name} ({device_of(meter.config.identity)}, M-Bus, "
            f"{'calls' if self.config.calls else f'address {meter.config.address}'}) on {self.port}"
            for meter in self.meters
        ]

    def answer(self, octets: bytes) -> bytes:
        """What arrives of the answer to a request."""
        self._done["requests"] += 1
        answer = self._bus.receive(octets)
        arrived = self.faults.on_the_line(answer) if answer else b""
        self._done["answers"] += bool(arrived)
        return arrived

    def counts(self) -> dict[str, int]:
        """Counts of requests and answers."""
        return dict(self._done)

    def report(self) -> list[dict[str, Any]]:
        """Each meter with its counter, in Wh or litres."""
        return [
            {
                "name": meter.config.name,
                "device": str(device_of(meter.config.identity)),
                "port": self.port,
                "faults": self.faults.names(),
                **self.counts(),
                "total": meter.total,
            }
            for meter in self.meters
        ]

    def _new_bus(self) -> Bus:
        if self.config.calls:
            from smsim.mbus.calling import Calling  # with `cryptography`

            return Calling(self.meters[0], self.config.key, self.faults, self._done)
        return _Connection(self)

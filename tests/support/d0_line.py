"""A meter with D0 on a line in memory. Meter and port understand each other only at the same rate."""

from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from memory_line import FakeTime, MemoryPort
from smgw.iec62056.d0.meter import D0Meter
from smgw.iec62056.d0.profile import bound
from smgw.iec62056.events import ChangeBaud
from smgw.iec62056.identification import Identification
from smgw.iec62056.seven_bit import without_parity
from smgw.wire import Transmit

ZONE = ZoneInfo("Europe/Berlin")
_REACTION_S = 0.2
_PIECE = 8  # octets that come at once


class D0Model:
    """A meter with some registers and a load profile of these rows (end of the period in seconds UTC)."""

    def __init__(self, rows: list[int] | None = None) -> None:
        self.rows = rows or []
        self.registers = {"C.1.0": "(4711)", "1.8.0": "(000123.45*kWh)", "2.8.0": "(000000.10*kWh)"}
        self.asked: list[tuple[str, str]] = []

    def read_out(self) -> str:
        return "F.F(00)\r\n" + "".join(f"{code}{groups}\r\n" for code, groups in self.registers.items())

    def register(self, code: str) -> str | None:
        return self.registers.get(code)

    def profile(self, code: str, since: str, until: str) -> str:
        self.asked.append((since, until))
        rows = [row for row in self.rows if since <= bound(row, ZONE) <= until]
        if code != "P.01" or not rows:
            return f"{code}(ERROR)"
        head = f"P.01({datetime.fromtimestamp(rows[0], UTC):2%y%m%d%H%M%S})(08)(15)(2)(1.5)(kW)(2.5)(kW)\r\n"
        return head + "".join(f"({row % 9000 / 1000:.3f})(0.25)\r\n" for row in rows)


class D0Line:
    """The line: `port` is ours. `deaf_above`: the head damages octets at higher rates."""

    def __init__(
        self,
        time: FakeTime,
        meter: D0Meter,
        *,
        deaf_above: int = 19_200,
        echo: bool = False,
        asleep: bool = False,
        damage: bytes = b"",
    ) -> None:
        self.time = time
        self.meter = meter
        self.rate = 300
        self.deaf_above = deaf_above
        self.echo = echo
        self.asleep = asleep
        self.damage = damage  # the next octets like these are damaged, once
        self.rates: list[int] = []  # at which the meter sent data
        self.port: Any = MemoryPort(time, [self._heard])

    @property
    def requests(self) -> list[bytes]:
        """What we sent, without parity."""
        return [without_parity(octets) for _, octets in self.port.sent]

    def _heard(self, octets: bytes) -> bytes:
        port = self.port
        wire = len(octets) * 10 / port.settings.baudrate
        if self.echo:
            port.say(octets, wire)
        if self.asleep:
            self.asleep = octets.count(0) < 60
            return b""
        if port.settings.baudrate == self.rate:
            at = wire + _REACTION_S
            for event in self.meter.receive(octets):
                if isinstance(event, Transmit):
                    self.time.after(at, lambda sent=event.octets, rate=self.rate: self._send(sent, rate))
                    at += len(event.octets) * 10 / self.rate + _REACTION_S
                elif isinstance(event, ChangeBaud):
                    self.rate = event.baudrate
        return b""

    def _send(self, octets: bytes, rate: int) -> None:
        self.rates.append(rate)
        if self.port.settings.baudrate != rate or rate > self.deaf_above:
            octets = b"\x80\xf8\x00" * 5
        elif self.damage and self.damage in without_parity(octets):
            octets, self.damage = octets[:5] + bytes((octets[5] ^ 4,)) + octets[6:], b""
        for place in range(0, len(octets), _PIECE):
            piece = octets[place : place + _PIECE]
            self.port.say(piece, (place + len(piece)) * 10 / rate)


def identification(baud_code: str = "5", maker: str = "LGZ") -> Identification:
    """As a meter sends it; a letter is mode B, a blank mode A."""
    return Identification(maker, baud_code, "", "ZMD120")

"""A meter that calls on its line and waits for acknowledgements, as Siemens AMIS does: NKE, then a telegram."""

from smgw.mbus.frame import Frame
from smgw.mbus.master import ACKNOWLEDGED, NORMALISE, SEND
from smgw.mbus.requests import Short
from smgw.mbus.sealed import sealed
from smgw.mbus.telegram import PUSHED
from smgw.wire import Transmit

from smsim.mbus.faults import MBusFaults
from smsim.mbus.meters import MBusMeter

KEY_LENGTH = 16
_EVERYBODY = 0xF0
_EVERY_S = 1.0
_BLOCK, _FILLERS = 16, 2
_MODE_5, _BUS = 5, 14  # it names its role on the line as its medium


class Calling:
    """The meter as one connection sees it. It repeats a telegram until it is acknowledged."""

    def __init__(self, meter: MBusMeter, key: bytes, faults: MBusFaults, done: dict[str, int]) -> None:
        """`key`: empty for telegrams in the clear. `done`: counts what was sent and acknowledged."""
        self._meter, self._key, self._faults, self._done = meter, key, faults, done
        self._access = 0
        self._telegram = b""  # that is not acknowledged yet
        self._due: float | None = None

    def receive(self, data: bytes, now: float) -> list[Transmit]:
        """Take octets of the line."""
        if ACKNOWLEDGED not in data:
            return []
        if self._telegram:
            self._telegram = b""
            self._done["answers"] += 1
            return []
        self._access = (self._access + 1) & 0xFF
        self._telegram = self._made()
        self._due = now + _EVERY_S
        return self._sent(self._telegram)

    def deadline(self, now: float) -> float | None:
        """When it calls again."""
        if self._due is None:
            self._due = now
        return self._due

    def expire(self, now: float) -> list[Transmit]:
        """Call, or send the telegram again."""
        if self._due is None or now < self._due:
            return []
        self._due = now + _EVERY_S
        return self._sent(self._telegram or Short(NORMALISE, _EVERYBODY).encode())

    def _sent(self, octets: bytes) -> list[Transmit]:
        self._done["requests"] += 1
        arrived = self._faults.on_the_line(octets)
        return [Transmit(arrived)] if arrived else []

    def _made(self) -> bytes:
        (records,) = self._meter.telegrams(0)
        head = self._meter.config.identity._replace(medium=_BUS).octets + bytes((self._access, 0))
        if not self._key:
            return Frame(SEND, _EVERYBODY, PUSHED, head + bytes(2) + records).encode()
        blocks = -(-(len(records) + _FILLERS) // _BLOCK)
        head += bytes((blocks << 4, _MODE_5))
        return Frame(SEND, _EVERYBODY, PUSHED, head + sealed(self._key, head, records)).encode()

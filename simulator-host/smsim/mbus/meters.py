"""The M-Bus meters: what they count as simulated time passes, as records of one or two telegrams."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import NamedTuple

from smgw.mbus.master import FABRICATION
from smgw.mbus.slave import Slave
from smgw.mbus.telegram import Identity

from smsim.load.timelapse import TimeLapse

_YEAR_S = 31_557_600
#: Medium of the configuration -> its number, and the record's head and units a kWh or litre of what it counts.
MEDIA = {"electricity": 2, "gas": 3, "heat": 4, "hot-water": 6, "water": 7}
_SHORT = 0x50  # application with the counter alone
_BAD_RECORD = bytes.fromhex("0c13a5a5a5a5")  # letters in place of digits


class MBusMeterConfig(NamedTuple):
    """One meter. `yearly` is in kWh for electricity and heat, else in m³."""

    name: str
    identity: Identity
    address: int = 0
    yearly: int = 1000
    start: int = 0
    two_telegrams: bool = False
    bad_record: bool = False
    battery: int = 0
    fabrication: str = ""  # eight digits; "": it has no such number


class MBusMeter:
    """A running meter."""

    def __init__(self, config: MBusMeterConfig, lapse: TimeLapse, elapsed_ms: Callable[[], int]) -> None:
        self.config = config
        self._lapse = lapse
        self._elapsed_ms = elapsed_ms
        self.slave = Slave(
            config.address, config.identity, self.telegrams, battery=config.battery, fabrication=config.fabrication
        )

    @property
    def total(self) -> int:
        """Wh or litres counted so far."""
        passed = self._now() - self._lapse.start_utc_s
        return 1000 * self.config.start + 1000 * self.config.yearly * passed // _YEAR_S

    @property
    def unit(self) -> str:
        """Of a thousand of `total`."""
        return "kWh" if self.config.identity.medium in (MEDIA["electricity"], MEDIA["heat"]) else "m³"

    def telegrams(self, subcode: int) -> list[bytes]:
        """The records of each telegram. The short application has the counter alone."""
        counter = self._counter()
        if subcode == _SHORT:
            return [counter]
        bad = _BAD_RECORD if self.config.bad_record else b""
        first, second = bad + self._fabrication() + counter + self._time(), self._history()
        return [first, second] if self.config.two_telegrams else [first + second]

    def _now(self) -> int:
        return self._lapse.utc_s(self._lapse.ticks(self._elapsed_ms()))

    def _counter(self) -> bytes:
        vif = 0x03 if self.config.identity.medium in (MEDIA["electricity"], MEDIA["heat"]) else 0x13
        return bytes((0x06, vif)) + self.total.to_bytes(6, "little")

    def _fabrication(self) -> bytes:
        number = bytes.fromhex(self.config.fabrication)
        return FABRICATION + number[::-1] if number else b""

    def _history(self) -> bytes:
        """The counter at the start of the simulation, as storage 1."""
        vif = self._counter()[1]
        return bytes((0x46, vif)) + (1000 * self.config.start).to_bytes(6, "little")

    def _time(self) -> bytes:
        """Type F, in UTC: these meters know no time zone."""
        now = datetime.fromtimestamp(self._now(), UTC)
        year = now.year % 100
        return bytes((
            0x04, 0x6D, now.minute, now.hour | 0x20, now.day | (year & 7) << 5, now.month | (year & 0x78) << 1,
        ))  # fmt: skip

"""What a house sees of a capture: exact numbers with a unit, their time, and whether a bill may use them."""

from collections.abc import Iterator
from typing import NamedTuple

from smgw.clock.text import utc_text
from smgw.cosem.data import RANGE, DataType, plain
from smgw.cosem.device_id import DeviceId
from smgw.cosem.obis import Obis
from smgw.cosem.quality import gateway_status
from smgw.cosem.reading import Capture
from smgw.cosem.status_word import GatewayStatus
from smgw.cosem.units import SYMBOLS, symbol

_KILO = {SYMBOLS[number]: f"k{SYMBOLS[number]}" for number in (30, 31, 32)}  # Wh, VAh, varh
#: Bits of the gateway's status word with which no bill may use a value.
_UNFIT = {
    GatewayStatus.NOT_VALIDATED: "the telegram was not validated",
    GatewayStatus.FATAL_ERROR: "the gateway has a fatal error",
    GatewayStatus.TIME_INVALID: "the gateway's clock is not synchronised",
    GatewayStatus.METER_TAMPER: "the meter reports tampering",
    GatewayStatus.METER_ERROR: "the meter reports an error",
}
_REGISTERS, _VALUE = frozenset({3, 4, 5}), 2  # classes of COSEM, and the attribute that is measured
_NUMBERS = frozenset(RANGE) - {DataType.BOOLEAN, DataType.ENUM}
#: Registers of a device that are shown; a meter that sends more invents them.
MOST_POINTS = 500


class Point(NamedTuple):
    """One register of a device now: `value * 10^scaler` in `unit`, exactly."""

    obis: Obis
    value: int
    scaler: int
    unit: str  # its symbol; empty: none

    @property
    def name(self) -> str:
        """The register as people write it: 1-0:1.8.0."""
        return str(self.obis).removesuffix("*255")

    @property
    def number(self) -> str:
        """The exact decimal number in `unit`."""
        return plain(self.value, self.scaler)

    def in_kilo(self) -> "Point":
        """Energy in kWh, as people count it; all else as it is."""
        if self.unit not in _KILO:
            return self
        return self._replace(scaler=self.scaler - 3, unit=_KILO[self.unit])


class Shown(NamedTuple):
    """The registers of one device, from one capture."""

    meter: str
    device: DeviceId
    utc_us: int
    boottime_ns: int  # the same moment by CLOCK_BOOTTIME of this computer
    points: tuple[Point, ...]
    unfit: tuple[str, ...]  # why no bill may use the values; empty: nothing speaks against it

    @property
    def time(self) -> str:
        """The time of the capture."""
        return utc_text(self.utc_us, "milliseconds")

    def point(self, obis: str) -> Point | None:
        """The register of this name; None if the meter did not send it."""
        return next((one for one in self.points if one.name == obis), None)


def shown(capture: Capture) -> Shown:
    """What a house sees of this capture. Texts, counters and times of the meter are not for it."""
    status = gateway_status(capture)
    unfit = tuple(text for bit, text in _UNFIT.items() if status & bit)
    found = {point.obis: point for point in _points(capture)}  # the last of a register that stands there twice
    points = tuple(sorted(found.values()))[:MOST_POINTS]
    stamp = capture.stamp
    return Shown(capture.meter, capture.device, stamp.utc_us, stamp.boottime_ns, points, unfit)


def _points(capture: Capture) -> Iterator[Point]:
    for reading in capture.readings:
        number = reading.value.value
        if reading.class_id not in _REGISTERS or reading.attribute != _VALUE:
            continue
        if reading.value.type in _NUMBERS and isinstance(number, int):
            yield Point(reading.obis, number, reading.scaler, symbol(reading.unit))

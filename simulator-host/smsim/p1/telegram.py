"""Telegrams of P1, made of the registers of a meter."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Protocol

from smgw.cosem import DeviceId
from smgw.cosem.units import AMPERE, VOLT, WATT, WATT_HOUR
from smgw.iec62056.seven_bit import with_parity
from smgw.wire.crc_arc import crc_arc

from smsim.load.days import QUARTER_HOUR_S, utc_offset_s
from smsim.load.registers import Register
from smsim.p1.versions import SubMeter, Version

_MILLI = 1000


class Measuring(Protocol):
    """The meter behind the port."""

    device: DeviceId

    def values(self) -> list[tuple[Register, int]]:
        """Its registers, now."""


class P1Telegrams:
    """Gives telegrams. `utc_s` is the meter's clock; `seal` encrypts a telegram, or leaves it as it is."""

    def __init__(
        self,
        meter: Measuring,
        version: Version,
        sub_meters: Sequence[SubMeter],
        utc_s: Callable[[], int],
        seal: Callable[[bytes], bytes] = bytes,
    ) -> None:
        self._meter = meter
        self._version = version
        self._sub_meters = tuple(one for one in version.values if one[0] in sub_meters)
        self._utc_s = utc_s
        self._seal = seal
        self._interval = -1  # of the last values of sub-meters
        self._volume = 0  # litres
        self._quarter = self._month = -1
        self._at_quarter = 0  # Wh
        self._peak, self._peak_at = 0, ""

    def telegram(self) -> bytes:
        """The next one."""
        version = self._version
        text = "\r\n".join((*self._lines(), "!")).encode("ascii")
        if version.crc:
            text += b"%04X" % crc_arc(text)
        text += b"\r\n"
        return self._seal(with_parity(text) if version.parity else text)

    def _lines(self) -> list[str]:
        version, now = self._version, self._utc_s()
        values = self._meter.values()
        energy = {str(register.obis)[4:9]: value for register, value in values if register.unit == WATT_HOUR}
        lines = [f"/{str(self._meter.device)[1:4]}5SMSIM-P1-{version.name}", "", *version.head]
        if version.crc:
            lines.append(f"0-0:1.0.0({legal(now)})")
        lines.append(f"{version.identity}({str(self._meter.device).encode().hex().upper()})")
        for register, value in values:
            code = f"1-0:{str(register.obis)[4:].removesuffix('*255')}"
            if code.endswith(".8.0") and not version.totals:
                continue
            lines.append(f"{code}({self._number(register, value)})")
        if version.demand:
            lines += self._demand(now, energy["1.8.0"])
        lines += ["0-0:96.13.0()"]
        return lines + self._others(now, energy["1.8.0"])

    def _number(self, register: Register, value: int) -> str:
        if register.unit == WATT_HOUR:
            return f"{_decimal(value, self._version.digits)}*kWh"
        if register.unit == WATT:
            return f"{_decimal(value, 2)}*kW"
        return f"{value // 10:03d}.{value % 10}*V" if register.unit == VOLT else f"{value:03d}*{_AMPERE[register.unit]}"

    def _demand(self, now: int, energy: int) -> list[str]:
        """Mean power of the quarter hour under way, and the highest of the month."""
        quarter, month = now // QUARTER_HOUR_S, _local(now).month
        if month != self._month:
            self._month, self._peak, self._peak_at = month, 0, legal(now)
        mean = max(0, energy - self._at_quarter) * 4
        if quarter != self._quarter:
            if self._quarter >= 0 and mean > self._peak:
                self._peak, self._peak_at = mean, legal(quarter * QUARTER_HOUR_S)
            self._quarter, self._at_quarter, mean = quarter, energy, 0
        return [f"1-0:1.4.0({_decimal(mean, 2)}*kW)", f"1-0:1.6.0({self._peak_at})({_decimal(self._peak, 2)}*kW)"]

    def _others(self, now: int, energy: int) -> list[str]:
        """The sub-meters; their values change once an interval."""
        interval = now // self._version.interval_s
        if interval != self._interval:
            self._interval, self._volume = interval, energy // 10
        moment = interval * self._version.interval_s
        lines = []
        for channel, (kind, code) in enumerate(self._sub_meters, 1):
            begin = f"0-{channel}:"
            name = DIN_MEDIA[kind] + str(self._meter.device)[1:]
            lines += [
                f"{begin}24.1.0({kind.value:03d})",
                f"{begin}{self._version.sub_identity}({name.encode().hex().upper()})",
            ]
            value = _decimal(self._volume, 5)
            if self._version.crc:
                lines.append(f"{begin}{code}({legal(moment)})({value}*m3)")
            else:
                lines += [f"{begin}{code}({legal(moment)[:-1]})(00)(60)(1)({begin}24.2.1)(m3)", f"({value})"]
        return lines


#: First character of a DIN 43863-5 id.
DIN_MEDIA = {SubMeter.GAS: "7", SubMeter.WATER: "8"}
_AMPERE = {AMPERE: "A"}


def _decimal(thousandths: int, digits: int) -> str:
    """Thousandths with three decimals: Wh as kWh, W as kW, litres as m3."""
    return f"{thousandths // _MILLI:0{digits}d}.{thousandths % _MILLI:03d}"


def _local(utc_s: int) -> datetime:
    return datetime.fromtimestamp(utc_s, UTC) + timedelta(seconds=utc_offset_s(utc_s))


def legal(utc_s: int) -> str:
    """A time as P1 has it: YYMMDDhhmmss with S for daylight saving time, else W."""
    return f"{_local(utc_s):%y%m%d%H%M%S}{'S' if utc_offset_s(utc_s) > 3600 else 'W'}"

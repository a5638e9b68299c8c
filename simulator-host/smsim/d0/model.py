"""The values of a meter in the form of D0: read-out, single registers, load profile P.01."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Protocol
from zoneinfo import ZoneInfo

from smgw.cosem import DeviceId, Obis, plain
from smgw.cosem.units import NO_UNIT, WATT, WATT_HOUR, symbol
from smgw.iec62056.codes import read_code, write_code
from smgw.iec62056.d0.profile import bound, read_time
from smgw.iec62056.identification import Identification
from smgw.iec62056.seven_bit import with_parity

from smsim.load.days import QUARTER_HOUR_S
from smsim.load.registers import Register

ZONE = ZoneInfo("Europe/Berlin")
_KILO = {WATT_HOUR: "kWh", WATT: "kW"}
_IDENTITY = "C.1.0"
_PROFILE = "P.01"
_ERROR = "ERROR"
_SECOND = 1_000_000


class Measuring(Protocol):
    """The meter."""

    device: DeviceId

    def values(self) -> list[tuple[Register, int]]:
        """Its registers, now."""

    @property
    def columns(self) -> Sequence[Register]:
        """The registers of its load profile."""

    def moments(self, begin_s: int, end_s: int) -> Iterable[tuple[int, tuple[int, ...]]]:
        """The ends of quarter hours (seconds UTC) in a range, each with the values of the columns."""

    def utc_s(self) -> int:
        """Its clock."""


class D0Model:
    """What the meter says."""

    def __init__(self, meter: Measuring) -> None:
        self._meter = meter

    def read_out(self) -> str:
        """All data sets, lines with CR LF."""
        return "".join(f"{code}{groups}\r\n" for code, groups in self._registers().items())

    def register(self, code: str) -> str | None:
        """The groups of one register; its code may be short or long."""
        found = read_code(code)
        return None if found is None or not found.live else self._registers().get(write_code(found.obis))

    def profile(self, code: str, since: str, until: str) -> str:
        """The rows of P.01: the energy registers at the end of each quarter hour."""
        if code != _PROFILE:
            return f"{code}({_ERROR})"
        now = self._meter.utc_s()
        begin, end = _seconds(since, 0), min(now, _seconds(until, now))
        rows = list(self._meter.moments(begin, end))
        columns = self._meter.columns
        if not rows or not columns:
            return f"{code}({_ERROR})"
        names = "".join(f"({_code(one.obis)})({_unit(one)})" for one in columns)
        head = f"{code}({bound(rows[0][0], ZONE)})(00)({QUARTER_HOUR_S // 60})({len(columns)}){names}\r\n"
        return head + "".join(
            "".join(f"({_number(one, value)})" for one, value in zip(columns, values, strict=True)) + "\r\n"
            for _, values in rows
        )

    def _registers(self) -> dict[str, str]:
        now = datetime.fromtimestamp(self._meter.utc_s(), ZONE)
        season = int(bool(now.dst()))
        found = {
            "F.F": "(00)",
            _IDENTITY: f"({self._meter.device})",
            "0.9.1": f"({season}{now:%H%M%S})",
            "0.9.2": f"({season}{now:%y%m%d})",
        }
        for register, value in self._meter.values():
            unit = _unit(register)
            found[_code(register.obis)] = f"({_number(register, value)}{'*' + unit if unit else ''})"
        return found


class D0Pushes:
    """Gives read-outs without a request: whole codes, no check value."""

    def __init__(self, meter: Measuring) -> None:
        self._meter = meter

    def telegram(self) -> bytes:
        """The next one, as a line with 7E1 carries it."""
        meter = self._meter
        lines = [f"/{str(meter.device)[1:4]}5SMSIM-D0", "", f"1-0:0.0.0*255({meter.device})"]
        for register, value in meter.values():
            unit = _unit(register)
            lines.append(f"{register.obis}({_number(register, value)}{'*' + unit if unit else ''})")
        return with_parity("\r\n".join((*lines, "!", "")).encode("ascii"))


def identification(device: DeviceId, baud_code: str) -> Identification:
    """Of a meter that is asked."""
    return Identification(str(device)[1:4], baud_code, "", "SMSIM-D0")


def _code(obis: Obis) -> str:
    return write_code(obis)


def _unit(register: Register) -> str:
    return _KILO.get(register.unit) or ("" if register.unit == NO_UNIT else symbol(register.unit))


def _number(register: Register, value: int) -> str:
    scaler = register.scaler - (3 if register.unit in _KILO else 0)
    text = plain(abs(value), scaler)
    whole, point, decimals = text.partition(".")
    return f"{'-' if value < 0 else ''}{whole.zfill(6)}{point}{decimals}"


def _seconds(text: str, default: int) -> int:
    time = read_time(text, ZONE)
    moment = None if time is None else time.utc_us(ZONE)
    return default if moment is None else moment // _SECOND

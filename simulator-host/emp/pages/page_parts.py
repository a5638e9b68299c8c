"""What pages show in several places: moments, registers by name, values."""

from typing import NamedTuple

from smgw.cosem import CaptureObject
from smgw.cosem.obis import Obis
from smgw.cosem.status_word import GatewayStatus
from smgw.cosem.units import symbol
from smgw.cosemxml.document import Register

from emp.times import Zone, ago, iso

LATE_US = 15 * 60 * 1_000_000  # a gateway that was silent for a registration period is worth a glance

#: What common codes mean, in the channel-free form C.D.E.
_MEANING = {
    "1.8.0": "energy, import",
    "1.8.1": "energy, import, tariff 1",
    "1.8.2": "energy, import, tariff 2",
    "2.8.0": "energy, export",
    "2.8.1": "energy, export, tariff 1",
    "2.8.2": "energy, export, tariff 2",
    "16.7.0": "power, sum of phases",
    "36.7.0": "power, L1",
    "56.7.0": "power, L2",
    "76.7.0": "power, L3",
    "1.7.0": "power, import",
    "2.7.0": "power, export",
    "32.7.0": "voltage, L1",
    "52.7.0": "voltage, L2",
    "72.7.0": "voltage, L3",
    "31.7.0": "current, L1",
    "51.7.0": "current, L2",
    "71.7.0": "current, L3",
    "14.7.0": "frequency",
}
#: Bits of the gateway's status that a person should hear of.
_FLAWS = {
    GatewayStatus.FATAL_ERROR: "fatal error",
    GatewayStatus.WARNING: "warning",
    GatewayStatus.METER_TAMPER: "meter tampered with",
    GatewayStatus.METER_ERROR: "meter error",
    GatewayStatus.NOT_VALIDATED: "not for billing",
}


class Moment(NamedTuple):
    """A time as a page shows it."""

    local: str
    utc: str
    ago: str
    late: bool


class Heading(NamedTuple):
    """A register as a table's column or row names it."""

    obis: str
    meaning: str
    unit: str


def moment(utc_us: int | None, now_us: int, zone: Zone) -> Moment | None:
    """A time for people; None where there is none."""
    if utc_us is None:
        return None
    return Moment(zone.local(utc_us), iso(utc_us) or "", ago(utc_us, now_us), now_us - utc_us > LATE_US)


def heading(obis: Obis, unit: str) -> Heading:
    """A register by its code, and what that means if it is a common one."""
    return Heading(str(obis), _MEANING.get(".".join(map(str, obis[2:5])), "") if obis[0] == 1 else "", unit)


def headings(registers: list[Register]) -> dict[CaptureObject, Heading]:
    """A heading a column; one whose unit changed names both."""
    units: dict[CaptureObject, set[str]] = {}
    for register in registers:
        units.setdefault(register.column, set()).add(symbol(register.unit))
    return {column: heading(column.obis, " / ".join(sorted(found))) for column, found in units.items()}


def flaws(gateway_status: int | None) -> list[str]:
    """What a gateway's status says that is not well; the clock's state is shown elsewhere."""
    return [text for bit, text in _FLAWS.items() if (gateway_status or 0) & bit]

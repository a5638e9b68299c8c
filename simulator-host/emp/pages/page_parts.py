"""What pages show in several places: registers by name, flaws of a gateway. Templates translate them."""

from typing import NamedTuple

from smgw.cosem import CaptureObject
from smgw.cosem.obis import Obis
from smgw.cosem.status_word import GatewayStatus
from smgw.cosem.units import symbol
from smgw.cosemxml.document import Register
from smgw.look.language import N_

#: What common codes mean, in the channel-free form C.D.E.
_MEANING = {
    "1.8.0": N_("energy, import"),
    "1.8.1": N_("energy, import, tariff 1"),
    "1.8.2": N_("energy, import, tariff 2"),
    "1.8.3": N_("energy, import, tariff 3"),
    "1.8.4": N_("energy, import, tariff 4"),
    "1.8.63": N_("energy, import, of no tariff"),
    "2.8.0": N_("energy, export"),
    "2.8.1": N_("energy, export, tariff 1"),
    "2.8.2": N_("energy, export, tariff 2"),
    "2.8.63": N_("energy, export, of no tariff"),
    "16.7.0": N_("power, sum of phases"),
    "36.7.0": N_("power, L1"),
    "56.7.0": N_("power, L2"),
    "76.7.0": N_("power, L3"),
    "1.7.0": N_("power, import"),
    "2.7.0": N_("power, export"),
    "32.7.0": N_("voltage, L1"),
    "52.7.0": N_("voltage, L2"),
    "72.7.0": N_("voltage, L3"),
    "31.7.0": N_("current, L1"),
    "51.7.0": N_("current, L2"),
    "71.7.0": N_("current, L3"),
    "14.7.0": N_("frequency"),
}
#: Bits of the gateway's status that a person should hear of.
_FLAWS = {
    GatewayStatus.FATAL_ERROR: N_("fatal error"),
    GatewayStatus.WARNING: N_("warning"),
    GatewayStatus.METER_TAMPER: N_("meter tampered with"),
    GatewayStatus.METER_ERROR: N_("meter error"),
    GatewayStatus.NOT_VALIDATED: N_("not for billing"),
}


#: Value group C of electricity: energy that came from the grid and that went into it, in all and by phase.
_IMPORT, _EXPORT = frozenset({1, 21, 41, 61}), frozenset({2, 22, 42, 62})
MAX_TEXT = 200  # characters of a value on a page; exports have all


class Heading(NamedTuple):
    """A register as a table's column or row names it."""

    obis: str
    meaning: str
    unit: str


def heading(obis: Obis, unit: str) -> Heading:
    """A register by its code, and what that means if it is a common one."""
    return Heading(str(obis), _MEANING.get(".".join(map(str, obis[2:5])), "") if obis[0] == 1 else "", unit)


class Amount(NamedTuple):
    """The words for what a counter counted; `each` has a gap for the period."""

    word: str
    each: str


_USED = Amount(N_("Used"), N_("Used in each %(period)s"))
_EXPORTED = Amount(N_("Exported"), N_("Exported in each %(period)s"))
_COUNTED = Amount(N_("Counted"), N_("Counted in each %(period)s"))


def amount(obis: Obis) -> Amount:
    """What the differences of a counter are: electricity may go both ways, and there is more to count than energy."""
    if obis[0] != 1 or obis[2] in _IMPORT:
        return _USED
    return _EXPORTED if obis[2] in _EXPORT else _COUNTED


def headings(registers: list[Register]) -> dict[CaptureObject, Heading]:
    """A heading a column; one whose unit changed names both."""
    units: dict[CaptureObject, set[str]] = {}
    for register in registers:
        units.setdefault(register.column, set()).add(symbol(register.unit))
    return {column: heading(column.obis, " / ".join(sorted(found))) for column, found in units.items()}


def flaws(gateway_status: int | None) -> list[str]:
    """What a gateway's status says that is not well; the clock's state is shown elsewhere."""
    return [text for bit, text in _FLAWS.items() if (gateway_status or 0) & bit]


def short(text: str) -> str:
    """A value as a page shows it: a long text is cut."""
    return text if len(text) <= MAX_TEXT else f"{text[:MAX_TEXT]}…"

"""Values as texts: exact, energy in kWh."""

from typing import NamedTuple

from smgw.cosem.obis import Obis
from smgw.cosem.reading import Reading
from smgw.cosem.units import WATT_HOUR, symbol
from smgw.look.language import N_, Language

_KILO = {WATT_HOUR: ("kWh", 3), 31: ("kVAh", 3), 32: ("kvarh", 3)}
NONE = "–"


class Quantity(NamedTuple):
    """A number and its unit, in a language."""

    text: str
    unit: str

    def __str__(self) -> str:
        return f"{self.text} {self.unit}".rstrip()


def quantity(value: int | None, scaler: int, unit: int, language: Language) -> Quantity:
    """Exactly this value, with all its digits."""
    return Quantity(NONE if value is None else language.decimal(number(value, scaler, unit)), unit_name(unit))


def number(value: int, scaler: int, unit: int) -> str:
    """The same as digits with a point, for programs."""
    return digits(value, scaler - _KILO.get(unit, ("", 0))[1])


def unit_name(unit: int) -> str:
    """The unit of `quantity`: kWh for Wh."""
    return _KILO.get(unit, (symbol(unit), 0))[0]


def digits(value: int, scaler: int) -> str:
    """value · 10^scaler: `-0.75`, `1200`."""
    if scaler >= 0:
        return str(value * 10**scaler)
    sign, text = "-" if value < 0 else "", str(abs(value)).rjust(1 - scaler, "0")
    return f"{sign}{text[:scaler]}.{text[scaler:]}"


def reading_quantity(reading: Reading, language: Language) -> Quantity:
    """A reading; what is no number is shown as its text."""
    value = reading.value.value
    if isinstance(value, bool) or not isinstance(value, int):
        return Quantity(f"{value!s:.60}", "")
    return quantity(value, reading.scaler, reading.unit, language)


#: What common codes mean, in the channel-free form C.D.E.
_MEANING = {
    "1.8": N_("energy, import"),
    "2.8": N_("energy, export"),
    "16.7": N_("power"),
    "1.7": N_("power, import"),
    "2.7": N_("power, export"),
    "36.7": N_("power, L1"),
    "56.7": N_("power, L2"),
    "76.7": N_("power, L3"),
    "32.7": N_("voltage, L1"),
    "52.7": N_("voltage, L2"),
    "72.7": N_("voltage, L3"),
    "31.7": N_("current, L1"),
    "51.7": N_("current, L2"),
    "71.7": N_("current, L3"),
    "14.7": N_("frequency"),
}
_ERROR_REGISTER = 63


def meaning(obis: Obis, language: Language) -> str:
    """What a register counts; empty for a code that few have."""
    _ = language.text
    known = _MEANING.get(f"{obis[2]}.{obis[3]}", "") if obis[0] == 1 else ""
    if not known or not obis[4]:
        return _(known) if known else ""
    if obis[4] == _ERROR_REGISTER:
        return _("%(what)s, step not known") % {"what": _(known)}
    return _("%(what)s, step %(step)s") % {"what": _(known), "step": obis[4]}

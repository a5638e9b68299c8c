"""What makers leave out of their pushes: names, scalers and units, by maker. Seen on real meters unless it says not.

The source is the captures in `tests/captures/dlms`. Their values agree with each other: voltage times current is power.
What no capture shows is marked. It is from the makers' descriptions of their customer interface.
"""

from typing import NamedTuple

from smgw.cosem import Obis
from smgw.cosem.units import AMPERE, VAR, VOLT, WATT, WATT_HOUR


class Column(NamedTuple):
    """What one value of a list means."""

    obis: Obis
    scaler: int | None = None
    unit: int | None = None


_WH, _VARH, _HZ = WATT_HOUR, 32, 44


def _column(obis: str, scaler: int | None = None, unit: int | None = None) -> Column:
    return Column(Obis.parse(obis), scaler, unit)


_VERSION, _SERIAL, _MAKE = _column("1-1:0.2.129"), _column("0-0:96.1.0"), _column("0-0:96.1.7")
_POWER = (
    _column("1-0:1.7.0", 0, WATT),
    _column("1-0:2.7.0", 0, WATT),
    _column("1-0:3.7.0", 0, VAR),
    _column("1-0:4.7.0", 0, VAR),
)
_CURRENT = tuple(_column(f"1-0:{phase}1.7.0", -3, AMPERE) for phase in (3, 5, 7))
_VOLTAGE = tuple(_column(f"1-0:{phase}2.7.0", -1, VOLT) for phase in (3, 5, 7))
_ENERGY = (
    _column("0-0:1.0.0"),
    _column("1-0:1.8.0", 0, _WH),
    _column("1-0:2.8.0", 0, _WH),
    _column("1-0:3.8.0", 0, _VARH),
    _column("1-0:4.8.0", 0, _VARH),
)
_THREE_PHASES = (_VERSION, _SERIAL, _MAKE, *_POWER, *_CURRENT, *_VOLTAGE)
_ONE_PHASE = (_VERSION, _SERIAL, _MAKE, *_POWER, _CURRENT[0], _VOLTAGE[0])

#: Kaifa in Norway (list version KFM_001): values by their place alone; how many there are says which list it is.
KAIFA: dict[int, tuple[Column, ...]] = {
    len(columns): columns
    for columns in (
        _POWER[:1],
        _ONE_PHASE,  # not seen
        _THREE_PHASES,  # not seen
        (*_ONE_PHASE, *_ENERGY),  # not seen
        (*_THREE_PHASES, *_ENERGY),
    )
}
KAIFA_VERSION = b"KFM_"

#: Kamstrup (list version Kamstrup_V0001): names and values, without scaler and unit. By groups C and D.
KAMSTRUP: dict[tuple[int, int], tuple[int, int | None]] = {
    **dict.fromkeys([(1, 7), (2, 7)], (0, WATT)),
    **dict.fromkeys([(3, 7), (4, 7)], (0, VAR)),
    **dict.fromkeys([(31, 7), (51, 7), (71, 7)], (-2, AMPERE)),
    **dict.fromkeys([(32, 7), (52, 7), (72, 7)], (0, VOLT)),
    # Danish lists; the powers of the phases make the sum together, and 13.7.0 was seen as 0.04.
    **dict.fromkeys([(c, 7) for c in (21, 41, 61, 22, 42, 62)], (0, WATT)),
    **dict.fromkeys([(c, 7) for c in (13, 33, 53, 73)], (-2, None)),
    # From the description: all energies that were seen are 0.
    **dict.fromkeys([(c, 8) for c in (1, 2, 21, 41, 61, 22, 42, 62)], (1, _WH)),
    **dict.fromkeys([(3, 8), (4, 8)], (1, _VARH)),
}
KAMSTRUP_VERSION = "Kamstrup_V"
#: The type of a meter behind current transformers begins so; its currents are in mA (from the description).
KAMSTRUP_TRANSFORMER = "685"
KAMSTRUP_MAKE = Obis.parse("1-1:96.1.1")
KAMSTRUP_TRANSFORMER_SCALER = -3
#: Hundredths of an ampere; no direct meter takes more. Seen in a list without the type: 90.999 A as 90999.
KAMSTRUP_DIRECT_MOST = 12_000

#: Push setups whose lists name neither scaler nor unit, but are known, and the scaler of their voltages.
OBJECT_LISTS = {
    Obis.parse("0-8:25.9.0"): 0,  # Landis+Gyr E450 and E570
    Obis.parse("0-6:25.9.0"): -1,  # Iskra AM550, Landis+Gyr E360: the list of the Swiss VSE
}
#: Of currents, but for LONG64: the E570 sends these in whole amperes, and 229 V times 1201 A is its power.
OBJECT_LISTS_CURRENT = -2
# By the quantity, which is what group C says, less 20 for each phase.
_ACTIVE, _REACTIVE = (1, 2, 15, 16), (3, 4, 5, 6, 7, 8)
_CURRENT_NUMBER, _VOLTAGE_NUMBER, _FACTOR_NUMBER, _FREQUENCY_NUMBER = 11, 12, 13, 14
_INSTANTANEOUS, _INTEGRAL = 7, 8


def usual_unit(obis: Obis) -> int | None:
    """The unit of an electricity register, by its name; None if the name does not say it."""
    a, _, c, d, *_ = obis
    if a != 1 or d not in (_INSTANTANEOUS, _INTEGRAL) or c > 80:
        return None
    quantity, whole = (c - 1) % 20 + 1, d == _INTEGRAL
    if quantity in _ACTIVE:
        return _WH if whole else WATT
    if quantity in _REACTIVE:
        return _VARH if whole else VAR
    if whole or (c <= 20 and quantity != _FREQUENCY_NUMBER):
        return None
    return {_CURRENT_NUMBER: AMPERE, _VOLTAGE_NUMBER: VOLT, _FREQUENCY_NUMBER: _HZ}.get(quantity)


def usual(obis: Obis) -> tuple[int | None, int | None]:
    """Scaler 0 and the unit of an energy or a power, as Landis+Gyr sends them; (None, None) for anything else.

    Seen from Graz and Styria: names and values behind a clock, with no word of scalers.
    """
    unit = usual_unit(obis)
    return (0, unit) if unit in (WATT, VAR, _WH, _VARH) else (None, None)


def of_object_list(obis: Obis) -> tuple[int | None, int | None]:
    """Scaler and unit of a register in one of `OBJECT_LISTS` whose value has the type LONG64.

    Energies in Wh and varh, powers in W and var, whole volts and amperes, the power factor in thousandths: so in all
    captures of these meters. (None, None) for what was not seen in them.
    """
    if obis[0] == 1 and obis[2] == _FACTOR_NUMBER and obis[3] == _INSTANTANEOUS:
        return -3, None
    unit = usual_unit(obis)
    return (None, None) if unit in (None, _HZ) else (0, unit)

"""What makers leave out of their pushes: names, scalers and units, by maker. Seen on real meters unless it says not.

Sources: the captures in `tests/captures/dlms`, their values held against each other (voltage times current is power);
what no capture shows is from the makers' descriptions of their customer interface, and marked.
"""

from typing import NamedTuple

from smgw.cosem import Obis


class Column(NamedTuple):
    """What one value of a list means."""

    obis: Obis
    scaler: int | None = None
    unit: int | None = None


_W, _WH, _VAR, _VARH, _A, _V = 27, 30, 29, 32, 33, 35


def _column(obis: str, scaler: int | None = None, unit: int | None = None) -> Column:
    return Column(Obis.parse(obis), scaler, unit)


_VERSION, _SERIAL, _MAKE = _column("1-1:0.2.129"), _column("0-0:96.1.0"), _column("0-0:96.1.7")
_POWER = (
    _column("1-0:1.7.0", 0, _W),
    _column("1-0:2.7.0", 0, _W),
    _column("1-0:3.7.0", 0, _VAR),
    _column("1-0:4.7.0", 0, _VAR),
)
_CURRENT = tuple(_column(f"1-0:{phase}1.7.0", -3, _A) for phase in (3, 5, 7))
_VOLTAGE = tuple(_column(f"1-0:{phase}2.7.0", -1, _V) for phase in (3, 5, 7))
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
KAMSTRUP: dict[tuple[int, int], tuple[int, int]] = {
    (1, 7): (0, _W),
    (2, 7): (0, _W),
    (3, 7): (0, _VAR),
    (4, 7): (0, _VAR),
    (31, 7): (-2, _A),
    (51, 7): (-2, _A),
    (71, 7): (-2, _A),
    (32, 7): (0, _V),
    (52, 7): (0, _V),
    (72, 7): (0, _V),
    (1, 8): (1, _WH),  # from the description: all energies that were seen are 0
    (2, 8): (1, _WH),
    (3, 8): (1, _VARH),
    (4, 8): (1, _VARH),
}
KAMSTRUP_VERSION = "Kamstrup_V"
#: The type of a meter behind current transformers begins so; its currents are in mA (from the description, not seen).
KAMSTRUP_TRANSFORMER = "685"
KAMSTRUP_MAKE = Obis.parse("1-1:96.1.1")
KAMSTRUP_TRANSFORMER_SCALER = -3

#: Push setups whose lists name neither scaler nor unit, but are known: Landis+Gyr E450 and E570; Iskra AM550.
OBJECT_LISTS = frozenset({Obis.parse("0-8:25.9.0"), Obis.parse("0-6:25.9.0")})
# By the quantity, which is what group C says, less 20 for each phase.
_ACTIVE, _REACTIVE = (1, 2, 15, 16), (3, 4, 5, 6, 7, 8)
_CURRENT_NUMBER, _VOLTAGE_NUMBER, _FACTOR_NUMBER = 11, 12, 13
_INSTANTANEOUS, _INTEGRAL = 7, 8


def of_object_list(obis: Obis) -> tuple[int | None, int | None]:
    """Scaler and unit of a register in one of `OBJECT_LISTS`.

    Energies in Wh and varh, powers in W and var, whole volts and amperes, the power factor in thousandths: so in all
    captures of these meters. (None, None) for what was not seen in them.
    """
    a, _, c, d, *_ = obis
    if a != 1 or d not in (_INSTANTANEOUS, _INTEGRAL) or c > 80:
        return None, None
    quantity, whole = (c - 1) % 20 + 1, d == _INTEGRAL
    if quantity in _ACTIVE:
        return 0, _WH if whole else _W
    if quantity in _REACTIVE:
        return 0, _VARH if whole else _VAR
    if not whole and quantity in (_CURRENT_NUMBER, _VOLTAGE_NUMBER) and c > 20:
        return 0, _A if quantity == _CURRENT_NUMBER else _V
    if not whole and c == _FACTOR_NUMBER:
        return -3, None
    return None, None

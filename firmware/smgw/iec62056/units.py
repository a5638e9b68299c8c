"""The units of data sets, as meters write them, as units of COSEM."""

from smgw.cosem.units import NO_UNIT

_BASE = {
    "wh": 30, "w": 27, "varh": 32, "var": 29, "vah": 31, "va": 28, "v": 35, "a": 33, "hz": 44, "j": 25,
    "m3": 13, "m3/h": 15, "m3ph": 15, "l": 19, "c": 9, "k": 52, "bar": 24, "s": 7, "min": 6, "h": 5, "d": 4,
    "deg": 8, "%": 56,
}  # fmt: skip
_POWERS = {"k": 3, "m": 6, "g": 9}  # mega: no meter writes milli
_PREFIXED = ("wh", "w", "varh", "var", "vah", "va", "v", "j")
_UNITS: dict[str, tuple[int, int]] = {
    **{name: (unit, 0) for name, unit in _BASE.items()},
    **{prefix + name: (_BASE[name], power) for prefix, power in _POWERS.items() for name in _PREFIXED},
    "dm3": (13, -3),
    "ma": (33, -3),
    "": (NO_UNIT, 0),
}


def unit_of(text: str) -> tuple[int, int] | None:
    """The unit's number and the power of ten before it, such as 30 and 3 for kWh; None if it is unknown.

    Case is no matter: KWh and kvarh occur.
    """
    return _UNITS.get(text) or _UNITS.get(text.lower())

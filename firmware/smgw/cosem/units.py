"""DLMS/COSEM units (IEC 62056-62, 4.1.4 `scaler_unit`): the enum of the wire and its symbol for people."""

# A table, not an enum: meters also send values outside it (0, 254), which must reach the EMP unchanged.
SYMBOLS: dict[int, str] = {
    1: "a", 2: "mo", 3: "wk", 4: "d", 5: "h", 6: "min", 7: "s", 8: "°", 9: "°C", 10: "currency",
    11: "m", 12: "m/s", 13: "m³", 14: "m³", 15: "m³/h", 16: "m³/h", 17: "m³/d", 18: "m³/d", 19: "l", 20: "kg",
    21: "N", 22: "Nm", 23: "Pa", 24: "bar", 25: "J", 26: "J/h", 27: "W", 28: "VA", 29: "var", 30: "Wh",
    31: "VAh", 32: "varh", 33: "A", 34: "C", 35: "V", 36: "V/m", 37: "F", 38: "Ω", 39: "Ωm²/m", 40: "Wb",
    41: "T", 42: "A/m", 43: "H", 44: "Hz", 45: "1/Wh", 46: "1/varh", 47: "1/VAh", 48: "V²h", 49: "A²h", 50: "kg/s",
    51: "S", 52: "K", 53: "1/(V²h)", 54: "1/(A²h)", 55: "1/m³", 56: "%", 57: "Ah", 60: "Wh/m³", 61: "J/m³",
    62: "mol%", 63: "g/m³", 64: "Pa·s", 65: "J/kg", 66: "g/cm²", 67: "atm", 70: "dBm", 71: "dBµV", 72: "dB",
}  # fmt: skip

WATT = 27
VAR = 29
WATT_HOUR = 30
AMPERE = 33
VOLT = 35
NO_UNIT = 255  # "count": the value is a number without a unit


def symbol(unit: int | None) -> str:
    """The symbol of a unit; empty for no unit, `unit 99` for a number that the table lacks."""
    if unit in (None, 0, 254, NO_UNIT):
        return ""
    return SYMBOLS.get(unit, f"unit {unit}")


_BY_SYMBOL = {name: number for number, name in reversed(SYMBOLS.items())} | {"m3": 13, "m3/h": 15}


def number_of(name: str) -> int | None:
    """The number of a unit by its symbol; None if no unit has it. "" is "no unit"."""
    return NO_UNIT if not name else _BY_SYMBOL.get(name)

"""What a value information block says of a value (EN 13757-3, 6.4): quantity, unit and power of ten, by formula.

A block is a first octet (VIF), or FD or FB and an octet of their tables, and up to ten octets behind it (VIFE) that
change the meaning. The low bits of most codes are an exponent, so a row of the tables has a range of codes.
Units that COSEM does not have are converted where a whole factor does it; others keep their symbol and have no number.
"""

from typing import NamedTuple

from smgw.cosem.units import NO_UNIT, symbol

MOST_EXTENSIONS = 10
EXTENDED = 0x80  # another octet follows
_TEXT_VIF, _ANY_VIF, _MAKER_VIF = 0x7C, 0x7E, 0x7F
_TABLE_FB, _TABLE_FD = 0xFB, 0xFD
_SECONDS = {"s": 7, "min": 6, "h": 5, "d": 4}
_CUBIC_FEET, _GALLON, _CALORIE = 28_316_846_592, 3_785_411_784, 41_868  # in 10^-12 m³, 10^-12 m³, 10^-4 J

#: Modifiers that names of registers know.
POSITIVE, NEGATIVE, BASE_CONDITIONS, UNCORRECTED = "only positive", "only negative", "base conditions", "uncorrected"
PHASES = ("L1", "L2", "L3", "N", "L1-L2", "L2-L3", "L3-L1")
MAKER = "maker's own"


class Meaning(NamedTuple):
    """The value is (number · factor · 10^scaler) in `unit`."""

    quantity: str
    unit: int | None = NO_UNIT  # of COSEM; None if COSEM has none: see `symbol`
    scaler: int = 0
    factor: int = 1
    own_symbol: str = ""
    modifiers: tuple[str, ...] = ()
    error: str = ""  # the meter says that the value is wrong
    offset: int | None = None  # the power of ten of a constant 1 that is added
    date: bool = False

    @property
    def symbol(self) -> str:
        """The unit for people."""
        return self.own_symbol or symbol(self.unit)


class _Row(NamedTuple):
    """Codes `first` to `first + codes - 1`: scaler is `power` plus the place in the range."""

    first: int
    codes: int
    quantity: str
    unit: int | None = NO_UNIT
    power: int = 0
    factor: int = 1
    symbol: str = ""
    date: bool = False


def _durations(first: int, quantity: str, units: tuple[str, ...] = ("s", "min", "h", "d")) -> list[_Row]:
    numbers = {**_SECONDS, "mo": 2, "a": 1}
    return [_Row(first + place, 1, quantity, numbers[unit]) for place, unit in enumerate(units)]


_LONG = ("h", "d", "mo", "a")

_MAIN = (
    _Row(0x00, 8, "energy", 30, -3),
    _Row(0x08, 8, "energy", 25),
    _Row(0x10, 8, "volume", 13, -6),
    _Row(0x18, 8, "mass", 20, -3),
    *_durations(0x20, "on time"),
    *_durations(0x24, "operating time"),
    _Row(0x28, 8, "power", 27, -3),
    _Row(0x30, 8, "power", 26),
    _Row(0x38, 8, "volume flow", 15, -6),
    _Row(0x40, 8, "volume flow", 15, -7, 60),
    _Row(0x48, 8, "volume flow", 15, -9, 3600),
    _Row(0x50, 8, "mass flow", None, -3, 1, "kg/h"),
    _Row(0x58, 4, "flow temperature", 9, -3),
    _Row(0x5C, 4, "return temperature", 9, -3),
    _Row(0x60, 4, "temperature difference", 52, -3),
    _Row(0x64, 4, "external temperature", 9, -3),
    _Row(0x68, 4, "pressure", 24, -3),
    _Row(0x6C, 1, "date", date=True),
    _Row(0x6D, 1, "time", date=True),
    _Row(0x6E, 1, "heat cost"),
    *_durations(0x70, "averaging duration"),
    *_durations(0x74, "actuality duration"),
    _Row(0x78, 1, "fabrication number"),
    _Row(0x79, 1, "enhanced identification"),
    _Row(0x7A, 1, "bus address"),
    _Row(0x7C, 1, "plain text"),
    _Row(_ANY_VIF, 1, "any"),
    _Row(_MAKER_VIF, 1, MAKER),
)
_FD = (
    _Row(0x00, 4, "credit", 10, -3),
    _Row(0x04, 4, "debit", 10, -3),
    *(
        _Row(0x08 + place, 1, name)
        for place, name in enumerate((
            "access number", "medium", "manufacturer", "parameter set", "model or version", "hardware version",
            "firmware version", "software version", "customer location", "customer", "access code of user",
            "access code of operator", "access code of system operator", "access code of developer", "password",
            "error flags", "error mask", "security key", "digital output", "digital input", "baud rate",
            "response delay", "retries", "remote control", "first storage number", "last storage number",
            "size of storage block", "tariff and subunit",
        ))
    ),
    *_durations(0x24, "storage interval"),
    *_durations(0x28, "storage interval", ("mo", "a")),
    _Row(0x2A, 1, "operator's data"),
    _Row(0x2B, 1, "second of time"),
    *_durations(0x2C, "duration since readout"),
    _Row(0x30, 1, "start of tariff", date=True),
    *_durations(0x31, "duration of tariff", ("min", "h", "d")),
    *_durations(0x34, "period of tariff"),
    *_durations(0x38, "period of tariff", ("mo", "a")),
    _Row(0x3A, 1, "number"),
    _Row(0x3B, 1, "wireless container"),
    *_durations(0x3C, "period of transmissions"),
    _Row(0x40, 16, "voltage", 35, -9),
    _Row(0x50, 16, "current", 33, -12),
    _Row(0x60, 1, "reset counter"),
    _Row(0x61, 1, "cumulation counter"),
    _Row(0x62, 1, "control signal"),
    _Row(0x63, 1, "day of week"),
    _Row(0x64, 1, "week number"),
    _Row(0x65, 1, "time of day change"),
    _Row(0x66, 1, "state of parameters"),
    _Row(0x67, 1, "supplier's data"),
    *_durations(0x68, "duration since cumulation", _LONG),
    *_durations(0x6C, "operating time of battery", _LONG),
    _Row(0x70, 1, "change of battery", date=True),
    _Row(0x71, 1, "signal strength", 70),
    _Row(0x72, 1, "daylight saving"),
    _Row(0x73, 1, "listening window"),
    _Row(0x74, 1, "life of battery", 4),
    _Row(0x75, 1, "number of stops"),
    _Row(0x76, 1, "maker's container"),
)  # fmt: skip
_FB = (
    _Row(0x00, 2, "energy", 30, 5),
    _Row(0x02, 2, "reactive energy", 32, 3),
    _Row(0x04, 2, "apparent energy", 31, 3),
    _Row(0x08, 2, "energy", 25, 8),
    _Row(0x0C, 4, "energy", 25, 1, _CALORIE),
    _Row(0x10, 2, "volume", 13, 2),
    _Row(0x14, 4, "reactive power", 29),
    _Row(0x18, 2, "mass", 20, 5),
    _Row(0x1A, 2, "relative humidity", 56, -1),
    _Row(0x20, 1, "volume", 13, -12, _CUBIC_FEET),
    _Row(0x21, 1, "volume", 13, -13, _CUBIC_FEET),
    _Row(0x22, 2, "volume", 13, -13, _GALLON),
    _Row(0x24, 1, "volume flow", 15, -15, 60 * _GALLON),
    _Row(0x25, 1, "volume flow", 15, -12, 60 * _GALLON),
    _Row(0x26, 1, "volume flow", 15, -12, _GALLON),
    _Row(0x28, 2, "power", 27, 5),
    _Row(0x2A, 1, "angle U-U", 8, -1),
    _Row(0x2B, 1, "angle U-I", 8, -1),
    _Row(0x2C, 4, "frequency", 44, -3),
    _Row(0x30, 2, "power", 26, 8),
    _Row(0x34, 4, "apparent power", 28),
    _Row(0x58, 4, "flow temperature", None, -3, 1, "°F"),
    _Row(0x5C, 4, "return temperature", None, -3, 1, "°F"),
    _Row(0x60, 4, "temperature difference", None, -3, 1, "°F"),
    _Row(0x64, 4, "external temperature", None, -3, 1, "°F"),
    _Row(0x70, 4, "temperature limit", None, -3, 1, "°F"),
    _Row(0x74, 4, "temperature limit", 9, -3),
    _Row(0x78, 8, "cumulated maximum of power", 27, -3),
)


def _table(rows: tuple[_Row, ...]) -> dict[int, Meaning]:
    return {
        row.first + place: Meaning(row.quantity, row.unit, row.power + place, row.factor, row.symbol, date=row.date)
        for row in rows
        for place in range(row.codes)
    }


_TABLES = {0: _table(_MAIN), _TABLE_FD: _table(_FD), _TABLE_FB: _table(_FB)}

#: Record errors that a meter reports (6.4.8).
_ERRORS = {
    0x01: "too many DIFE", 0x02: "storage number not implemented", 0x03: "unit number not implemented",
    0x04: "tariff not implemented", 0x05: "function not implemented", 0x06: "data class not implemented",
    0x07: "data size not implemented", 0x0B: "too many VIFE", 0x0C: "illegal VIF group", 0x0D: "illegal VIF exponent",
    0x0E: "VIF and DIF do not match", 0x0F: "unimplemented action", 0x15: "no data available", 0x16: "data overflow",
    0x17: "data underflow", 0x18: "data error", 0x1C: "premature end of record",
}  # fmt: skip
_WORDS = {
    0x20: "per s", 0x21: "per min", 0x22: "per h", 0x23: "per d", 0x24: "per week", 0x25: "per month",
    0x26: "per year", 0x27: "per revolution", 0x28: "per input pulse 0", 0x29: "per input pulse 1",
    0x2A: "per output pulse 0", 0x2B: "per output pulse 1", 0x2C: "per l", 0x2D: "per m³", 0x2E: "per kg",
    0x2F: "per K", 0x30: "per kWh", 0x31: "per GJ", 0x32: "per kW", 0x33: "per K·l", 0x34: "per V", 0x35: "per A",
    0x36: "times s", 0x37: "times s/V", 0x38: "times s/A", 0x39: "start of", 0x3A: UNCORRECTED, 0x3B: POSITIVE,
    0x3C: NEGATIVE, 0x3D: "not metric", 0x3E: BASE_CONDITIONS, 0x3F: "OBIS declaration", 0x40: "lower limit",
    0x41: "exceeds of lower limit", 0x48: "upper limit", 0x49: "exceeds of upper limit", 0x68: "at limit",
    0x6C: "at limit", 0x7E: "future",
}  # fmt: skip
_START_OF = 0x39
#: Codes below 20 that are no errors: rows of a profile in one record, and values as the standard has them.
_PROFILES = {
    0x13: "inverse compact profile", 0x1E: "compact profile with register numbers", 0x1F: "compact profile",
}  # fmt: skip
_NO_ERROR = (0x00, 0x1D)
_COMBINED = {place + 1: phase for place, phase in enumerate(PHASES)} | {
    0x08: "quadrant 1", 0x09: "quadrant 2", 0x0A: "quadrant 3", 0x0B: "quadrant 4", 0x0C: "difference of both ways",
    0x0D: "accumulation of both ways", 0x10: "accumulated absolute values", 0x11: "data by C field",
    0x12: "data by C field", 0x13: "direction by C field",
}  # fmt: skip
_FIRST_WORD = 0x20
_MULTIPLIED, _ADDED, _COMBINED_FOLLOW, _THOUSAND, _OWN = range(0x70, 0x78), range(0x78, 0x7C), 0x7C, 0x7D, 0x7F


def meaning_of(block: bytes, text: str = "") -> Meaning:
    """The meaning of a whole value information block. `text`: the unit in plain text, which is no part of it."""
    first = block[0]
    table = first if first in (_TABLE_FB, _TABLE_FD) else 0
    code, rest = (block[1] & 0x7F, block[2:]) if table and len(block) > 1 else (first & 0x7F, block[1:])
    found = _TABLES[table].get(code)
    if found is None:
        found = Meaning(f"reserved {block[: 2 if table else 1].hex()}")
    if not table and code == _TEXT_VIF:
        found = Meaning(text or found.quantity, None)
    if not table and code == _MAKER_VIF:
        return found._replace(modifiers=(MAKER,))
    return _modified(found, rest)


def _modified(found: Meaning, extensions: bytes) -> Meaning:
    """The chain of VIFE, from the first to the last, or to the one behind which the maker's own begin."""
    scaler, offset, error, date = found.scaler, found.offset, found.error, found.date
    words: list[str] = []
    octets = iter(extensions)
    for octet in octets:
        code = octet & 0x7F
        if code in _PROFILES:
            words.append(_PROFILES[code])
        elif code < _FIRST_WORD:
            error = "" if code in _NO_ERROR else _ERRORS.get(code, f"record error {code:02x}")
        elif code in _MULTIPLIED:
            scaler += code - 0x76
        elif code in _ADDED:
            offset = code - 0x7B
        elif code == _THOUSAND:
            scaler += 3
        elif code == _COMBINED_FOLLOW:
            following = next(octets, None)
            if following is not None:
                words.append(_COMBINED.get(following & 0x7F, f"combined {following & 0x7F:02x}"))
        elif code == _OWN:
            words.append(MAKER)
            break
        else:
            words.append(_WORDS.get(code) or _limit(code))
            date = date or code == _START_OF or _is_date(code)
    return found._replace(scaler=scaler, offset=offset, error=error, date=date, modifiers=tuple(words))


def _is_date(code: int) -> bool:
    """Begin or end of a time beyond a limit (1000ufb with b or f set), or of another event (1101rfb with bit 2..)."""
    return code in (0x42, 0x43, 0x46, 0x47, 0x4A, 0x4B, 0x4E, 0x4F, 0x6A, 0x6B, 0x6E, 0x6F)


def _limit(code: int) -> str:
    if _is_date(code):
        return f"moment {code:02x}"
    if 0x50 <= code < 0x68:
        return f"duration {code:02x}"
    return f"extension {code:02x}"

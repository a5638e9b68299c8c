"""The octets of a record's data as values of COSEM (EN 13757-3, annex A and B). No value passes through a float."""

from smgw.cosem.data import RANGE, Data, DataType
from smgw.cosem.date_time import DateTime

#: Low nibble of the DIF -> octets of data; D has its own length, 8 and F are no data.
LENGTHS = {0: 0, 1: 1, 2: 2, 3: 3, 4: 4, 5: 4, 6: 6, 7: 8, 9: 1, 0xA: 2, 0xB: 3, 0xC: 4, 0xE: 6}
VARIABLE = 0xD
_REAL = 5
#: This coding and those above are decimal.
FIRST_DECIMAL = 9
#: Codings of whole numbers.
NUMBERS = frozenset((1, 2, 3, 4, 6, 7, 9, 0xA, 0xB, 0xC, 0xE))
_CENTURY = 80  # years up to it are of this century
_HIGHEST, _LOWEST = RANGE[DataType.DOUBLE_LONG_UNSIGNED][1], RANGE[DataType.DOUBLE_LONG][0]
_LOWEST_64, _HIGHEST_64 = RANGE[DataType.LONG64][0], RANGE[DataType.LONG64_UNSIGNED][1]
_DATE, _TIME_OF_DAY, _MINUTES, _SECONDS = 2, 3, 4, 6  # octets of the types G, J, F, I
_NOTHING = 0xFF
#: From the hour on, and from the hundredths on: no deviation is known.
_NO_TIME, _NORMAL, _SUMMER = map(bytes.fromhex, ("ffffffff8000ff", "ff800000", "ff800080"))


def number(value: int) -> Data | None:
    """Data for a number of any sign; None if COSEM has no type that is so long."""
    if 0 <= value <= _HIGHEST:
        return Data(DataType.DOUBLE_LONG_UNSIGNED, value)
    if _LOWEST <= value < 0:
        return Data(DataType.DOUBLE_LONG, value)
    if _LOWEST_64 <= value <= RANGE[DataType.LONG64][1]:
        return Data(DataType.LONG64, value)
    return Data(DataType.LONG64_UNSIGNED, value) if 0 < value <= _HIGHEST_64 else None


def bcd(octets: bytes) -> int | None:
    """Packed decimal digits, low octet first. A first digit F is a minus; None if another digit is none."""
    digits = octets[::-1].hex()
    if digits.isdigit():
        return int(digits)
    if digits[:1] == "f" and (rest := digits[1:]).isdigit():
        return -int(rest)
    return None


def number_in(coding: int, octets: bytes) -> int | None:
    """A whole number of a fixed length; None if it is none."""
    return bcd(octets) if coding >= FIRST_DECIMAL else int.from_bytes(octets, "little", signed=True)


def fixed(coding: int, octets: bytes) -> int | bytes | None:
    """A number of a fixed length; the octets of a float, high first; None if it is no number."""
    return octets[::-1] if coding == _REAL else number_in(coding, octets)


def variable(head: int, octets: bytes) -> int | str | bytes | None:
    """Data with a length of their own, whose first octet (LVAR) says what they are."""
    if head < 0xC0:
        return octets[::-1].decode("latin-1")
    if head < 0xE0:
        value = bcd(octets)
        return None if value is None else -value if head >= 0xD0 else value
    return int.from_bytes(octets, "little", signed=True) if len(octets) <= 8 else octets


def variable_length(head: int) -> int | None:
    """Octets behind LVAR; None for a reserved one, whose length nobody knows."""
    if head < 0xC0:
        return head
    if head < 0xF0:
        return head & 0x0F
    return {0xF0: 16, 0xF1: 20, 0xF2: 24, 0xF3: 28, 0xF4: 32, 0xF5: 48, 0xF6: 64}.get(head)


def date_time(octets: bytes) -> bytes | None:
    """The twelve octets of a date or time of type F, G, I or J; None if it is none. The zone is not known."""
    size = len(octets)
    if size == _DATE:
        return _whole(_year(octets[0], octets[1], 0), octets[1] & 0x0F, octets[0] & 0x1F)
    if size == _MINUTES:
        if octets[0] & 0x80:
            return None
        year = _year(octets[2], octets[3], octets[1] >> 5 & 3)
        summer = bool(octets[1] & 0x80)
        return _whole(year, octets[3] & 0x0F, octets[2] & 0x1F, octets[1] & 0x1F, octets[0] & 0x3F, 0, summer=summer)
    if size == _SECONDS:
        if octets[1] & 0x80:
            return None
        year = _year(octets[3], octets[4], 0)
        time = (octets[2] & 0x1F, octets[1] & 0x3F, octets[0] & 0x3F)
        return _whole(year, octets[4] & 0x0F, octets[3] & 0x1F, *time, summer=bool(octets[0] & 0x80))
    if size == _TIME_OF_DAY:
        hour, minute, second = octets[2] & 0x1F, octets[1] & 0x3F, octets[0] & 0x3F
        if hour > 23 or minute > 59 or second > 59:
            return None
        return DateTime(None, None, None, None, hour, minute, second, None, None, None).encode()
    return None


def _year(low: int, high: int, hundreds: int) -> int:
    year = low >> 5 | (high & 0xF0) >> 1
    if not hundreds:
        return year + (2000 if year <= _CENTURY else 1900)
    return 1900 + 100 * hundreds + year


def _whole(
    year: int, month: int, day: int, hour: int = _NOTHING, minute: int = _NOTHING, second: int = _NOTHING,
    *, summer: bool = False,
) -> bytes | None:  # fmt: skip
    """None for a day that no month has, and for FF, which stands for no date."""
    if not 1 <= month <= 12 or not 1 <= day <= 31:
        return None
    date = year.to_bytes(2, "big") + bytes((month, day, _NOTHING))
    if hour == _NOTHING:
        return date + _NO_TIME
    if hour > 23 or minute > 59 or second > 59:
        return None
    return date + bytes((hour, minute, second)) + (_SUMMER if summer else _NORMAL)

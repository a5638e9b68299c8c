"""Numbers that a meter sends as floating point or BCD, as exact integers with a scaler.

    float32, floating-point   sign 1 bit | exponent 8 bits | fraction 23 bits   (IEC 60559)
    float64                   sign 1 bit | exponent 11 bits | fraction 52 bits
    bcd                       two decimal digits in one octet

The integer is the shortest decimal number that reads back to the same bits, as it stands on the meter's display: 230.5
becomes 2305 with scaler -1. All arithmetic is on integers.
"""

from typing import NamedTuple

from smgw.cosem.data import RANGE, Data, DataError, DataType
from smgw.cosem.reading import Reading
from smgw.cosem.units import NO_UNIT

#: Bits of exponent and fraction.
_FLOATS = {
    DataType.FLOATING_POINT: (8, 23),
    DataType.FLOAT32: (8, 23),
    DataType.FLOAT64: (11, 52),
}
#: Types of numbers.
NUMBERS = frozenset({*RANGE, *_FLOATS, DataType.BCD})
_SCALERS = RANGE[DataType.INTEGER]


class Exact(NamedTuple):
    """value · 10^scaler. `raw` is what the meter sent, where that was no integer."""

    value: Data
    scaler: int = 0
    raw: Data | None = None


def exact(data: Data) -> Exact | None:
    """The number in this data; None if it is no number. DataError for a float or BCD octet that has no value."""
    if isinstance(data.value, int):
        return Exact(data)
    if not isinstance(data.value, bytes):
        return None
    if data.type is DataType.BCD:
        digits = data.value.hex()
        if not digits.isdecimal():
            raise DataError("the BCD octet holds no decimal digits")
        return Exact(Data(DataType.UNSIGNED, int(digits)), 0, data)
    if data.type not in _FLOATS:
        return None
    number, scaler = _decimal(data.value, *_FLOATS[data.type])
    if number == 0:
        scaler = 0
    elif scaler > 0 and abs(number) * 10 ** min(scaler, 20) <= RANGE[DataType.LONG64][1]:
        number, scaler = number * 10**scaler, 0
    if not _SCALERS[0] <= scaler <= _SCALERS[1]:
        raise DataError(f"the float is too {'small' if scaler < 0 else 'large'} for a scaler")
    low, high = RANGE[DataType.DOUBLE_LONG]
    return Exact(Data(DataType.DOUBLE_LONG if low <= number <= high else DataType.LONG64, number), scaler, data)


def exact_reading(reading: Reading) -> Reading:
    """The reading with an integer in place of a float or BCD octet, and what the meter sent beside it; DataError.

    What is no number has neither scaler nor unit.
    """
    number = exact(reading.value)
    if number is None:
        return reading._replace(scaler=0, unit=NO_UNIT)
    if number.raw is None:
        return reading
    scaler = reading.scaler + number.scaler
    if not _SCALERS[0] <= scaler <= _SCALERS[1]:
        raise DataError(f"the scalers {reading.scaler} and {number.scaler} are out of range together")
    return reading._replace(value=number.value, scaler=scaler, raw=number.raw)


def _decimal(octets: bytes, exponent_bits: int, fraction_bits: int) -> tuple[int, int]:
    """(number, scaler) of the shortest decimal within the interval that rounds to these bits; DataError for NaN."""
    bits = int.from_bytes(octets, "big")
    fraction = bits & ((1 << fraction_bits) - 1)
    biased = bits >> fraction_bits & ((1 << exponent_bits) - 1)
    sign = -1 if bits >> (exponent_bits + fraction_bits) else 1
    if biased == (1 << exponent_bits) - 1:
        raise DataError(f"the float is {'not a number (NaN)' if fraction else 'infinite'}")
    bias = (1 << (exponent_bits - 1)) - 1 + fraction_bits
    mantissa, exponent = (fraction | 1 << fraction_bits, biased - bias) if biased else (fraction, 1 - bias)
    if mantissa == 0:
        return 0, 0
    # In quarters of the last place: the value, and how far it may be off on both sides. Below a power of two the next
    # smaller float is half as near.
    value, below, above = 4 * mantissa, 1 if fraction == 0 and biased > 1 else 2, 2
    exponent -= 2
    closed = mantissa % 2 == 0  # a tie is rounded to the even mantissa
    scaler = (exponent + value.bit_length()) * 30_103 // 100_000 + 1  # log10 of 2; not too small
    while True:
        over = 2 ** max(exponent, 0) * 10 ** max(-scaler, 0)
        under = 2 ** max(-exponent, 0) * 10 ** max(scaler, 0)
        least = -((below - value) * over // under) if closed else (value - below) * over // under + 1
        most = (value + above) * over // under if closed else -(-(value + above) * over // under) - 1
        if least <= most:
            nearest, rest = divmod(value * over, under)
            nearest += 2 * rest > under or (2 * rest == under and nearest % 2)
            return sign * min(max(nearest, least), most), scaler
        scaler -= 1

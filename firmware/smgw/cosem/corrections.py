"""What a meter profile says against its meter: other scalers, other units, and factors of transformers.

The gateway applies them in one place, to the readings of every protocol, before it stores or shows them.
"""

from collections.abc import Iterable, Mapping
from typing import NamedTuple, Self

from smgw.cosem.data import RANGE, Data, DataError, DataType
from smgw.cosem.exact import exact
from smgw.cosem.obis import Obis
from smgw.cosem.reading import Reading

Pairs = Iterable[tuple[Obis, int]]
#: Types of a product, the narrowest first.
_SIGNED = (DataType.INTEGER, DataType.LONG, DataType.DOUBLE_LONG, DataType.LONG64)
_UNSIGNED = (
    DataType.UNSIGNED, DataType.LONG_UNSIGNED, DataType.DOUBLE_LONG_UNSIGNED, DataType.LONG64_UNSIGNED,
)  # fmt: skip


class Corrections(NamedTuple):
    """By OBIS code. Scaler and unit replace what the meter says; the value is multiplied by the factor."""

    scalers: Mapping[Obis, int] = {}
    units: Mapping[Obis, int] = {}
    factors: Mapping[Obis, int] = {}

    @classmethod
    def of(cls, scalers: Pairs = (), units: Pairs = (), factors: Pairs = ()) -> Self:
        """From pairs; the last one of an OBIS code counts."""
        return cls(dict(scalers), dict(units), dict(factors))

    def __bool__(self) -> bool:
        """True if there is anything to correct."""
        return bool(self.scalers or self.units or self.factors)


NO_CORRECTIONS = Corrections()


def corrected(readings: tuple[Reading, ...], corrections: Corrections) -> tuple[tuple[Reading, ...], tuple[str, ...]]:
    """The corrected readings, and why readings are left out. `raw` of a multiplied reading is what the meter sent."""
    if not corrections:
        return readings, ()
    found, left_out = [], []
    for reading in readings:
        try:
            found.append(_corrected(reading, corrections))
        except DataError as error:
            left_out.append(f"{reading.obis}: {error}")
    return tuple(found), tuple(left_out)


def _corrected(reading: Reading, corrections: Corrections) -> Reading:
    obis, value = reading.obis, reading.value
    if not isinstance(value.value, int):
        return reading
    if obis in corrections.scalers:
        sent = exact(reading.raw) if reading.raw is not None else None  # a float has decimals of its own
        reading = reading._replace(scaler=corrections.scalers[obis] + (sent.scaler if sent else 0))
    if obis in corrections.units:
        reading = reading._replace(unit=corrections.units[obis])
    factor = corrections.factors.get(obis, 1)
    if factor != 1:
        reading = reading._replace(
            value=_product(value.type, value.value, factor), raw=value if reading.raw is None else reading.raw
        )
    return reading


def _product(kind_sent: DataType, value: int, factor: int) -> Data:
    """The product as data: of the value's type if it fits, else of a wider one; DataError beyond 64 bits."""
    number = value * factor
    for kind in (kind_sent, *(_SIGNED if kind_sent in _SIGNED else _UNSIGNED)):
        low, high = RANGE[kind]
        if low <= number <= high:
            return Data(kind, number)
    raise DataError(f"{value} times {factor} does not fit 64 bits; check factors")

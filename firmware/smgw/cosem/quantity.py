"""Which readings are measured quantities: all that an EMP gets under a pseudonym.

A register counts if a rule allows it. Everything unknown is left out, since it may name the meter or count its life.

Left out                                        Because
texts, octet-strings, bit-strings, dates        serial numbers, server ids, firmware, keys, clocks
numbers with a unit of time                     seconds of operation
group A = 0 but for values of M-Bus devices     addresses, counters and texts of the device itself
attributes other than values                    states and times of registers
groups C = 0 and C from 93 on, B from 128 on    counters, general and service objects; what a maker defines
group D = 128 and more                          what a maker defines
group F other than 255                          stored values of billing periods: the same number for a month
"""

from functools import lru_cache
from operator import itemgetter

from smgw.cosem.data import DataType
from smgw.cosem.obis import Obis
from smgw.cosem.reading import Reading

_ABSTRACT, _ELECTRICITY = 0, 1
#: Of group A = 0: the main values of M-Bus devices, such as 0-1:24.2.1.
_MBUS_VALUES = 24
_LAST_QUANTITY = 92  # of group C
_MAKERS = 128
_CURRENT = 255  # group F
_CALENDAR_AND_TIME = range(1, 8)
#: Class and attribute: the value of a register, of an extended one, both averages of a demand register.
_VALUES = frozenset({(3, 2), (4, 2), (5, 2), (5, 3)})
_NUMBERS = frozenset({
    DataType.NULL_DATA,  # the quantity is a column, and this row has no value
    DataType.INTEGER, DataType.LONG, DataType.DOUBLE_LONG, DataType.LONG64,
    DataType.UNSIGNED, DataType.LONG_UNSIGNED, DataType.DOUBLE_LONG_UNSIGNED, DataType.LONG64_UNSIGNED,
    DataType.FLOATING_POINT, DataType.FLOAT32, DataType.FLOAT64,
})  # fmt: skip


_value_of = itemgetter(Reading._fields.index("value"))
_name_of = itemgetter(*map(Reading._fields.index, ("obis", "unit", "class_id", "attribute")))


def quantities(readings: tuple[Reading, ...]) -> tuple[Reading, ...]:
    """Those that are numbers in a register of a medium; the same tuple if all are."""
    if _all(tuple([_name_of(one) for one in readings])) and _NUMBERS.issuperset(
        [value[0] for value in map(_value_of, readings)]
    ):
        return readings
    return tuple([one for one in readings if one.value[0] in _NUMBERS and _is_quantity(*_name_of(one))])


@lru_cache(maxsize=1024)
def _all(names: tuple[tuple[Obis, int, int, int], ...]) -> bool:
    return all(_is_quantity(*name) for name in names)


@lru_cache(maxsize=1024)
def _is_quantity(obis: Obis, unit: int, class_id: int, attribute: int) -> bool:
    if (class_id, attribute) not in _VALUES or unit in _CALENDAR_AND_TIME:
        return False
    a, b, c, d, _, f = obis
    if b >= _MAKERS or d >= _MAKERS or f != _CURRENT:
        return False
    return c == _MBUS_VALUES if a == _ABSTRACT else a < 16 and 0 < c <= _LAST_QUANTITY

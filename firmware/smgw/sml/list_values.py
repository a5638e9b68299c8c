"""Values that are lists, which SML 1.04 and 1.05 allow in place of a number or an octet string (docs/sml.md, 2.3).

    choice 1  Time                                                      (1.04)
    choice 2  TimestampedValue   list { time, status, value }           (1.05)
    choice 3  CosemValue         list { 1, list { scaler i8, unit u8 } }  scaler_unit (1.05)

Only choice 1 was seen on a wire (EMH charging meters). A list of another kind stays a list of octets and numbers.
"""

from typing import NamedTuple

from smgw.cosem import ScalerUnit
from smgw.sml.layouts import LayoutError, read_time, write_time
from smgw.sml.messages import Time
from smgw.sml.tlv import Kind, Value, sequence, signed, unsigned

_TIME, _TIMESTAMPED_VALUE, _COSEM_VALUE = 1, 2, 3
_SCALER_UNIT = 1  # the one choice of a CosemValue


class TimestampedValue(NamedTuple):
    """A value with its own time and status."""

    time: Time
    status: Value | None = None
    value: Value | None = None


ListValue = Time | TimestampedValue | ScalerUnit


def read_list_value(value: Value) -> ListValue | None:
    """The typed value of a list; None for any other list."""
    found = _choice(value)
    if found is None:
        return None
    choice, content = found
    try:
        if choice == _TIME and content.kind is Kind.LIST:
            return read_time(content)
        if choice == _TIMESTAMPED_VALUE and isinstance(content.value, tuple) and len(content.value) == 3:
            time, status, inner = content.value
            return TimestampedValue(read_time(time), status, inner) if time is not None else None
    except LayoutError:
        return None
    return _scaler_unit(content) if choice == _COSEM_VALUE else None


def write_list_value(value: ListValue) -> Value:
    """The list for a typed value."""
    if isinstance(value, Time):
        return sequence(unsigned(_TIME, 1), write_time(value))
    if isinstance(value, TimestampedValue):
        content = sequence(write_time(value.time), value.status, value.value)
        return sequence(unsigned(_TIMESTAMPED_VALUE, 1), content)
    pair = sequence(signed(value.scaler, 1), unsigned(value.unit, 1))
    return sequence(unsigned(_COSEM_VALUE, 1), sequence(unsigned(_SCALER_UNIT, 1), pair))


def _scaler_unit(content: Value) -> ScalerUnit | None:
    found = _choice(content)
    if found is None or found[0] != _SCALER_UNIT or not isinstance(found[1].value, tuple) or len(found[1].value) != 2:
        return None
    scaler, unit = map(_number, found[1].value)
    if scaler is None or unit is None or not (-128 <= scaler <= 127 and 0 <= unit <= 255):
        return None
    return ScalerUnit(scaler, unit)


def _choice(value: Value) -> tuple[int, Value] | None:
    """Number and content, if the list is a choice."""
    if not isinstance(value.value, tuple) or len(value.value) != 2 or value.value[1] is None:
        return None
    choice = _number(value.value[0])
    return None if choice is None else (choice, value.value[1])


def _number(value: Value | None) -> int | None:
    if value is None or value.kind not in (Kind.SIGNED, Kind.UNSIGNED) or not isinstance(value.value, int):
        return None
    return value.value

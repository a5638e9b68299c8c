"""Pushes of bare values: a description of the list says what stands at each place.

A description is a sequence of columns:

    Column          a value of an object, with scaler and unit
    "clock"         a date-time; in front it may be absent
    "device-id"     the meter's number, a text; at the end it may be absent
    "skip"          any element; it is not read
    "..."           any number of elements, also none; at most once

A profile has one by the key `columns`. Those of operators stand in `operators`.
"""

from collections.abc import Iterator, Sequence

from smgw.cosem import Data, text_octets
from smgw.cosem.exact import NUMBERS
from smgw.dlms.push.tables import Column, usual_unit
from smgw.dlms.push.value import CLOCK_NAME, SERIAL_NAME, PushedValue, class_of, is_clock

CLOCK, DEVICE_ID, SKIP, REST = "clock", "device-id", "skip", "..."
Columns = Sequence[Column | str]

_SHOWN = 40  # elements of an unknown list that its message shows
_CUT = 24  # characters of each


def of_columns(columns: Columns, members: Sequence[Data]) -> tuple[PushedValue, ...] | None:
    """The values, by the first way in which the description fits the list; None if it does not fit."""
    for way in _ways(columns, len(members)):
        if all(map(_fits, way, members)):
            return tuple(one for column, data in zip(way, members, strict=True) for one in _value(column, data))
    return None


def _ways(columns: Columns, count: int) -> Iterator[Columns]:
    """The description as one column an element: with and without what may be absent."""
    begins = (0, 1) if columns[:1] == (CLOCK,) else (0,)
    ends = (0, 1) if columns[-1:] == (DEVICE_ID,) else (0,)
    for begin in begins:
        for end in ends:
            way = columns[begin : len(columns) - end]
            if REST in way:
                place = way.index(REST)
                more = count - len(way) + 1
                way = (*way[:place], *([SKIP] * more), *way[place + 1 :])
            if len(way) == count:
                yield way


def _fits(column: Column | str, data: Data) -> bool:
    if column == SKIP:
        return True
    if data.value is None:  # the meter has no value now
        return True
    if column == CLOCK:
        return is_clock(data)
    if column == DEVICE_ID:
        return bool(text_octets(data))
    return data.type in NUMBERS or bool(text_octets(data))


def _value(column: Column | str, data: Data) -> Iterator[PushedValue]:
    if column == SKIP or data.value is None:
        return
    if column == CLOCK:
        yield PushedValue(CLOCK_NAME, data, class_id=class_of(CLOCK_NAME, data))
    elif column == DEVICE_ID:
        yield PushedValue(SERIAL_NAME, data, class_id=class_of(SERIAL_NAME, data))
    elif isinstance(column, Column):
        unit = usual_unit(column.obis) if column.unit is None else column.unit
        yield PushedValue(column.obis, data, column.scaler, unit, class_of(column.obis, data))


def advice(members: Sequence[Data], columns: Columns = ()) -> str:
    """What an unknown list of bare values holds, place by place, and how to describe it."""
    shown = ", ".join(f"{place} {_shown(data)}" for place, data in enumerate(members[:_SHOWN], 1))
    more = f" and {len(members) - _SHOWN} more" if len(members) > _SHOWN else ""
    found = f"a push of {len(members)} value{'s' * (len(members) != 1)} without names: {shown}{more}"
    if columns:
        return f"{found}; columns in the section dlms does not fit it: it has {len(columns)} entries"
    example = ", ".join(map(entry, members[:3])) + (", ..." if len(members) > 3 else "")
    return (
        f"{found}; write push_list in the section dlms if the operator's list is known, else columns with an entry for "
        f"each place, such as columns = [{example}]"
    )


def entry(data: Data) -> str:
    """An example of what may stand for this element."""
    if is_clock(data):
        return '"clock"'
    if data.type in NUMBERS:
        return '{ obis = "1-0:1.8.0", scaler = 0, unit = "Wh" }'
    return '"device-id" or "skip"' if text_octets(data) else '"skip"'


def _shown(data: Data) -> str:
    if isinstance(data.value, tuple):
        return f"{data.type.name.lower()} of {len(data.value)}"
    if isinstance(data.value, bytes):
        text = data.value.rstrip(b"\0")
        printable = text.isascii() and text.decode().isprintable() and text
        return repr(text.decode()[:_CUT]) if printable else data.value.hex()[: 2 * _CUT]
    return "null" if data.value is None else repr(data.value)[:_CUT]

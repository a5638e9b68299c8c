"""Pushes with a list of their objects: an array of {class, OBIS, attribute, index ..}, then the value of each.

Newer meters add a restriction and columns to each object; these are not needed to read a value. A push setup that was
asked to push attribute 0 sends all its attributes as its first value, and the list is the second of them.
"""

from collections.abc import Sequence

from smgw.cosem import CaptureObject, Data, DataError, DataType, Obis, ScalerUnit
from smgw.cosem.units import AMPERE, VOLT
from smgw.dlms.push import tables
from smgw.dlms.push.value import PUSH_SETUP, VALUE, PushedValue, PushListError

_SCALER_UNIT = 3  # attribute of a register
_ALL = 0  # attribute number that stands for all attributes
_LIST_OF_SETUP = 1  # place of the list among the attributes of a push setup
_LEAST, _MOST = 4, 6  # elements of an object
_UNTOLD: tuple[int | None, int | None] = (None, None)
_LONG64 = (DataType.LONG64, DataType.LONG64_UNSIGNED)


def object_list(members: tuple[Data, ...]) -> tuple[CaptureObject, ...] | None:
    """The objects that the first value lists; None if it lists none."""
    first = members[0]
    if first.type is DataType.STRUCTURE and isinstance(first.value, tuple) and len(first.value) > _LIST_OF_SETUP:
        first = first.value[_LIST_OF_SETUP]
    if first.type is not DataType.ARRAY or not isinstance(first.value, tuple):
        return None
    try:
        return tuple(map(_object, first.value))
    except DataError:
        return None


def _object(data: Data) -> CaptureObject:
    inner = data.value
    if isinstance(inner, tuple) and _LEAST <= len(inner) <= _MOST:
        data = Data(data.type, inner[:_LEAST])
    return CaptureObject.of(data)


def of_objects(objects: Sequence[CaptureObject], members: tuple[Data, ...]) -> tuple[PushedValue, ...]:
    """The value of each object; PushListError if there are more or fewer values than objects."""
    if len(objects) != len(members):
        raise PushListError(f"{len(members)} values of {len(objects)} objects in a push")
    told = {
        one.obis: _scaler_unit(value)
        for one, value in zip(objects, members, strict=True)
        if one.class_id != PUSH_SETUP and one.attribute == _SCALER_UNIT
    }
    setup = next((one.obis for one in objects if one.class_id == PUSH_SETUP and one.obis in tables.OBJECT_LISTS), None)
    found = []
    for (class_id, obis, attribute, _), value in zip(objects, members, strict=True):
        if class_id == PUSH_SETUP and attribute in (VALUE, _ALL):
            continue  # the list itself
        if attribute == _ALL and isinstance(value.value, tuple) and len(value.value) > _SCALER_UNIT - 1:
            whole = value.value  # a register: name, value, {scaler, unit}
            scaler, unit = _scaler_unit(whole[_SCALER_UNIT - 1]) or _UNTOLD
            found.append(PushedValue(obis, whole[VALUE - 1], scaler, unit, class_id))
            continue
        scaler, unit = _UNTOLD
        if attribute == VALUE and isinstance(value.value, int):
            scaler, unit = told.get(obis) or (_by_setup(setup, obis, value) if setup else _UNTOLD)
        found.append(PushedValue(obis, value, scaler, unit, class_id, attribute))
    return tuple(found)


def _by_setup(setup: Obis, obis: Obis, value: Data) -> tuple[int | None, int | None]:
    scaler, unit = tables.of_object_list(obis)
    if value.type not in _LONG64:
        if unit == AMPERE:
            scaler = tables.OBJECT_LISTS_CURRENT
        elif unit == VOLT:
            scaler = tables.OBJECT_LISTS[setup]
    return scaler, unit


def _scaler_unit(data: Data) -> ScalerUnit | None:
    try:
        return ScalerUnit.of(data)
    except DataError:
        return None

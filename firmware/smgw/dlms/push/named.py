"""Pushes that name each of their values: structures, pairs and triples, one behind the other.

    {OBIS, value}   {OBIS, value, {scaler, unit}}   OBIS, value, OBIS, value ..   OBIS, value, {scaler, unit}, OBIS ..

These ways may be mixed in one push. Some meters send a clock first, and their number last, without names.
"""

from smgw.cosem import Data, DataError, DataType, Obis, ScalerUnit, text_octets
from smgw.cosem.units import AMPERE
from smgw.dlms.push import tables
from smgw.dlms.push.value import CLOCK_NAME, SERIAL_NAME, PushedValue, PushListError, class_of, is_clock

_NOT_THERE = 0xFFFFFFFF  # a value that a meter does not have
_UNTOLD: tuple[int | None, int | None] = (None, None)


def of_names(members: tuple[Data, ...]) -> tuple[tuple[PushedValue, ...], str | None]:
    """The values and the name of their list, if its first element is one; PushListError if an element has no name."""
    found: list[PushedValue] = []
    version, place = None, 0
    by_clock = is_clock(members[0])
    if by_clock:
        found.append(PushedValue(CLOCK_NAME, members[0], class_id=class_of(CLOCK_NAME, members[0])))
        place = 1
    while place < len(members):
        member = members[place]
        inner = member.value
        if inner is None:
            place += 1
        elif isinstance(inner, str) and place == 0:
            version, place = inner, 1
        elif isinstance(inner, tuple):
            found.append(_named(inner, place))
            place += 1
        elif found and _stands_alone(members, place):
            found.append(PushedValue(SERIAL_NAME, member, class_id=class_of(SERIAL_NAME, member)))
            place += 1
        else:
            pair = members[place : place + 3]
            if len(pair) == 3 and _scaler_unit(pair[2]) is None:
                pair = pair[:2]
            found.append(_named(pair, place))
            place += len(pair)
    if version is not None and version.startswith(tables.KAMSTRUP_VERSION):
        found = _kamstrup(found)
    elif by_clock and all(one.scaler is None for one in found):
        found = [_with(one, tables.usual(one.obis)) for one in found]
    return tuple(found), version


def _named(members: tuple[Data, ...], place: int) -> PushedValue:
    """{OBIS, value} or {OBIS, value, {scaler, unit}}."""
    name = _name(members[0]) if len(members) in (2, 3) else None
    told = _scaler_unit(members[2]) if len(members) == 3 else _UNTOLD
    if name is None or told is None:
        raise PushListError(f"element {place + 1} of a push is neither a name and its value nor such a structure")
    scaler, unit = told
    return PushedValue(name, members[1], scaler, unit, class_of(name, members[1]))


def _stands_alone(members: tuple[Data, ...], place: int) -> bool:
    """True for the meter's number: a text at the end, or one that is no name before a name."""
    if not text_octets(members[place]):
        return False
    return place == len(members) - 1 or (_name(members[place]) is None and _name(members[place + 1]) is not None)


def _name(data: Data) -> Obis | None:
    value = data.value
    return Obis(value) if data.type is DataType.OCTET_STRING and isinstance(value, bytes) and len(value) == 6 else None


def _scaler_unit(data: Data) -> ScalerUnit | None:
    try:
        return ScalerUnit.of(data)
    except DataError:
        return None


def _with(one: PushedValue, scaler_unit: tuple[int | None, int | None]) -> PushedValue:
    scaler, unit = scaler_unit
    return one._replace(scaler=scaler, unit=unit)


def _kamstrup(values: list[PushedValue]) -> list[PushedValue]:
    found = [
        _with(one, tables.KAMSTRUP.get((one.obis[2], one.obis[3]), (one.scaler, one.unit))) for one in values
    ]  # fmt: skip
    if not _behind_transformers(found):
        return found
    in_ma = tables.KAMSTRUP_TRANSFORMER_SCALER
    return [one._replace(scaler=in_ma) if one.unit == AMPERE else one for one in found]


def _behind_transformers(values: list[PushedValue]) -> bool:
    """True if currents count in mA: by the type of the meter, or because they are too large for a direct meter."""
    make = next((str(one.value.value) for one in values if one.obis == tables.KAMSTRUP_MAKE), "")
    if make.startswith(tables.KAMSTRUP_TRANSFORMER):
        return True
    currents = (one.value.value for one in values if one.unit == AMPERE)
    return any(isinstance(one, int) and tables.KAMSTRUP_DIRECT_MOST < one < _NOT_THERE for one in currents)

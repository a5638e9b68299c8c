"""What a push means: names, values, scalers and units, whichever way its maker lists them.

way          body                                                                    seen from
structures   {OBIS, value} or {OBIS, value, {scaler, unit}}, each a structure        Aidon, Kaifa in Tyrol, Iskra
pairs        OBIS, value, OBIS, value .. one behind the other, nulls between them    Kamstrup, Kaifa in Tyrol
objects      an array of {class, OBIS, attribute, index}, then their values          Landis+Gyr, Iskra AM550
places       values alone; their number says which list it is                        Kaifa in Norway

The first two may be mixed in one push (Tyrol: the clock as a pair, the rest as structures).
"""

import contextlib
from collections.abc import Iterable, Sequence
from enum import Enum
from typing import NamedTuple

from smgw.cosem import (
    CaptureObject,
    Data,
    DataError,
    DataType,
    MeterTime,
    MeterTimeKind,
    Obis,
    Reading,
    ScalerUnit,
    capture_objects,
    text_octets,
)
from smgw.cosem.date_time import SIZE as DATE_TIME_SIZE
from smgw.cosem.exact import NUMBERS, exact, exact_reading
from smgw.cosem.units import NO_UNIT
from smgw.dlms.apdus.notify import DataNotification, EventNotification
from smgw.dlms.data import AxdrError, decode_all
from smgw.dlms.push import tables
from smgw.errors import RemoteProtocolError

_DATA, _REGISTER, _CLOCK, _PUSH_SETUP = 1, 3, 8, 40
_VALUE, _SCALER_UNIT = 2, 3
_UNTOLD: tuple[int | None, int | None] = (None, None)
_LISTS = (DataType.ARRAY, DataType.STRUCTURE)


class PushListError(RemoteProtocolError):
    """A push whose body lists its values in no way known here."""


class Way(Enum):
    """How the body lists its values."""

    NAMED = "structures or pairs"
    OBJECTS = "objects"
    PLACES = "places"
    EVENT = "one attribute"


class PushedValue(NamedTuple):
    """One value. Scaler and unit are None where neither the meter nor a table of its maker says them."""

    obis: Obis
    value: Data
    scaler: int | None = None
    unit: int | None = None
    class_id: int = _REGISTER
    attribute: int = _VALUE


class PushedList(NamedTuple):
    """The values of one push, in its order. `version` is the list's name, where the maker gives one."""

    way: Way
    values: tuple[PushedValue, ...]
    version: str | None
    meter_time: MeterTime | None

    def find(self, obis: Obis) -> PushedValue | None:
        """The value of an object."""
        return next((value for value in self.values if value.obis == obis), None)

    def device(self) -> bytes | None:
        """What the meter calls itself: logical device name, else its serial or meter number; None if it does not.

        0-n:96.1.0 names the meter on M-Bus channel n, and not this one.
        """
        for name in _NAMES:
            for one in self.values:
                of_channel = one.obis[0] == 0 and one.obis[1] > 0
                if one.obis[2:5] == name and not of_channel and (text := text_octets(one.value)):
                    return text
        return None

    def readings(self, wanted: frozenset[bytes] = frozenset()) -> tuple[Reading, ...]:
        """The readings, each object once. `wanted` empty means all numbers that registers give.

        Scaler 0 and no unit stand where nobody says them: the number is then as the meter sent it.
        """
        found: dict[bytes, Reading] = {}
        for obis, value, scaler, unit, class_id, attribute in self.values:
            if obis in found or value.value is None or (obis not in wanted if wanted else value.type not in NUMBERS):
                continue
            reading = Reading(obis, value, scaler or 0, NO_UNIT if unit is None else unit)
            with contextlib.suppress(DataError):  # `faults` tells why
                found[obis] = exact_reading(reading._replace(class_id=class_id, attribute=attribute))
        return tuple(found.values())

    @property
    def faults(self) -> tuple[str, ...]:
        """Why values are no numbers although their types say so: NaN, infinity, BCD octets without digits."""
        found = []
        for one in self.values:
            try:
                exact(one.value)
            except DataError as error:
                found.append(f"{one.obis}: {error}")
        return tuple(found)


#: Groups C, D, E of the objects that name a meter, the best first.
_NAMES = (b"\x2a\x00\x00", b"\x60\x01\x00", b"\x00\x00\x05", b"\x60\x01\x01", b"\x00\x00\x01")


def read_push(notification: DataNotification | EventNotification, columns: Sequence[CaptureObject] = ()) -> PushedList:
    """The values of a push. `columns` are the objects of a meter that sends its values without any list.

    PushListError if its body is no data, or lists them in no known way.
    """
    if isinstance(notification, EventNotification):
        class_id, obis, attribute = notification.attribute
        value = PushedValue(obis, _body(notification.value), None, None, class_id, attribute)
        return PushedList(Way.EVENT, (value,), None, _time(notification.date_time or b"", (value,)))
    body = _body(notification.body)
    members = body.value
    if body.type not in _LISTS or not isinstance(members, tuple) or not members:
        raise PushListError(f"the body of a push is {body.type.name}; it is a list of values")
    version = None
    if columns:
        way, values = Way.OBJECTS, _of_objects(columns, members)
    elif (objects := _object_list(members)) is not None:
        way, values = Way.OBJECTS, _of_objects(objects, members)
    elif _is_kaifa(members, tagged=notification.tagged):
        way, (values, version) = Way.PLACES, _of_places(members)
    else:
        way, (values, version) = Way.NAMED, _of_names(members)
    return PushedList(way, values, version, _time(notification.date_time, values))


def _body(octets: bytes) -> Data:
    try:
        return decode_all(octets)
    except AxdrError as error:
        raise PushListError(f"the body of a push: {error}") from None


def _time(date_time: bytes, values: Iterable[PushedValue]) -> MeterTime | None:
    """The time in the head of a push; where there is none, its clock object's."""
    if not date_time:
        clocks = (one.value.value for one in values if one.class_id == _CLOCK and one.attribute == _VALUE)
        date_time = next((time for time in clocks if isinstance(time, bytes)), b"")
    return MeterTime(MeterTimeKind.DLMS_DATE_TIME, date_time) if len(date_time) == DATE_TIME_SIZE else None


def _class_of(obis: Obis, value: Data) -> int:
    """The class that a value without one comes from, by its name and type."""
    if obis[0] == 0 and obis[2:5] == b"\x01\x00\x00":
        return _CLOCK
    return _REGISTER if isinstance(value.value, int) else _DATA


def _name(data: Data) -> Obis | None:
    value = data.value
    return Obis(value) if data.type is DataType.OCTET_STRING and isinstance(value, bytes) and len(value) == 6 else None


def _scaler_unit(data: Data) -> ScalerUnit | None:
    try:
        return ScalerUnit.of(data)
    except DataError:
        return None


def _of_names(members: tuple[Data, ...]) -> tuple[tuple[PushedValue, ...], str | None]:
    found: list[PushedValue] = []
    version, place = None, 0
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
        else:
            pair = members[place : place + 3]
            if len(pair) == 3 and _scaler_unit(pair[2]) is None:
                pair = pair[:2]
            found.append(_named(pair, place))
            place += len(pair)
    if version is not None and version.startswith(tables.KAMSTRUP_VERSION):
        found = _kamstrup(found)
    return tuple(found), version


def _named(members: tuple[Data, ...], place: int) -> PushedValue:
    """{OBIS, value} or {OBIS, value, {scaler, unit}}."""
    name = _name(members[0]) if len(members) in (2, 3) else None
    told = _scaler_unit(members[2]) if len(members) == 3 else _UNTOLD
    if name is None or told is None:
        raise PushListError(f"element {place + 1} of a push is neither a name and its value nor such a structure")
    scaler, unit = told
    return PushedValue(name, members[1], scaler, unit, _class_of(name, members[1]))


def _kamstrup(values: list[PushedValue]) -> list[PushedValue]:
    make = next((str(one.value.value) for one in values if one.obis == tables.KAMSTRUP_MAKE), "")
    transformer = make.startswith(tables.KAMSTRUP_TRANSFORMER)
    found = []
    for one in values:
        scaler, unit = tables.KAMSTRUP.get((one.obis[2], one.obis[3]), (one.scaler, one.unit))
        if transformer and scaler == tables.KAMSTRUP[31, 7][0]:
            scaler = tables.KAMSTRUP_TRANSFORMER_SCALER
        found.append(one._replace(scaler=scaler, unit=unit))
    return found


def _object_list(members: tuple[Data, ...]) -> tuple[CaptureObject, ...] | None:
    if members[0].type is not DataType.ARRAY:
        return None
    try:
        return capture_objects(members[0])
    except DataError:
        return None


def _of_objects(objects: Sequence[CaptureObject], members: tuple[Data, ...]) -> tuple[PushedValue, ...]:
    if len(objects) != len(members):
        raise PushListError(f"{len(members)} values of {len(objects)} objects in a push")
    told = {
        one.obis: _scaler_unit(value)
        for one, value in zip(objects, members, strict=True)
        if one.class_id != _PUSH_SETUP and one.attribute == _SCALER_UNIT
    }
    known = any(one.class_id == _PUSH_SETUP and one.obis in tables.OBJECT_LISTS for one in objects)
    found = []
    for (class_id, obis, attribute, _), value in zip(objects, members, strict=True):
        if class_id == _PUSH_SETUP and attribute == _VALUE:
            continue  # the list itself
        scaler, unit = told.get(obis) or (tables.of_object_list(obis) if known else _UNTOLD)
        measured = attribute == _VALUE and isinstance(value.value, int)
        found.append(
            PushedValue(obis, value, scaler if measured else None, unit if measured else None, class_id, attribute)
        )
    return tuple(found)


def _is_kaifa(members: tuple[Data, ...], *, tagged: bool) -> bool:
    first = members[0].value
    if isinstance(first, bytes) and first.startswith(tables.KAIFA_VERSION):
        return len(members) in tables.KAIFA
    return tagged and len(members) == 1 and isinstance(first, int)


def _of_places(members: tuple[Data, ...]) -> tuple[tuple[PushedValue, ...], str | None]:
    columns = tables.KAIFA[len(members)]
    first = members[0].value
    version = first.decode("latin-1") if isinstance(first, bytes) else None
    values = [
        PushedValue(obis, value, scaler, unit, _class_of(obis, value))
        for (obis, scaler, unit), value in zip(columns, members, strict=True)
    ]
    return tuple(values), version

"""What a push means: names, values, scalers and units, whichever way its maker lists them.

way          body                                                                    seen from
structures   {OBIS, value} or {OBIS, value, {scaler, unit}}, each a structure        Aidon, Kaifa in Tyrol, Iskra
pairs        OBIS, value, OBIS, value .. one behind the other, nulls between them    Kamstrup, Kaifa, E450 in Graz
triples      OBIS, value, {scaler, unit}, OBIS ..                                    Kaifa and Sagemcom in Lower Austria
objects      an array of {class, OBIS, attribute, index ..}, then their values       Landis+Gyr, Iskra AM550
places       values alone; number and types say which list it is, or the profile     Kaifa in Norway, operators' lists

The first three may be mixed in one push (Tyrol: the clock as a pair, the rest as structures); see `named`.
"""

import contextlib
from collections.abc import Iterable, Sequence
from enum import Enum
from typing import NamedTuple

from smgw.cosem import Data, DataError, DataType, MeterTime, MeterTimeKind, Obis, Reading, text_octets
from smgw.cosem.date_time import SIZE as DATE_TIME_SIZE
from smgw.cosem.exact import NUMBERS, exact, exact_reading
from smgw.cosem.told import Told
from smgw.cosem.units import AMPERE, NO_UNIT
from smgw.dlms.apdus.notify import DataNotification, EventNotification
from smgw.dlms.data import AxdrError, decode_all
from smgw.dlms.push import tables
from smgw.dlms.push.named import of_names
from smgw.dlms.push.objects import object_list, of_objects
from smgw.dlms.push.value import CLOCK, VALUE, PushedValue, PushListError, class_of

__all__ = ["Description", "PushListError", "PushedList", "PushedValue", "Way", "read_push"]

_LISTS = (DataType.ARRAY, DataType.STRUCTURE)


class Way(Enum):
    """How the body lists its values."""

    NAMED = "structures or pairs"
    OBJECTS = "objects"
    PLACES = "places"
    EVENT = "one attribute"


class Description(NamedTuple):
    """What a profile says of a list of bare values."""

    columns: Sequence[tables.Column | str] = ()  # see `columns`
    operator: str = ""  # see `operators`


NO_DESCRIPTION = Description()


class PushedList(NamedTuple):
    """The values of one push, in its order. `version` is the list's name, where the maker gives one."""

    way: Way
    values: tuple[PushedValue, ...]
    version: str | None
    meter_time: MeterTime | None

    @property
    def behind_transformers(self) -> bool:
        """True if this is a Kamstrup meter whose currents count in mA."""
        known = self.version is not None and self.version.startswith(tables.KAMSTRUP_VERSION)
        scaler = tables.KAMSTRUP_TRANSFORMER_SCALER
        return known and any(one.unit == AMPERE and one.scaler == scaler for one in self.values)

    def in_milliamperes(self) -> "PushedList":
        """The same list with currents that count in mA."""
        scaler = tables.KAMSTRUP_TRANSFORMER_SCALER
        return self._replace(
            values=tuple(one._replace(scaler=scaler) if one.unit == AMPERE else one for one in self.values)
        )

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


def read_push(
    notification: DataNotification | EventNotification, description: Description = NO_DESCRIPTION
) -> PushedList:
    """The values of a push. PushListError if its body is no data, or lists them in no known way.

    The description goes before all else where it fits.
    """
    if isinstance(notification, EventNotification):
        class_id, obis, attribute = notification.attribute
        value = PushedValue(obis, _body(notification.value), None, None, class_id, attribute)
        return PushedList(Way.EVENT, (value,), None, _time(notification.date_time or b"", (value,)))
    body = _body(notification.body)
    members = body.value
    if body.type not in _LISTS or not isinstance(members, tuple) or not members:
        raise PushListError(f"the body of a push is {body.type.name}; it is a list of values")
    version: str | None = None
    if (described := _described(members, description)) is not None:
        way, (values, version) = Way.PLACES, described
    elif (objects := object_list(members)) is not None:
        way, values = Way.OBJECTS, of_objects(objects, members)
    elif _is_kaifa(members, tagged=notification.tagged):
        way, (values, version) = Way.PLACES, _of_places(members)
    else:
        way, values, version = _otherwise(members, description)
    return PushedList(way, values, version, _time(notification.date_time, values))


def _described(
    members: tuple[Data, ...], description: Description
) -> tuple[tuple[PushedValue, ...], str | None] | None:
    """By the profile's description; None if there is none, or if it does not fit."""
    if not description.columns and not description.operator:
        return None
    from smgw.dlms.push import columns, operators  # most lists say what they hold

    if description.columns:
        values = columns.of_columns(description.columns, members)
        return None if values is None else (values, None)
    return operators.of_operators(members, description.operator)


def _otherwise(members: tuple[Data, ...], description: Description) -> tuple[Way, tuple[PushedValue, ...], str | None]:
    """Names, else a list of an operator that is known by its elements alone; PushListError."""
    try:
        return Way.NAMED, *of_names(members)
    except PushListError:
        if any(isinstance(one.value, tuple) for one in members):
            raise
    from smgw.dlms.push import columns, operators

    found = operators.of_operators(members)
    if found is None:
        raise PushListError(columns.advice(members, description.columns))
    return Way.PLACES, *found


def _body(octets: bytes) -> Data:
    try:
        return decode_all(octets)
    except AxdrError as error:
        raise PushListError(f"the body of a push: {error}") from None


def _time(date_time: bytes, values: Iterable[PushedValue]) -> MeterTime | None:
    """The time in the head of a push; where there is none, its clock object's."""
    if not date_time:
        told = Told.of(one.value for one in values if one.class_id == CLOCK and one.attribute == VALUE)
        return None if told is None else told.meter_time
    return MeterTime(MeterTimeKind.DLMS_DATE_TIME, date_time) if len(date_time) == DATE_TIME_SIZE else None


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
        PushedValue(obis, value, scaler, unit, class_of(obis, value))
        for (obis, scaler, unit), value in zip(columns, members, strict=True)
    ]
    return tuple(values), version

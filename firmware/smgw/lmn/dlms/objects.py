"""The object list of a DLMS meter, and the scaler and unit of each register. Both are read once and cached."""

import json
from collections.abc import Iterable, Mapping

from smgw.cosem import AttributeName, Data, DataType, Obis, ObjectName, ScalerUnit, text_octets
from smgw.dlms.apdus.descriptors import encode_attribute
from smgw.dlms.apdus.get import Result
from smgw.dlms.apdus.results import DataAccessResult
from smgw.dlms.data import AxdrError, decode_all
from smgw.errors import RemoteProtocolError

DATA, REGISTER, EXTENDED, DEMAND, PROFILE, CLOCK, ASSOCIATION = 1, 3, 4, 5, 7, 8, 15
VALUE = 2
CLOCK_TIME = AttributeName(CLOCK, Obis(b"\x00\x00\x01\x00\x00\xff"), 2)
DEVICE_NAME = AttributeName(DATA, Obis(b"\x00\x00\x2a\x00\x00\xff"), VALUE)
SERIAL = AttributeName(DATA, Obis(b"\x00\x00\x60\x01\x00\xff"), VALUE)
FIRMWARE = AttributeName(DATA, Obis(b"\x01\x00\x00\x02\x00\xff"), VALUE)
_SCALER_UNIT = {REGISTER: 3, EXTENDED: 3, DEMAND: 4}
_LISTS = (DataType.ARRAY, DataType.STRUCTURE)


class ObjectError(RemoteProtocolError):
    """An attribute that does not fit its class."""


def read_object_list(octets: bytes) -> list[ObjectName]:
    """Attribute 2 of an association: names without access rights. ObjectError."""
    elements = decode_all(octets)
    if elements.type is not DataType.ARRAY or not isinstance(elements.value, tuple):
        raise ObjectError(f"the object list is {elements.type.name}; it is an array")
    found = []
    for element in elements.value:
        match element.value:
            case (Data(_, int(class_id)), Data(_, int(version)), Data(_, bytes(octets)), *_) if len(octets) == 6:
                found.append(ObjectName(class_id & 0xFFFF, version & 0xFF, Obis(octets)))
            case _:
                raise ObjectError("an element of the object list without class, version and logical name")
    return found


def scaler_unit_of(attribute: AttributeName) -> AttributeName | None:
    """The attribute with scaler and unit of a value; None for a value without."""
    place = _SCALER_UNIT.get(attribute.class_id)
    return None if place is None else attribute._replace(attribute=place)


def read_scaler_unit(octets: bytes) -> ScalerUnit:
    """Structure {scaler, unit}; DataError."""
    return ScalerUnit.of(decode_all(octets))


def data_of(result: Result) -> Data | None:
    """The value of an attribute; None if the meter refused it, or sent no valid data."""
    try:
        return None if isinstance(result, DataAccessResult) else decode_all(result)
    except AxdrError:
        return None


def number_of(result: Result) -> int | None:
    """A result that is a whole number, else None."""
    data = data_of(result)
    return data.value if data is not None and isinstance(data.value, int) else None


def text_of(result: Result) -> bytes:
    """The octets of a name of any text type; empty if it is not a text."""
    data = data_of(result)
    return b"" if data is None else text_octets(data)


def pack_scalers(scalers: Mapping[AttributeName, ScalerUnit]) -> bytes:
    """For the store."""
    return json.dumps([[encode_attribute(one).hex(), *scaler_unit] for one, scaler_unit in scalers.items()]).encode()


def unpack_scalers(octets: bytes) -> dict[AttributeName, ScalerUnit]:
    """From the store; empty for unknown content (the meter is then asked again)."""
    found: dict[AttributeName, ScalerUnit] = {}
    try:
        for name, scaler, unit in json.loads(octets):
            raw = bytes.fromhex(name)
            attribute = AttributeName(
                int.from_bytes(raw[:2], "big"), Obis(raw[2:8]), int.from_bytes(raw[8:9], "big", signed=True)
            )
            found[attribute] = ScalerUnit(int(scaler), int(unit))
    except (ValueError, TypeError):
        return {}
    return found


def values_of(objects: Iterable[ObjectName], wanted: Iterable[Obis]) -> list[AttributeName]:
    """The attributes that a poll reads: the wanted ones, else every register. Order as wanted, or as listed."""
    names = list(wanted)
    listed = {one.obis: one for one in reversed(list(objects))}
    if names:
        return [AttributeName(listed[one].class_id, one, VALUE) for one in dict.fromkeys(names) if one in listed]
    return [AttributeName(one.class_id, one.obis, VALUE) for one in objects if one.class_id in _SCALER_UNIT]

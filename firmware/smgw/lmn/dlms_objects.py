"""What a DLMS meter has: its object list, and the scaler and unit of each register. Both are asked once and kept."""

import json
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from smgw.cosem import Data, DataType, Obis
from smgw.cosem.units import NO_UNIT
from smgw.dlms.axdr import AxdrError, decode_all
from smgw.dlms.descriptors import Attribute
from smgw.dlms.get import Result
from smgw.dlms.results import DataAccessResult
from smgw.errors import RemoteProtocolError
from smgw.sml.parameters import ObjectName

DATA, REGISTER, EXTENDED, DEMAND, PROFILE, CLOCK, ASSOCIATION = 1, 3, 4, 5, 7, 8, 15
VALUE = 2
CLOCK_TIME = Attribute(CLOCK, Obis(b"\x00\x00\x01\x00\x00\xff"), 2)
DEVICE_NAME = Attribute(DATA, Obis(b"\x00\x00\x2a\x00\x00\xff"), VALUE)
FIRMWARE = Attribute(DATA, Obis(b"\x01\x00\x00\x02\x00\xff"), VALUE)
_SCALER_UNIT = {REGISTER: 3, EXTENDED: 3, DEMAND: 4}
_LISTS = (DataType.ARRAY, DataType.STRUCTURE)
_TEXTS = (DataType.OCTET_STRING, DataType.VISIBLE_STRING, DataType.UTF8_STRING)


class ScalerUnit(NamedTuple):
    """A value counts in 10^scaler of the unit (IEC 62056-6-2, 4.3.2)."""

    scaler: int = 0
    unit: int = NO_UNIT


class ObjectError(RemoteProtocolError):
    """An attribute that is not what its class says."""


def read_object_list(octets: bytes) -> list[ObjectName]:
    """Attribute 2 of an association: names, without what may be done with them. ObjectError."""
    elements = decode_all(octets)
    if elements.type is not DataType.ARRAY or not isinstance(elements.value, tuple):
        raise ObjectError(f"the object list is {elements.type.name}; it is an array")
    found = []
    for element in elements.value:
        match element.value:
            case (Data(_, int(class_id)), Data(_, int(version)), Data(_, bytes(octets)), *_) if len(octets) == 6:
                found.append(ObjectName(Obis(octets), class_id & 0xFFFF, version & 0xFF))
            case _:
                raise ObjectError("an element of the object list without class, version and logical name")
    return found


def scaler_unit_of(attribute: Attribute) -> Attribute | None:
    """Where the scaler and the unit of a value stand; None for a value without."""
    place = _SCALER_UNIT.get(attribute.class_id)
    return None if place is None else attribute._replace(number=place)


def read_scaler_unit(octets: bytes) -> ScalerUnit:
    """Structure {scaler, unit}; ObjectError."""
    match decode_all(octets):
        case Data(_, (Data(_, int(scaler)), Data(_, int(unit)))) if -128 <= scaler <= 127 and 0 <= unit <= 255:
            return ScalerUnit(scaler, unit)
    raise ObjectError("a scaler_unit that is no structure of a scaler and a unit")


def data_of(result: Result) -> Data | None:
    """What an attribute holds; None if the meter refused it, or said something that is no data."""
    try:
        return None if isinstance(result, DataAccessResult) else decode_all(result)
    except AxdrError:
        return None


def number_of(result: Result) -> int | None:
    """A result that is a whole number, else None."""
    data = data_of(result)
    return data.value if data is not None and isinstance(data.value, int) else None


def text_of(result: Result) -> bytes:
    """The octets of a name, whatever kind of text it is; empty if it is none."""
    data = data_of(result)
    if data is None or data.type not in _TEXTS:
        return b""
    return data.value if isinstance(data.value, bytes) else str(data.value).encode()


def pack_scalers(scalers: Mapping[Attribute, ScalerUnit]) -> bytes:
    """For the store."""
    return json.dumps([[one.encode().hex(), *scaler_unit] for one, scaler_unit in scalers.items()]).encode()


def unpack_scalers(octets: bytes) -> dict[Attribute, ScalerUnit]:
    """From the store; empty for anything that is none of ours (the meter is then asked again)."""
    found: dict[Attribute, ScalerUnit] = {}
    try:
        for name, scaler, unit in json.loads(octets):
            raw = bytes.fromhex(name)
            attribute = Attribute(
                int.from_bytes(raw[:2], "big"), Obis(raw[2:8]), int.from_bytes(raw[8:9], "big", signed=True)
            )
            found[attribute] = ScalerUnit(int(scaler), int(unit))
    except (ValueError, TypeError):
        return {}
    return found


def values_of(objects: Iterable[ObjectName], wanted: Iterable[Obis]) -> list[Attribute]:
    """The attributes that a poll asks for: what is wanted, else every register. Order as wanted, or as listed."""
    names = list(wanted)
    listed = {one.obis: one for one in reversed(list(objects))}
    if names:
        return [Attribute(listed[one].class_id, one, VALUE) for one in dict.fromkeys(names) if one in listed]
    return [Attribute(one.class_id, one.obis, VALUE) for one in objects if one.class_id in _SCALER_UNIT]

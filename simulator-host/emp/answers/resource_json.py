"""A resource of the COSEM tree as JSON: its elements' names as keys, values by their type's name.

{"ldev": {"id": "1emh0005347109.sm", "objects": [{"id": "0100010800ff", "class_id": 3, "version": 0,
 "attributes": [{"id": 2, "value": {"long64-unsigned": 86038412}, "scaled": "8603841.2", "unit": "Wh"}]}]}}

`scaled` is the value times its scaler, as text, so that it is exact.
"""

from typing import Any

from smgw.cosem import ScalerUnit
from smgw.cosem.data import Data
from smgw.cosem.units import symbol
from smgw.cosemxml.names import TYPE_NAME
from smgw.cosemxml.resources import (
    LIST_TYPES,
    Attribute,
    Attributes,
    Containers,
    Cosem,
    LogicalDevice,
    LogicalDevices,
    Method,
    Methods,
    Object,
    Objects,
    Resource,
    ResourceList,
    length,
)

from emp.answers.resources import scaler_unit_of
from emp.answers.row_text import value_text

_VALUE = 2
_NAMES: dict[type, str] = {
    Cosem: "cosem",
    LogicalDevices: "ldevs",
    LogicalDevice: "ldev",
    Objects: "objects",
    Object: "object",
    Attributes: "attributes",
    Attribute: "attribute",
    Methods: "methods",
    Method: "method",
    Containers: "containers",
}


def as_json(resource: Resource, scaler_unit: ScalerUnit | None = None) -> dict[str, Any]:
    """One object whose only key is the element's name. `scaler_unit`: that of attributes without their register."""
    return {_NAMES[type(resource)]: _members(resource, scaler_unit)}


def _members(resource: Resource, scaler_unit: ScalerUnit | None = None) -> Any:
    if isinstance(resource, LIST_TYPES):
        return (
            [_members(member, scaler_unit) for member in resource.members]
            if resource.members
            else {"count": length(resource)}
        )
    match resource:
        case Cosem(ldevs, containers):
            return _lists(ldevs, containers)
        case LogicalDevice(device, objects, containers):
            return {"id": device.xml_id, **_lists(objects, containers)}
        case Object(name, class_id, version, attributes, methods):
            return {
                "id": name.hex(),
                "class_id": class_id,
                "version": version,
                **_lists(attributes, methods, of=scaler_unit_of(resource)),
            }
        case Attribute(identity, value):
            if value is None:
                return {"id": identity}
            return {"id": identity, "value": _data(value), **_scaled(identity, value, scaler_unit)}
        case Method(identity):
            return {"id": identity}
    raise TypeError(f"{type(resource).__name__} is no resource of a GET")


def _lists(*lists: ResourceList | None, of: ScalerUnit | None = None) -> dict[str, Any]:
    return {_NAMES[type(found)]: _members(found, of) for found in lists if found is not None}


def _scaled(identity: int, value: Data, scaler_unit: ScalerUnit | None) -> dict[str, str]:
    if identity != _VALUE or scaler_unit is None or not isinstance(value.value, int):
        return {}
    return {"scaled": value_text(value, scaler_unit.scaler), "unit": symbol(scaler_unit.unit)}


def _data(data: Data) -> dict[str, Any]:
    value = data.value
    if isinstance(value, bytes):
        return {TYPE_NAME[data.type]: value.hex()}
    if isinstance(value, tuple):
        return {TYPE_NAME[data.type]: [_data(member) for member in value]}
    return {TYPE_NAME[data.type]: value}

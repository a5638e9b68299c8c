"""COSEM objects over GetProcParameter: how a path names them and how a tree answers.

A parameter name has nine octets; attributes have two each (seen in a maker's test script, docs/sml.md 5.2):

octet   0 .. 5          6 .. 7        8
        logical name    class id      class version        then  00 02 value, 00 03 scaler_unit, 00 04 status

The answer for one object, which gateway and simulator agree on:

    tree  0100010800FF 0003 00
      +-- 0002  value        ParameterValue 1: the number
      +-- 0003  scaler_unit  ParameterValue 1: list {03, list {01, list {scaler i8, unit u8}}}    (SML 1.05, CosemValue)
      +-- 0004  status       ParameterValue 1: unsigned; absent means no fault

The object list (path: Association LN 0.0.40.0.0.255, class 15, then attribute 0002). OUR OWN FORM: no public text shows
how a meter would draw it.

    tree  0002
      +-- 0100010800FF 0003 00      one child an object, by its parameter name, without a value
      +-- 0100020800FF 0003 00
"""

from typing import NamedTuple

from smgw.cosem import Obis, ObjectName, ScalerUnit
from smgw.errors import RemoteProtocolError
from smgw.sml.list_values import write_list_value
from smgw.sml.messages import ParameterValue, Tree
from smgw.sml.tlv import Kind, Value

VALUE, SCALER_UNIT, STATUS = b"\x00\x02", b"\x00\x03", b"\x00\x04"


def parameter_name(name: ObjectName) -> bytes:
    """The nine octets of an object in a path."""
    return name.octets()


def read_parameter_name(octets: bytes) -> ObjectName | None:
    """The object of a parameter name; None unless it has nine octets."""
    return ObjectName.from_octets(octets)


ASSOCIATION = ObjectName(15, 0, Obis(b"\x00\x00\x28\x00\x00\xff"))
FIRMWARE = ObjectName(1, 0, Obis(b"\x01\x00\x00\x02\x00\x00"))
OBJECT_LIST_PATH = (parameter_name(ASSOCIATION), VALUE)


class ObjectValue(NamedTuple):
    """The content of a tree for one object."""

    name: ObjectName
    value: Value
    scaler: int | None = None
    unit: int | None = None
    status: Value | None = None


def object_list_tree(objects: list[ObjectName]) -> Tree:
    """The answer to OBJECT_LIST_PATH."""
    return Tree(VALUE, None, tuple(Tree(parameter_name(name)) for name in objects))


def read_object_list(tree: Tree) -> list[ObjectName]:
    """The objects in such an answer; other names are ignored."""
    found = (read_parameter_name(child.name) for child in tree.children)
    return [name for name in found if name is not None]


def object_tree(found: ObjectValue) -> Tree:
    """The answer for one object."""
    children = [Tree(VALUE, ParameterValue(1, found.value))]
    if found.unit is not None:
        scaler_unit = write_list_value(ScalerUnit(found.scaler or 0, found.unit))
        children.append(Tree(SCALER_UNIT, ParameterValue(1, scaler_unit)))
    if found.status is not None:
        children.append(Tree(STATUS, ParameterValue(1, found.status)))
    return Tree(parameter_name(found.name), None, tuple(children))


def read_object(tree: Tree) -> ObjectValue:
    """One object's value. Raises RemoteProtocolError for a tree without one, or with a malformed scaler_unit."""
    name = read_parameter_name(tree.name)
    attributes = {child.name: child.value.content for child in tree.children if child.value is not None}
    if name is None or VALUE not in attributes:
        raise RemoteProtocolError(f"parameter {tree.name.hex()} came without a value")
    scaler = unit = None
    if SCALER_UNIT in attributes:
        scaler, unit = _read_scaler_unit(attributes[SCALER_UNIT])
    return ObjectValue(name, attributes[VALUE], scaler, unit, attributes.get(STATUS))


def _read_scaler_unit(value: Value) -> tuple[int, int]:
    """Scaler and unit, wrapped as above or bare."""
    while value.kind is Kind.LIST and isinstance(value.value, tuple) and len(value.value) == 2:
        first, second = value.value
        if first is None or second is None or not isinstance(first.value, int):
            break
        if second.kind is not Kind.LIST and isinstance(second.value, int):
            if not (-128 <= first.value <= 127 and 0 <= second.value <= 255):
                break
            return first.value, second.value
        value = second
    raise RemoteProtocolError("a scaler_unit is a scaler and a unit")

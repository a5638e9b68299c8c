"""Resources to XML text, in our one form. The writer builds text, not a tree, to use little memory."""

from collections.abc import Iterable, Iterator

from smgw.cosem.data import Data, DataType
from smgw.cosemxml.data import DEPTH, data_text, xml_text
from smgw.cosemxml.error import CosemXmlError
from smgw.cosemxml.names import COD, COR
from smgw.cosemxml.resources import (
    Attribute,
    Attributes,
    Container,
    Containers,
    Cosem,
    LogicalDevice,
    LogicalDevices,
    Method,
    MethodRequest,
    MethodResponse,
    Methods,
    Object,
    Objects,
    Resource,
    ResourceList,
    length,
)

DECLARATION = '<?xml version="1.0" encoding="UTF-8"?>\n'
NAMESPACES = f' xmlns="{COR}" xmlns:cod="{COD}"'

_LIST_NAME: dict[type[ResourceList], str] = {
    LogicalDevices: "ldevs",
    Objects: "objects",
    Attributes: "attributes",
    Methods: "methods",
    Containers: "containers",
}


def encode(resource: Resource) -> bytes:
    """The complete XML text of one resource, UTF-8, one element a line down to the attribute.

    Raises CosemXmlError if a value does not fit its type or cannot be written in XML.
    """
    lines = list(_lines(resource, ""))
    head, lines[0] = lines[0], ""
    name_end = min(index for index in (head.find(" "), head.find(">"), head.find("/>")) if index > 0)
    return "".join((DECLARATION, head[:name_end], NAMESPACES, head[name_end:], *lines)).encode()


def quoted(value: str) -> str:
    """An attribute's value in its quotes."""
    return '"' + xml_text(value).replace('"', "&quot;").replace("\t", "&#9;").replace("\n", "&#10;") + '"'


def device_tag(resource: LogicalDevice) -> str:
    """The start of an `ldev` element, left open."""
    return f'<ldev id="{resource.device.xml_id}"'


def object_tag(resource: Object) -> str:
    """The start of an `object` element, left open."""
    if not 0 <= resource.class_id <= 0xFFFF or not 0 <= resource.version <= 0xFF:
        raise CosemXmlError(f"class {resource.class_id} version {resource.version}; 0 to 65535 and 0 to 255 exist")
    return f'<object id="{resource.logical_name.hex()}" class-id="{resource.class_id}" version="{resource.version}"'


def attribute_text(identity: int, value: Data | None, indent: str = "") -> str:
    """A complete `attribute` element. Each structure of an array (a profile's row) has its own line."""
    if not -128 <= identity <= 127:
        raise CosemXmlError(f"attribute {identity}; they count from -128 to 127")
    if value is None:
        return f'{indent}<attribute id="{identity}"/>\n'
    rows = value.value if value.type is DataType.ARRAY and isinstance(value.value, tuple) else ()
    if rows and all(row.type is DataType.STRUCTURE for row in rows):
        return table_text(identity, [data_text(row, DEPTH - 1) for row in rows], indent)
    return f'{indent}<attribute id="{identity}">{data_text(value)}</attribute>\n'


def table_text(identity: int, rows: Iterable[str], indent: str) -> str:
    """An `attribute` that holds an array of ready-made structures; at least one."""
    lines = "".join([f"{indent}  {row}\n" for row in rows])
    return f'{indent}<attribute id="{identity}"><cod:array>\n{lines}{indent}</cod:array></attribute>\n'


def _lines(resource: Resource, indent: str) -> Iterator[str]:
    match resource:
        case Attribute(identity, value):
            yield attribute_text(identity, value, indent)
        case Method(identity):
            if not 1 <= identity <= 127 and not -128 <= identity < 0:
                raise CosemXmlError(f"method {identity}; they count from 1 to 127, a maker's own from -128 to -1")
            yield f'{indent}<method id="{identity}"/>\n'
        case Object(_, _, _, attributes, methods):
            yield from _element(object_tag(resource), "object", (attributes, methods), indent)
        case LogicalDevice(_, objects, containers):
            yield from _element(device_tag(resource), "ldev", (objects, containers), indent)
        case Container(identity, objects, ldevs):
            yield from _element(f"<container id={quoted(identity)}", "container", (objects, ldevs), indent)
        case Cosem(ldevs, containers):
            yield from _element("<cosem", "cosem", (ldevs, containers), indent)
        case MethodRequest(parameter):
            yield _with_data("methodRequestParameter", parameter)
        case MethodResponse(status, data):
            yield "<methodResponse>\n"
            if status is not None:
                yield f"  <methodResponseStatus>{int(status)}</methodResponseStatus>\n"
            if data is not None:
                yield "  " + _with_data("methodResponseData", data)
            yield "</methodResponse>\n"
        case _:
            yield from _list(resource, indent)


def _list(resources: ResourceList, indent: str) -> Iterator[str]:
    name = _LIST_NAME[type(resources)]
    if resources.members and resources.total not in (None, len(resources.members)):
        raise CosemXmlError(f"{name} of {resources.total} with {len(resources.members)} members")
    tag = f'{indent}<{name} count="{length(resources)}"'
    if not resources.members:
        yield f"{tag}/>\n"
        return
    yield f"{tag}>\n"
    for member in resources.members:
        yield from _lines(member, indent + "  ")
    yield f"{indent}</{name}>\n"


def _element(tag: str, name: str, children: tuple[ResourceList | None, ...], indent: str) -> Iterator[str]:
    told = [child for child in children if child is not None]
    if not told:
        yield f"{indent}{tag}/>\n"
        return
    yield f"{indent}{tag}>\n"
    for child in told:
        yield from _list(child, indent + "  ")
    yield f"{indent}</{name}>\n"


def _with_data(name: str, value: Data | None) -> str:
    return f"<{name}/>\n" if value is None else f"<{name}>{data_text(value)}</{name}>\n"

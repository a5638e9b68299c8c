"""XML text to resources. It accepts the variants of annex, schema and users, but no text that could change data."""

import re
from collections.abc import Callable
from typing import TypeVar

from lxml import etree

from smgw.cosem.device_id import DeviceId, DeviceIdError
from smgw.cosem.obis import Obis
from smgw.cosemxml.data import attribute_value, refuse_text, whole_number
from smgw.cosemxml.names import local_name
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
)
from smgw.cosemxml.source import DEFAULT_LIMITS, Limits, parse, refusal

_Member = TypeVar("_Member")

# 0100010800ff; 3-0100010800ff as the URI says it; 0100010800ff.1emh0005347109.sm as deployed gateways do.
_OBJECT_ID = re.compile(r"(?:(\d{1,5})-)?([0-9a-fA-F]{12})(?:\..*)?")
_HEX = re.compile(r"(?:[0-9a-fA-F]{2})+")


def decode(octets: bytes, limits: Limits = DEFAULT_LIMITS) -> Resource:
    """The resource in an XML text, whatever its root element is.

    Raises CosemXmlError with path, line and reason: not XML, too big, too deep, not a resource, a wrong value.
    """
    root = parse(octets, limits)
    reader = _READERS.get(local_name(str(root.tag)))
    if reader is None:
        raise refusal(root, f"{local_name(str(root.tag))!r:.60} is no resource; {', '.join(_READERS)} are")
    return reader(root)


def _name(element: etree._Element) -> str:
    return local_name(str(element.tag))


def _identity(element: etree._Element, *names: str) -> str | None:
    for name in names:
        if (found := element.get(name)) is not None:
            return found.strip()
    return None


def _number(element: etree._Element, low: int, high: int, *names: str) -> int | None:
    text = _identity(element, *names)
    if text is None:
        return None
    try:
        value = whole_number(text)
    except ValueError:
        value = low - 1
    if not low <= value <= high:
        raise refusal(element, f"{names[0]}={text!r:.40} is no number from {low} to {high}")
    return value


def _index(element: etree._Element) -> int:
    identity = _number(element, -128, 127, "id")
    if identity is None:
        raise refusal(element, "the attribute id is missing")
    return identity


def _members(
    element: etree._Element, member: str, read: Callable[[etree._Element], _Member]
) -> tuple[tuple[_Member, ...], int | None]:
    refuse_text(element)
    for child in element:
        if _name(child) != member:
            raise refusal(child, f"{_name(child)!r:.60} inside {_name(element)}; only {member} belongs here")
    members = tuple([read(child) for child in element])
    count = _number(element, 0, 0xFFFFFFFF, "count")
    if count is None or count == len(members):
        return members, None
    if members:
        # A wrong count means a truncated text. Accepting it would lose the rest silently.
        raise refusal(element, f"count={count}, but {len(members)} are here")
    return members, count


def _parts(element: etree._Element, *names: str) -> dict[str, etree._Element]:
    refuse_text(element)
    parts: dict[str, etree._Element] = {}
    for child in element:
        name = _name(child)
        if name not in names:
            raise refusal(child, f"{name!r:.60} inside {_name(element)}; {' and '.join(names)} belong here")
        if name in parts:
            raise refusal(child, f"a second {name}")
        parts[name] = child
    return parts


def _optional(parts: dict[str, etree._Element], name: str, read: Callable[[etree._Element], _Member]) -> _Member | None:
    return read(parts[name]) if name in parts else None


def _cosem(element: etree._Element) -> Cosem:
    parts = _parts(element, "ldevs", "containers")
    return Cosem(_optional(parts, "ldevs", _ldevs), _optional(parts, "containers", _containers))


def _ldevs(element: etree._Element) -> LogicalDevices:
    return LogicalDevices(*_members(element, "ldev", _ldev))


def _ldev(element: etree._Element) -> LogicalDevice:
    parts = _parts(element, "objects", "containers")
    return LogicalDevice(
        _device(element), _optional(parts, "objects", _objects), _optional(parts, "containers", _containers)
    )


def _device(element: etree._Element) -> DeviceId:
    text = _identity(element, "id") or ""
    try:
        # The schema has octet-string, the examples have a name: foreign ids are in hex.
        return DeviceId(bytes.fromhex(text)) if _HEX.fullmatch(text) else DeviceId.parse(text)
    except DeviceIdError as error:
        raise refusal(element, f"id: {error}") from None


def _objects(element: etree._Element) -> Objects:
    return Objects(*_members(element, "object", _object))


def _object(element: etree._Element) -> Object:
    text = _identity(element, "id") or ""
    match = _OBJECT_ID.fullmatch(text)
    if match is None:
        raise refusal(element, f"id={text!r:.60} is no logical name; write 12 hex digits such as 0100010800ff")
    class_id = _number(element, 0, 0xFFFF, "class-id", "class_id")
    if class_id is None:
        if match[1] is None or int(match[1]) > 0xFFFF:
            raise refusal(element, "the attribute class-id is missing")
        class_id = int(match[1])
    parts = _parts(element, "attributes", "methods")
    return Object(
        Obis(bytes.fromhex(match[2])),
        class_id,
        _number(element, 0, 0xFF, "version") or 0,
        _optional(parts, "attributes", _attributes),
        _optional(parts, "methods", _methods),
    )


def _attributes(element: etree._Element) -> Attributes:
    return Attributes(*_members(element, "attribute", _attribute))


def _attribute(element: etree._Element) -> Attribute:
    return Attribute(_index(element), attribute_value(element))


def _methods(element: etree._Element) -> Methods:
    return Methods(*_members(element, "method", _method))


def _method(element: etree._Element) -> Method:
    return Method(_index(element))


def _containers(element: etree._Element) -> Containers:
    return Containers(*_members(element, "container", _container))


def _container(element: etree._Element) -> Container:
    identity = _identity(element, "id")
    if identity is None:
        raise refusal(element, "the attribute id is missing")
    children = list(element)
    if len(children) == 1 and _name(children[0]) == "containers" and len(children[0]) == 1:
        element = children[0][0]  # the annex's example wraps a container's content once more
    parts = _parts(element, "objects", "ldevs")
    return Container(identity, _optional(parts, "objects", _objects), _optional(parts, "ldevs", _ldevs))


def _method_request(element: etree._Element) -> MethodRequest:
    return MethodRequest(attribute_value(element))


def _method_response(element: etree._Element) -> MethodResponse:
    parts = _parts(element, "methodResponseStatus", "methodResponseData")
    return MethodResponse(
        _optional(parts, "methodResponseStatus", _status), _optional(parts, "methodResponseData", attribute_value)
    )


def _status(element: etree._Element) -> int:
    try:
        value = whole_number("".join(str(text) for text in element.itertext()))
    except ValueError:
        value = -1
    if not 0 <= value <= 255:
        raise refusal(element, "a status is a number from 0 to 255")
    return value


_READERS: dict[str, Callable[[etree._Element], Resource]] = {
    "cosem": _cosem,
    "ldevs": _ldevs,
    "ldev": _ldev,
    "objects": _objects,
    "object": _object,
    "attributes": _attributes,
    "attribute": _attribute,
    "methods": _methods,
    "method": _method,
    "containers": _containers,
    "container": _container,
    "methodRequestParameter": _method_request,
    "methodResponse": _method_response,
}

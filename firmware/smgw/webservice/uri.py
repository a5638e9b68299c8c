"""The URI tree under `<PoC>/cosem` (TR-03109-1 Annex II, 7.2), read and built.

<PoC>/cosem
<PoC>/cosem/ldevs[/<devid>[/objects[/<classid>-<obishex>[/attributes[/<n>] | /methods[/<n>]]]]]
<PoC>/cosem/ldevs/<devid>/containers[/<classid>-<obishex>]
<PoC>/cosem/containers[/<id>]
"""

import re
from enum import Enum
from typing import NamedTuple
from urllib.parse import quote, unquote

from smgw.cosem.device_id import DeviceId, DeviceIdError
from smgw.cosem.obis import Obis
from smgw.webservice.error import NotFound, UriTooLong

MAX_URI = 4000  # characters (Annex II, 7.1)

_OBJECT = re.compile(r"(0|[1-9]\d{0,4})-([0-9a-f]{12})")
_INDEX = re.compile(r"0|-?[1-9]\d{0,2}")


class Node(Enum):
    """The kinds of resource; the values are the annex's terms."""

    COSEM = "cosem"
    LDEVS = "ldevs"
    LDEV = "ldev"
    OBJECTS = "objects"
    OBJECT = "object"
    ATTRIBUTES = "attributes"
    ATTRIBUTE = "attribute"
    METHODS = "methods"
    METHOD = "method"
    CONTAINERS = "containers"
    CONTAINER = "container"


class ObjectId(NamedTuple):
    """`<classid>-<obishex>`: class id in decimal, logical name as 12 lower-case hex digits."""

    class_id: int
    logical_name: Obis

    @classmethod
    def parse(cls, segment: str) -> "ObjectId":
        """Read `3-0100010800ff`; NotFound for anything else."""
        match = _OBJECT.fullmatch(segment)
        if match is None or int(match[1]) > 0xFFFF:
            raise NotFound(f"{segment!r:.60} names no object; 3-0100010800ff would")
        return cls(int(match[1]), Obis(bytes.fromhex(match[2])))

    def __str__(self) -> str:
        return f"{self.class_id}-{self.logical_name.hex()}"


class Target(NamedTuple):
    """One resource of the tree. `listing` (a trailing slash): the resource with its direct members only."""

    node: Node
    device: DeviceId | None = None
    object: ObjectId | None = None
    number: int | None = None  # of an attribute or a method
    container: str | None = None
    listing: bool = False


def split(target: str) -> tuple[str, str]:
    """Cut a request target into path and query; UriTooLong beyond 4000 characters."""
    if len(target) > MAX_URI:
        raise UriTooLong(f"the URI has {len(target)} characters; at most {MAX_URI} are taken")
    path, _, query = target.partition("?")
    return path, query


def parse(path: str, poc: str = "") -> Target:
    """The resource of a path (still percent-encoded, without query) below the point of contact.

    Raises NotFound if there is none, UriTooLong if the path is too long.
    """
    if len(path) > MAX_URI:
        raise UriTooLong(f"the URI has {len(path)} characters; at most {MAX_URI} are taken")
    prefix = poc.rstrip("/") + "/"
    if not path.startswith(prefix):
        raise NotFound(f"{path!r:.80} is not below {prefix}cosem")
    listing = path.endswith("/")
    segments = path[len(prefix) :].removesuffix("/").split("/")
    match segments:
        case ["cosem"]:
            return Target(Node.COSEM, listing=listing)
        case ["cosem", "ldevs"]:
            return Target(Node.LDEVS, listing=listing)
        case ["cosem", "ldevs", device, *rest]:
            return _in_device(_device(device), rest, listing)._replace(listing=listing)
        case ["cosem", "containers"]:
            return Target(Node.CONTAINERS, listing=listing)
        case ["cosem", "containers", container] if container:
            return Target(Node.CONTAINER, container=unquote(container), listing=listing)
    raise _unknown(path)


def _in_device(device: DeviceId, segments: list[str], listing: bool) -> Target:
    match segments:
        case []:
            return Target(Node.LDEV, device)
        case ["objects"]:
            return Target(Node.OBJECTS, device)
        case ["objects", name]:
            return Target(Node.OBJECT, device, ObjectId.parse(name))
        case ["objects", name, "attributes"]:
            return Target(Node.ATTRIBUTES, device, ObjectId.parse(name))
        case ["objects", name, "attributes", index]:
            return Target(Node.ATTRIBUTE, device, ObjectId.parse(name), _index(index))
        case ["objects", name, "methods"]:
            return Target(Node.METHODS, device, ObjectId.parse(name))
        case ["objects", name, "methods", index]:
            return Target(Node.METHOD, device, ObjectId.parse(name), _index(index))
        case ["containers"]:
            return Target(Node.CONTAINERS, device)
        case ["containers", name]:
            return Target(Node.CONTAINER, device, ObjectId.parse(name))
    raise _unknown("/".join(segments) + ("/" if listing else ""))


def _unknown(path: str) -> NotFound:
    return NotFound(
        f"{path!r:.80} is no resource; the tree is cosem/ldevs/<device>/objects/<class>-<name>/attributes/<n>"
    )


def _device(segment: str) -> DeviceId:
    try:
        return DeviceId.from_uri(segment)
    except DeviceIdError as error:
        raise NotFound(str(error)) from None


def _index(segment: str) -> int:
    if not _INDEX.fullmatch(segment) or not -128 <= int(segment) <= 127:
        raise NotFound(f"{segment!r:.20} is no attribute or method; they count from -128 to 127")
    return int(segment)


def build(target: Target, poc: str = "") -> str:
    """The path of a resource, the inverse of `parse`."""
    slash = "/" if target.listing else ""
    return "/".join((poc.rstrip("/"), "cosem", *_segments(target))) + slash


def _segments(target: Target) -> tuple[str, ...]:
    node, device, name, number, container, _ = target
    below = ("ldevs", device.uri) if device is not None else ()
    match node:
        case Node.COSEM:
            return ()
        case Node.LDEVS:
            return ("ldevs",)
        case Node.LDEV:
            return below
        case Node.OBJECTS | Node.CONTAINERS:
            return (*below, node.value)
        case Node.OBJECT:
            return (*below, "objects", str(name))
        case Node.ATTRIBUTES | Node.METHODS:
            return (*below, "objects", str(name), node.value)
        case Node.ATTRIBUTE | Node.METHOD:
            return (*below, "objects", str(name), node.value + "s", str(number))
        case Node.CONTAINER:
            return (*below, "containers", quote(container or "", safe="") if name is None else str(name))

"""The resources of Annex II as values, from `<cosem>` to `<method>` (TR-03109-1 Annex II, 6 and 8.2.1).

A list (`ldevs`, `objects`, ...) has its members, or only their number. None is a list that was not sent.
The content of a container is not public. Ours holds objects in a logical device, and logical devices in `cosem`.
"""

from typing import NamedTuple, TypeAlias, Union

from smgw.cosem.data import Data
from smgw.cosem.device_id import DeviceId
from smgw.cosem.obis import Obis


class Attribute(NamedTuple):
    """One attribute of an object. Value None: the attribute exists and its value was not sent."""

    id: int  # -128 to 127; 1 is the logical name, negative ones are a maker's own
    value: Data | None = None


class Attributes(NamedTuple):
    """The attributes of one object."""

    members: tuple[Attribute, ...] = ()
    total: int | None = None  # number of members, if `members` does not list them


class Method(NamedTuple):
    """One method of an object."""

    id: int


class Methods(NamedTuple):
    """The methods of one object."""

    members: tuple[Method, ...] = ()
    total: int | None = None


class Object(NamedTuple):
    """One COSEM object of a logical device."""

    logical_name: Obis
    class_id: int
    version: int = 0
    attributes: Attributes | None = None
    methods: Methods | None = None


class Objects(NamedTuple):
    """The objects of one logical device, or of a container in it."""

    members: tuple[Object, ...] = ()
    total: int | None = None


class LogicalDevice(NamedTuple):
    """One logical device."""

    device: DeviceId
    objects: Objects | None = None
    containers: "Containers | None" = None


class LogicalDevices(NamedTuple):
    """The logical devices of one server."""

    members: tuple[LogicalDevice, ...] = ()
    total: int | None = None


class Container(NamedTuple):
    """A group that is read and written as a whole."""

    id: str
    objects: Objects | None = None
    ldevs: LogicalDevices | None = None


class Containers(NamedTuple):
    """The containers of a logical device or of the whole server."""

    members: tuple[Container, ...] = ()
    total: int | None = None


class Cosem(NamedTuple):
    """All resources of one server."""

    ldevs: LogicalDevices | None = None
    containers: Containers | None = None


class MethodRequest(NamedTuple):
    """The body of a POST on a method."""

    parameter: Data | None = None


class MethodResponse(NamedTuple):
    """The answer to a POST on a method: status 0 goes with HTTP 200, any other with 500."""

    status: int | None = None
    data: Data | None = None


Resource: TypeAlias = Union[  # noqa: UP007 - the members stand one a line
    Cosem,
    LogicalDevices,
    LogicalDevice,
    Objects,
    Object,
    Attributes,
    Attribute,
    Methods,
    Method,
    Containers,
    Container,
    MethodRequest,
    MethodResponse,
]

ResourceList: TypeAlias = LogicalDevices | Objects | Attributes | Methods | Containers
LIST_TYPES = (LogicalDevices, Objects, Attributes, Methods, Containers)


def length(resources: ResourceList) -> int:
    """Number of members of a list, whether listed or not."""
    return len(resources.members) if resources.total is None else resources.total

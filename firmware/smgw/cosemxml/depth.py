"""The depth of an answer (TR-03109-1 Annex II, 7.7: `q.depth` and the trailing slash)."""

from typing import TypeVar

from smgw.cosemxml.resources import (
    Attribute,
    Attributes,
    Container,
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

_Kind = TypeVar("_Kind", bound=Resource)


def cut(resource: Resource, depth: int) -> Resource:
    """The resource down to `depth` levels of elements (`q.depth`). At 0 a list gives only the number of its members.

    An object's or attribute's own values count as one level, like any other members.
    """
    match resource:
        case LogicalDevices(members):
            return LogicalDevices(_cut_all(members, depth, LogicalDevice), _total(resource, depth))
        case Objects(members):
            return Objects(_cut_all(members, depth, Object), _total(resource, depth))
        case Containers(members):
            return Containers(_cut_all(members, depth, Container), _total(resource, depth))
        case Attributes(members):
            return Attributes(_cut_all(members, depth, Attribute), _total(resource, depth))
        case Methods(members):
            return Methods(_cut_all(members, depth, Method), _total(resource, depth))
        case Cosem(ldevs, containers):
            return Cosem(_cut_list(ldevs, depth, LogicalDevices), _cut_list(containers, depth, Containers))
        case LogicalDevice(device, objects, containers):
            return LogicalDevice(device, _cut_list(objects, depth, Objects), _cut_list(containers, depth, Containers))
        case Container(identity, objects, ldevs):
            return Container(identity, _cut_list(objects, depth, Objects), _cut_list(ldevs, depth, LogicalDevices))
        case Object(_, _, _, attributes, methods):
            return resource._replace(
                attributes=_cut_list(attributes, depth, Attributes), methods=_cut_list(methods, depth, Methods)
            )
        case Attribute(identity):
            return resource if depth > 0 else Attribute(identity)
    return resource


def _total(resources: ResourceList, depth: int) -> int | None:
    return length(resources) if depth <= 0 else resources.total


def _cut_all(members: tuple[_Kind, ...], depth: int, kind: type[_Kind]) -> tuple[_Kind, ...]:
    return (
        tuple([found for found in (cut(member, depth - 1) for member in members) if isinstance(found, kind)])
        if depth > 0
        else ()
    )


def _cut_list(resources: _Kind | None, depth: int, kind: type[_Kind]) -> _Kind | None:
    if resources is None or depth <= 0:
        return None
    found = cut(resources, depth - 1)
    return found if isinstance(found, kind) else None

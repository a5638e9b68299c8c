"""Feeds: which EMP gets which rows. A pure function of a configuration and the devices of its meters."""

from collections.abc import Iterable
from typing import NamedTuple

from smgw.cosem.device_id import DeviceId
from smgw.cosem.obis import Obis
from smgw.cosem.source import Source
from smgw.profiles.gateway import Configuration


class Grant(NamedTuple):
    """The rights of an EMP on one meter, for all devices of its profile."""

    who: str  # name of the EMP
    meter: str  # name of the meter profile
    device_id: DeviceId | None = None  # the meter's own key of that name
    lists: tuple[int, ...] = ()  # numbers of the value lists (`ListKind`); empty: all
    objects: tuple[Obis, ...] = ()  # registers; empty: all
    pseudonym_days: int = 0  # days after which its pseudonym changes; 0: it goes under its own id


class Feed(NamedTuple):
    """The rows of one device for one EMP, and the name of the device in them."""

    who: str
    source: Source
    delivered: DeviceId
    lists: tuple[int, ...] = ()
    objects: tuple[Obis, ...] = ()
    pseudonym_days: int = 0  # days after which the pseudonym changes that stands for `delivered`; 0: there is none
    recorder: DeviceId | None = None  # stands for the id of the gateway; None: its own id


def grants(configuration: Configuration) -> tuple[Grant, ...]:
    """The rights that the profiles grant, in the order of the file: by EMP, then by meter."""
    return tuple(
        Grant(emp.name, meter.name, meter.device_id, pseudonym_days=emp.pseudonym_days)
        for emp in configuration.emps
        for meter in configuration.meters_for(emp)
    )


def feeds(granted: Iterable[Grant], sources: Iterable[Source]) -> tuple[Feed, ...]:
    """The feeds of these sources, which come in the order of their first record.

    A device with a DIN 43863-5 id is delivered under it. A meter's `device_id` names the first device with a foreign id
    that the meter brought. Each further one is delivered under its own foreign id, so that two devices never have one
    name: give a meter that replaces another a new profile name. For the same reason a `device_id` that is another
    device's own id names nothing.
    """
    known = tuple(sources)
    own = {source.device for source in known}
    found = []
    for grant in granted:
        name = grant.device_id if grant.device_id not in own else None
        for source in known:
            if source.meter == grant.meter:
                delivered = source.device
                if name is not None and not delivered.is_din:
                    delivered, name = name, None
                found.append(Feed(grant.who, source, delivered, grant.lists, grant.objects, grant.pseudonym_days))
    return tuple(found)


def unnamed(configuration: Configuration, sources: Iterable[Source]) -> tuple[Source, ...]:
    """The sources of meters and evaluations that no profile names any more."""
    named = {meter.name for meter in configuration.meters} | {one.name for one in configuration.evaluations}
    return tuple(source for source in sources if source.meter not in named)

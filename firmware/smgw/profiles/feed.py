"""Feeds: which EMP gets which rows. A pure function of a configuration and the devices of its meters.

Both profiles must allow what goes to an EMP. The communication profile names meters and evaluations. An evaluation
names its EMPs, and its tariff use case decides what of it may leave (`use_cases`). The readings of a meter with an
evaluation leave only by evaluations: nothing finer than they allow goes to anybody.
"""

from collections.abc import Iterable
from typing import NamedTuple

from smgw.cosem.device_id import DeviceId
from smgw.cosem.obis import Obis
from smgw.cosem.source import Source
from smgw.profiles.gateway import Configuration
from smgw.profiles.send_times import SendTimes


class Series(NamedTuple):
    """The part of a meter's readings that TAF 7 allows: those of registration times, within the validity."""

    period_us: int
    begin_us: int
    end_us: int

    def allows(self, target_time_us: int | None) -> bool:
        """Whether a row of this target time may leave."""
        if target_time_us is None or target_time_us % self.period_us:
            return False
        return self.begin_us <= target_time_us <= self.end_us


class Grant(NamedTuple):
    """The rights of an EMP on one meter or evaluation, for all devices of its profile."""

    who: str  # name of the EMP
    meter: str  # name of the meter profile, or of the evaluation
    device_id: DeviceId | None = None  # the meter's own key of that name
    lists: tuple[int, ...] = ()  # numbers of the value lists (`ListKind`); empty: all
    objects: tuple[Obis, ...] = ()  # registers; empty: all
    pseudonym_days: int = 0  # days after which its pseudonym changes; 0: it goes under its own id
    series: Series | None = None  # None: all rows
    taf: int = 0  # of an evaluation: only devices of this use case; 0: it is a meter
    send: SendTimes | None = None  # None: as soon as there is a row


class Feed(NamedTuple):
    """The rows of one device for one EMP, and the name of the device in them."""

    who: str
    source: Source
    delivered: DeviceId
    lists: tuple[int, ...] = ()
    objects: tuple[Obis, ...] = ()
    pseudonym_days: int = 0  # days after which the pseudonym changes that stands for `delivered`; 0: there is none
    recorder: DeviceId | None = None  # stands for the id of the gateway; None: its own id
    series: Series | None = None  # None: all rows
    send: SendTimes | None = None  # None: as soon as there is a row


_SECOND = 1_000_000
_ORIGINAL = (1,)


def grants(configuration: Configuration) -> tuple[Grant, ...]:
    """The rights that the profiles grant, in the order of the file: by EMP, then by meter, then by evaluation."""
    evaluated = {name for one in configuration.evaluations for name in one.parts}
    found = []
    for emp in configuration.emps:
        for meter in configuration.meters_for(emp):
            if meter.name not in evaluated:
                found.append(Grant(emp.name, meter.name, meter.device_id, pseudonym_days=emp.pseudonym_days))
        for one in configuration.evaluations_for(emp):
            if one.use_case.originals:
                meter = configuration.meter(one.meters[0])
                own = Grant(emp.name, meter.name, meter.device_id, _ORIGINAL, one.objects, emp.pseudonym_days)
                begin, end = (0 if one.begin is None else one.begin), ((1 << 42) if one.end is None else one.end)
                period = Series(one.registration_period * _SECOND, begin * _SECOND, end * _SECOND)
                found.append(own._replace(series=period, send=one.send))
            elif one.use_case.leaves:
                days = emp.pseudonym_days
                own = Grant(emp.name, one.name, lists=one.use_case.leaves, pseudonym_days=days, taf=one.taf)
                found.append(own._replace(send=one.send))
    return tuple(found)


def requested_grants(configuration: Configuration) -> tuple[Grant, ...]:
    """The rights on rows that go by the order of a person alone (TAF 6).

    An EMP with pseudonyms has none: such a reading is asked for by the usage point.
    """
    return tuple(
        Grant(emp.name, one.name, lists=one.use_case.requested, taf=one.taf)
        for emp in configuration.emps
        if not emp.pseudonym_days
        for one in configuration.evaluations_for(emp)
        if one.use_case.requested
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
            if source.meter == grant.meter and source.device.taf == grant.taf:
                delivered = source.device
                if name is not None and not delivered.is_din:
                    delivered, name = name, None
                days = grant.pseudonym_days
                feed = Feed(grant.who, source, delivered, grant.lists, grant.objects, days, series=grant.series)
                found.append(feed._replace(send=grant.send))
    return tuple(found)


def unnamed(configuration: Configuration, sources: Iterable[Source]) -> tuple[Source, ...]:
    """The sources of meters and evaluations that no profile names any more."""
    named = {meter.name for meter in configuration.meters} | {one.name for one in configuration.evaluations}
    return tuple(source for source in sources if source.meter not in named)

"""The consumer's file of one contract (AR 2418-6), for the display software TRuDI: made of what the `House` shows.

It runs in a child process (see `files`), since the writer needs a large library.
"""

from collections.abc import Iterable, Iterator

from smgw.cosem.names import CaptureObject
from smgw.cosem.obis import Obis
from smgw.cosem.reading import meter_status
from smgw.cosem.status_word import StatusWord
from smgw.errors import SmgwError
from smgw.han.house import Contract, House, Wanted
from smgw.metering.evaluation.counting import ptb_status
from smgw.store.file.log_books import NUMBERS
from smgw.store.ranges import Range
from smgw.store.records import ListKind, Source, StoredRecord
from smgw.transparency.document import Certificate, Component, LogEntry, UsagePoint, ValueList
from smgw.transparency.lists import SECOND_US, Cell, Row, Span, lists_of, taken

_DAY_S = 86_400


def content(house: House, wanted: Wanted, certificates: tuple[Certificate, ...]) -> UsagePoint:
    """The content of the file. NotYoursError; SmgwError if the profile lacks what the file needs."""
    contract = house.contract(wanted.consumer, wanted.contract)
    kinds = map(ListKind, contract.profile.use_case.bill_lists)
    lists = (*_originals(house, contract, wanted), *_registers(house, contract, wanted, kinds))
    return _point(house, contract, wanted, lists, certificates)


def current(house: House, wanted: Wanted, certificates: tuple[Certificate, ...]) -> UsagePoint:
    """The registers as they are now: the newest row of each. Use cases without steps show the meters' readings."""
    contract = house.contract(wanted.consumer, wanted.contract)
    sources = contract.sources[-1:] if contract.profile.use_case.billed else ()
    newest = [row for source in sources if (row := house.newest(wanted.consumer, source)) is not None]
    at_us = max((row.target_time_us or 0 for row in newest), default=0)
    if at_us:
        now = wanted._replace(begin_s=at_us // SECOND_US, end_s=at_us // SECOND_US)
        lists = tuple(_registers(house, contract, now, (ListKind.DERIVED,)))
    else:
        last_s = house.now_us() // SECOND_US
        day = wanted._replace(begin_s=last_s - _DAY_S, end_s=last_s)
        lists = tuple(map(_last, _originals(house, contract, day)))
    return _point(house, contract, wanted, lists, certificates)


def _last(found: ValueList) -> ValueList:
    """The list of its last value alone."""
    values = tuple(found.values)[-1:]
    at_s = found.end_s if not values else (values[0].target_us or 0) // SECOND_US
    return found._replace(values=values, begin_s=at_s, end_s=at_s)


def _point(
    house: House,
    contract: Contract,
    wanted: Wanted,
    lists: tuple[ValueList, ...],
    certificates: tuple[Certificate, ...],
) -> UsagePoint:
    profile = contract.profile
    for key in ("usage_point", "supplier"):
        if not getattr(profile, key):
            raise SmgwError(f"evaluation {profile.name}: {key} is missing, and the file needs it; the operator sets it")
    firmware = house.firmware()
    return UsagePoint(
        profile.usage_point,
        profile.consumer,
        profile.supplier,
        str(house.configuration.gateway.device_id),
        profile.name,
        certificates,
        lists,
        tuple(_log(house, wanted)) if wanted.with_log else (),
        firmware_version=firmware[0].version,
        components=tuple(Component(one.name, one.version, one.digest) for one in firmware),
        profile=profile.content().encode(),
        zone=profile.zone,
    )


def _originals(house: House, contract: Contract, wanted: Wanted) -> Iterator[ValueList]:
    """Readings of the meters, each device by itself: an exchanged meter has two lists."""
    profile = contract.profile
    span = Span(wanted.begin_s, wanted.end_s, profile.registration_period)
    for source in house.parts(wanted.consumer, contract):
        rows = taken(_rows(house, wanted, source, ListKind.ORIGINAL, profile.objects), span)
        owner = str(source.device)
        yield from lists_of(rows, owner, owner, span, profile.registration_period)


def _registers(house: House, contract: Contract, wanted: Wanted, kinds: Iterable[ListKind]) -> Iterator[ValueList]:
    """Derived registers. They name the newest device of the first meter."""
    span = Span(wanted.begin_s, wanted.end_s)
    devices = house.meter(wanted.consumer, contract.profile.meters[0]).sources
    for kind in kinds if devices else ():
        for source in contract.sources:
            rows = taken(_rows(house, wanted, source, kind, ()), span)
            yield from lists_of(rows, str(devices[-1].device), str(source.device), span)


def _rows(house: House, wanted: Wanted, source: Source, kind: ListKind, objects: Iterable[Obis]) -> Iterator[Row]:
    times = Range(wanted.begin_s * SECOND_US, wanted.end_s * SECOND_US)
    for row in house.readings(wanted.consumer, source, times, kind, tuple(objects)):
        status = StatusWord(row.gateway_status, meter_status(row.readings))
        cells = _cells(house, wanted, source, row)
        yield Row(row.target_time_us or 0, row.stamp.utc_us, status, ptb_status(*status), cells)


def _cells(house: House, wanted: Wanted, source: Source, row: StoredRecord) -> Iterator[Cell]:
    made = house.value_signatures(wanted.consumer, source, row) if row.to_sign else ()
    signed = {one.column: one.octets for one in made}
    for one in row.readings:
        if isinstance(one.value.value, int):
            column = CaptureObject(one.class_id, one.obis, one.attribute)
            signature = signed.get(column) or one.signature or b""
            yield Cell(one.obis, one.scaler, one.unit, one.value.value, signature)


def _log(house: House, wanted: Wanted) -> Iterator[LogEntry]:
    """The consumer's log book in the span."""
    times = Range(wanted.begin_s * SECOND_US, wanted.end_s * SECOND_US + SECOND_US - 1)
    for one in house.log(wanted.consumer, times):
        yield LogEntry(
            one.number,
            one.utc_us // SECOND_US,
            one.subject,
            int(one.level),
            0 if one.outcome else 1,
            NUMBERS.get(one.event),
            subject=one.identity,
            user=one.user,
        )

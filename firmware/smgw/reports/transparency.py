"""The consumer's file for one usage point (AR 2418-6): what the gateway holds of it, for the display software TRuDI.

The lists are the original readings of the meters at registration times, and the registers at the ends of billing
periods for use cases with steps. A first reading that does not count is left out: TRuDI would count it whole.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import dropwhile
from typing import NamedTuple

from smgw.cosem import CaptureObject, Data, Obis, meter_status
from smgw.cosem.source import Source
from smgw.cosem.status_word import StatusWord
from smgw.errors import SmgwError
from smgw.metering.evaluation.counting import ptb_status
from smgw.profiles.evaluation import EvaluationProfile
from smgw.profiles.gateway import Configuration
from smgw.store.file.log_books import NUMBERS, consumer_book
from smgw.store.lmn.view import LmnView
from smgw.store.records import ListKind, StoredRecord
from smgw.store.wan.signatures import SignedRow
from smgw.store.wan.view import WanView
from smgw.transparency.document import Component, LogEntry, UsagePoint, Value, ValueList

_SECOND = 1_000_000
_AT_ONCE = 1000
_MOST_ENTRIES = 10_000
_LAST_COUNTING = 2  # PTB status


class Wanted(NamedTuple):
    """A usage point and a span of registration times, seconds UTC, both ends included."""

    usage_point: str
    begin_s: int
    end_s: int


#: The gateway's signatures of a row's values, by class, OBIS code and attribute.
Signed = Callable[[StoredRecord], Mapping[CaptureObject, bytes]]


def signed_by(view: WanView | None) -> Signed:
    """Those in wan.db: they were made when the rows were delivered or exported."""

    def signed(row: StoredRecord) -> Mapping[CaptureObject, bytes]:
        if view is None or not row.to_sign:
            return {}
        found = view.value_signatures(SignedRow(row.store_id, row.record_number, row.device))
        return {one.column: one.octets for one in found}

    return signed


_UNSIGNED = signed_by(None)


def usage_point(
    configuration: Configuration, view: LmnView, wanted: Wanted, version: str, signed: Signed = _UNSIGNED
) -> UsagePoint:
    """The content of the file, still without certificates. `version`: that of the firmware.

    :raises SmgwError: no evaluation has this usage point, or what the file needs is not configured.
    """
    profiles = [one for one in configuration.evaluations if one.usage_point == wanted.usage_point]
    if not profiles:
        known = sorted({one.usage_point for one in configuration.evaluations if one.usage_point})
        raise SmgwError(
            f"no [[evaluation]] has usage_point = {wanted.usage_point!r}; "
            + (f"there are {', '.join(known)}" if known else "write one")
        )
    first = profiles[0]
    for key in ("consumer", "supplier"):
        if not getattr(first, key):
            raise SmgwError(f"evaluation {first.name}: {key} is missing, and the file needs it; write {key} = ...")
    sources = view.sources()
    lists = [*_originals(profiles, sources, view, wanted, signed), *_derived(profiles, sources, view, wanted, signed)]
    return UsagePoint(
        wanted.usage_point,
        first.consumer,
        first.supplier,
        str(configuration.gateway.device_id),
        first.name,
        (),
        tuple(lists),
        tuple(_log(view, first.consumer, wanted)),
        firmware_version=version,
        components=(Component("smgw", version),),
        profile=first.content().encode(),
        zone=first.zone,
    )


class _Register(NamedTuple):
    obis: Obis
    scaler: int
    unit: int


def _originals(
    profiles: Iterable[EvaluationProfile], sources: Iterable[Source], view: LmnView, wanted: Wanted, signed: Signed
) -> Iterator[ValueList]:
    """Readings of the meters, each device of a meter by itself: an exchanged meter has two lists."""
    done: set[tuple[Source, Obis]] = set()
    for profile in profiles:
        for source in sources:
            if source.meter in profile.parts:
                objects = [obis for obis in profile.objects if (source, obis) not in done]
                done.update((source, obis) for obis in objects)
                rows = _rows(view, source, ListKind.ORIGINAL, wanted, profile.registration_period)
                owner = str(source.device)
                yield from _lists(rows, frozenset(objects), owner, owner, wanted, profile.registration_period, signed)


def _derived(
    profiles: Iterable[EvaluationProfile], sources: Iterable[Source], view: LmnView, wanted: Wanted, signed: Signed
) -> Iterator[ValueList]:
    for profile in profiles:
        devices = [source.device for source in sources if source.meter in profile.parts]
        for source in sources:
            if source.meter == profile.name and profile.use_case.billed and devices:
                rows = _rows(view, source, ListKind.PERIOD_END, wanted, 1)
                yield from _lists(rows, None, str(devices[-1]), str(source.device), wanted, 0, signed)


def _rows(
    view: LmnView, source: Source, kind: ListKind, wanted: Wanted, period_s: int
) -> Iterator[tuple[int, StoredRecord]]:
    """Rows of a list in the span, with their target times; the first one of each time that counts, else the first."""
    found: dict[int, StoredRecord] = {}
    after = 0
    while rows := view.records(source, after, _AT_ONCE):
        after = rows[-1].position
        for row in rows:
            target_us = row.target_time_us
            if row.list is not kind or target_us is None or target_us % (period_s * _SECOND) or not row.readings:
                continue
            if wanted.begin_s * _SECOND <= target_us <= wanted.end_s * _SECOND:
                known = found.get(target_us)
                if known is None or (_ptb(known) > _LAST_COUNTING >= _ptb(row)):
                    found[target_us] = row
    yield from sorted(found.items())


def _lists(
    rows: Iterable[tuple[int, StoredRecord]],
    objects: frozenset[Obis] | None,
    meter: str,
    owner: str,
    wanted: Wanted,
    period_s: int,
    signed: Signed,
) -> Iterator[ValueList]:
    """A list for each register; one whose scaler changed has a list for each scaler."""
    values: dict[_Register, list[Value]] = {}
    for target_us, row in rows:
        signatures = signed(row)
        for reading in row.readings:
            if (objects is None or reading.obis in objects) and isinstance(reading.value.value, int):
                register = _Register(reading.obis, reading.scaler, reading.unit)
                column = CaptureObject(reading.class_id, reading.obis, reading.attribute)
                made = signatures.get(column) or reading.signature or b""
                values.setdefault(register, []).append(_value(row, target_us, reading.value, made))
    for register, several in values.items():
        counted = tuple(dropwhile(lambda value: (value.ptb or 0) > _LAST_COUNTING, several))
        yield ValueList(
            meter,
            owner,
            bytes(register.obis).hex(),
            register.unit,
            register.scaler,
            wanted.begin_s,
            wanted.end_s,
            counted,
            period_s,
        )


def _value(row: StoredRecord, target_us: int, value: Data, signature: bytes) -> Value:
    number = value.value
    assert isinstance(number, int)
    status = StatusWord(row.gateway_status, meter_status(row.readings))
    return Value(number, row.stamp.utc_us, target_us, signature=signature, status=status, ptb=ptb_status(*status))


def _ptb(row: StoredRecord) -> int:
    return ptb_status(row.gateway_status, meter_status(row.readings))


def _log(view: LmnView, consumer: str, wanted: Wanted) -> Iterator[LogEntry]:
    """The consumer's log book in the span."""
    for entry in view.log_entries(_MOST_ENTRIES, consumer_book(consumer)):
        if wanted.begin_s <= entry.utc_us // _SECOND <= wanted.end_s:
            yield LogEntry(
                entry.number,
                entry.utc_us // _SECOND,
                entry.subject,
                int(entry.level),
                0 if entry.outcome else 1,
                NUMBERS.get(entry.event),
                subject=entry.identity,
                user=entry.user,
            )

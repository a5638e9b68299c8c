"""The consumer's file for one usage point (AR 2418-6): what the gateway holds of it, for the display software TRuDI.

The lists are the original readings of the meters at registration times, and registers. These are those at the ends of
billing periods (TAF 1 to 4) or at the begins of billing days (TAF 6).
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import NamedTuple

from smgw.cosem import CaptureObject, Obis, meter_status
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
from smgw.transparency.document import Component, LogEntry, UsagePoint, ValueList
from smgw.transparency.lists import SECOND_US, Cell, Row, Span, lists_of, taken

_AT_ONCE = 1000
_MOST_ENTRIES = 10_000


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


def _originals(
    profiles: Iterable[EvaluationProfile], sources: Iterable[Source], view: LmnView, wanted: Wanted, signed: Signed
) -> Iterator[ValueList]:
    """Readings of the meters, each device of a meter by itself: an exchanged meter has two lists."""
    done: set[tuple[Source, Obis]] = set()
    for profile in profiles:
        period_s = profile.registration_period
        for source in sources:
            if source.meter in profile.parts:
                objects = frozenset(obis for obis in profile.objects if (source, obis) not in done)
                done.update((source, obis) for obis in objects)
                span = Span(wanted.begin_s, wanted.end_s, period_s)
                rows = taken(_rows(view, source, ListKind.ORIGINAL, objects, signed), span)
                owner = str(source.device)
                yield from lists_of(rows, owner, owner, span, period_s)


def _derived(
    profiles: Iterable[EvaluationProfile], sources: Iterable[Source], view: LmnView, wanted: Wanted, signed: Signed
) -> Iterator[ValueList]:
    span = Span(wanted.begin_s, wanted.end_s)
    for profile in profiles:
        devices = [source.device for source in sources if source.meter in profile.parts]
        for source in sources:
            if source.meter == profile.name and devices:
                for kind in profile.use_case.bill_lists:
                    rows = taken(_rows(view, source, ListKind(kind), None, signed), span)
                    yield from lists_of(rows, str(devices[-1]), str(source.device), span)


def _rows(
    view: LmnView, source: Source, kind: ListKind, objects: frozenset[Obis] | None, signed: Signed
) -> Iterator[Row]:
    """Rows of a list with target times. `objects`: their registers; None: all."""
    after = 0
    while rows := view.records(source, after, _AT_ONCE):
        after = rows[-1].position
        for row in rows:
            if row.list is kind and row.target_time_us is not None and row.readings:
                status = StatusWord(row.gateway_status, meter_status(row.readings))
                cells = _cells(row, objects, signed)
                yield Row(row.target_time_us, row.stamp.utc_us, status, ptb_status(*status), cells)


def _cells(row: StoredRecord, objects: frozenset[Obis] | None, signed: Signed) -> Iterator[Cell]:
    signatures = signed(row)
    for reading in row.readings:
        number = reading.value.value
        if (objects is None or reading.obis in objects) and isinstance(number, int):
            column = CaptureObject(reading.class_id, reading.obis, reading.attribute)
            signature = signatures.get(column) or reading.signature or b""
            yield Cell(reading.obis, reading.scaler, reading.unit, number, signature)


def _log(view: LmnView, consumer: str, wanted: Wanted) -> Iterator[LogEntry]:
    """The consumer's log book in the span."""
    for entry in view.log_entries(_MOST_ENTRIES, consumer_book(consumer)):
        if wanted.begin_s <= entry.utc_us // SECOND_US <= wanted.end_s:
            yield LogEntry(
                entry.number,
                entry.utc_us // SECOND_US,
                entry.subject,
                int(entry.level),
                0 if entry.outcome else 1,
                NUMBERS.get(entry.event),
                subject=entry.identity,
                user=entry.user,
            )

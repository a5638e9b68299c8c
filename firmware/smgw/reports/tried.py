"""What a tariff would have given over readings in the database. Nothing is changed."""

from collections.abc import Iterator
from operator import itemgetter
from typing import NamedTuple

from smgw.cosem.obis import Obis
from smgw.cosem.source import Source
from smgw.metering.evaluation.bills import Bill, bills, period_rows
from smgw.metering.evaluation.evaluation import Event, Offer, Row, current, evaluate
from smgw.metering.evaluation.offers import offers
from smgw.metering.evaluation.plan import Plan
from smgw.metering.evaluation.state import State
from smgw.profiles.evaluation import EvaluationProfile
from smgw.store.lmn.view import LmnView
from smgw.store.ranges import Range
from smgw.store.records import ListKind, StoredRecord

_AT_ONCE = 1000
_SECOND = 1_000_000
#: A capture may be this much younger than its registration time, or stamped by a clock that was wrong.
_EARLIER_US = 86_400 * _SECOND


class Tried(NamedTuple):
    """The result for one measured register of a profile."""

    profile: EvaluationProfile
    measured: Obis
    plan: Plan
    rows: list[Row]
    events: list[Event]
    bills: list[Bill]
    readings: int  # how many took part, or were missing


def try_evaluation(view: LmnView, profile: EvaluationProfile, wanted: Range, *, every: bool) -> list[Tried]:
    """Evaluate the readings whose registration times lie in a range (microseconds UTC).

    Rows of the meters' own load profiles fill gaps, as they do in the gateway. `every`: also the registers at each
    registration time.
    """
    plan = Plan.of(profile, every=every)
    offered = _offers(view, profile, wanted)
    found = []
    for measured, own in zip(profile.objects, offered, strict=True):
        rows, state, events = evaluate(own, plan, State())
        made = list(bills(period_rows(rows, current(plan, state)), plan.boundaries)) if plan.billed else []
        found.append(Tried(profile, measured, plan, rows, events, made, len(own)))
    return found


def _offers(view: LmnView, profile: EvaluationProfile, wanted: Range) -> list[list[Offer]]:
    """The offers to each measured register, in the order of registration times."""
    found: list[list[Offer]] = [[] for _ in profile.objects]
    for place, meter in enumerate(profile.parts):
        for source in view.sources():
            if source.meter != meter:
                continue
            for record in _records(view, source, wanted):
                assert record.target_time_us is not None
                made = offers(
                    profile, place, record.device, record.target_time_us, record.gateway_status, record.readings
                )
                for own, offer in zip(found, made, strict=True):
                    if offer is not None:
                        own.append(offer)
    by_time = itemgetter(Offer._fields.index("time_s"))
    for own in found:
        own.sort(key=by_time)  # of one time, the order of records stays
    return found


def _records(view: LmnView, source: Source, wanted: Range) -> Iterator[StoredRecord]:
    """The original rows of a source whose target time is in the range."""
    position = _before(view, source, wanted.since - _EARLIER_US)
    while some := view.records(source, position, _AT_ONCE):
        position = some[-1].position
        for record in some:
            target_us = record.target_time_us
            if target_us is not None and wanted.since <= target_us <= wanted.until and record.list is ListKind.ORIGINAL:
                yield record


def _before(view: LmnView, source: Source, time_us: int) -> int:
    """A position before which all rows were captured earlier. Rows of load profiles come after it, too."""
    low, high = 0, view.last_position(source)
    while high - low > _AT_ONCE:
        middle = (low + high) // 2
        some = view.records(source, middle, 1)
        if some and some[0].stamp.utc_us < time_us:
            low = middle
        else:
            high = middle
    return low

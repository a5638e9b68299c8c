"""The consumer's file (AR 2418-6) from what gateways delivered: the head-end's own copy of it.

Evaluations name their usage point; meters and the rest of who it is about are given. The log book stays in the gateway.
"""

from collections.abc import Collection, Iterator, Mapping
from typing import NamedTuple, Protocol

from smgw.cosem import CaptureObject
from smgw.cosem.device_id import DeviceId
from smgw.cosem.evaluation_facts import EvaluationFacts
from smgw.cosemxml.value_signatures import SignaturesError, values_of_row
from smgw.metering.evaluation.counting import ptb_status
from smgw.transparency.document import UsagePoint, ValueList
from smgw.transparency.lists import SECOND_US, Cell, Row, Span, lists_of, taken
from smgw.transparency.writer import UNITS

from emp.answers.days import period_of
from emp.answers.period_bills import Latest, facts_of
from emp.store.storage import RowSpan, RowView

_MINUTE_S = 60


class Rows(Protocol):
    """What is asked of a store."""

    def batches(self, device: DeviceId, span: RowSpan) -> Iterator[list[RowView]]:
        """See Storage."""


class Devices(Latest, Protocol):
    """What is asked of a store."""

    def devices(self, gateway: DeviceId | None = None) -> list[DeviceId]:
        """See Storage."""

    def gateways_of(self, device: DeviceId) -> list[DeviceId]:
        """See Storage."""


class Wanted(NamedTuple):
    """The span of registration times (seconds UTC, both ends included), and the devices: meters and evaluations.

    `meter` is that of the evaluations.
    """

    begin_s: int
    end_s: int
    devices: tuple[DeviceId, ...]
    meter: DeviceId


def evaluations_of(
    storage: Devices, usage_point: str, beside: Collection[DeviceId] = ()
) -> dict[DeviceId, EvaluationFacts]:
    """The evaluations that name a usage point. `beside`: only those of the gateways of these devices, if there are any.

    Those of TAF 9, 10 and 14 name none.
    """
    gateways = {gateway for device in beside for gateway in storage.gateways_of(device)}
    found = {}
    for device in storage.devices():
        facts = facts_of(storage, device) if device.taf else None
        if facts is None or facts.usage_point != usage_point:
            continue
        if not gateways or not gateways.isdisjoint(storage.gateways_of(device)):
            found[device] = facts
    return found


def with_lists(storage: Rows, point: UsagePoint, wanted: Wanted) -> UsagePoint:
    """The content of the file with its lists of values, each register of each device by itself."""
    lists = [one for device in wanted.devices for one in _lists(storage, device, wanted)]
    return point._replace(lists=tuple(lists))


def _lists(storage: Rows, device: DeviceId, wanted: Wanted) -> Iterator[ValueList]:
    span = Span(wanted.begin_s, wanted.end_s, _MINUTE_S)
    rows = taken(_rows(storage, device), span)
    owner = str(device)
    if device.taf:
        yield from lists_of(rows, str(wanted.meter), owner, span)
    else:
        yield from lists_of(rows, owner, owner, span, period_of([row.target_us for row in rows]) // SECOND_US)


def _rows(storage: Rows, device: DeviceId) -> Iterator[Row]:
    for batch in storage.batches(device, RowSpan()):
        for row in batch:
            target_us = row.target_time_us
            if target_us is not None and row.cells:
                captured_us = target_us if row.capture_time_us is None else row.capture_time_us
                yield Row(target_us, captured_us, row.status, ptb_status(*row.status), _cells(device, row))


def _cells(device: DeviceId, row: RowView) -> Iterator[Cell]:
    signatures = _signatures(device, row)
    for register, data in row.cells:
        if isinstance(data.value, int) and register.unit in UNITS:
            signature = signatures.get(register.column, b"")
            yield Cell(register.obis, register.scaler, register.unit, data.value, signature)


def _signatures(device: DeviceId, row: RowView) -> Mapping[CaptureObject, bytes]:
    try:
        values = list(values_of_row(device, row.record_number, row.status, row.capture_time_us, row.cells))
    except SignaturesError:
        return {}
    return {one.register.column: one.signature.octets for one in values if one.signature}

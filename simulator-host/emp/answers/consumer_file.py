"""The consumer's file (AR 2418-6) from what gateways delivered: the head-end's own copy of it.

The head-end knows devices, not usage points, so who it is about is given. The log book stays in the gateway.
"""

from collections.abc import Iterator, Mapping
from itertools import dropwhile
from typing import NamedTuple, Protocol

from smgw.cosem import CaptureObject
from smgw.cosem.device_id import DeviceId
from smgw.cosem.obis import Obis
from smgw.cosemxml.value_signatures import SignaturesError, values_of_row
from smgw.metering.evaluation.counting import ptb_status
from smgw.transparency.document import UsagePoint, Value, ValueList
from smgw.transparency.writer import UNITS

from emp.answers.days import period_of
from emp.store.storage import RowSpan, RowView

_SECOND = 1_000_000
_MINUTE_US = 60 * _SECOND
_LAST_COUNTING = 2  # PTB status


class Rows(Protocol):
    """What is asked of a store."""

    def batches(self, device: DeviceId, span: RowSpan) -> Iterator[list[RowView]]:
        """See Storage."""


class Wanted(NamedTuple):
    """The span of registration times (seconds UTC, both ends included), and the devices: meters and evaluations."""

    begin_s: int
    end_s: int
    devices: tuple[DeviceId, ...]


def with_lists(storage: Rows, point: UsagePoint, wanted: Wanted) -> UsagePoint:
    """The content of the file with its lists of values, each register of each device by itself."""
    meters = [device for device in wanted.devices if not device.taf]
    lists = [one for device in wanted.devices for one in _lists(storage, device, meters, wanted)]
    return point._replace(lists=tuple(lists))


class _Register(NamedTuple):
    obis: Obis
    scaler: int
    unit: int


def _lists(storage: Rows, device: DeviceId, meters: list[DeviceId], wanted: Wanted) -> Iterator[ValueList]:
    rows = _rows(storage, device, wanted)
    values: dict[_Register, list[Value]] = {}
    for target_us, row in rows:
        signatures = _signatures(device, row)
        for register, data in row.cells:
            if isinstance(data.value, int) and register.unit in UNITS:
                key = _Register(register.obis, register.scaler, register.unit)
                signature = signatures.get(register.column, b"")
                values.setdefault(key, []).append(_value(row, target_us, data.value, signature))
    owner = str(device)
    period_s = 0 if device.taf else period_of([target_us for target_us, _ in rows]) // _SECOND
    for key, several in values.items():
        counted = tuple(dropwhile(lambda value: (value.ptb or 0) > _LAST_COUNTING, several))
        yield ValueList(
            str(meters[-1]) if device.taf and meters else owner,
            owner,
            bytes(key.obis).hex(),
            key.unit,
            key.scaler,
            wanted.begin_s,
            wanted.end_s,
            counted,
            period_s,
        )


def _rows(storage: Rows, device: DeviceId, wanted: Wanted) -> list[tuple[int, RowView]]:
    """Rows on the grid in the span, by target time; the first one of each time that counts, else the first."""
    found: dict[int, RowView] = {}
    for batch in storage.batches(device, RowSpan()):
        for row in batch:
            target_us = row.target_time_us
            if target_us is None or target_us % _MINUTE_US or not row.cells:
                continue
            if wanted.begin_s * _SECOND <= target_us <= wanted.end_s * _SECOND:
                known = found.get(target_us)
                if known is None or ptb_status(*known.status) > _LAST_COUNTING >= ptb_status(*row.status):
                    found[target_us] = row
    return sorted(found.items())


def _value(row: RowView, target_us: int, number: int, signature: bytes) -> Value:
    captured_us = target_us if row.capture_time_us is None else row.capture_time_us
    return Value(number, captured_us, target_us, signature=signature, status=row.status, ptb=ptb_status(*row.status))


def _signatures(device: DeviceId, row: RowView) -> Mapping[CaptureObject, bytes]:
    try:
        values = list(values_of_row(device, row.record_number, row.status, row.capture_time_us, row.cells))
    except SignaturesError:
        return {}
    return {one.register.column: one.signature.octets for one in values if one.signature}

"""Billing periods of a contract: what its registers say at the begin and the end, and what was used between."""

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from smgw.cosem.obis import Obis
from smgw.cosem.reading import Reading
from smgw.metering.evaluation.bills import Bill, bills
from smgw.metering.evaluation.boundaries import Boundaries
from smgw.metering.evaluation.evaluation import PERIOD_END, Row
from smgw.metering.evaluation.plan import TOTAL
from smgw.profiles.evaluation import EvaluationProfile
from smgw.store.records import Source, StoredRecord

_SECOND = 1_000_000
_GROUP_E = 4


class Period(NamedTuple):
    """A billing period of one measured register. Amounts are in 10^scaler of the unit; times in microseconds UTC.

    `steps` and `error` add up to `total`. A use case without steps has the total alone.
    """

    source: Source
    measured: Obis
    begin_us: int
    end_us: int
    steps: tuple[tuple[int, int], ...]
    error: int
    total: int
    scaler: int
    unit: int
    open: bool  # it has not ended: the end is the newest reading


class Registers(NamedTuple):
    """The registers of one measured register at a time, by group E: 0 is the total, 63 the error register."""

    source: Source
    measured: Obis
    time_us: int
    amounts: tuple[tuple[int, int], ...]
    scaler: int
    unit: int


def periods(
    profile: EvaluationProfile, source: Source, ends: Sequence[StoredRecord], current: StoredRecord | None
) -> Iterator[Period]:
    """The periods of one device of a contract, in the order of time. `ends`: its list of period ends.

    `current`: its newest registers, for the period that is open.
    """
    marks = Boundaries(profile.zone, profile.billing_months, profile.day_begin)
    for measured in profile.objects:
        rows = list(_rows(profile, measured, ends))
        closed = list(bills(rows, marks))
        for one in closed:
            yield _period(source, measured, one, opened=False)
        if current is None or not rows:
            continue
        latest = next(_rows(profile, measured, [current]), None)
        if latest is not None and latest.time_s > rows[-1].time_s:
            for one in bills([rows[-1], latest], marks):
                yield _period(source, measured, one, opened=True)


def _period(source: Source, measured: Obis, one: Bill, *, opened: bool) -> Period:
    return Period(
        source,
        measured,
        one.begin_s * _SECOND,
        one.end_s * _SECOND,
        one.steps,
        one.error,
        one.total,
        one.scaler,
        one.unit,
        opened,
    )


def registers(profile: EvaluationProfile, source: Source, record: StoredRecord) -> Iterator[Registers]:
    """What a record of derived registers says, one for each measured register."""
    for measured in profile.objects:
        for row in _rows(profile, measured, [record]):
            yield Registers(source, measured, row.time_s * _SECOND, row.registers, row.scaler, row.unit)


def _rows(profile: EvaluationProfile, measured: Obis, records: Iterable[StoredRecord]) -> Iterator[Row]:
    """Rows of registers, as the evaluation made them."""
    for record in records:
        at_us = record.target_time_us
        own = [one for one in record.readings if _is_of(one, measured, billed=profile.use_case.billed)]
        if at_us is None or not own:
            continue
        scaler = min(one.scaler for one in own)
        amounts = tuple((one.obis[_GROUP_E] if profile.use_case.billed else TOTAL, _whole(one, scaler)) for one in own)
        if any(number == TOTAL for number, _ in amounts):
            yield Row(at_us // _SECOND, PERIOD_END, amounts, scaler, own[0].unit)


def _is_of(one: Reading, measured: Obis, *, billed: bool) -> bool:
    if not isinstance(one.value.value, int):
        return False
    if not billed:
        return one.obis == measured
    return one.obis[:_GROUP_E] == measured[:_GROUP_E] and one.obis[_GROUP_E + 1 :] == measured[_GROUP_E + 1 :]


def _whole(one: Reading, scaler: int) -> int:
    assert isinstance(one.value.value, int)
    return one.value.value * int(10 ** (one.scaler - scaler))

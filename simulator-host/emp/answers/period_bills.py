"""The bills that a gateway itself made: the registers of an evaluation at the ends of a billing period, subtracted.

An evaluation is a device whose id names its tariff use case. Group E of a register's code names the step: 0 is the
total, 63 the error register. Nothing finer than the ends of periods leaves the gateway. A row of period ends says in
which zone and of how many months the periods are (`smgw.cosem.evaluation_facts`). Two rows of different periods are no
bill: the energy between them was never billed.
"""

from collections.abc import Iterator
from decimal import Decimal
from itertools import pairwise
from typing import NamedTuple, Protocol

from smgw.cosem.data import decimal
from smgw.cosem.device_id import DeviceId
from smgw.cosem.evaluation_facts import FACTS, EvaluationFacts
from smgw.cosem.obis import Obis
from smgw.cosem.units import symbol
from smgw.metering.evaluation.boundaries import Boundaries
from smgw.metering.evaluation.plan import ERROR, TOTAL, register_name

from emp.store.storage import LatestView, RowSpan, RowView

_GROUP_E = 4
#: Of an evaluation: 100 years of months with 60 steps and an export register have 150,000.
MOST_VALUES = 200_000
_SECOND = 1_000_000
#: Use cases with billing periods.
_BILLED = (1, 2, 3, 4)

#: Begin and end, microseconds UTC.
Period = tuple[int, int]


class Latest(Protocol):
    """What is asked of a store."""

    def latest(self, device: DeviceId, skip: int = 0, limit: int = -1) -> list[LatestView]:
        """See Storage."""


class Rows(Latest, Protocol):
    """What is asked of a store."""

    def batches(self, device: DeviceId, span: RowSpan) -> Iterator[list[RowView]]:
        """See Storage."""


class Line(NamedTuple):
    """A register at the begin and at the end of a bill."""

    register: Obis
    begin: Decimal
    end: Decimal

    @property
    def amount(self) -> Decimal:
        """What was used."""
        return self.end - self.begin


class PeriodBill(NamedTuple):
    """One billing period of one measured register; begin and end are those of the readings that count."""

    period: Period  # as the calendar has it
    begin_us: int
    end_us: int
    steps: tuple[Line, ...]
    error: Line | None  # None: this use case has no steps
    total: Line
    unit: str

    @property
    def register(self) -> Obis:
        """The measured register."""
        return self.total.register

    @property
    def agrees(self) -> bool:
        """Whether steps and error register sum up to the difference of end and begin."""
        return self.error is None or sum((line.amount for line in self.steps), self.error.amount) == self.total.amount


class Unbilled(NamedTuple):
    """Energy of one measured register between two bills."""

    begin_us: int
    end_us: int
    total: Line
    unit: str


class Bills(NamedTuple):
    """All bills of an evaluation, and what lies between them; the newest first."""

    bills: list[PeriodBill]
    unbilled: list[Unbilled]


class _Ends(NamedTuple):
    """The registers at the end of a period: group E -> amount."""

    amounts: dict[int, Decimal]
    unit: str


def is_evaluation(device: DeviceId) -> bool:
    """True for a device that is an evaluation with billing periods."""
    return device.taf in _BILLED


def facts_of(storage: Latest, device: DeviceId) -> EvaluationFacts | None:
    """What an evaluation says of itself; None if it says nothing."""
    for one in storage.latest(device):
        if one.register.column == FACTS:
            return EvaluationFacts.of(one.value)
    return None


def period_bills(storage: Rows, device: DeviceId) -> Bills:
    """All bills of a device. Of two rows for one time the one that came last counts."""
    ends: dict[Obis, dict[int, _Ends]] = {}
    for row in _rows(storage, device):
        if row.target_time_us is not None:
            for register, found in _registers(row).items():
                ends.setdefault(register, {})[row.target_time_us] = found
    boundaries = _boundaries(facts_of(storage, device))
    bills, unbilled = [], []
    for register, at in ends.items():
        times = sorted(time_us for time_us, found in at.items() if TOTAL in found.amounts)
        for begin_us, end_us in pairwise(times):
            begin, end = at[begin_us], at[end_us]
            period = _period(begin_us, end_us, boundaries)
            if period is None:
                unbilled.append(Unbilled(begin_us, end_us, _line(register, TOTAL, begin, end), end.unit))
            else:
                bills.append(_bill(register, period, (begin_us, end_us), begin, end))
    return Bills(
        sorted(bills, key=lambda bill: (-bill.end_us, bytes(bill.register))),
        sorted(unbilled, key=lambda one: (-one.end_us, bytes(one.total.register))),
    )


def _rows(storage: Rows, device: DeviceId) -> Iterator[RowView]:
    """The rows of a device, in the order in which they came: no more than an honest gateway ever sends."""
    values = 0
    for batch in storage.batches(device, RowSpan()):
        for row in batch:
            values += len(row.cells)
            if values > MOST_VALUES:
                return
            yield row


def _boundaries(facts: EvaluationFacts | None) -> Boundaries | None:
    """None if the gateway did not say them: then each two rows are a bill."""
    if facts is None or not facts.months:
        return None
    try:
        return Boundaries(facts.zone, facts.months)
    except (KeyError, ValueError, OSError):
        return None


def _period(begin_us: int, end_us: int, boundaries: Boundaries | None) -> Period | None:
    """The billing period of two rows; None if they are of two."""
    if boundaries is None:
        return begin_us, end_us
    begin_s = boundaries.before(begin_us // _SECOND)
    until_s = boundaries.after(begin_us // _SECOND)
    return (begin_s * _SECOND, until_s * _SECOND) if end_us <= until_s * _SECOND else None


def _registers(row: RowView) -> dict[Obis, _Ends]:
    found: dict[Obis, _Ends] = {}
    for register, value in row.cells:
        if isinstance(value.value, int):
            measured = register_name(register.obis, TOTAL)
            ends = found.setdefault(measured, _Ends({}, symbol(register.unit)))
            ends.amounts[register.obis[_GROUP_E]] = decimal(value.value, register.scaler)
    return found


def _bill(register: Obis, period: Period, span: Period, begin: _Ends, end: _Ends) -> PeriodBill:
    steps = sorted(number for number in end.amounts if number not in (TOTAL, ERROR))
    return PeriodBill(
        period,
        *span,
        tuple(_line(register, number, begin, end) for number in steps),
        _line(register, ERROR, begin, end) if ERROR in end.amounts else None,
        _line(register, TOTAL, begin, end),
        end.unit,
    )


def _line(register: Obis, number: int, begin: _Ends, end: _Ends) -> Line:
    amount = end.amounts[number]
    return Line(register_name(register, number), begin.amounts.get(number, 0 * amount), amount)

"""The bills that a gateway itself made: the registers of an evaluation at the ends of two billing periods, subtracted.

An evaluation is a device whose id names its tariff use case. Group E of a register's code names the step: 0 is the
total, 63 the error register. Nothing finer than the ends of periods leaves the gateway.
"""

from collections.abc import Iterator
from decimal import Decimal
from itertools import pairwise
from typing import NamedTuple, Protocol

from smgw.cosem.data import decimal
from smgw.cosem.device_id import DeviceId
from smgw.cosem.obis import Obis
from smgw.cosem.units import symbol

from emp.store.storage import RowSpan, RowView

TOTAL, ERROR = 0, 63
_GROUP_E = 4


class Rows(Protocol):
    """What is asked of a store."""

    def batches(self, device: DeviceId, span: RowSpan) -> Iterator[list[RowView]]:
        """See Storage."""


class PeriodBill(NamedTuple):
    """One billing period of one measured register. Amounts are in `unit`."""

    register: Obis
    begin_us: int
    end_us: int
    steps: tuple[tuple[Obis, Decimal], ...]
    error: Decimal | None  # None: this use case has no steps
    total: Decimal
    unit: str

    @property
    def agrees(self) -> bool:
        """Whether steps and error register sum up to the total."""
        return self.error is None or sum((amount for _, amount in self.steps), self.error) == self.total


class _Ends(NamedTuple):
    """The registers at the end of a period: group E -> amount."""

    amounts: dict[int, Decimal]
    unit: str


def is_evaluation(device: DeviceId) -> bool:
    """True for a device that is an evaluation of a gateway."""
    return device.taf > 0


def period_bills(storage: Rows, device: DeviceId) -> list[PeriodBill]:
    """All bills of a device, the newest first. Of two rows for one time the one that came last counts."""
    ends: dict[Obis, dict[int, _Ends]] = {}
    for batch in storage.batches(device, RowSpan()):
        for row in batch:
            if row.target_time_us is not None:
                for register, found in _registers(row).items():
                    ends.setdefault(register, {})[row.target_time_us] = found
    bills = []
    for register, at in ends.items():
        times = sorted(at)
        bills += [
            _bill(register, (begin_us, end_us), at[begin_us], at[end_us])
            for begin_us, end_us in pairwise(times)
            if TOTAL in at[begin_us].amounts and TOTAL in at[end_us].amounts
        ]
    return sorted(bills, key=lambda bill: (-bill.end_us, bytes(bill.register)))


def _registers(row: RowView) -> dict[Obis, _Ends]:
    found: dict[Obis, _Ends] = {}
    for register, value in row.cells:
        if isinstance(value.value, int):
            measured = _with(register.obis, TOTAL)
            ends = found.setdefault(measured, _Ends({}, symbol(register.unit)))
            ends.amounts[register.obis[_GROUP_E]] = decimal(value.value, register.scaler)
    return found


def _bill(register: Obis, span: tuple[int, int], begin: _Ends, end: _Ends) -> PeriodBill:
    used = {number: amount - begin.amounts.get(number, 0 * amount) for number, amount in end.amounts.items()}
    steps = sorted(number for number in used if number not in (TOTAL, ERROR))
    return PeriodBill(
        register,
        *span,
        tuple((_with(register, number), used[number]) for number in steps),
        used.get(ERROR),
        used[TOTAL],
        end.unit,
    )


def _with(obis: Obis, group_e: int) -> Obis:
    octets = bytearray(bytes(obis))
    octets[_GROUP_E] = group_e
    return Obis(bytes(octets))

"""Bills: what the registers say of each billing period. A bill is the difference of two rows of registers."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from smgw.metering.evaluation.boundaries import Boundaries
from smgw.metering.evaluation.evaluation import PERIOD_END, Row
from smgw.metering.evaluation.plan import ERROR, TOTAL


class Bill(NamedTuple):
    """Amounts of a billing period, in 10^scaler of the unit. `steps` and `error` add up to `total`."""

    begin_s: int  # registration time of the first and of the last slot that counts
    end_s: int
    steps: tuple[tuple[int, int], ...]
    error: int
    total: int
    scaler: int
    unit: int


def bills(rows: Iterable[Row], boundaries: Boundaries) -> Iterator[Bill]:
    """The bills of rows of registers in the order of time: those of the list of period ends, and a last one."""
    before: Row | None = None
    for row in rows:
        if before is not None and before.time_s < row.time_s <= boundaries.after(before.time_s):
            yield _between(before, row)
        before = row


def _between(begin: Row, end: Row) -> Bill:
    finer = int(10 ** (begin.scaler - end.scaler))  # a scaler gets finer in the course of time, never coarser
    old = {number: amount * finer for number, amount in begin.registers}
    used = {number: amount - old.get(number, 0) for number, amount in end.registers}
    total, error = used.pop(TOTAL), used.pop(ERROR, 0)
    return Bill(begin.time_s, end.time_s, tuple(sorted(used.items())), error, total, end.scaler, end.unit)


def period_rows(rows: Iterable[Row], current: Row | None = None) -> list[Row]:
    """The rows that bills are made of; `current`: the registers as they are now, for the period that is open."""
    found = [row for row in rows if row.list == PERIOD_END]
    return found if current is None else [*found, current]

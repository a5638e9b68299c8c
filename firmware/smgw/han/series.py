"""Amounts between marks, closing values and gaps of one register, in exact integers. Nothing is interpolated.

The closing value of a mark is the reading of that registration time. If none counts, it is the last one before that
counts, and what follows from it is marked as not exact. So the amounts of a row of marks add up to the whole.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

from smgw.metering.evaluation.counting import counts
from smgw.store.lmn.by_time import Sample
from smgw.store.ranges import Range

_DAY_US = 86_400_000_000
#: How far back a value before the first mark is looked for.
_BEFORE_US = 31 * _DAY_US
#: More marks without a reading than these, and all between them is read at once.
_FEW = 8

#: Samples of one register at certain times, or in a range.
At = Callable[[Sequence[int]], Iterable[Sample]]
Between = Callable[[Range], Iterable[Sample]]


class Closing(NamedTuple):
    """The value of a register at a mark, in 10^scaler of the unit. `time_us`: the registration time of the reading."""

    mark_us: int
    time_us: int
    value: int
    scaler: int
    unit: int

    @property
    def exact(self) -> bool:
        """The reading is that of the mark."""
        return self.time_us == self.mark_us


class Amount(NamedTuple):
    """What a register counted from one mark to the next; None: not known. `exact`: both ends have their reading."""

    begin_us: int
    end_us: int
    value: int | None
    scaler: int = 0
    unit: int = 255
    exact: bool = True


class DayGaps(NamedTuple):
    """The registration times after `begin_us` and up to `end_us`: how many there should be by now, and what is missing.

    `missing` are ranges of registration times without a value, `unusable` those whose value does not count.
    """

    begin_us: int
    end_us: int
    expected: int
    present: int
    missing: tuple[Range, ...]
    unusable: tuple[Range, ...]


def counting(samples: Iterable[Sample]) -> Iterator[Sample]:
    """Of each time the first value that counts."""
    last = -1
    for one in samples:
        if one.target_us != last and usable(one):
            last = one.target_us
            yield one


def usable(one: Sample) -> bool:
    """Whether a value takes part: it is a number, and its status lets it."""
    return one.value is not None and counts(one.gateway_status, one.meter_status)


def closings(marks: Sequence[int], newest_us: int, at: At, between: Between) -> list[Closing | None]:
    """The closing value of each mark; None: nothing counts before it. `newest_us`: the latest registration time."""
    known = {one.target_us: one for one in counting(at(sorted({*marks, newest_us})))}
    if len(marks) > 1 and sum(mark <= newest_us and mark not in known for mark in marks) > _FEW:
        between = _read_once(Range(marks[0] + 1, marks[-1]), between)
    found: list[Closing | None] = []
    last: Sample | None = None
    for place, mark in enumerate(marks):
        exact = known.get(mark)
        if exact is None:
            since = marks[place - 1] + 1 if place else mark - _BEFORE_US
            late = known.get(newest_us) if since <= newest_us < mark else None
            exact = late or _last(since, min(mark, newest_us + 1) - 1, between)
        last = exact or last
        found.append(None if last is None else _closing(mark, last))
    return found


def _read_once(whole: Range, between: Between) -> Between:
    """The same, with what counts of a range read at once: a long gap has many marks, and each would be a query."""
    read = list(counting(between(whole)))
    times = [one.target_us for one in read]

    def within(wanted: Range) -> Iterable[Sample]:
        if wanted.since < whole.since or wanted.until > whole.until:
            return between(wanted)
        return read[bisect_left(times, wanted.since) : bisect_right(times, wanted.until)]

    return within


def _closing(mark: int, one: Sample) -> Closing:
    assert one.value is not None
    return Closing(mark, one.target_us, one.value, one.scaler, one.unit)


def _last(since: int, until: int, between: Between) -> Sample | None:
    """The last value that counts in a range. The last day of it is read first."""
    late = max(since, until - _DAY_US)
    for part in (Range(late, until), Range(since, late - 1)):
        if part.since <= part.until:
            found = list(counting(between(part)))
            if found:
                return found[-1]
    return None


def amounts(marks: Sequence[int], newest_us: int, at: At, between: Between) -> list[Amount]:
    """What one device counted from mark to mark. The first of its life begins with its first reading."""
    values = closings(marks, newest_us, at, between)
    found = []
    for place in range(len(marks) - 1):
        begin, end = values[place], values[place + 1]
        if begin is None and end is not None:
            first = next(counting(between(Range(marks[place], marks[place + 1]))), None)
            begin = None if first is None else _closing(marks[place], first)
        found.append(_amount(marks[place], marks[place + 1], begin, end))
    return found


def _amount(begin_us: int, end_us: int, begin: Closing | None, end: Closing | None) -> Amount:
    if begin is None or end is None or begin.unit != end.unit or end.time_us <= begin_us:
        return Amount(begin_us, end_us, None, exact=False)
    scaler = min(begin.scaler, end.scaler)
    value = _as(end.value, end.scaler, scaler) - _as(begin.value, begin.scaler, scaler)
    exact = begin.exact and end.exact
    if value < 0:  # it was set back, or it is no counter
        return Amount(begin_us, end_us, None, exact=False)
    return Amount(begin_us, end_us, value, scaler, end.unit, exact)


def total(parts: Sequence[Sequence[Amount]]) -> list[Amount]:
    """The sum of several devices of one meter, mark by mark: one after the other if the meter was exchanged.

    All amounts have the finest scaler.
    """
    known = [one for part in parts for one in part if one.value is not None]
    scaler = min((one.scaler for one in known), default=0)
    units = {one.unit for one in known}
    found = []
    for several in zip(*parts, strict=True):
        there = [one for one in several if one.value is not None]
        begin_us, end_us = several[0].begin_us, several[0].end_us
        if not there or len(units) > 1:
            found.append(Amount(begin_us, end_us, None, exact=False))
            continue
        value = sum(_as(one.value or 0, one.scaler, scaler) for one in there)
        exact = len(there) == 1 and there[0].exact
        found.append(Amount(begin_us, end_us, value, scaler, there[0].unit, exact))
    return found


def _as(value: int, scaler: int, finer: int) -> int:
    return value * int(10 ** (scaler - finer))


def gaps(marks: Sequence[int], period_us: int, first_us: int, last_us: int, samples: Iterable[Sample]) -> list[DayGaps]:
    """What is missing from mark to mark, of the registration times from the first to the last one that should be."""
    good: set[int] = set()
    bad: set[int] = set()
    for one in samples:
        (good if usable(one) else bad).add(one.target_us)
    found = []
    for begin, end in pairwise(marks):
        since = max(begin - begin % period_us + period_us, -(-first_us // period_us) * period_us)
        slots = range(since, min(end, last_us) + 1, period_us)
        absent = [slot for slot in slots if slot not in good and slot not in bad]
        useless = [slot for slot in slots if slot in bad and slot not in good]
        present = len(slots) - len(absent) - len(useless)
        found.append(DayGaps(begin, end, len(slots), present, _runs(absent, period_us), _runs(useless, period_us)))
    return found


def _runs(slots: Iterable[int], period_us: int) -> tuple[Range, ...]:
    found: list[Range] = []
    for slot in slots:
        if found and slot == found[-1].until + period_us:
            found[-1] = Range(found[-1].since, slot)
        else:
            found.append(Range(slot, slot))
    return tuple(found)

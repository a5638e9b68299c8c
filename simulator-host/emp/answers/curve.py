"""The curve of one register over a day, a week or a month: its readings, or the energy of each interval.

A register that is delivered on the grid is shown on the grid; a time without value is a gap. Another one is shown by
its captures; a gap is longer than three times the usual distance. Readings that came much oftener than the grid are
shown by their captures too: a live meter may have a load profile.

More captures than a plot has pixels are thinned: the lowest and the highest of each piece of time remain, so nothing
that stands out is hidden.
"""

from collections.abc import Mapping
from datetime import date, timedelta
from decimal import Decimal
from enum import Enum
from itertools import pairwise
from statistics import median
from typing import NamedTuple, TypeVar

from smgw.cosem import CaptureObject
from smgw.cosem.data import decimal
from smgw.cosem.device_id import DeviceId
from smgw.cosem.units import symbol
from smgw.look.times import Zone
from smgw.webservice.error import BadRequest

from emp.answers.days import known_until, month_of, period_of, slots, week_of
from emp.answers.row_text import value_text
from emp.store.storage import Sample, Storage

MAX_POINTS = 10_000  # captures; from there on they are thinned
PIECES = 2000  # of a window that is thinned
_OFTENER = 2  # captures for each value of the grid, from which on they are shown
_GAP = 3  # times the usual distance
_SMALLEST_GAP_US = 5_000_000
_TIME_INTEGRAL = 8  # OBIS value group D: a counter's state


class Range(Enum):
    """The time span; the values are those of the address."""

    DAY = "day"
    WEEK = "week"
    MONTH = "month"


class Kind(Enum):
    """The kind of curve; the values are those of the address."""

    READING = "reading"
    INTERVAL = "interval"  # the difference to the next reading


_Word = TypeVar("_Word", Range, Kind)


class Window(NamedTuple):
    """The local days and the kind of curve."""

    day: date
    range: Range
    kind: Kind
    from_us: int
    to_us: int

    @classmethod
    def parse(cls, query: Mapping[str, str], zone: Zone, last_us: int | None, column: CaptureObject) -> "Window":
        """Read `day`, `range` and `as`; the default is the day of the latest value. BadRequest for a wrong value."""
        default = zone.at(last_us or 0).date()
        try:
            day = date.fromisoformat(query["day"]) if query.get("day") else default
        except ValueError:
            raise BadRequest(f"day={query['day']!r:.20} is no day; 2025-03-30 is one") from None
        if not 1970 <= day.year <= 9998:
            raise BadRequest(f"day={day}: from 1970 to 9998, please")
        chosen = _word(Range, "range", query.get("range") or Range.DAY.value)
        kind = _word(Kind, "as", query.get("as") or (Kind.INTERVAL if is_counter(column) else Kind.READING).value)
        days = {Range.DAY: [day], Range.WEEK: week_of(day), Range.MONTH: month_of(day)}[chosen]
        return cls(day, chosen, kind, zone.midnight(days[0]), zone.midnight(days[-1] + timedelta(days=1)))

    def moved(self, step: int) -> date:
        """A day of the range before (-1) or after (1)."""
        if self.range is Range.MONTH:
            first = self.day.replace(day=1)
            return (
                (first + timedelta(days=31)).replace(day=1) if step > 0 else (first - timedelta(days=1)).replace(day=1)
            )
        return self.day + timedelta(days=step * (7 if self.range is Range.WEEK else 1))


class Point(NamedTuple):
    """One time of a curve. Without value: a gap."""

    time_us: int
    value: Decimal | None
    text: str | None
    time_valid: bool
    gateway_status: int


class Curve(NamedTuple):
    """Points in order of time; `period_us` is the grid's, None if the device has none."""

    points: list[Point]
    unit: str
    period_us: int | None
    kind: Kind
    piece_us: int | None = None  # it is thinned: lowest and highest of pieces so long

    @property
    def gaps(self) -> int:
        """Number of points without a value."""
        return sum(point.text is None for point in self.points)


def is_counter(column: CaptureObject) -> bool:
    """True if a register counts up, so that its differences are shown."""
    return column.obis[3] == _TIME_INTEGRAL and column.class_id in (3, 4)


def curve(storage: Storage, device: DeviceId, column: CaptureObject, window: Window, now_us: int) -> Curve:
    """The curve of a register in a window. Before the first value and after now, nothing counts as missing."""
    span = storage.span(device)
    if span.first_target_us is None or span.last_target_us is None:
        return _captured(storage, device, column, window)
    samples = storage.grid(device, column, window.from_us, window.to_us)
    count = sum(sample.value is not None for sample in samples)
    if not count or window.kind is Kind.READING:
        captured = _captured(storage, device, column, window)
        if len(captured.points) > _OFTENER * count or not (count or storage.is_on_grid(device, column)):
            return captured
    period_us = period_of(sorted({sample.time_us for sample in samples}))
    is_interval = window.kind is Kind.INTERVAL
    if is_interval:  # the last interval ends with the next day's first reading
        samples += storage.grid(device, column, window.to_us, window.to_us + period_us + 1)
    best = _best(samples)
    known_us = known_until(span.last_target_us, now_us)
    end_us = min(window.to_us, known_us + 1)
    times = slots(max(window.from_us, span.first_target_us), end_us, period_us)
    if is_interval:
        points = [_difference(time_us, best.get(time_us), best.get(time_us + period_us)) for time_us in times]
        while points and points[-1].text is None and points[-1].time_us + period_us > known_us:
            points.pop()  # it has not ended yet
    else:
        points = [_reading(time_us, best.get(time_us)) for time_us in times]
    return Curve(points, _unit(samples), period_us, window.kind)


def _captured(storage: Storage, device: DeviceId, column: CaptureObject, window: Window) -> Curve:
    samples = storage.captured(device, column, window.from_us, window.to_us, MAX_POINTS + 1)
    piece_us = None
    if len(samples) > MAX_POINTS:
        piece_us = -(-(window.to_us - window.from_us) // PIECES)
        samples = storage.thinned(device, column, (window.from_us, window.to_us), piece_us)
    distances = [later.time_us - earlier.time_us for earlier, later in pairwise(samples)]
    longest = max(_GAP * int(median(distances)), _SMALLEST_GAP_US) if distances else 0
    points: list[Point] = []
    for sample in samples:
        if points and sample.time_us - points[-1].time_us > longest:
            points.append(Point(points[-1].time_us + longest // _GAP, None, None, True, 0))
        points.append(_reading(sample.time_us, sample))
    return Curve(points, _unit(samples), None, Kind.READING, piece_us)


def _best(samples: list[Sample]) -> dict[int, Sample]:
    """One sample for each time: one with a value goes first, then the one that came last."""
    best: dict[int, Sample] = {}
    for sample in samples:
        if sample.value is not None or sample.time_us not in best:
            best[sample.time_us] = sample
    return best


def _reading(time_us: int, sample: Sample | None) -> Point:
    if sample is None:
        return Point(time_us, None, None, True, 0)
    if sample.value is None or sample.register is None:
        return Point(time_us, None, None, sample.time_valid, sample.gateway_status)
    scaler = sample.register.scaler
    number = decimal(sample.value.value, scaler) if isinstance(sample.value.value, int) else None
    return Point(time_us, number, value_text(sample.value, scaler), sample.time_valid, sample.gateway_status)


def _difference(time_us: int, begin: Sample | None, end: Sample | None) -> Point:
    first, last = _reading(time_us, begin), _reading(time_us, end)
    same_unit = begin and end and begin.register and end.register and begin.register.unit == end.register.unit
    if first.value is None or last.value is None or not same_unit:
        return Point(time_us, None, None, first.time_valid, first.gateway_status)
    used = last.value - first.value
    valid = first.time_valid and last.time_valid
    return Point(time_us, used, format(used, "f"), valid, first.gateway_status | last.gateway_status)


def _unit(samples: list[Sample]) -> str:
    return " / ".join(sorted({symbol(sample.register.unit) for sample in samples if sample.register is not None}))


def _word(kind: type[_Word], name: str, text: str) -> _Word:
    try:
        return kind(text)
    except ValueError:
        raise BadRequest(f"{name}={text!r:.20} is none; {', '.join(word.value for word in kind)} are") from None

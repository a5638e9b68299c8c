"""A second reading of the rule of TAF 2, slow and plain: the tests hold the evaluation of the gateway against it.

It was written from the text of the rule alone, by another hand than the evaluation, and imports nothing of `smgw`.
"""

import bisect
import datetime
from collections import Counter
from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import NamedTuple
from zoneinfo import ZoneInfo

_UTC = datetime.UTC
_MINUTE = 60
_GATEWAY_MISSING = (8, 9, 14)
_METER_MISSING = (9, 10, 17)


class Reading(NamedTuple):
    """A reading of one part. Statuses have 32 bits, and bit 0 is the least significant one."""

    meter: str
    device: str
    time_s: int
    value: int
    gateway_status: int
    meter_status: int


class Season(NamedTuple):
    """From `begin` (month, day) until the day before the next season. `week` begins on Monday."""

    begin: tuple[int, int]
    week: tuple[str, ...]
    holiday: str


class Calendar(NamedTuple):
    """Day profiles are (minute of the local day, step), ascending, the first one at 0."""

    zone: str
    days: Mapping[str, tuple[tuple[int, int], ...]]
    seasons: tuple[Season, ...]
    holidays: frozenset[datetime.date]
    special: Mapping[datetime.date, str]


class Case(NamedTuple):
    """What is evaluated. Times are seconds since 1970 UTC."""

    calendar: Calendar
    period_s: int
    billing_months: int
    valid_from_s: int | None
    valid_to_s: int | None
    add: tuple[str, ...]
    subtract: tuple[str, ...]
    readings: tuple[Reading, ...]


class Registers(NamedTuple):
    """What came out, from the first slot to the last."""

    begin_s: int
    end_s: int
    steps: Mapping[int, int]
    error: int
    total: int


class Switch(NamedTuple):
    """A switch, which happens at `at_s`. One at a local time that does not exist happens at the jump."""

    at_s: int
    exists: bool
    step: int


class Slot(NamedTuple):
    """A time at which all parts have a value: name of the part -> reading."""

    time_s: int
    parts: Mapping[str, Reading]


def registers(case: Case) -> Registers | None:
    """The registers over all readings; None if no slot counts."""
    return _sum(case, _slots(case))


def bills(case: Case) -> list[Registers]:
    """The registers of each billing period that has a slot."""
    slots = _slots(case)
    found = []
    for begin_s, end_s in _billing_periods(case, slots):
        result = _sum(case, [slot for slot in slots if begin_s <= slot.time_s <= end_s])
        if result is not None:
            found.append(result)
    return found


# --- slots -----------------------------------------------------------------------------------------------------------


def _takes_part(case: Case, reading: Reading) -> bool:
    if reading.time_s % case.period_s:
        return False
    if case.valid_from_s is not None and reading.time_s < case.valid_from_s:
        return False
    if case.valid_to_s is not None and reading.time_s > case.valid_to_s:
        return False
    if any(reading.gateway_status >> bit & 1 for bit in _GATEWAY_MISSING):
        return False
    return not any(reading.meter_status >> bit & 1 for bit in _METER_MISSING)


def _slots(case: Case) -> list[Slot]:
    """The slots that count, ascending."""
    needed = {*case.add, *case.subtract}
    by_time: dict[int, dict[str, Reading]] = {}
    for reading in case.readings:
        if reading.meter in needed and _takes_part(case, reading):
            by_time.setdefault(reading.time_s, {}).setdefault(reading.meter, reading)  # the first one that counts
    found: list[Slot] = []
    for time_s, parts in sorted(by_time.items()):
        if set(parts) != needed:
            continue
        if found and any(_falls(found[-1].parts[name], reading) for name, reading in parts.items()):
            continue
        found.append(Slot(time_s, parts))
    return found


def _falls(before: Reading, after: Reading) -> bool:
    return before.device == after.device and after.value < before.value


# --- spans -----------------------------------------------------------------------------------------------------------


def _sum(case: Case, slots: list[Slot]) -> Registers | None:
    if not slots:
        return None
    steps: Counter[int] = Counter()
    error = 0
    switches = _switches(case.calendar, slots[0].time_s, slots[-1].time_s)
    for before, after in pairwise(slots):
        energy = sum(_used(before, after, name) for name in case.add)
        energy -= sum(_used(before, after, name) for name in case.subtract)
        step = _step_of_span(case, switches, before.time_s, after.time_s)
        if step is None:
            error += energy
        else:
            steps[step] += energy
    return Registers(slots[0].time_s, slots[-1].time_s, dict(steps), error, sum(steps.values()) + error)


def _used(before: Slot, after: Slot, name: str) -> int:
    old, new = before.parts[name], after.parts[name]
    return new.value - old.value if new.device == old.device else 0


def _step_of_span(case: Case, switches: list[Switch], begin_s: int, end_s: int) -> int | None:
    """The step that holds in all registration intervals of a span; None if there is more than one."""
    times = range(begin_s, end_s, case.period_s)
    steps = {_step_of_interval(case.calendar, switches, time_s, time_s + case.period_s) for time_s in times}
    return steps.pop() if len(steps) == 1 else None


def _step_of_interval(calendar: Calendar, switches: list[Switch], begin_s: int, end_s: int) -> int | None:
    """The step that holds all the time from begin to end; None if it changes in between.

    The interval in which the clock jumps forward, or that ends there, has the local times that do not exist in it.
    """
    first = bisect.bisect_right(switches, begin_s, key=lambda switch: switch.at_s)
    step = switches[first - 1].step
    jumps = _offset_s(calendar, begin_s) < _offset_s(calendar, end_s)
    for switch in switches[first:]:
        if switch.at_s > end_s:
            break
        within = switch.at_s < end_s or (jumps and not switch.exists)
        if within and switch.step != step:
            return None
    return step


# --- the calendar ----------------------------------------------------------------------------------------------------


def _switches(calendar: Calendar, begin_s: int, end_s: int) -> list[Switch]:
    """All switches from two days before begin to two days after end, in the order of local time."""
    zone = ZoneInfo(calendar.zone)
    day = datetime.datetime.fromtimestamp(begin_s, zone).date() - datetime.timedelta(days=2)
    last = datetime.datetime.fromtimestamp(end_s, zone).date() + datetime.timedelta(days=2)
    found = []
    while day <= last:
        for minute, step in calendar.days[_day_profile(calendar, day)]:
            at_s, exists = _instant(calendar, day, minute)
            found.append(Switch(at_s, exists, step))
        day += datetime.timedelta(days=1)
    return found


def _day_profile(calendar: Calendar, day: datetime.date) -> str:
    if day in calendar.special:
        return calendar.special[day]
    season = calendar.seasons[-1]
    for one in calendar.seasons:
        if one.begin <= (day.month, day.day):
            season = one
    return season.holiday if day in calendar.holidays else season.week[day.weekday()]


def _instant(calendar: Calendar, day: datetime.date, minute: int) -> tuple[int, bool]:
    """When a local time happens for the first time, and whether it exists. One that does not happens at the jump."""
    zone = ZoneInfo(calendar.zone)
    local = datetime.datetime.combine(day, datetime.time(minute // 60, minute % 60))
    instant = local.replace(tzinfo=zone).astimezone(_UTC)
    if instant.astimezone(zone).replace(tzinfo=None) == local:
        return int(instant.timestamp()), True
    # The offset after the jump gives an instant before it. From there on, look for the minute of the jump.
    at_s = int(local.replace(tzinfo=zone, fold=1).timestamp())
    at_s -= at_s % _MINUTE
    old = _offset_s(calendar, at_s)
    while _offset_s(calendar, at_s) == old:
        at_s += _MINUTE
    return at_s, False


def _offset_s(calendar: Calendar, time_s: int) -> int:
    offset = datetime.datetime.fromtimestamp(time_s, ZoneInfo(calendar.zone)).utcoffset()
    assert offset is not None
    return int(offset.total_seconds())


def _billing_periods(case: Case, slots: list[Slot]) -> Iterator[tuple[int, int]]:
    """Begin and end of each billing period that may have a slot, ascending."""
    if not slots:
        return
    zone = ZoneInfo(case.calendar.zone)
    first = datetime.datetime.fromtimestamp(slots[0].time_s, zone).year - 1
    last = datetime.datetime.fromtimestamp(slots[-1].time_s, zone).year + 1
    begins = [
        _instant(case.calendar, datetime.date(year, month, 1), 0)[0]
        for year in range(first, last + 1)
        for month in range(1, 13, case.billing_months)
    ]
    yield from pairwise(begins)

"""The tariff calendar: which step holds when, in local wall time.

A day profile has the switches of a day. A season has a day profile for each weekday and for holidays. A special day has
a day profile of its own, which wins over holiday and weekday. Seasons cover the year without gaps and overlaps.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from smgw.cosem.zone import DEFAULT_ZONE, time_zone
from smgw.profiles import checks
from smgw.profiles.checks import Report, shown
from smgw.profiles.problems import nearest
from smgw.profiles.section import Key, section

#: OBIS group E of a step. Group E of the error register is 63.
LAST_STEP = 62
MOST_STEPS = 20
_DAY_MINUTES = 1440
_WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_HOLIDAY = "holiday"
_CLOCK = re.compile(r"([01]\d|2[0-3]):([0-5]\d)", re.ASCII)
_MONTH_DAY = re.compile(r"(\d\d)-(\d\d)", re.ASCII)
_DATE = re.compile(r"(?:(\d{4})-)?(\d\d)-(\d\d)", re.ASCII)
_DAYS_OF_MONTH = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
_ZONE = re.compile(r"[A-Za-z][A-Za-z0-9_+-]*(?:/[A-Za-z0-9_+-]+)*", re.ASCII)


class Switch(NamedTuple):
    """From this minute of the local day on the step holds."""

    minute: int
    step: int


class DayProfile(NamedTuple):
    """The switches of a day, in order. The first one is at 00:00."""

    name: str
    switches: tuple[Switch, ...]


class MonthDay(NamedTuple):
    """A day of each year."""

    month: int
    day: int

    def __str__(self) -> str:
        return f"{self.month:02d}-{self.day:02d}"


class Season(NamedTuple):
    """From `begin` to `end`, both included, each year. It may go over the turn of the year."""

    name: str
    begin: MonthDay
    end: MonthDay
    week: tuple[str, ...]  # day profiles, Monday first
    holiday: str = ""  # day profile; "": a holiday is as its weekday


class Calendar(NamedTuple):
    """A tariff calendar that was checked."""

    zone: str
    days: tuple[DayProfile, ...]
    seasons: tuple[Season, ...]
    holidays: tuple[str, ...] = ()  # 2026-12-25, or 12-25 for every year
    special: tuple[tuple[str, str], ...] = ()  # the same form of date -> day profile

    @property
    def steps(self) -> tuple[int, ...]:
        """The numbers of all steps, ascending."""
        return tuple(sorted({switch.step for day in self.days for switch in day.switches}))


def clock_text(minute: int) -> str:
    """06:00, and 24:00 for the end of a day."""
    return f"{minute // 60:02d}:{minute % 60:02d}"


def minute_of(value: object) -> int | None:
    """The minute of a time such as 06:00; None if it is none."""
    match = _CLOCK.fullmatch(value) if isinstance(value, str) else None
    return int(match[1]) * 60 + int(match[2]) if match else None


def _switches(value: object, report: Report) -> tuple[Switch, ...] | None:
    wanted = '{ "00:00" = 2, "06:00" = 1, "22:00" = 2 }'
    if not isinstance(value, dict) or not value:
        report(f"{shown(value)} is wrong here; write switch times and steps, such as {wanted}")
        return None
    found = []
    faulty = False
    for text, step in value.items():
        minute = minute_of(text)
        if minute is None:
            report(f'{shown(text)} is no time of day; write hours and minutes, such as "06:00"', text)
        elif isinstance(step, bool) or not isinstance(step, int) or not 1 <= step <= LAST_STEP:
            report(f"{shown(step)} is no step; write a whole number from 1 to {LAST_STEP}", text)
        else:
            found.append(Switch(minute, step))
            continue
        faulty = True
    if faulty:
        return None
    found.sort()
    if found[0].minute:
        report(f'gap: no step holds from 00:00 to {clock_text(found[0].minute)}; write "00:00" = and its step')
        return None
    return tuple(found)


def _days(value: object, report: Report) -> tuple[DayProfile, ...] | None:
    if not isinstance(value, dict) or not value:
        report(f'{shown(value)} is wrong here; write day profiles, such as work = {{ "00:00" = 1 }}')
        return None
    found = []
    for name, switches in value.items():

        def report_below(message: str, *path: str | int, at: str = name) -> None:
            report(message, at, *path)

        if not checks.NAME.fullmatch(name):
            report(f"{shown(name)} is no name; use small letters, digits and -", name)
        elif (checked := _switches(switches, report_below)) is not None:
            found.append(DayProfile(name, checked))
    steps = {switch.step for day in found for switch in day.switches}
    if len(steps) > MOST_STEPS:
        report(f"there are {len(steps)} steps; a tariff has at most {MOST_STEPS}")
    return tuple(found) if len(found) == len(value) and len(steps) <= MOST_STEPS else None


def _week(value: object, report: Report) -> tuple[str, ...] | None:
    """Eight names of day profiles: of the weekdays, Monday first, and of holidays ("": none)."""
    wanted = '{ mon-fri = "work", sat = "free", sun = "free", holiday = "free" }'
    if not isinstance(value, dict):
        report(f"{shown(value)} is wrong here; write a day profile for each weekday, such as {wanted}")
        return None
    found: dict[str, str] = {}
    faulty = False
    for key, day in value.items():
        places = _places(key)
        if not places:
            report(f'{shown(key)} is no weekday; write {", ".join(_WEEKDAYS)}, "mon-fri" or {_HOLIDAY}', key)
            faulty = True
        elif not isinstance(day, str):
            report(f"{shown(day)} is wrong here; write the name of a day profile", key)
            faulty = True
        else:
            for place in places:
                if place in found:
                    report(f"overlap: {place} has a day profile already ({found[place]})", key)
                    faulty = True
                found[place] = day
    missing = [day for day in _WEEKDAYS if day not in found]
    if missing and not faulty:
        report(f"gap: {', '.join(missing)} {'has' if len(missing) == 1 else 'have'} no day profile; write {wanted}")
        faulty = True
    return None if faulty else tuple(found.get(place, "") for place in (*_WEEKDAYS, _HOLIDAY))


def _places(key: str) -> tuple[str, ...]:
    if key == _HOLIDAY or key in _WEEKDAYS:
        return (key,)
    first, _, last = key.partition("-")
    if first in _WEEKDAYS and last in _WEEKDAYS and _WEEKDAYS.index(first) < _WEEKDAYS.index(last):
        return _WEEKDAYS[_WEEKDAYS.index(first) : _WEEKDAYS.index(last) + 1]
    return ()


def _is_day(month: int, day: int) -> bool:
    return 1 <= month <= 12 and 1 <= day <= _DAYS_OF_MONTH[month - 1]


def _month_day(value: object, report: Report) -> MonthDay | None:
    match = _MONTH_DAY.fullmatch(value) if isinstance(value, str) else None
    if match is None or not _is_day(int(match[1]), int(match[2])):
        report(f'{shown(value)} is no day of a year; write month and day, such as "10-01"')
        return None
    return MonthDay(int(match[1]), int(match[2]))


def date_text(value: object) -> str | None:
    """2026-12-25, or 12-25 for every year; None if this is no such date. TOML has dates of its own, too."""
    text = value if isinstance(value, str) else str(value) if hasattr(value, "isocalendar") else ""
    match = _DATE.fullmatch(text)
    if match is None or not _is_day(int(match[2]), int(match[3])):
        return None
    year = int(match[1]) if match[1] else 2000
    leap = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
    return None if (match[2], match[3]) == ("02", "29") and not leap else text


def _date(value: object, report: Report) -> str | None:
    text = date_text(value)
    if text is None:
        report(f'{shown(value)} is no date; write "2026-12-25", or "12-25" for every year')
    return text


def _special(value: object, report: Report) -> tuple[tuple[str, str], ...] | None:
    if not isinstance(value, dict):
        report(f'{shown(value)} is wrong here; write a day profile for each date, such as {{ "2026-12-24" = "free" }}')
        return None
    found = []
    for key, day in value.items():
        if date_text(key) is None:
            report(f'{shown(key)} is no date; write "2026-12-25", or "12-25" for every year', key)
        elif not isinstance(day, str):
            report(f"{shown(day)} is wrong here; write the name of a day profile", key)
        else:
            found.append((key, day))
    return tuple(sorted(found)) if len(found) == len(value) else None


def _zone(value: object, report: Report) -> str | None:
    """A time zone that this computer knows."""
    if isinstance(value, str) and _ZONE.fullmatch(value):
        try:
            time_zone(value)
        except (LookupError, ValueError, OSError):
            pass
        else:
            return value
    report(f'{shown(value)} is no time zone of this computer; write "{DEFAULT_ZONE}" (package tzdata)')
    return None


SEASON_KEYS: Mapping[str, Key] = {
    "name": Key(checks.name, needed='"winter"', about="The season's name in messages; it has no default."),
    "from": Key(_month_day, about='First day of the season, as month and day; "01-01" by default.'),
    "to": Key(_month_day, about='Last day of the season, as month and day; "12-31" by default.'),
    "week": Key(
        _week,
        needed='{ mon-fri = "work", sat = "free", sun = "free", holiday = "free" }',
        about="Day profile for each weekday (mon to sun, or a range such as mon-fri) and for holidays.",
    ),
}


def _season(values: Mapping[str, Any]) -> Season:
    *week, holiday = values["week"]
    return Season(
        values["name"],
        values.get("from", MonthDay(1, 1)),
        values.get("to", MonthDay(12, 31)),
        tuple(week),
        holiday,
    )


def _seasons(value: object, report: Report) -> tuple[Season, ...] | None:
    if not isinstance(value, list) or not value:
        report(f"{shown(value)} is wrong here; write [[season]], in double brackets, before each season")
        return None
    found = []
    for index, one in enumerate(value):

        def report_below(message: str, *path: str | int, at: int = index) -> None:
            report(message, at, *path)

        checked = section(SEASON_KEYS, _season)(one, report_below)
        if isinstance(checked, Season):
            found.append(checked)
    return tuple(found) if len(found) == len(value) else None


KEYS: Mapping[str, Key] = {
    "zone": Key(
        _zone,
        about=f'Time zone of all times of the calendar; "{DEFAULT_ZONE}" by default.',
    ),
    "days": Key(
        _days,
        needed='{ work = { "00:00" = 2, "06:00" = 1, "22:00" = 2 } }',
        about="Day profiles: for each name the switch times in local wall time and the step from then on.",
    ),
    "season": Key(
        _seasons,
        needed="by [[season]] and its keys",
        about="Seasons, which cover the year; see the table of their keys.",
    ),
    "holidays": Key(
        checks.array('an array of dates, such as ["2026-12-25", "01-01"]', _date),
        about="Holidays: a date, or month and day for every year; none by default.",
    ),
    "special": Key(
        _special,
        about="Day profile for each special day, which wins over holiday and weekday; none by default.",
    ),
}


def contradictions(values: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Gaps and overlaps of the year, and day profiles that are not there."""
    seasons: tuple[Season, ...] = values.get("season", ())
    yield from ((f"season {one}" if one else "season", text) for one, text in _year(seasons))
    known = [day.name for day in values.get("days", ())]
    if not known:
        return
    used = [(f"season {one.name}", day) for one in seasons for day in (*one.week, one.holiday) if day]
    used += [("special", day) for _, day in values.get("special", ())]
    for place, day in dict.fromkeys(used):
        if day not in known:
            yield place, f"there is no day profile {shown(day)}{nearest(day, known)}; days has {', '.join(known)}"
    if values.get("holidays"):
        for one in seasons:
            if not one.holiday:
                yield f"season {one.name}", f'gap: holidays have no day profile; write {_HOLIDAY} = "{known[-1]}"'


def _year(seasons: tuple[Season, ...]) -> Iterator[tuple[str, str]]:
    """Each gap and each overlap of the seasons, as the name of a season ("": none) and a text."""
    if not seasons:
        return
    year = [(month, day) for month in range(1, 13) for day in range(1, _DAYS_OF_MONTH[month - 1] + 1)]
    holders: list[tuple[str, ...]] = [tuple(one.name for one in seasons if within(one, day)) for day in year]
    first = 0
    for place in range(1, len(year) + 1):
        if place < len(year) and holders[place] == holders[first]:
            continue
        held, since, until = holders[first], MonthDay(*year[first]), MonthDay(*year[place - 1])
        if not held:
            yield "", f"gap: no season holds from {since} to {until}"
        elif len(held) > 1:
            yield held[1], f"overlap: {' and '.join(held)} both hold from {since} to {until}"
        first = place


def within(season: Season, day: tuple[int, int]) -> bool:
    """True if the season holds on this day of a year, given as month and day."""
    if season.begin <= season.end:
        return season.begin <= day <= season.end
    return day >= season.begin or day <= season.end


def build(values: Mapping[str, Any]) -> Calendar:
    """The calendar of checked values."""
    return Calendar(
        values.get("zone", DEFAULT_ZONE),
        values["days"],
        values["season"],
        values.get("holidays", ()),
        values.get("special", ()),
    )


def _named(values: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """The contradictions at keys of the file."""
    for place, text in contradictions(values):
        key, _, name = place.partition(" ")
        yield key, f"{name}: {text}" if name else text


check = section(KEYS, build, _named)

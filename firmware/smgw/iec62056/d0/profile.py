"""Load profiles of D0 (P.01 and its relatives).

P.01(time)(status)(minutes)(n)(code1)(unit1)..   a header, then rows of n values: (v1)(v2)..

A new header comes when the status changes or rows are missing. Its time is the end of the first row's period.

time    sYYMMDDhhmm[ss], or without s; s: 0 normal, 1 daylight saving, 2 UTC
status  2 or 8 hex digits, or #
"""

from collections.abc import Sequence
from datetime import datetime, timedelta, tzinfo
from typing import NamedTuple

from smgw.cosem.data import Data, DataType
from smgw.cosem.date_time import ClockStatus, DateTime, utc_us_in_order
from smgw.cosem.obis import Obis
from smgw.cosem.reading import Reading
from smgw.errors import RemoteProtocolError
from smgw.iec62056.codes import read_code
from smgw.iec62056.data_sets import DataSet, data_sets, number
from smgw.iec62056.readings import reading_of

_SECOND = 1_000_000
_MINUTE_S = 60
_HEADER = 4
_NORMAL, _SUMMER, _UTC = "0", "1", "2"
_MOST_COLUMNS = 64
_TEXT = 1  # class Data


class Row(NamedTuple):
    """One row: the end of its period, and its values."""

    utc_us: int
    time: DateTime
    readings: tuple[Reading, ...]


class Part(NamedTuple):
    """A header and its rows."""

    time: DateTime
    period_s: int  # 0 in a log
    rows: tuple[tuple[Reading, ...], ...]


class NoRowsError(RemoteProtocolError):
    """The meter answers ERROR: it has no such profile, or no rows in this range."""


def rows_of(text: bytes, medium: int, zone: tzinfo) -> tuple[list[Row], int]:
    """All rows and the period in seconds. NoRowsError; RemoteProtocolError if the text is no load profile."""
    parts = [_part(one, medium, zone) for one in data_sets(text)]
    moments = utc_us_in_order([part.time for part in parts], zone)
    rows = []
    for part, moment in zip(parts, moments, strict=True):
        if moment is None:
            raise RemoteProtocolError(f"a load profile with the time {part.time}")
        for place, readings in enumerate(part.rows):
            time = part.time.plus(place * part.period_s) or part.time
            rows.append(Row(moment + place * part.period_s * _SECOND, time, readings))
    return rows, next((part.period_s for part in parts if part.period_s), 0)


def bound(utc_s: int, zone: tzinfo) -> str:
    """A bound of a range, in normal time: 0YYMMDDhhmm."""
    local = datetime.fromtimestamp(utc_s, zone)
    return f"{_NORMAL}{local - (local.dst() or timedelta()):%y%m%d%H%M}"


def read_time(text: str, zone: tzinfo) -> DateTime | None:
    """A time; with its offset from UTC if the season is told. None if it is none."""
    if not text.isascii() or not text.isdigit() or len(text) not in (10, 11, 12, 13):
        return None
    season, digits = (text[0], text[1:]) if len(text) % 2 else ("", text)
    fields = [int(digits[place : place + 2]) for place in range(0, len(digits), 2)]
    try:
        local = datetime(2000 + fields[0], *fields[1:], tzinfo=zone)  # type: ignore[misc, arg-type]
    except ValueError:
        return None
    deviation, status = None, None
    if season == _UTC:
        deviation, status = 0, ClockStatus(0)
    elif season in (_NORMAL, _SUMMER):
        offset = (local.utcoffset() or timedelta()) - (local.dst() or timedelta())
        summer = season == _SUMMER
        deviation = -(offset // timedelta(minutes=1)) - (_MINUTE_S if summer else 0)
        status = ClockStatus.DAYLIGHT_SAVING if summer else ClockStatus(0)
    elif season:
        return None
    return DateTime(
        local.year,
        local.month,
        local.day,
        local.isoweekday(),
        local.hour,
        local.minute,
        local.second,
        0,
        deviation,
        status,
    )


def _part(one: DataSet, medium: int, zone: tzinfo) -> Part:
    groups = one.groups
    if len(groups) == 1 and groups[0].startswith("ER"):
        # Another error, such as ER07, may pass: it must not leave a hole for ever.
        kind = NoRowsError if groups[0] == "ERROR" else RemoteProtocolError
        raise kind(f"{one.code or 'the load profile'}: the meter answers {groups[0]}")
    count = groups[3] if len(groups) > _HEADER else ""
    time = read_time(groups[0], zone)
    if time is None or not count.isdigit() or not 0 < int(count) <= _MOST_COLUMNS or not (groups[2] or "0").isdigit():
        raise RemoteProtocolError(f"no header of a load profile: {one.code}({')('.join(groups[:5])[:80]})")
    columns = int(count)
    values = groups[_HEADER + 2 * columns :]
    if len(groups) < _HEADER + 2 * columns or len(values) % columns:
        raise RemoteProtocolError(f"a load profile of {columns} columns with {len(values)} values")
    names = []
    for place in range(_HEADER, _HEADER + 2 * columns, 2):
        code = read_code(groups[place], medium)
        names.append((code.obis if code is not None else None, groups[place + 1]))
    status = _status(groups[1])
    rows = tuple(_row(names, values[place : place + columns], status) for place in range(0, len(values), columns))
    return Part(time, int(groups[2] or "0") * _MINUTE_S, rows)


def _row(names: Sequence[tuple[Obis | None, str]], values: Sequence[str], status: Data | None) -> tuple[Reading, ...]:
    readings = []
    for (obis, unit), text in zip(names, values, strict=True):
        if obis is None or not text.strip():
            continue
        told = number(text.strip() if "*" in text or not unit else f"{text.strip()}*{unit}", comma=True)
        reading = reading_of(obis, told) if told is not None else None
        if reading is None:
            reading = Reading(obis, Data(DataType.VISIBLE_STRING, text), class_id=_TEXT)
        readings.append(reading._replace(status=status))
    return tuple(readings)


def _status(text: str) -> Data | None:
    try:
        return Data(DataType.DOUBLE_LONG_UNSIGNED, int(text, 16)) if len(text) <= 8 else None
    except ValueError:
        return None

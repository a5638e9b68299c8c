"""The values of a read-out: registers, texts, the meter's identity and time.

C.1.0  0.0.0  96.1.255    the identity; a DIN 43863-5 id among them comes first
0.9.1  0.9.2              time and date, some with the season (1 summer) in front
F.F  C.5.0  96.5.5        texts of digits, such as status and errors
1.8.0*01  1.8.0&01        history: the register with the billing period in group F, only if its name is wanted
"""

import re
from collections.abc import Iterable
from functools import lru_cache
from typing import NamedTuple

from smgw.cosem.data import Data, DataType
from smgw.cosem.date_time import ClockStatus, DateTime
from smgw.cosem.device_id import DeviceId
from smgw.cosem.obis import Obis
from smgw.cosem.reading import Reading
from smgw.iec62056.codes import read_code
from smgw.iec62056.data_sets import DataSet, number
from smgw.iec62056.readings import identity_of, reading_of

_DATA, _EXTENDED_REGISTER = 1, 4
_CODES = 1024
_LIVE = 255  # group F
#: Groups C, D, E of identities, the best first.
_IDENTITIES = ((96, 1, 0), (0, 0, 0), (42, 0, 0), (96, 1, 255), (96, 1, 1), (0, 0, 1))
_TIME, _DATE, _TIME_AND_DATE = (0, 9, 1), (0, 9, 2), (0, 9, 4)
_TEXTS = (96, 97)  # C: their digits are no number
_LISTS = (98, 99)  # C: load profiles and logs
_SEPARATORS = re.compile(r"[-:/., ]")


class D0Values(NamedTuple):
    """The values of one read-out. `id` is empty if the meter sends none."""

    id: bytes
    readings: tuple[Reading, ...]
    time: bytes | None  # by the meter's clock: twelve octets


class _Plan(NamedTuple):
    """What to do with a code: the name of its reading, and its place if it says who the meter is, or its time."""

    obis: Obis
    place: tuple[int, ...]
    is_number: bool


def values(sets: Iterable[DataSet], medium: int, wanted: frozenset[bytes] = frozenset()) -> D0Values:
    """The values. `wanted`: names of the readings; empty: all except history. The first of equal names counts."""
    readings: dict[Obis, Reading] = {}
    names: dict[tuple[int, ...], str] = {}
    date = time = ""
    for one in sets:
        plan = _plan(one.code, medium)
        if plan is None:
            continue
        obis, place, is_number = plan
        if place:
            if place == _TIME:
                time = one.text
            elif place == _DATE:
                date = one.text
            elif place == _TIME_AND_DATE:
                date, time = one.text[:-6], one.text[-6:]
            else:
                names.setdefault(place, one.text.strip())
        if obis in readings or (wanted and bytes(obis) not in wanted) or not (wanted or obis[5] == _LIVE):
            continue
        if (reading := _reading(obis, one, is_number=is_number)) is not None:
            readings[obis] = reading
    return D0Values(identity(names), tuple(readings.values()), _date_time(date, time))


def identity(names: dict[tuple[int, ...], str]) -> bytes:
    """The best identity among texts by groups C, D, E."""
    found = [identity_of(names[place]) for place in _IDENTITIES if names.get(place)]
    return next((one for one in found if DeviceId(one).is_din), found[0] if found else b"")


@lru_cache(_CODES)
def _plan(text: str, medium: int) -> _Plan | None:
    """What to do with a code; None for one that is none, and for lists."""
    code = read_code(text, medium)
    if code is None or code.obis[2] in _LISTS:
        return None
    obis = code.obis if code.live else Obis(bytes(code.obis)[:5] + bytes((code.history,)))
    place = tuple(obis[2:5])
    told = code.live and (place in _IDENTITIES or place in (_TIME, _DATE, _TIME_AND_DATE))
    return _Plan(obis, place if told else (), obis[2] not in _TEXTS)


def _reading(obis: Obis, one: DataSet, *, is_number: bool) -> Reading | None:
    groups = one.groups
    text = groups[0].strip()
    told = number(text, comma=True) if is_number else None
    if told is not None and (reading := reading_of(obis, told)) is not None:
        return reading if len(groups) == 1 else reading._replace(class_id=_EXTENDED_REGISTER)
    return Reading(obis, Data(DataType.VISIBLE_STRING, text), class_id=_DATA) if text else None


def _date_time(date: str, time: str) -> bytes | None:
    """The twelve octets; None without a date. The offset from UTC is not known."""
    days, clock = _SEPARATORS.sub("", date), _SEPARATORS.sub("", time)
    if not days.isdigit() or not days.isascii() or len(days) not in (6, 7, 8):
        return None
    season = days[0] if len(days) == 7 else clock[0] if len(clock) == 7 else ""
    year, month, day = int(days[-6:-4]), int(days[-4:-2]), int(days[-2:])
    clock = clock[-6:] if clock.isdigit() and clock.isascii() else ""
    hour, minute = (int(clock[:2]), int(clock[2:4])) if len(clock) >= 4 else (None, None)
    second = int(clock[4:6]) if len(clock) == 6 else None
    status = None if not season else ClockStatus.DAYLIGHT_SAVING if season == "1" else ClockStatus(0)
    told = DateTime(2000 + year, month, day, None, hour, minute, second, None, None, status)
    return told.encode() if 1 <= month <= 12 and 1 <= day <= 31 else None

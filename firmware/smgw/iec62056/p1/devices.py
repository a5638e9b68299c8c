"""The devices of a P1 telegram: the meter, and the meters for gas, water or heat that it reads over M-Bus.

0-0:96.1.1  96.1.0    the meter's identity, in hex of its text
0-n:24.1.0            the medium of channel n, which is the order of installation and says nothing else
0-n:96.1.0  96.1.1    the identity of the meter there: a device is known by it, not by its channel
0-n:24.2.1  24.2.3    its value (time)(value*unit); with 24.3.0 (time)(status)(60)(1)(name)(unit)(value)
1-0:1.6.0             the month's peak (time)(value); 0-0:98.1.0 has those of the months before, as *101, *102, ..

A channel without a meter, or with one that was taken away, keeps sending: no unit, no date, or the first of 1970.
"""

from collections.abc import Iterable
from enum import Enum
from functools import lru_cache
from typing import NamedTuple

from smgw.cosem.media import GAS, GAS_MEASURED, REGISTERS
from smgw.cosem.obis import Obis
from smgw.cosem.reading import Reading
from smgw.iec62056.codes import read_code
from smgw.iec62056.data_sets import DataSet, Number, number
from smgw.iec62056.p1.telegram import Telegram
from smgw.iec62056.p1.times import date_time, is_time
from smgw.iec62056.readings import MOST_ID, data_of, identity_of, octets_of, reading_of, text_of

_DATA, _EXTENDED_REGISTER = 1, 4
_CODES, _IDS = 512, 32  # how many are remembered
_NEVER = "700101"
_LAST_PERIOD = 101  # F of the last billing period; 102 is the one before
_PEAKS = 24
_PROFILE_GROUPS = 7
#: Groups C, D of identities, the best first.
_IDENTITIES = ((96, 1, 1), (96, 1, 0), (42, 0, 0), (0, 0, 0))
_VALUES = ((24, 2), (24, 3))
_NOT_CORRECTED = 3  # E of a volume of gas that is not converted to the standard's temperature


class P1Device(NamedTuple):
    """The values of one device. `id` is empty where the meter sends none, as in Sweden."""

    id: bytes
    readings: tuple[Reading, ...]
    time: bytes | None  # of the values, by the meter's clock: twelve octets


class _Kind(Enum):
    VALUE = 0
    CLOCK = 1
    IDENTITY = 2
    TEXT = 3
    COUNT = 4
    PEAKS = 5
    LOG = 6
    CHANNEL = 7


class _Plan(NamedTuple):
    kind: _Kind
    obis: Obis


def devices(telegram: Telegram, normal_time: int, wanted: frozenset[bytes] = frozenset()) -> tuple[P1Device, ...]:
    """The meter first, if it has values, then its sub-meters. `wanted`: names of the readings; empty: all."""
    readings: list[Reading] = []
    names: dict[tuple[int, ...], str] = {}
    channels: dict[int, _Channel] = {}
    time = None
    for one in telegram.sets:
        plan = _plan(one.code)
        if plan is None:
            continue
        kind, obis = plan
        if kind is _Kind.VALUE:
            if (found := _value(obis, one)) is not None:
                readings.append(found)
        elif kind is _Kind.CHANNEL:
            channels.setdefault(obis[1], _Channel()).take(obis, one)
        elif kind is _Kind.CLOCK:
            time = date_time(one.text, normal_time)
        elif kind is _Kind.IDENTITY:
            names[obis[2], obis[3], obis[4]] = one.text
        elif kind is _Kind.COUNT:
            if one.text.isdigit():
                readings.append(Reading(obis, data_of(int(one.text)), class_id=_DATA))
        elif kind is _Kind.TEXT:
            if one.text:
                readings.append(Reading(obis, text_of(one.text), class_id=_DATA))
        elif kind is _Kind.PEAKS:
            readings += _peaks(one)
    name = _identity(next((names[place] for place in _IDENTITIES if names.get(place)), ""))
    found_devices = [P1Device(name, tuple(readings), time)]
    found_devices += _sub_meters(channels, name, normal_time)
    if wanted:
        found_devices = [
            one._replace(readings=tuple(reading for reading in one.readings if bytes(reading.obis) in wanted))
            for one in found_devices
        ]
    return tuple(one for one in found_devices if one.readings)


class _Channel:
    """What was said about one channel of M-Bus."""

    def __init__(self) -> None:
        self.medium = 0
        self.name = ""
        self.values: list[tuple[Obis, DataSet]] = []
        self.others: list[Reading] = []

    def take(self, obis: Obis, one: DataSet) -> None:
        place = (obis[2], obis[3], obis[4])
        if place == (24, 1, 0):
            self.medium = int(one.text) if one.text.isdigit() else 0
        elif place[:2] == (96, 1):
            self.name = one.text or self.name
        elif place[:2] in _VALUES:
            self.values.append((obis, one))
        elif place[:2] == (24, 4) and one.text.isdigit():
            self.others.append(Reading(obis, data_of(int(one.text)), class_id=_DATA))

    def device(self, normal_time: int) -> P1Device | None:
        """None if the channel is dead."""
        readings: dict[Obis, Reading] = {}
        newest: bytes | None = None
        for obis, one in self.values:
            told, time_text = _told(one)
            time = date_time(time_text, normal_time)
            if told is None or not told.unit or (time_text and time is None) or time_text.startswith(_NEVER):
                continue
            if (reading := reading_of(self._register(obis), told)) is not None:
                readings.setdefault(reading.obis, reading)
                newest = max(filter(None, (newest, time)), default=None)
        if not readings:
            return None
        return P1Device(_identity(self.name), (*readings.values(), *self.others), newest)

    def _register(self, obis: Obis) -> Obis:
        if self.medium == GAS and obis[4] == _NOT_CORRECTED:
            return GAS_MEASURED
        return REGISTERS.get(self.medium, obis)


def _told(one: DataSet) -> tuple[Number | None, str]:
    """The value of a sub-meter, and its time as text."""
    groups = one.groups
    if len(groups) >= _PROFILE_GROUPS:  # a profile of one row
        return number(f"{groups[6]}*{groups[5]}"), groups[0]
    return number(groups[-1]), groups[0] if len(groups) > 1 else ""


def _sub_meters(channels: dict[int, _Channel], meter: bytes, normal_time: int) -> Iterable[P1Device]:
    found: dict[bytes, P1Device] = {}
    for channel, told in channels.items():
        one = told.device(normal_time)
        if one is None:
            continue
        if not one.id:
            one = one._replace(id=b"%s-%d" % (meter[: MOST_ID - 4], channel))
        before = found.get(one.id)
        # A meter that was connected again holds two channels; the old one keeps its last value.
        if before is None or (one.time or b"") > (before.time or b""):
            found[one.id] = one
    return found.values()


@lru_cache(_CODES)
def _plan(text: str) -> _Plan | None:
    """What to do with a code."""
    code = read_code(text)
    if code is None or not code.live:
        return None
    obis = code.obis
    a, b, c, d, e, _ = obis
    if a == 0 and 0 < b < 10:
        return _Plan(_Kind.CHANNEL, obis)
    if (a, b, c, d, e) == (0, 0, 1, 0, 0):
        return _Plan(_Kind.CLOCK, obis)
    if (c, d, e) in _IDENTITIES:
        return _Plan(_Kind.IDENTITY, obis)
    if (c, d) == (98, 1):
        return _Plan(_Kind.PEAKS, obis)
    if c == 99:
        return _Plan(_Kind.LOG, obis)
    if (c, d) in ((96, 7), (96, 14), (96, 3)) or (c in (32, 52, 72) and d in (32, 36)):
        return _Plan(_Kind.COUNT, obis)
    if c == 96 or (a, b) == (1, 3):
        return _Plan(_Kind.TEXT, obis)
    return _Plan(_Kind.VALUE, obis)


def _value(obis: Obis, one: DataSet) -> Reading | None:
    """A register. Its time, if it has one, stands before the value."""
    groups = one.groups
    if len(groups) == 1:
        told = number(groups[0])
    elif len(groups) == 2 and is_time(groups[0]):
        told = number(groups[1])
    else:
        return None
    if told is not None and (reading := reading_of(obis, told)) is not None:
        return reading if len(groups) == 1 else reading._replace(class_id=_EXTENDED_REGISTER)
    return Reading(obis, text_of(one.text), class_id=_DATA) if one.text else None


def _peaks(one: DataSet) -> list[Reading]:
    """(count)(name)(name)(month)(time)(value)(month).. : the month is the end of its period."""
    rows = [one.groups[place : place + 3] for place in range(3, len(one.groups) - 2, 3)]
    name = read_code(one.groups[1]) if rows else None
    if name is None:
        return []
    found = []
    newest_first = sorted((row for row in rows if is_time(row[0])), key=lambda row: row[0], reverse=True)
    for place, row in enumerate(newest_first[:_PEAKS]):
        told = number(row[2])
        obis = Obis(name.obis[:5] + bytes((_LAST_PERIOD + place,)))
        if told is not None and (reading := reading_of(obis, told)) is not None:
            found.append(reading._replace(class_id=_EXTENDED_REGISTER))
    return found


@lru_cache(_IDS)
def _identity(text: str) -> bytes:
    """The octets of a device id: DIN 43863-5 where the text is one, else the text itself."""
    octets = octets_of(text)
    return identity_of(octets.decode("ascii") if octets.isalnum() and octets.isascii() else text)

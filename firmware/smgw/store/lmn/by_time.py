"""Captures of a source by their target times, for a reader who asks for an hour, a day or a year.

The numbers come from three places: the slots of the grid, rows of the meter's own load profiles, and an index of files
that began before schema version 4. No index has the captures without a target time: see `LmnView.records`.
"""

# ruff: noqa: S608 - the queries hold constants

import json
import sqlite3
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import NamedTuple

from smgw.cosem.data import RANGE
from smgw.cosem.device_id import DeviceId
from smgw.cosem.obis import Obis
from smgw.cosem.status_word import FnnStatus
from smgw.store.file.checked import checked
from smgw.store.lmn.blocks import SourceKey, Stretch
from smgw.store.lmn.history import KIND
from smgw.store.ranges import Range

#: The parameter is a JSON array of numbers.
AMONG = "IN (SELECT value FROM json_each(?))"
_SLOTS = """SELECT target_time_us, capture FROM slot WHERE target_time_us {} AND meter = ? AND device = ? AND list = ?
    ORDER BY target_time_us, capture LIMIT ?"""
_PROFILES = f"SELECT id, content FROM profile_version WHERE kind = '{KIND}' AND name = ?"
_HISTORY = """SELECT target_time_us, number FROM capture WHERE profile_version = ? AND origin = 2
    AND target_time_us {} ORDER BY target_time_us, number LIMIT ?"""
_OLD = "FROM reading INDEXED BY reading_slot WHERE target_time_us IS NOT NULL"
_ANY_OLD = f"SELECT EXISTS (SELECT 1 {_OLD})"
_OLDER = f"""SELECT DISTINCT target_time_us, capture {_OLD} AND target_time_us {{}} AND list = ? AND register IN
    (SELECT id FROM register WHERE meter = ? AND device = ?) ORDER BY target_time_us, capture LIMIT ?"""
_ORIGINAL = 1
# The status of any reading counts for its whole row.
_SAMPLES = f"""SELECT capture.target_time_us, number, utc_us, clock_state, gateway_status, origin,
        register, type, value, status
    FROM capture CROSS JOIN reading ON reading.capture = number
    WHERE number {AMONG} AND (register IN ({{}}) OR status_type IS NOT NULL) ORDER BY number, place"""
_REGISTERS = "SELECT id, obis, scaler, unit FROM register WHERE meter = ? AND device = ? AND attribute = 2"
_NO_NUMBERS = frozenset(range(256)) - frozenset(map(int, RANGE))


class Times(NamedTuple):
    """A condition on target times (microseconds UTC), and its parameters."""

    text: str
    parameters: tuple[object, ...]


class Sample(NamedTuple):
    """A value of one register, without what only a whole record has. `value` None: there is no number."""

    target_us: int
    position: int
    captured_us: int
    valid: bool  # the gateway's clock was synchronised
    gateway_status: int
    meter_status: int
    origin: int
    obis: Obis
    scaler: int
    unit: int
    value: int | None


def between(covered: Range) -> Times:
    """Both ends are included."""
    return Times("BETWEEN ? AND ?", tuple(covered))


def among(times: Iterable[int]) -> Times:
    """Exactly these times."""
    return Times(AMONG, (numbers_text(times),))


def numbers_text(numbers: Iterable[int]) -> str:
    """The parameter of `AMONG`."""
    return json.dumps(list(numbers))


def numbers_at(
    connection: sqlite3.Connection,
    source: tuple[str, DeviceId, SourceKey],
    kind: int,
    times: Times,
    limit: int,
    unsure: Stretch,
) -> list[tuple[int, int]]:
    """Target times and numbers of captures, in this order. Captures of one time are not torn apart.

    About `limit` come if there are more. `unsure`: numbers that are left out.
    """
    meter, device, key = source
    execute = connection.execute
    found = execute(_SLOTS.format(times.text), (*times.parameters, *key, kind, limit)).fetchall()
    if kind == _ORIGINAL:
        for version, content in execute(_PROFILES, (meter,)).fetchall():
            if json.loads(content)["device"] == device.hex():
                found += execute(_HISTORY.format(times.text), (version, *times.parameters, limit)).fetchall()
    if execute(_ANY_OLD).fetchone()[0]:
        found += execute(_OLDER.format(times.text), (*times.parameters, kind, *key, limit)).fetchall()
    return _whole([row for row in found if not unsure.first <= row[1] <= unsure.last], limit)


def _whole(found: list[tuple[int, int]], limit: int) -> list[tuple[int, int]]:
    """The first rows of several ordered lists. Of a list that was cut, no later time is certain."""
    found = sorted(set(found))
    if len(found) < limit:
        return found
    last = found[limit - 1][0]
    earlier = [row for row in found if row[0] < last]
    return earlier or [row for row in found if row[0] == last]


def registers_of(
    connection: sqlite3.Connection, key: SourceKey, wanted: Collection[Obis]
) -> Mapping[int, tuple[Obis, int, int]]:
    """Number -> OBIS code, scaler and unit of the registers with these OBIS codes; none: of all."""
    rows = (checked(row, "ioii") for row in connection.execute(_REGISTERS, key))
    found = {number: (Obis(octets), scaler, unit) for number, octets, scaler, unit in rows}
    return {number: one for number, one in found.items() if not wanted or one[0] in wanted}


def samples(
    connection: sqlite3.Connection, numbers: Sequence[int], registers: Mapping[int, tuple[Obis, int, int]]
) -> list[Sample]:
    """The values of these registers in captures, in the order of target times."""
    query = _SAMPLES.format(", ".join(map(str, registers)))
    found: list[Sample] = []
    states: dict[int, int] = {}
    for target, number, captured, clock, gateway, origin, register, kind, value, status in connection.execute(
        query, (numbers_text(numbers),)
    ):
        if status.__class__ is int and number not in states:
            states[number] = status & 0xFFFFFFFF
        if register in registers:
            checked((target, number, captured, clock, gateway, origin), "iiiiii")
            whole = value if value.__class__ is int and kind not in _NO_NUMBERS else None
            found.append(Sample(target, number, captured, clock == 1, gateway, 0, origin, *registers[register], whole))
    words = {number: word for number, word in states.items() if word & FnnStatus.BASIC_METER}
    if words:
        found = [one._replace(meter_status=words.get(one.position, 0)) for one in found]
    found.sort(key=_order)
    return found


def _order(one: Sample) -> tuple[int, int]:
    return one.target_us, one.position

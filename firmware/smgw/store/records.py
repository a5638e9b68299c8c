"""The records that the LMN store takes and gives."""

from collections.abc import Sequence
from enum import IntEnum, StrEnum
from typing import Any, NamedTuple

from smgw.cosem.device_id import DeviceId
from smgw.cosem.obis import Obis
from smgw.cosem.reading import Capture, ClockState, MeterTime, Reading, Stamp
from smgw.cosem.source import Source as Source
from smgw.cosem.status_word import GatewayStatus
from smgw.store.ranges import Range

#: In the `delivered` of `LmnStore.retain`: no EMP waits for rows of this device.
NOBODY_WAITS = 2**63 - 1
#: Interned rows are never removed, also not from memory. This bounds a meter, or an attacker, that invents ids.
DEVICES_PER_METER = 64


class ListKind(IntEnum):
    """The list a value belongs to (TR-03109-1, 4.2.4: original, derived and calculated value lists; daily values)."""

    ORIGINAL = 1
    DERIVED = 2
    CALCULATED = 3
    DAILY = 4
    PERIOD_END = 5  # registers at the begin and end of billing periods


class Origin(IntEnum):
    """The origin of a value."""

    MEASURED = 1
    HISTORY = 2  # read later, from the meter's own load profile
    MISSING = 3  # no value was read; the readings are null-data


class Record(NamedTuple):
    """A row to write: a capture with its list, origin and target time (UTC grid; None: live-rate).

    A row of origin HISTORY names its load profile. `derived` rows are made from this one and written with it.
    The gateway signs the values of a row with `to_sign` before it leaves: a result at the end of a period.
    """

    capture: Capture
    target_time_us: int | None = None
    gateway_status: int = GatewayStatus.FIXED
    list: ListKind = ListKind.ORIGINAL
    origin: Origin = Origin.MEASURED
    profile: Obis | None = None
    derived: tuple["Record", ...] = ()
    to_sign: bool = False


class EvaluationState(NamedTuple):
    """What the evaluation of that name remembers, as the database has it."""

    name: str
    number: int  # counts its versions
    version: int  # of its profile; 0: it has ended
    device: DeviceId
    octets: bytes


class OutcomeKind(StrEnum):
    """The outcome of writing a record."""

    WRITTEN = "written"
    SLOT_TAKEN = "slot taken"  # a register has a value for that target time: counted as `refused_grid`
    OUT_OF_BOUNDS = "out of bounds"  # no value is left within the bounds of registers and devices: `refused_register`
    NO_ROOM = "no room"  # the disk is full: counted as `lost_live`, `lost_grid`
    KNOWN = "known"  # a row of a load profile that is there already


class Outcome(NamedTuple):
    """`number` is the record number of a written row, else None."""

    kind: OutcomeKind
    number: int | None = None


class StoredRecord(NamedTuple):
    """One row for a reader. (store_id, record_number) is its permanent key; `position` orders it in this file."""

    position: int
    store_id: str  # 32 hex digits; an older store's, if the row was salvaged
    record_number: int
    meter: str
    device: DeviceId
    stamp: Stamp
    meter_time: MeterTime | None
    target_time_us: int | None
    gateway_status: int
    list: ListKind
    origin: Origin
    readings: tuple[Reading, ...]
    signature: bytes | None = None  # of the whole list
    to_sign: bool = False  # the gateway signs its values before it leaves


class ProfileName(NamedTuple):
    """One load profile of one device that stands behind a meter profile."""

    meter: str
    device: DeviceId
    profile: Obis


class ProfileRow(NamedTuple):
    """One row of a load profile: the end of its period (microseconds UTC, and as the meter sent it) and its values."""

    target_time_us: int
    meter_time: MeterTime | None
    readings: tuple[Reading, ...]
    signature: bytes | None = None  # of the whole row


class Covered(NamedTuple):
    """A range of a load profile that was read: all its rows from `since` to `until` (microseconds UTC)."""

    name: ProfileName
    range: Range


class ProfilePiece(NamedTuple):
    """All rows of a load profile from `since_us` to `until_us`, both included, oldest first."""

    rows: tuple[ProfileRow, ...]
    since_us: int
    until_us: int
    by_event: bool = False  # rows of the same time are several rows, not one that was sent twice


class CacheKind(IntEnum):
    """An answer of a meter that is cached, so that the meter is asked once."""

    OBJECT_LIST = 1
    SCALER_UNIT = 2
    REFUSED_SECRET = 3  # see `store.lmn.holds`
    TIME_ACCEPTED = 4  # see `store.lmn.beside`


class CounterKind(IntEnum):
    """Kinds of rows in `reserved_counter`: numbers that are never used, or never accepted, a second time."""

    INVOCATION = 1
    PUSHED = 2  # the newest counter of a meter's pushes, by key and title; see `store.lmn.pushes`
    SKIPPED = 3  # how much of the budget of skipped counters a key has used; see `store.lmn.budget`
    DOUBTED = 4  # a counter that a person must allow
    PULSES = 5  # the count of a meter's pulses; see `store.lmn.pulses`
    PULSES_TAKEN = 6  # the number of the last order in that count
    PULSES_SET = 7  # a count that a person ordered


class Condition(StrEnum):
    """The state of a meter. Only the first one is healthy."""

    READING = "reading"
    WAITING = "waiting"
    SILENT = "silent"
    UNREADABLE = "unreadable"  # octets come and no telegram
    ABSENT = "absent"
    LOCKED = "locked"
    HELD = "held"  # it refused our password, and is not asked again before a person says so


class MeterState(NamedTuple):
    """The state of a device behind a meter profile; one row a (meter, device), overwritten. Times: UTC microseconds.

    A state without a device replaces all states of its meter. A state with a device removes the one without.
    """

    meter: str
    device: DeviceId | None
    state: Condition
    since_us: int
    last_capture_us: int | None = None
    last_clock_state: ClockState = ClockState.INVALID
    good: int = 0
    refused: int = 0
    note: str = ""
    remark: str = ""  # advice about the quality of its values


class Retention(NamedTuple):
    """Age in seconds until rows of a list are removed. Undelivered rows stay until the file has `undelivered_bytes`."""

    grid_s: int = 731 * 86_400  # 24 months
    daily_s: int = 42 * 86_400
    live_s: int = 7 * 86_400
    undelivered_bytes: int = 256 * 1024 * 1024
    derived_s: int = 731 * 86_400  # derived and calculated lists
    period_end_s: int = 1096 * 86_400  # 36 months


class RetentionReport(NamedTuple):
    """The result of one call of `retain`. `more`: it stopped at its bound and has work left."""

    live: int = 0
    grid: int = 0
    daily: int = 0
    undelivered: int = 0  # of these, rows that no EMP had acknowledged
    more: bool = False
    derived: int = 0
    period_end: int = 0

    @property
    def removed(self) -> int:
        """How many rows were removed."""
        return self.live + self.grid + self.daily + self.derived + self.period_end


class SalvageState(NamedTuple):
    """How far the captures of a damaged file are copied into the new one."""

    file: str  #: its name
    phase: int  #: see `store.lmn.queued.Phase`
    next: int  #: number or page
    last: int  #: the largest number that it may have
    captures: int  #: how many were copied
    released: bool  #: newer captures do not wait for them
    waiting: int  #: damaged files after this one

    @property
    def text(self) -> str:
        """In words."""
        more = f", {self.waiting} more files wait" if self.waiting else ""
        step = _SALVAGE_STEPS.get(self.phase, "").format(self.next, self.last)
        return f"{self.file} is copied: {self.captures} captures, {step}{more}"

    @property
    def order(self) -> str:
        """The order of delivery, in words."""
        return "newer records are delivered " + ("first" if self.released else "after its records")


_SALVAGE_STEPS = {
    0: "page {0} is searched for lost texts",
    1: "number {0} of {1} at most",
    2: "page {0} is searched for lost captures",
    3: "page {0} is searched for lost readings",
    4: "number {0} of {1} at most is checked",
    5: "number {0} of {1} at most goes behind newer ones",
}
SALVAGE_STATE = """SELECT file, phase, next, last, captures, released, (SELECT count(*) FROM salvage) - 1
    FROM salvage ORDER BY id LIMIT 1"""


def salvage_state(row: Sequence[Any]) -> SalvageState:
    """A row of `SALVAGE_STATE`."""
    file, phase, following, last, captures, released, waiting = row
    return SalvageState(file, phase, following, last, captures, bool(released), waiting)

"""What goes into the LMN store and comes out of it."""

from enum import IntEnum, StrEnum
from typing import NamedTuple

from smgw.cosem.device_id import DeviceId
from smgw.cosem.obis import Obis
from smgw.cosem.reading import Capture, ClockState, MeterTime, Reading, Stamp
from smgw.cosem.source import Source as Source
from smgw.cosem.status_word import GatewayStatus
from smgw.store.ranges import Range

#: In the `delivered` of `LmnStore.retain`: nobody waits for rows of this device.
NOBODY_WAITS = 2**63 - 1
#: Interned rows stay for ever, in memory too: what a meter (or who speaks in its place) makes up is bounded.
DEVICES_PER_METER = 64


class ListKind(IntEnum):
    """The list a value belongs to (TR-03109-1, 4.2.4: original, derived and calculated value lists; daily values)."""

    ORIGINAL = 1
    DERIVED = 2
    CALCULATED = 3
    DAILY = 4


class Origin(IntEnum):
    """Where a value comes from."""

    MEASURED = 1
    HISTORY = 2  # read later, from the meter's own load profile
    MISSING = 3  # there was none; the readings are null-data


class Record(NamedTuple):
    """One row to be: a capture with what the registrar knows of it. `target_time_us` (UTC grid) None is live-rate.

    A row of origin HISTORY names its load profile. `derived`: rows made of this one, written with it or not at all.
    """

    capture: Capture
    target_time_us: int | None = None
    gateway_status: int = GatewayStatus.FIXED
    list: ListKind = ListKind.ORIGINAL
    origin: Origin = Origin.MEASURED
    profile: Obis | None = None
    derived: tuple["Record", ...] = ()


class OutcomeKind(StrEnum):
    """What became of a record that was to be written."""

    WRITTEN = "written"
    SLOT_TAKEN = "slot taken"  # a register has a value for that target time: counted as `refused_grid`
    OUT_OF_BOUNDS = "out of bounds"  # no value is left within the bounds of registers and devices: `refused_register`
    NO_ROOM = "no room"  # the disk is full: counted as `lost_live`, `lost_grid`
    KNOWN = "known"  # a row of a load profile that is there already


class Outcome(NamedTuple):
    """`number` is the record number of what was written, else None."""

    kind: OutcomeKind
    number: int | None = None


class StoredRecord(NamedTuple):
    """One row as a reader gets it. (store_id, record_number) names it for ever, `position` orders it in this file."""

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


class ProfileName(NamedTuple):
    """One load profile of one device that stands behind a meter profile."""

    meter: str
    device: DeviceId
    profile: Obis


class ProfileRow(NamedTuple):
    """One row of a load profile: when its period ended (microseconds UTC), as the meter told that, and its values."""

    target_time_us: int
    meter_time: MeterTime | None
    readings: tuple[Reading, ...]
    signature: bytes | None = None  # of the whole row


class Covered(NamedTuple):
    """A part of a load profile that has been asked: all its rows from `since` to `until` (microseconds UTC)."""

    name: ProfileName
    range: Range


class ProfilePiece(NamedTuple):
    """All rows of a load profile from `since_us` to `until_us`, both included, oldest first."""

    rows: tuple[ProfileRow, ...]
    since_us: int
    until_us: int
    by_event: bool = False  # rows of the same time are several rows, not one that was sent twice


class CacheKind(IntEnum):
    """What a meter tells once and need not be asked again."""

    OBJECT_LIST = 1
    SCALER_UNIT = 2


class CounterKind(IntEnum):
    """Numbers that are reserved before they are used, so that none is used twice."""

    INVOCATION = 1


class Condition(StrEnum):
    """How a meter fares. Only the first is health."""

    READING = "reading"
    WAITING = "waiting"
    SILENT = "silent"
    ABSENT = "absent"
    LOCKED = "locked"


class MeterState(NamedTuple):
    """How a device behind a meter profile fares; one row a (meter, device), overwritten. Times are UTC microseconds.

    A state without a device replaces all of its meter; one with a device removes the one without.
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
    remark: str = ""  # what is to be said of the quality of its values


class Retention(NamedTuple):
    """How long rows stay: seconds of age by list; undelivered ones longer, until the file holds `undelivered_bytes`."""

    grid_s: int = 731 * 86_400  # 24 months
    daily_s: int = 42 * 86_400
    live_s: int = 7 * 86_400
    undelivered_bytes: int = 256 * 1024 * 1024


class RetentionReport(NamedTuple):
    """What one call of `retain` did; `more` says that it stopped at its bound and has work left."""

    live: int = 0
    grid: int = 0
    daily: int = 0
    undelivered: int = 0  # of these, rows that nobody had acknowledged
    more: bool = False

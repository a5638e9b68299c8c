"""Makes an lmn.db with millions of captures in a short time: a few by `LmnStore`, the others by SQL from those."""

import contextlib
import sqlite3
from pathlib import Path

from smgw.cosem import Capture, ClockState, Data, DataType, DeviceId, Obis, Reading, Stamp
from smgw.store import paths
from smgw.store.lmn import blocks
from smgw.store.lmn.store import LmnStore
from smgw.store.records import Condition, MeterState, Record, Source

SECOND = 1_000_000
#: Time of the first capture.
BEGAN_US = 1_772_323_200 * SECOND  # 2026-03-01 00:00:00 UTC
_BOOT = "6d3f8f0e-5c1b-4d32-9a52-6e2f9d3a0b77"
#: Captures of one transaction. Pages of captures and of readings alternate in the file, as in one that grew slowly.
_AT_ONCE = 4096

_CAPTURES = """INSERT INTO capture (number, meter, device, boot, boottime_ns, utc_us, dispersion_us, clock_state,
    target_time_us, gateway_status, list, origin)
    WITH RECURSIVE step (number) AS (SELECT :first UNION ALL SELECT number + 1 FROM step WHERE number < :last)
    SELECT step.number, meter, device, boot, boottime_ns + (step.number - 1) / :meters * :every_us * 1000,
        utc_us + (step.number - 1) / :meters * :every_us, dispersion_us, clock_state,
        target_time_us + (step.number - 1) / :meters * :every_us, gateway_status, list, origin
    FROM step JOIN capture AS first ON first.number = 1 + (step.number - 1) % :meters"""
_READINGS = """INSERT INTO reading (capture, place, register, type, value, list)
    SELECT capture.number, first.place, first.register, first.type, first.value + capture.number, first.list
    FROM capture JOIN reading AS first ON first.capture = 1 + (capture.number - 1) % :meters
    WHERE capture.number BETWEEN :first AND :last"""
_SLOTS = """INSERT INTO slot SELECT target_time_us, meter, device, list, number FROM capture
    WHERE target_time_us IS NOT NULL AND number BETWEEN :first AND :last"""


def sources(meters: int = 8) -> list[Source]:
    """The sources of a file that `make_many` made."""
    return [Source(f"meter{place}", DeviceId.parse(f"1EMH{place:010d}")) for place in range(1, meters + 1)]


def make_many(
    directory: Path, captures: int, *, meters: int = 8, registers: int = 8, every_s: int = 1, grid: bool = False
) -> list[Source]:
    """Make lmn.db with this many captures in an existing or new directory; returns its sources.

    The meters take turns. Each has one capture in `every_s` seconds, from `BEGAN_US` on: live-rate, or on the grid.
    A million captures of 8 registers take 8 s and 0.3 GB.
    """
    made = sources(meters)
    with LmnStore.open(directory, ballast_bytes=0) as store:
        store.append([record(source, registers, BEGAN_US, grid=grid) for source in made])
        for source in made:
            store.note_meter(MeterState(source.meter, source.device, Condition.READING, BEGAN_US))
    with contextlib.closing(sqlite3.connect(directory / paths.LMN, isolation_level=None)) as connection:
        for setting in ("journal_mode = OFF", "synchronous = OFF", "cache_size = -64000", "locking_mode = EXCLUSIVE"):
            connection.execute(f"PRAGMA {setting}").fetchall()
        for first in range(meters + 1, captures + 1, _AT_ONCE):
            numbers = {"first": first, "last": min(first + _AT_ONCE - 1, captures)}
            given = {**numbers, "meters": meters, "every_us": every_s * SECOND}
            connection.execute("BEGIN")
            connection.execute(_CAPTURES, given)
            connection.execute(_READINGS, given)
            connection.execute(_SLOTS, numbers)
            connection.execute("COMMIT")
        blocks.count(connection, 0, blocks.newest_block(connection) - 1)
    _as_left_by_its_owner(directory / paths.LMN)
    return made


def record(source: Source, registers: int, utc_us: int, *, grid: bool = False) -> Record:
    """A record as the others of the file."""
    readings = tuple(
        Reading(Obis.parse(f"1-0:{1 + place}.8.0"), Data(DataType.LONG64_UNSIGNED, 86_038_000 + place), -1, 30)
        for place in range(registers)
    )
    stamp = Stamp(_BOOT, 1_000_000_000 + (utc_us - BEGAN_US) * 1000, utc_us, 5000, ClockState.SYNCHRONISED)
    return Record(Capture(source.meter, source.device, stamp, None, readings), utc_us if grid else None, 0)


def _as_left_by_its_owner(database: Path) -> None:
    """In WAL mode with a -wal beside it, and another connection that closes last leaves that."""
    with contextlib.closing(sqlite3.connect(database, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode = WAL").fetchall()
    paths.wal_of(database).touch()

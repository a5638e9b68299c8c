"""lmn.db, written by the LMN process: durable when `append` returns, calm when the disk is full."""

import contextlib
import logging
import os
import sqlite3
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Self, TypeVar

from smgw.clock.gateway_clock import Saved
from smgw.cosem.device_id import DeviceId
from smgw.cosem.reading import ClockState
from smgw.store import history, paths, retention
from smgw.store.digest import sha256
from smgw.store.errors import StoreFull
from smgw.store.lmn_view import CLOCK_QUERY, NEWEST_TARGET, parameters, saved_clock
from smgw.store.pending import count
from smgw.store.ranges import Range
from smgw.store.records import CacheKind, MeterState, ProfileName, Record, Retention, RetentionReport, Source
from smgw.store.rows import Row, RowWriter, columns_of
from smgw.store.salvage import salvage_lmn
from smgw.store.schema import lmn_schema
from smgw.store.writer import StoreWriter

_log = logging.getLogger(__name__)
T = TypeVar("T")

BALLAST_BYTES = 2 * 1024 * 1024
#: What waits is written this often when no capture carries it.
_FLUSH_EVERY_S = 5.0
#: Rows thinned at a time, at least, and the free pages below which live-rate rows must make their own room.
_THINNED = 256
_FREE_PAGES = 32
#: The first counter of a key that nothing is known of: the clock at this rate since 2026, which is more than any meter
#: is asked, so it lies beyond what a lost store gave out. By chance up to 2^22 more, lest two stores made at once share
#: it. The clock alone reaches the cap in 2055.
_COUNTERS_A_SECOND, _COUNTERS_SINCE = 4, 1_767_225_600
_COUNTERS_BY_CHANCE, _COUNTERS_CAP = 1 << 22, 0xE000_0000


class LmnStore(StoreWriter):
    """The one writer of lmn.db."""

    _REMEDY = "live-rate rows are thinned"

    def __init__(self, directory: Path, ballast_bytes: int = BALLAST_BYTES) -> None:
        self._flushed = time.monotonic()
        self._sweep = retention.Sweep()
        super().__init__(directory / paths.LMN, lmn_schema(), salvage_lmn, whole_wal=True, reserve=ballast_bytes)

    @classmethod
    def open(cls, directory: Path, *, ballast_bytes: int = BALLAST_BYTES) -> Self:
        """Open lmn.db in the state directory, or make it. A damaged file is moved aside and salvaged.

        Raises StoreOwned (a second writer), StoreTooNew, StoreError (no directory, no right, no space).
        """
        return cls(directory, ballast_bytes)

    def append(self, records: Sequence[Record]) -> list[int | None]:
        """Write records in one durable transaction; their record numbers, which are never given twice.

        None stands for a record that is not there: one of its grid slots was taken (its values are counted as
        `refused_grid`), all its values are past the bounds of `rows` (`refused_register`; of other records such values
        are left out), or the disk was full (counted as `lost_live`, `lost_grid`). LocalProtocolError for a value that
        does not suit its type: then nothing was written.
        """
        batch = [(record, columns_of(record.capture)) for record in records]
        with self._file.lock:
            self._flushed = time.monotonic()
            self._end_need()
            if not self._in_need:
                try:
                    return self._commit(partial(self._insert, batch))
                except (sqlite3.OperationalError, StoreFull):
                    self._begin_need()
            return self._append_in_need(batch)

    def note_meter(self, state: MeterState) -> None:
        """Keep the newest state of a meter; it is written with the next append or flush."""
        with self._file.lock:
            self._pending.note_meter(state)

    def count(self, name: str, amount: int = 1) -> None:
        """Add to a counter of the caller's; it is written with the next append or flush."""
        with self._file.lock:
            self._pending.counts[name] += amount

    def save_clock(self, boot_id: str, boottime_ns: int, offset_us: int, dispersion_us: int, state: ClockState) -> None:
        """Keep the clock's newest state; it is written with the next append or flush."""
        with self._file.lock:
            self._pending.clock = Saved(boot_id, boottime_ns, offset_us, dispersion_us, state)

    def load_clock(self) -> Saved | None:
        """The clock as it was saved last."""
        with self._file.lock:
            if self._pending.clock is not None:
                return self._pending.clock
            rows = self._read(CLOCK_QUERY)
            try:
                return saved_clock(rows[0]) if rows else None
            except ValueError as error:  # a flipped bit: the clock starts anew
                _log.warning("%s: the clock's state makes no sense: %s", self._file.path, error)
                return None

    def flush(self, *, now: bool = False) -> None:
        """Write what waits if nothing was written for 5 s, or at once; call it whenever there is nothing to append."""
        with self._file.lock:
            if self._pending and (now or time.monotonic() - self._flushed >= _FLUSH_EVERY_S):
                self._flushed = time.monotonic()
                self._write_pending()

    def save_object_list(self, device: DeviceId, firmware: bytes, objects: bytes) -> None:
        """Cache the object list of a meter with this firmware."""
        self._write(
            lambda connection: connection.execute(
                "INSERT OR REPLACE INTO object_list VALUES (?, ?, ?)", (device, firmware, objects)
            )
        )

    def cached(self, kind: CacheKind, device: DeviceId, firmware: bytes) -> bytes | None:
        """What is cached."""
        return self.object_list(device, (b"scaler_unit of " if kind is CacheKind.SCALER_UNIT else b"") + firmware)

    def object_list(self, device: DeviceId, firmware: bytes) -> bytes | None:
        """The cached object list, or None."""
        rows = self._read("SELECT objects FROM object_list WHERE device = ? AND firmware = ?", device, firmware)
        return bytes(rows[0][0]) if rows else None

    def keep_profile(self, name: ProfileName, records: Sequence[Record], covered: Range) -> list[int | None]:
        """Write rows of a meter's load profile, and that this range of it is kept now, in one durable transaction.

        None stands for a row that is there already. Raises StoreFull with nothing written: ask the meter again later.
        """
        batch = [(record, columns_of(record.capture)) for record in records]
        return self._write(lambda connection: history.keep(connection, self._rows, name, batch, covered))

    def profile_ranges(self, name: ProfileName) -> list[Range]:
        """What is kept of a load profile, in order."""
        return [Range(*row) for row in self._read(history.RANGES, *name)]

    def last_target_us(self, source: Source) -> int | None:
        """The newest target time registered for this source; None if nothing of it is on a grid."""
        (newest,) = self._read(NEWEST_TARGET, *parameters(source))[0]
        return None if newest is None else int(newest)

    def reserve_counters(self, meter: str, client: int, key_id: str, least: int, amount: int) -> int:
        """The first of `amount` invocation counters that are the caller's alone, durably; `least` at least.

        `key_id` names the key without telling it. What was given out is never given again, whatever became of it, also
        not to another meter or client with that key: a nonce holds our system title and the counter, and not who asks.
        A key that this store has not seen starts far above 0: a store that is gone may have given out counters of it.
        """

        def body(connection: sqlite3.Connection) -> int:
            query = "SELECT max(reserved) FROM invocation_counter WHERE key_id = ?"
            (newest,) = connection.execute(query, (key_id,)).fetchone()
            first = max(least, _unknown_counter() if newest is None else int(newest) + 1)
            connection.execute(
                "INSERT OR REPLACE INTO invocation_counter VALUES (?, ?, ?, ?)",
                (meter, client, key_id, first + amount - 1),
            )
            return first

        return self._write(body)

    def profile_version(self, kind: str, name: str, content: str) -> int:
        """The number of this version of a profile; the same content has the same number.

        A version of kind `meter` also marks the captures of the meter with that name from now on.
        """
        digest = sha256(content.encode())

        def body(connection: sqlite3.Connection) -> int:
            connection.execute(
                "INSERT OR IGNORE INTO profile_version (kind, name, sha256, content) VALUES (?, ?, ?, ?)",
                (kind, name, digest, content),
            )
            query = "SELECT id FROM profile_version WHERE kind = ? AND name = ? AND sha256 = ?"
            return int(connection.execute(query, (kind, name, digest)).fetchone()[0])

        version = self._write(body)
        if kind == "meter":
            self._rows.use_profile(name, version)
        return version

    def retain(self, now_us: int, limits: Retention, delivered: Mapping[bytes, int]) -> RetentionReport:
        """Remove rows that are past their age, a bounded number a call; call again while `more`.

        `delivered`: device -> position up to which every EMP has acknowledged; a device that is not in it has delivered
        nothing, and NOBODY_WAITS stands for one that no EMP gets. Rows not delivered stay until the file holds
        `limits.undelivered_bytes`, then the oldest go and are counted as `lost_undelivered`. A row with an invalid time
        is as old as the next one with a valid time.
        """
        return self._write(partial(self._sweep.run, now_us=now_us, limits=limits, delivered=delivered))

    def _insert(self, batch: Sequence[Row], connection: sqlite3.Connection) -> list[int | None]:
        refused = self._rows.refused
        numbers = [self._rows.insert(record, columns) for record, columns in batch]
        if self._rows.refused > refused:
            count(connection, {"refused_grid": self._rows.refused - refused})
        return numbers

    def _rolled_back(self) -> None:
        # If even this read fails, the next call says so.
        with contextlib.suppress(sqlite3.Error):
            self._rows.forget()

    def _take_over(self) -> None:
        self._rows = RowWriter(self._file.writer)
        self._sweep = retention.Sweep()

    # The full disk.

    def _append_in_need(self, batch: Sequence[Row]) -> list[int | None]:
        """Grid values first; live-rate rows only in pages that other live-rate rows gave up."""
        numbers: list[int | None] = [None] * len(batch)
        for live in (False, True):
            places = [place for place, (record, _) in enumerate(batch) if (record.target_time_us is None) is live]
            if not places:
                continue
            part = [batch[place] for place in places]
            try:
                written = self._write(partial(self._insert_thriftily if live else self._insert, part))
            except StoreFull:
                self._pending.counts["lost_live" if live else "lost_grid"] += len(part)
                continue
            for place, number in zip(places, written, strict=True):
                numbers[place] = number
        return numbers

    def _insert_thriftily(self, batch: Sequence[Row], connection: sqlite3.Connection) -> list[int | None]:
        if connection.execute("PRAGMA freelist_count").fetchone()[0] < _FREE_PAGES:
            self._thin(connection, max(_THINNED, 2 * len(batch)))
        return self._insert(batch, connection)

    def _write(self, body: Callable[[sqlite3.Connection], T]) -> T:
        """Commit; where there is no room, live-rate rows give way first, then the reserve."""
        return self._write_with(body, (self._checkpoint, self._thin_oldest, self._ballast.release, self._thin_oldest))

    def _thin_oldest(self) -> None:
        self._checkpoint()
        self._commit(lambda connection: self._thin(connection, _THINNED))
        self._checkpoint()

    def _thin(self, connection: sqlite3.Connection, amount: int) -> None:
        count(connection, {"lost_live": retention.thin(connection, amount)})


def _unknown_counter() -> int:
    """Where a key starts that this store has not seen."""
    seconds = max(0, int(time.time()) - _COUNTERS_SINCE)
    return min(_COUNTERS_A_SECOND * seconds, _COUNTERS_CAP) + int.from_bytes(os.urandom(4), "big") % _COUNTERS_BY_CHANCE

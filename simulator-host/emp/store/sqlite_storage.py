"""The head-end's store in one SQLite file: one writer, any number of readers (WAL)."""

import contextlib
import fcntl
import os
import sqlite3
import threading
from concurrent.futures import Future
from pathlib import Path

from smgw.cosem.device_id import DeviceId
from smgw.cosem.obis import Obis
from smgw.cosem.status_word import StatusWord
from smgw.cosemxml.document import Document, Register
from smgw.errors import reason

from emp.store.access import new_private
from emp.store.checking import CHECKED_OCTETS, Checker, examine
from emp.store.health import Health, is_damaged
from emp.store.owner import is_owner
from emp.store.sqlite_rows import REGISTER_COLUMNS, SqliteRows, register_of
from emp.store.storage import (
    EventView,
    GatewayView,
    LatestView,
    Notice,
    Proof,
    Receipt,
    SightingView,
    Signer,
    SignerView,
    SourceKeys,
    StorageError,
    Version,
)
from emp.store.values import from_sql
from emp.store.writer import Writer


class SqliteView(SqliteRows):
    """Reads a store with one connection for each thread, also while a server writes it."""

    def gateways(self) -> list[GatewayView]:
        """See Storage."""
        sightings: dict[int, list[SightingView]] = {}
        for gateway, device, seen_us, records, capture_us, received_us, status, valid in self._all(
            "SELECT s.gateway, d.octets, s.last_seen_us, s.records, r.capture_time_us, r.received_us, r.gateway_status,"
            " r.time_valid FROM sighting s JOIN device d ON d.id=s.device LEFT JOIN record r ON r.id=s.last_record"
            " ORDER BY s.last_seen_us DESC, d.id"
        ):
            time_valid = None if valid is None else bool(valid)
            sighting = SightingView(DeviceId(device), seen_us, records, capture_us, received_us, status, time_valid)
            sightings.setdefault(gateway, []).append(sighting)
        signers = self._signers()
        return [
            GatewayView(
                DeviceId(octets),
                first_us,
                last_us,
                sum(sighting.records for sighting in sightings.get(gateway, ())),
                tuple(sightings.get(gateway, ())),
                tuple(signers.get(gateway, ())),
            )
            for gateway, octets, first_us, last_us in self._all(
                "SELECT id, octets, first_seen_us, last_seen_us FROM gateway ORDER BY last_seen_us DESC, id"
            )
        ]

    def _signers(self) -> dict[int, list[SignerView]]:
        found: dict[int, list[SignerView]] = {}
        for gateway, fingerprint, subject, not_after_us, first_us, last_us, documents in self._all(
            "SELECT gateway, fingerprint, subject, not_after_us, first_seen_us, last_seen_us, documents FROM signer"
            " ORDER BY last_seen_us DESC, first_seen_us DESC"
        ):
            one = SignerView(Signer(fingerprint, subject, not_after_us), first_us, last_us, documents)
            found.setdefault(gateway, []).append(one)
        return found

    def devices(self, gateway: DeviceId | None = None) -> list[DeviceId]:
        """See Storage."""
        if gateway is None:
            return [DeviceId(octets) for (octets,) in self._all("SELECT octets FROM device ORDER BY id")]
        return [
            DeviceId(octets)
            for (octets,) in self._all(
                "SELECT d.octets FROM sighting s JOIN device d ON d.id=s.device"
                " WHERE s.gateway=(SELECT id FROM gateway WHERE octets=?)"
                " AND NOT EXISTS (SELECT 1 FROM sighting o WHERE o.device=s.device AND o.gateway<>s.gateway)"
                " ORDER BY d.id",
                bytes(gateway),
            )
        ]

    def is_claimed(self, pseudonym: DeviceId, gateway: DeviceId) -> bool:
        """See Storage."""
        found = self._all("SELECT owner FROM device WHERE octets=? AND owner IS NOT NULL", bytes(pseudonym))
        return bool(found) and is_owner(found[0][0], gateway, pseudonym)

    def gateways_of(self, device: DeviceId) -> list[DeviceId]:
        """See Storage."""
        sql = (
            "SELECT w.octets FROM sighting s JOIN gateway w ON w.id=s.gateway"
            " WHERE s.device=(SELECT id FROM device WHERE octets=?) ORDER BY w.id"
        )
        return [DeviceId(octets) for (octets,) in self._all(sql, bytes(device))]

    def has(self, device: DeviceId) -> bool:
        """See Storage."""
        return bool(self._all("SELECT 1 FROM device WHERE octets=?", bytes(device)))

    def has_gateway(self, gateway: DeviceId) -> bool:
        """See Storage."""
        return bool(self._all("SELECT 1 FROM gateway WHERE octets=?", bytes(gateway)))

    def latest(self, device: DeviceId, skip: int = 0, limit: int = -1) -> list[LatestView]:
        """See Storage."""
        return [
            LatestView(
                register_of(register),
                from_sql(kind, value),
                capture_us,
                bool(valid),
                StatusWord(gateway_status, meter_status),
                DeviceId(gateway),
            )
            for (*register, kind, value, capture_us, valid, gateway_status, meter_status, gateway) in self._all(
                f"SELECT {REGISTER_COLUMNS}, v.type, v.value, r.capture_time_us, r.time_valid, r.gateway_status,"  # noqa: S608
                " r.meter_status, w.octets FROM latest l JOIN device d ON d.id=l.device"
                " JOIN register g ON g.id=l.register"
                " JOIN reading v ON v.record=l.record AND v.register=l.register JOIN record r ON r.id=l.record"
                " JOIN gateway w ON w.id=r.gateway WHERE d.octets=? ORDER BY g.class_id DESC, g.obis, g.attribute"
                " LIMIT ? OFFSET ?",
                bytes(device),
                limit,
                skip,
            )
        ]

    def count_latest(self, device: DeviceId) -> int:
        """See Storage."""
        sql = "SELECT count(*) FROM latest WHERE device=(SELECT id FROM device WHERE octets=?)"
        return int(self._all(sql, bytes(device))[0][0])

    def registers(self, device: DeviceId) -> list[Register]:
        """See Storage."""
        return [
            register_of(row)
            for row in self._all(
                f"SELECT {REGISTER_COLUMNS} FROM register g JOIN device d ON d.id=g.device WHERE d.octets=?"  # noqa: S608
                " ORDER BY g.class_id DESC, g.obis, g.attribute, g.id",
                bytes(device),
            )
        ]

    def sources(self, device: DeviceId) -> list[tuple[DeviceId, str]]:
        """See Storage."""
        return [
            (DeviceId(gateway), store_id)
            for gateway, store_id in self._all(
                "SELECT w.octets, s.store_id FROM source s JOIN gateway w ON w.id=s.gateway"
                " JOIN sighting i ON i.gateway=w.id JOIN device d ON d.id=i.device WHERE d.octets=?1"
                " AND EXISTS (SELECT 1 FROM record r WHERE r.source=s.id AND r.device=d.id) ORDER BY s.id",
                bytes(device),
            )
        ]

    def count(self, device: DeviceId) -> int:
        """See Storage."""
        sql = "SELECT coalesce(sum(s.records), 0) FROM sighting s JOIN device d ON d.id=s.device WHERE d.octets=?"
        return int(self._all(sql, bytes(device))[0][0])

    def version(self, device: DeviceId) -> Version:
        """See Storage."""
        return Version(
            *self._all(
                "SELECT coalesce(max(s.last_record), 0), coalesce(sum(s.records), 0), coalesce(max(s.last_seen_us), 0)"
                " FROM sighting s JOIN device d ON d.id=s.device WHERE d.octets=?",
                bytes(device),
            )[0]
        )

    def events(self, limit: int) -> list[EventView]:
        """See Storage."""
        return [
            EventView(DeviceId(device), class_id, Obis(obis), method, parameter, received_us)
            for device, class_id, obis, method, parameter, received_us in self._all(
                "SELECT device, class_id, obis, method, parameter, received_us FROM event ORDER BY id DESC LIMIT ?",
                limit,
            )
        ]

    def keys(self, gateway: DeviceId | None = None) -> list[SourceKeys]:
        """See Storage."""
        result = []
        self._require_whole()
        for source, octets, store_id in self._all(
            "SELECT s.id, w.octets, s.store_id FROM source s JOIN gateway w ON w.id=s.gateway"
            " WHERE ?1 IS NULL OR w.octets=?1 ORDER BY s.id",
            None if gateway is None else bytes(gateway),
        ):
            # Consecutive numbers minus their rank are equal: one group for each gapless run, from one covering index.
            runs = self._all(
                "SELECT min(number), max(number), count(*) FROM (SELECT record_number AS number, record_number"
                " - row_number() OVER (ORDER BY record_number) AS run FROM record WHERE source=?)"
                " GROUP BY run ORDER BY 1",
                source,
            )
            count = sum(run[2] for run in runs)
            result.append(SourceKeys(DeviceId(octets), store_id, count, tuple((run[0], run[1]) for run in runs)))
        self._require_whole()
        return result


class SqliteStorage(SqliteView):
    """The store of the running server: it reads and writes. Only one server may use a file.

    A damaged database is only read. It is written again when a later check finds it whole.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._lock_file = _lock(path)
        self._health = Health(path)
        self._opening = threading.Lock()
        self._closed = False
        self._writer: Writer | None = None
        try:
            is_small = not path.is_file() or path.stat().st_size <= CHECKED_OCTETS
            fault = None
            with contextlib.suppress(sqlite3.Error):  # the writer meets the same error, and tells it
                fault = examine(path) if path.is_file() and is_small else None
            if fault is None or not _has_magic(path):  # what is no database is refused, by the writer
                self._writer = Writer(path, self._health)
            else:
                self._health.condemn(fault)
            self._checker = Checker(path, self._health, self._end_writer)
            self._checker.start(at_once=not is_small)
        except BaseException:
            os.close(self._lock_file)
            raise

    def deposit(self, document: Document, received_us: int, proof: Proof | None = None) -> "Future[Receipt]":
        """See Storage."""
        return self._open_writer().deposit(document, received_us, proof)

    def remove(self, device: DeviceId, *, whole: bool) -> "Future[int]":
        """See Storage."""
        return self._open_writer().remove(device, whole=whole)

    def notify(self, notice: Notice) -> "Future[bool]":
        """See Storage."""
        return self._open_writer().notify(notice)

    def probe(self) -> "Future[None]":
        """See Storage."""
        return self._open_writer().probe()

    def is_whole(self) -> bool:
        """See Storage."""
        return self._health.damage is None

    def check(self) -> None:
        """Check all pages now; the thread of the checker does the same from time to time."""
        self._checker.check()

    def close(self) -> None:
        """See Storage."""
        self._checker.close()
        self._closed = True
        self._end_writer()
        super().close()
        os.close(self._lock_file)

    def _open_writer(self) -> Writer:
        self._health.refuse()
        with self._opening:
            if self._closed:
                raise StorageError("the store is closing")
            if self._writer is None:
                self._writer = Writer(self._path, self._health)
            return self._writer

    def _end_writer(self) -> None:
        with self._opening:
            if self._writer is not None:
                self._writer.close()
                self._writer = None

    def _failed(self, error: sqlite3.Error) -> None:
        if is_damaged(error):
            self._health.condemn(str(error))
            self._health.refuse()

    def _undecodable(self, error: Exception) -> None:
        self._health.condemn(f"a stored value cannot be decoded ({error})")
        self._health.refuse()

    def _require_whole(self) -> None:
        self._health.refuse()


def _has_magic(path: Path) -> bool:
    """True if the file begins as an SQLite database. No connection to it may be open (POSIX locks)."""
    with path.open("rb") as file:
        return file.read(16) == b"SQLite format 3\0"


def _lock(path: Path) -> int:
    name = path.with_name(path.name + ".lock")
    try:
        lock = new_private(name)
    except OSError as error:
        raise StorageError(f"{name}: {reason(error)}; name a file in a directory where you may write") from None
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(lock)
        raise StorageError(f"{path}: another emp serve uses it; stop that one or name another file") from None
    return lock

"""The head-end's store in one SQLite file: one writer, any number of readers (WAL)."""

import fcntl
import os
import sqlite3
import threading
from collections.abc import Iterable
from concurrent.futures import Future
from pathlib import Path
from typing import Any

from smgw.cosem.data import Data
from smgw.cosem.device_id import DeviceId
from smgw.cosem.obis import Obis
from smgw.cosem.status_word import StatusWord
from smgw.cosemxml.document import Document, Register

from emp.schema import open_reader
from emp.storage import (
    GatewayView,
    LatestView,
    Receipt,
    RowFilter,
    RowView,
    SightingView,
    SourceKeys,
    StorageError,
)
from emp.values import from_sql
from emp.writer import Writer

_REGISTER = "g.obis, g.scaler, g.unit, g.class_id, g.attribute"


class SqliteView:
    """Reads a store, with one connection a thread; also while a server writes it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._local = threading.local()
        self._lock = threading.Lock()
        self._readers: list[sqlite3.Connection] = []

    def close(self) -> None:
        """Close the connections of all threads; none may be reading."""
        with self._lock:
            for reader in self._readers:
                reader.close()
            self._readers.clear()
            self._local = threading.local()

    def gateways(self) -> list[GatewayView]:
        """See Storage."""
        sightings: dict[int, list[SightingView]] = {}
        for gateway, device, seen_us, records in self._all(
            "SELECT s.gateway, d.octets, s.last_seen_us, s.records FROM sighting s JOIN device d ON d.id=s.device"
            " ORDER BY s.last_seen_us DESC, d.id"
        ):
            sightings.setdefault(gateway, []).append(SightingView(DeviceId(device), seen_us, records))
        return [
            GatewayView(
                DeviceId(octets),
                first_us,
                last_us,
                sum(sighting.records for sighting in sightings.get(gateway, ())),
                tuple(sightings.get(gateway, ())),
            )
            for gateway, octets, first_us, last_us in self._all(
                "SELECT id, octets, first_seen_us, last_seen_us FROM gateway ORDER BY last_seen_us DESC, id"
            )
        ]

    def devices(self) -> list[DeviceId]:
        """See Storage."""
        return [DeviceId(octets) for (octets,) in self._all("SELECT octets FROM device ORDER BY id")]

    def has(self, device: DeviceId) -> bool:
        """See Storage."""
        return bool(self._all("SELECT 1 FROM device WHERE octets=?", bytes(device)))

    def latest(self, device: DeviceId) -> list[LatestView]:
        """See Storage."""
        return [
            LatestView(
                _register(register),
                from_sql(kind, value),
                capture_us,
                bool(valid),
                StatusWord(gateway_status, meter_status),
                DeviceId(gateway),
            )
            for (*register, kind, value, capture_us, valid, gateway_status, meter_status, gateway) in self._all(
                f"SELECT {_REGISTER}, v.type, v.value, r.capture_time_us, r.time_valid, r.gateway_status,"  # noqa: S608
                " r.meter_status, w.octets FROM latest l JOIN device d ON d.id=l.device"
                " JOIN register g ON g.id=l.register"
                " JOIN reading v ON v.record=l.record AND v.register=l.register JOIN record r ON r.id=l.record"
                " JOIN gateway w ON w.id=r.gateway WHERE d.octets=? ORDER BY g.class_id DESC, g.obis, g.attribute",
                bytes(device),
            )
        ]

    def registers(self, device: DeviceId) -> list[Register]:
        """See Storage."""
        return [
            _register(row)
            for row in self._all(
                f"SELECT {_REGISTER} FROM register g JOIN device d ON d.id=g.device WHERE d.octets=?"  # noqa: S608
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

    def rows(self, device: DeviceId, narrowed: RowFilter) -> list[RowView]:
        """See Storage."""
        where, values = _narrow(device, narrowed.from_us, narrowed.to_us)
        order = "r.capture_time_us DESC, r.id DESC" if narrowed.newest_first else "r.id"
        records = self._all(
            "SELECT r.id, w.octets, s.store_id, r.record_number, r.capture_time_us, r.target_time_us, r.time_valid,"  # noqa: S608
            " r.gateway_status, r.meter_status, r.received_us FROM record r JOIN source s ON s.id=r.source"
            f" JOIN gateway w ON w.id=r.gateway WHERE {where} ORDER BY {order} LIMIT ? OFFSET ?",
            *values,
            narrowed.limit,
            narrowed.offset,
        )
        cells = self._cells([record[0] for record in records])
        return [
            RowView(
                position,
                DeviceId(gateway),
                store_id,
                number,
                capture_us,
                target_us,
                bool(valid),
                StatusWord(gateway_status, meter_status),
                received_us,
                tuple(cells.get(position, ())),
            )
            for (
                position,
                gateway,
                store_id,
                number,
                capture_us,
                target_us,
                valid,
                gateway_status,
                meter_status,
                received_us,
            ) in records
        ]

    def count(self, device: DeviceId, from_us: int | None = None, to_us: int | None = None) -> int:
        """See Storage."""
        if from_us is None and to_us is None:
            sql = "SELECT coalesce(sum(s.records), 0) FROM sighting s JOIN device d ON d.id=s.device WHERE d.octets=?"
            return int(self._all(sql, bytes(device))[0][0])
        where, values = _narrow(device, from_us, to_us)
        return int(self._all(f"SELECT count(*) FROM record r WHERE {where}", *values)[0][0])  # noqa: S608

    def keys(self, gateway: DeviceId | None = None) -> list[SourceKeys]:
        """See Storage."""
        result = []
        for source, octets, store_id in self._all(
            "SELECT s.id, w.octets, s.store_id FROM source s JOIN gateway w ON w.id=s.gateway"
            " WHERE ?1 IS NULL OR w.octets=?1 ORDER BY s.id",
            None if gateway is None else bytes(gateway),
        ):
            # Consecutive numbers minus their rank are equal: one group a gapless run, all inside one covering index.
            runs = self._all(
                "SELECT min(number), max(number), count(*) FROM (SELECT record_number AS number, record_number"
                " - row_number() OVER (ORDER BY record_number) AS run FROM record WHERE source=?)"
                " GROUP BY run ORDER BY 1",
                source,
            )
            count = sum(run[2] for run in runs)
            result.append(SourceKeys(DeviceId(octets), store_id, count, tuple((run[0], run[1]) for run in runs)))
        return result

    def _cells(self, records: list[int]) -> dict[int, list[tuple[Register, Data]]]:
        cells: dict[int, list[tuple[Register, Data]]] = {}
        registers: dict[int, Register] = {}
        for start in range(0, len(records), 500):
            part = records[start : start + 500]
            marks = ",".join("?" * len(part))
            for record, register, kind, value in self._all(
                f"SELECT record, register, type, value FROM reading WHERE record IN ({marks})",  # noqa: S608
                *part,
            ):
                if register not in registers:
                    row = self._all(f"SELECT {_REGISTER} FROM register g WHERE g.id=?", register)[0]  # noqa: S608
                    registers[register] = _register(row)
                cells.setdefault(record, []).append((registers[register], from_sql(kind, value)))
        return cells

    def _all(self, sql: str, *values: object) -> list[Any]:
        reader: sqlite3.Connection | None = getattr(self._local, "reader", None)
        if reader is None:
            reader = open_reader(self._path)
            self._local.reader = reader
            with self._lock:
                self._readers.append(reader)
        try:
            return reader.execute(sql, values).fetchall()
        except sqlite3.Error as error:
            raise StorageError(f"{self._path}: cannot be read now ({error})") from None


class SqliteStorage(SqliteView):
    """The store of the running server: a view that also writes. One server a file."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._lock_file = _lock(path)
        try:
            self._writer = Writer(path)
        except BaseException:
            os.close(self._lock_file)
            raise

    def deposit(self, document: Document, received_us: int) -> "Future[Receipt]":
        """See Storage."""
        return self._writer.deposit(document, received_us)

    def close(self) -> None:
        """See Storage."""
        self._writer.close()
        super().close()
        os.close(self._lock_file)


def _lock(path: Path) -> int:
    name = path.with_name(path.name + ".lock")
    try:
        lock = os.open(name, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o640)
    except OSError as error:
        raise StorageError(f"{name}: {error.strerror}; name a file in a directory that may be written") from None
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(lock)
        raise StorageError(f"{path}: another emp serve uses it; stop that one or name another file") from None
    return lock


def _register(row: Iterable[Any]) -> Register:
    obis, scaler, unit, class_id, attribute = row
    return Register(Obis(obis), scaler, unit, class_id, attribute)


def _narrow(device: DeviceId, from_us: int | None, to_us: int | None) -> tuple[str, list[object]]:
    where, values = "r.device=(SELECT id FROM device WHERE octets=?)", [bytes(device)]
    clauses, more = [where], list[object](values)
    if from_us is not None:
        clauses.append("r.capture_time_us>=?")
        more.append(from_us)
    if to_us is not None:
        clauses.append("r.capture_time_us<?")
        more.append(to_us)
    return " AND ".join(clauses), more

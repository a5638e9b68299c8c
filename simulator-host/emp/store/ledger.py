"""Enters one document into the tables: every row once, by its key, inside a transaction of the writer."""

import json
import sqlite3
from collections.abc import Iterable
from typing import NamedTuple

from smgw.cosem.data import DataType
from smgw.cosem.device_id import DeviceId
from smgw.cosemxml.document import Document, Register, Row
from smgw.look.times import END_OF_TIME_US, FALSE_AHEAD_US
from smgw.webservice.error import Unprocessable

from emp.store.owner import is_owner, mark
from emp.store.schema import REMOVABLE, next_id
from emp.store.storage import ForeignDeviceError, Proof, Receipt, RecordConflictError, Signer
from emp.store.values import SqlValue, to_sql

_MAX_RECORD_NUMBER = (1 << 63) - 1
#: Bounds against a meter that invents devices and registers. A gateway keeps 64 devices of each of its meters, and as
#: many registers of a device.
DEVICES_PER_GATEWAY = 1024
REGISTERS_PER_DEVICE = 1000


class _Age(NamedTuple):
    """The data that decides which of two rows is later."""

    source: int
    record_number: int
    capture_time_us: int
    time_valid: bool

    @classmethod
    def of(cls, source: int, record_number: int, capture_us: int | None, valid: object, received_us: int) -> "_Age":
        """The clock of a row that was captured after it came here was false, whatever the row says of it."""
        time_us = capture_us or 0
        return cls(source, record_number, time_us, bool(valid) and time_us <= received_us + FALSE_AHEAD_US)

    def is_after(self, other: "_Age") -> bool:
        """By capture time if both clocks were valid; else by number in one store; else the row with a valid clock."""
        if self.time_valid and other.time_valid:
            return (self.capture_time_us, self.record_number) > (other.capture_time_us, other.record_number)
        if self.source == other.source:
            return self.record_number > other.record_number
        return (self.time_valid, self.capture_time_us) > (other.time_valid, other.capture_time_us)


class Ledger:
    """Enters documents. Caches the ids of gateways, devices and registers; call `forget` after a rollback."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._ids: dict[tuple[object, ...], int] = {}
        self.next_record = 0
        self.forget()

    def forget(self) -> None:
        """Empty the cache: its ids may have been rolled back."""
        self._ids.clear()
        self.next_record = next_id(self._connection, "record")

    def enter(self, document: Document, received_us: int, proof: Proof | None = None) -> Receipt:
        """Enter a document; RecordConflictError, ForeignDeviceError, Unprocessable leave the caller to roll back."""
        if proof is not None and not document.device.is_pseudonym:
            self._require_own(document, proof)
        gateway = self._gateway(document, received_us)
        if proof is not None and proof.signer is not None:
            self._note_signer(gateway, proof.signer, received_us)
        source = self._id("source", gateway=gateway, store_id=document.store_id)
        device_is_new = not self._known("device", octets=bytes(document.device))
        device = self._id("device", {"first_seen_us": received_us}, octets=bytes(document.device))
        if proof is not None and document.device.is_pseudonym:
            self._claim(device, document.device, proof.sender)
        self._require_room(gateway, device, document)
        registers = self._registers(device, document)
        rows = self._distinct(document)
        known = self._known_rows(source, rows)
        for record_number, number_id in known.items():
            self._compare(document, rows[record_number], number_id, device, registers)
        new = [row for number, row in rows.items() if number not in known]
        first = self.next_record
        self._connection.executemany(
            "INSERT INTO record VALUES (?,?,?,?,?,?,?,?,?,?,?)",
            [
                (first + at, gateway, source, row.record_number, device, *_facts(row), received_us)
                for at, row in enumerate(new)
            ],
        )
        self._connection.executemany(
            "INSERT INTO reading VALUES (?,?,?,?)",
            [(first + at, *reading) for at, row in enumerate(new) for reading in _readings(row, registers)],
        )
        self.next_record += len(new)
        self._update_latest(
            document, device, source, registers, [(first + at, row) for at, row in enumerate(new)], received_us
        )
        self._connection.execute(
            "INSERT INTO sighting VALUES (?1,?2,?3,?4,?5) ON CONFLICT (gateway, device) DO UPDATE"
            " SET last_seen_us=?3, records=records+?4, last_record=coalesce(?5, last_record)",
            (gateway, device, received_us, len(new), self.next_record - 1 if new else None),
        )
        return Receipt(len(new), len(document.rows) - len(new), device_is_new)

    def _gateway(self, document: Document, received_us: int) -> int:
        octets = bytes(document.gateway)
        gateway = self._id("gateway", {"first_seen_us": received_us, "last_seen_us": received_us}, octets=octets)
        self._connection.execute(
            "UPDATE gateway SET last_seen_us=?1, first_seen_us=min(first_seen_us, ?1) WHERE id=?2",
            (received_us, gateway),
        )
        return gateway

    def _require_own(self, document: Document, proof: Proof) -> None:
        """ForeignDeviceError unless the gateway delivered the device before, or no other one that is still there.

        The id of a gateway belongs to that gateway, whose notices have it.
        """
        owners = {
            DeviceId(octets)
            for (octets,) in self._connection.execute(
                "SELECT w.octets FROM device d JOIN sighting s ON s.device=d.id JOIN gateway w ON w.id=s.gateway"
                " WHERE d.octets=?1 UNION SELECT octets FROM gateway WHERE octets=?1",
                (bytes(document.device),),
            )
        }
        if owners and proof.sender not in owners and not owners <= proof.former:
            raise ForeignDeviceError(document.device, frozenset(owners))

    def _claim(self, device: int, pseudonym: DeviceId, sender: DeviceId) -> None:
        """Note who owns a pseudonym; ForeignDeviceError if another gateway does."""
        (owner,) = self._connection.execute("SELECT owner FROM device WHERE id=?", (device,)).fetchone()
        if owner is None:
            self._connection.execute("UPDATE device SET owner=? WHERE id=?", (mark(sender, pseudonym), device))
        elif not is_owner(owner, sender, pseudonym):
            raise ForeignDeviceError(pseudonym, frozenset())

    def _note_signer(self, gateway: int, signer: Signer, received_us: int) -> None:
        self._connection.execute(
            "INSERT INTO signer VALUES (?1,?2,?3,?4,?5,?5,1) ON CONFLICT (gateway, fingerprint) DO UPDATE"
            " SET last_seen_us=?5, documents=documents+1",
            (gateway, signer.fingerprint, signer.subject, signer.not_after_us, received_us),
        )

    def _require_room(self, gateway: int, device: int, document: Document) -> None:
        known = self._connection.execute("SELECT 1 FROM sighting WHERE gateway=? AND device=?", (gateway, device))
        if known.fetchone() is None:
            sql = "SELECT count(*) FROM sighting WHERE gateway=?"
            if self._connection.execute(sql, (gateway,)).fetchone()[0] >= DEVICES_PER_GATEWAY:
                raise Unprocessable(
                    f"gateway {document.gateway} has {DEVICES_PER_GATEWAY} devices here, and {document.device} would "
                    "be one more; delete devices that are not real"
                )

    def _registers(self, device: int, document: Document) -> list[int]:
        before = self._connection.total_changes
        found = [self._register(device, register) for register in document.registers]
        if self._connection.total_changes != before:
            sql = "SELECT count(*) FROM register WHERE device=?"
            count = self._connection.execute(sql, (device,)).fetchone()[0]
            if count > REGISTERS_PER_DEVICE:
                raise Unprocessable(
                    f"device {document.device} would have {count} registers; at most {REGISTERS_PER_DEVICE} are kept"
                )
        return found

    def _distinct(self, document: Document) -> dict[int, Row]:
        rows: dict[int, Row] = {}
        for row in document.rows:
            if row.record_number > _MAX_RECORD_NUMBER:
                raise Unprocessable(f"record {row.record_number}: numbers go up to {_MAX_RECORD_NUMBER}")
            for name, time_us in (("capture", row.capture_time_us), ("target", row.target_time_us)):
                if time_us is not None and not 0 <= time_us < END_OF_TIME_US:
                    raise Unprocessable(
                        f"record {row.record_number}: its {name} time is not in the years 1970 to 9998; check the "
                        "gateway's clock"
                    )
            if rows.setdefault(row.record_number, row) != row:
                raise RecordConflictError(
                    document.gateway, document.store_id, row.record_number, "row in this document"
                )
        return rows

    def _known_rows(self, source: int, numbers: Iterable[int]) -> dict[int, int]:
        return dict(
            self._connection.execute(
                "SELECT record_number, id FROM record"
                " WHERE source=? AND record_number IN (SELECT value FROM json_each(?))",
                (source, json.dumps(list(numbers))),
            ).fetchall()
        )

    def _compare(self, document: Document, row: Row, record: int, device: int, registers: list[int]) -> None:
        stored = self._connection.execute(
            "SELECT device, capture_time_us, target_time_us, time_valid, gateway_status, meter_status"
            " FROM record WHERE id=?",
            (record,),
        ).fetchone()
        names = ("device", "capture time", "target time", "clock quality", "gateway status", "meter status")
        for name, old, new in zip(names, stored, (device, *_facts(row)), strict=True):
            if old != new:
                raise RecordConflictError(document.gateway, document.store_id, row.record_number, name)
        readings = self._connection.execute(
            "SELECT register, type, value FROM reading WHERE record=? ORDER BY register", (record,)
        ).fetchall()
        if readings != sorted(_readings(row, registers), key=lambda reading: reading[0]):
            raise RecordConflictError(document.gateway, document.store_id, row.record_number, "value, scaler or unit")

    def _update_latest(
        self,
        document: Document,
        device: int,
        source: int,
        registers: list[int],
        rows: list[tuple[int, Row]],
        received_us: int,
    ) -> None:
        if not rows:
            return
        before = self._latest(device)
        for column, register in enumerate(document.registers):
            name = (register.class_id, bytes(register.obis), register.attribute)
            best = before.get(name)
            found: int | None = None
            for record, row in rows:
                if row.values[column].type is DataType.NULL_DATA:
                    continue
                age = _Age.of(source, row.record_number, row.capture_time_us, row.time_valid, received_us)
                if best is None or age.is_after(best):
                    best, found = age, record
            if found is not None:
                self._connection.execute(
                    "INSERT OR REPLACE INTO latest VALUES (?,?,?,?,?,?)", (device, *name, found, registers[column])
                )

    def _latest(self, device: int) -> dict[tuple[int, bytes, int], _Age]:
        return {
            (class_id, obis, attribute): _Age.of(*facts)
            for class_id, obis, attribute, *facts in self._connection.execute(
                "SELECT class_id, obis, attribute, source, record_number, capture_time_us, time_valid, received_us"
                " FROM latest JOIN record ON record.id=latest.record WHERE latest.device=?",
                (device,),
            )
        }

    def _register(self, device: int, register: Register) -> int:
        obis, scaler, unit, class_id, attribute = register
        return self._id(
            "register",
            device=device,
            class_id=class_id,
            obis=bytes(obis),
            attribute=attribute,
            scaler=scaler,
            unit=unit,
        )

    def _known(self, table: str, **key: SqlValue) -> bool:
        return (table, *key.values()) in self._ids or self._find(table, key) is not None

    def _id(self, table: str, more: dict[str, SqlValue] | None = None, **key: SqlValue) -> int:
        remembered = self._ids.get((table, *key.values()))
        if remembered is not None:
            return remembered
        found = self._find(table, key)
        if found is None:
            row = {**key, **(more or {})}
            if table in REMOVABLE:
                row["id"] = next_id(self._connection, table)
            marks = ",".join("?" * len(row))
            sql = f"INSERT INTO {table} ({','.join(row)}) VALUES ({marks})"  # noqa: S608 - our own names only
            found = self._connection.execute(sql, tuple(row.values())).lastrowid
        assert found is not None
        if len(self._ids) > 50_000:
            self._ids.clear()
        self._ids[(table, *key.values())] = found
        return found

    def _find(self, table: str, key: dict[str, SqlValue]) -> int | None:
        where = " AND ".join(f"{column}=?" for column in key)
        sql = f"SELECT id FROM {table} WHERE {where}"  # noqa: S608 - our own names only
        row = self._connection.execute(sql, tuple(key.values())).fetchone()
        return None if row is None else int(row[0])


def _facts(row: Row) -> tuple[int | None, int | None, int, int, int]:
    return row.capture_time_us, row.target_time_us, int(row.time_valid), row.status.gateway, row.status.meter


def _readings(row: Row, registers: list[int]) -> list[tuple[int, int, SqlValue]]:
    return [
        (register, int(value.type), to_sql(value))
        for register, value in zip(registers, row.values, strict=True)
        if value.type is not DataType.NULL_DATA
    ]

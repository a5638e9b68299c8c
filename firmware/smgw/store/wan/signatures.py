"""Signatures of values in wan.db, by record, delivered device and object. A repeated delivery has the same."""

import sqlite3
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import NamedTuple, TypeVar

from smgw.cosem.device_id import DeviceId
from smgw.cosem.names import CaptureObject
from smgw.cosem.obis import Obis
from smgw.store import paths
from smgw.store.errors import StoreTooOld
from smgw.store.file.beside import write_beside
from smgw.store.file.schema import version_of
from smgw.store.wan.schema import wan_schema

_T = TypeVar("_T")

#: The schema version of wan.db that brought the table.
_SINCE = 4
SIGNATURES_KEPT = 100_000
QUERY = "SELECT name, signer, octets FROM value_signature WHERE store_id = ? AND number = ? AND device = ?"
_INSERT = """INSERT OR IGNORE INTO value_signature (store_id, number, device, name, signer, octets)
    VALUES (?, ?, ?, ?, ?, ?)"""
_REMOVE = "DELETE FROM value_signature WHERE id <= (SELECT max(id) FROM value_signature) - ?"


class SignedRow(NamedTuple):
    """A record under the name by which an EMP gets its device."""

    store_id: str
    number: int
    device: DeviceId


class StoredSignature(NamedTuple):
    """The signature of one value; without octets the value left unsigned."""

    column: CaptureObject
    signer: bytes  # SHA-256 of the certificate
    octets: bytes


class SignaturesBeside:
    """The signatures in wan.db, beside the WAN process, which need not run. Raises StoreError, StoreAbsent."""

    def __init__(self, directory: Path) -> None:
        self._path = directory / paths.WAN

    def value_signatures(self, row: SignedRow) -> list[StoredSignature]:
        """The signatures of a row's values that were made."""
        return self._write(lambda connection: read(connection.execute(QUERY, parameters(row)).fetchall()))

    def note_value_signatures(self, made: Sequence[tuple[SignedRow, Sequence[StoredSignature]]]) -> None:
        """Store signatures before their rows leave."""

        def body(connection: sqlite3.Connection) -> None:
            for row, of_row in made:
                write(connection, row, of_row)

        self._write(body)

    def _write(self, body: Callable[[sqlite3.Connection], _T]) -> _T:
        def checked(connection: sqlite3.Connection) -> _T:
            if version_of(connection) < _SINCE:
                raise StoreTooOld(self._path)
            return body(connection)

        return write_beside(self._path, wan_schema(), checked)


def write(connection: sqlite3.Connection, row: SignedRow, signatures: Iterable[StoredSignature]) -> None:
    """Store the signatures of a row, inside the caller's transaction."""
    for column, signer, octets in signatures:
        connection.execute(_INSERT, (*parameters(row), _name(column), signer, octets))
    connection.execute(_REMOVE, (SIGNATURES_KEPT,))


def read(rows: Iterable[tuple[bytes, bytes, bytes]]) -> list[StoredSignature]:
    """The rows of QUERY."""
    return [StoredSignature(_column(name), signer, octets) for name, signer, octets in rows]


def parameters(row: SignedRow) -> tuple[str, int, bytes]:
    """Of QUERY."""
    return row.store_id, row.number, bytes(row.device)


def _name(column: CaptureObject) -> bytes:
    attribute = column.attribute.to_bytes(1, "big", signed=True)
    return column.class_id.to_bytes(2, "big") + bytes(column.obis) + attribute


def _column(name: bytes) -> CaptureObject:
    return CaptureObject(int.from_bytes(name[:2], "big"), Obis(name[2:8]), int.from_bytes(name[8:], "big", signed=True))

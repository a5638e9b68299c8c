"""Lets a gateway deliver a device that others delivered before; works while a server runs."""

import contextlib
import sqlite3
import time
from pathlib import Path

from smgw.cosem.device_id import DeviceId

from emp.store.schema import open_writer
from emp.store.storage import StorageError


def allow(database: Path, device: DeviceId, gateway: DeviceId) -> None:
    """Note that the gateway speaks for the device too. StorageError if one of them is not known there."""
    if not database.exists():
        raise StorageError(f"{database}: no such file; name the store with --db")
    with contextlib.closing(open_writer(database)) as connection:
        try:
            connection.execute("BEGIN IMMEDIATE")
            connection.execute(
                "INSERT OR IGNORE INTO sighting VALUES (?,?,?,0,NULL)",
                (
                    _known(connection, "gateway", gateway, "let it deliver another meter first"),
                    _known(connection, "device", device, "a gateway may deliver it without this"),
                    time.time_ns() // 1000,
                ),
            )
            connection.execute("COMMIT")
        except sqlite3.Error as error:
            raise StorageError(f"{database}: cannot be written now ({error})") from None


def _known(connection: sqlite3.Connection, table: str, name: DeviceId, advice: str) -> int:
    sql = f"SELECT id FROM {table} WHERE octets=?"  # noqa: S608 - our own names only
    found = connection.execute(sql, (bytes(name),)).fetchone()
    if found is None:
        raise StorageError(f"no {table} {name} is known here; {advice}")
    return int(found[0])

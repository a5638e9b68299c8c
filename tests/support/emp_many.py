"""A store with as many rows as one likes, made by SQL in seconds."""

import sqlite3
from pathlib import Path

from emp.store.sqlite_storage import SqliteStorage
from emp_process import START_US, content, row
from smgw.cosem.data import DataType


def fill(database: Path, count: int) -> None:
    """`count` rows of one register, a second apart; values and record numbers count from 1."""
    storage = SqliteStorage(database)
    try:
        storage.deposit(content(row(1, 1)), START_US).result(30)
    finally:
        storage.close()
    connection = sqlite3.connect(database, isolation_level=None)
    try:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("BEGIN")
        connection.execute(
            "WITH RECURSIVE n(i) AS (SELECT 2 UNION ALL SELECT i + 1 FROM n WHERE i < ?1)"
            " INSERT INTO record SELECT i, gateway, source, i, device, capture_time_us + (i - 1) * 1000000, NULL, 1,"
            " gateway_status, meter_status, received_us FROM n JOIN record ON record.id=1",
            (count,),
        )
        connection.execute(
            "WITH RECURSIVE n(i) AS (SELECT 2 UNION ALL SELECT i + 1 FROM n WHERE i < ?1)"
            " INSERT INTO reading SELECT i, register, ?2, i FROM n JOIN reading ON reading.record=1",
            (count, int(DataType.LONG64)),
        )
        connection.execute("UPDATE sighting SET records=?1, last_record=?1", (count,))
        connection.execute("UPDATE latest SET record=?", (count,))
        connection.execute("COMMIT")
    finally:
        connection.close()

"""A device's quarter hours around the two days that have 92 and 100 of them, with gaps, for the pages."""

import math
from datetime import UTC, datetime
from pathlib import Path

from emp.store.sqlite_storage import SqliteStorage
from emp_process import DEVICE, GATEWAY, STORE
from smgw.cosem.data import NULL, Data, DataType
from smgw.cosem.obis import Obis
from smgw.cosem.status_word import GatewayStatus, StatusWord
from smgw.cosemxml.document import Document, Register, Row

QUARTER_HOUR_US = 900_000_000
ENERGY = Register(Obis.parse("1-0:1.8.0*255"), -1, 30)
POWER = Register(Obis.parse("1-0:16.7.0*255"), 0, 27)


def us(*moment: int) -> int:
    """A moment in UTC as microseconds."""
    return int(datetime(*moment, tzinfo=UTC).timestamp()) * 1_000_000  # type: ignore[misc]


SPAN = (us(2025, 3, 1), us(2025, 4, 2, 10))
AUTUMN = (us(2025, 10, 25), us(2025, 10, 27, 12))
#: 2025-03-30 06:00 to 07:15 CEST: the gateway had no value. 2025-03-31 12:00 to 13:00 CEST: nothing came.
TOLD = range(us(2025, 3, 30, 4), us(2025, 3, 30, 5, 15), QUARTER_HOUR_US)
LOST = range(us(2025, 3, 31, 10), us(2025, 3, 31, 11), QUARTER_HOUR_US)
#: 2025-03-30 18:00 to 19:00 CEST: the gateway's clock was not right.
DOUBTFUL = range(us(2025, 3, 30, 16), us(2025, 3, 30, 17), QUARTER_HOUR_US)


def watts(target_us: int) -> int:
    """A household's power: a night, a morning, an evening."""
    hour = (target_us / 3_600_000_000 + 1) % 24
    ripple = target_us // QUARTER_HOUR_US * 7919 % 90
    return int(180 + 900 * math.exp(-((hour - 7.5) ** 2) / 2) + 1400 * math.exp(-((hour - 19) ** 2) / 5) + ripple)


def rows(first_us: int, last_us: int, number: int, tenths: int) -> list[Row]:
    """One a quarter hour, but for the gaps."""
    found: list[Row] = []
    for target_us in range(first_us, last_us + 1, QUARTER_HOUR_US):
        power = watts(target_us)
        tenths += power * 10 // 4
        number += 1
        if target_us in LOST:
            continue
        status = StatusWord(int(GatewayStatus.FIXED), 0x10104)
        values = (Data(DataType.LONG64_UNSIGNED, tenths), Data(DataType.LONG64, power))
        if target_us in TOLD:
            status = StatusWord(int(GatewayStatus.FIXED | GatewayStatus.NO_VALUE_IN_WINDOW), 0)
            values = (NULL, NULL)
        found.append(Row(number, target_us + 340_000, target_us, target_us not in DOUBTFUL, status, values))
    return found


def fill(database: Path) -> None:
    """A store with them, as a server left it."""
    storage = SqliteStorage(database)
    try:
        every = [*rows(*SPAN, 0, 12_345_678), *rows(*AUTUMN, 50_000, 32_345_678)]
        for start in range(0, len(every), 500):
            part = tuple(every[start : start + 500])
            document = Document(GATEWAY, STORE, DEVICE, (ENERGY, POWER), part)
            storage.deposit(document, (part[-1].capture_time_us or 0) + 3_000_000).result(60)
    finally:
        storage.close()

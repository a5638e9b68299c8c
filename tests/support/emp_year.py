"""A device's quarter hours around the two days that have 92 and 100 of them, with gaps, for the pages."""

import math
from datetime import UTC, datetime
from pathlib import Path

from emp.sqlite_storage import SqliteStorage
from emp_process import DEVICE, GATEWAY, STORE
from smgw.cosem.data import NULL, Data, DataType
from smgw.cosem.obis import Obis
from smgw.cosem.status_word import GatewayStatus, StatusWord
from smgw.cosemxml.document import Document, Register, Row

QUARTER_HOUR_US = 900_000_000
ENERGY = Register(Obis.parse("1-0:1.8.0*255"), -1, 30)
POWER = Register(Obis.parse("1-0:16.7.0*255"), 0, 27)
FIRST_US = int(datetime(2025, 3, 1, tzinfo=UTC).timestamp()) * 1_000_000
LAST_US = int(datetime(2025, 4, 2, 10, tzinfo=UTC).timestamp()) * 1_000_000
#: 2025-03-30 06:00 to 07:15 CEST: the gateway had no value. 2025-03-31 12:00 to 13:00 CEST: nothing came.
TOLD = range(
    int(datetime(2025, 3, 30, 4, tzinfo=UTC).timestamp()),
    int(datetime(2025, 3, 30, 5, 15, tzinfo=UTC).timestamp()),
    900,
)
LOST = range(
    int(datetime(2025, 3, 31, 10, tzinfo=UTC).timestamp()), int(datetime(2025, 3, 31, 11, tzinfo=UTC).timestamp()), 900
)
#: 2025-03-30 18:00 to 18:45 CEST: the gateway's clock was not right.
DOUBTFUL = range(
    int(datetime(2025, 3, 30, 16, tzinfo=UTC).timestamp()), int(datetime(2025, 3, 30, 17, tzinfo=UTC).timestamp()), 900
)


def watts(seconds: int) -> int:
    """A household's power: a night, a morning, an evening."""
    hour = (seconds / 3600 + 1) % 24
    return int(
        180 + 900 * math.exp(-((hour - 7.5) ** 2) / 2) + 1400 * math.exp(-((hour - 19) ** 2) / 5) + hash(seconds) % 90
    )


def rows(first_us: int = FIRST_US, last_us: int = LAST_US) -> list[Row]:
    """One a quarter hour, but for the gaps."""
    found: list[Row] = []
    tenths = 12_345_678
    for number, target_us in enumerate(range(first_us, last_us + 1, QUARTER_HOUR_US), 1):
        seconds = target_us // 1_000_000
        power = watts(seconds)
        tenths += power * 10 // 4
        if seconds in LOST:
            continue
        status = StatusWord(int(GatewayStatus.FIXED), 0x10104)
        values = (Data(DataType.LONG64_UNSIGNED, tenths), Data(DataType.LONG64, power))
        if seconds in TOLD:
            status = StatusWord(int(GatewayStatus.FIXED | GatewayStatus.NO_VALUE_IN_WINDOW), 0)
            values = (NULL, NULL)
        valid = seconds not in DOUBTFUL
        found.append(Row(number, target_us + 340_000, target_us, valid, status, values))
    return found


def fill(database: Path) -> None:
    """A store with them, as a server left it."""
    storage = SqliteStorage(database)
    try:
        every = rows()
        for start in range(0, len(every), 500):
            document = Document(GATEWAY, STORE, DEVICE, (ENERGY, POWER), tuple(every[start : start + 500]))
            storage.deposit(document, every[-1].capture_time_us + 3_000_000).result(60)
    finally:
        storage.close()

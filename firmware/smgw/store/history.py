"""Load profiles in lmn.db: their rows, and which part of them is kept. A row and what is said of it are one commit."""

import json
import sqlite3
from collections import Counter
from collections.abc import Sequence

from smgw.store.digest import sha256
from smgw.store.pending import count
from smgw.store.ranges import Range, merged
from smgw.store.records import ProfileName
from smgw.store.rows import DEVICES_PER_METER, Row, RowWriter

RANGES = "SELECT since_us, until_us FROM profile_range WHERE meter = ? AND device = ? AND profile = ? ORDER BY since_us"
_DEVICES = "SELECT DISTINCT device FROM profile_range WHERE meter = ?"
#: Rows of a load profile name this kind of profile version.
KIND = "load-profile"
VERSION = f"SELECT id FROM profile_version WHERE kind = '{KIND}' AND name = ? AND content = ?"  # noqa: S608 - constant


def keep(
    connection: sqlite3.Connection, rows: RowWriter, name: ProfileName, batch: Sequence[Row], covered: Range
) -> list[int | None]:
    """Write rows of a load profile, and that `covered` (microseconds UTC) is kept, inside the caller's transaction.

    The record numbers; None stands for a row that was there already. Rows of the same time (of an event log) come in
    one batch: the second of them is there if two are. A device past the bound has nothing kept, which is counted.
    """
    devices = {device for (device,) in connection.execute(_DEVICES, (name.meter,))}
    if len(devices) >= DEVICES_PER_METER and name.device not in devices:
        count(connection, {"refused_profile": len(batch)})
        return [None] * len(batch)
    version = _version(connection, name)
    before: Counter[int | None] = Counter()
    numbers = []
    for record, columns in batch:
        numbers.append(rows.insert_history(record, columns, version, before[record.target_time_us]))
        before[record.target_time_us] += 1
    kept = [Range(*row) for row in connection.execute(RANGES, name)]
    connection.execute("DELETE FROM profile_range WHERE meter = ? AND device = ? AND profile = ?", name)
    connection.executemany(
        "INSERT INTO profile_range VALUES (?, ?, ?, ?, ?)", [(*name, *one) for one in merged([*kept, covered])]
    )
    return numbers


def content(name: ProfileName) -> str:
    """What names a load profile among the profile versions."""
    return json.dumps({"device": name.device.hex(), "profile": str(name.profile)}, separators=(",", ":"))


def _version(connection: sqlite3.Connection, name: ProfileName) -> int:
    text = content(name)
    connection.execute(
        "INSERT OR IGNORE INTO profile_version (kind, name, sha256, content) VALUES (?, ?, ?, ?)",
        (KIND, name.meter, sha256(text.encode()), text),
    )
    return int(connection.execute(VERSION, (name.meter, text)).fetchone()[0])

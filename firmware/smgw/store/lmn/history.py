"""Load profiles in lmn.db: their rows and the ranges that are stored. A row and its range are one commit."""

import json
import sqlite3

from smgw.errors import LocalProtocolError
from smgw.store.digest import sha256
from smgw.store.file.pending import count
from smgw.store.lmn.rows import Row, RowWriter
from smgw.store.ranges import Range, merged
from smgw.store.records import DEVICES_PER_METER, Covered, Outcome, OutcomeKind, ProfileName, Record

RANGES = "SELECT since_us, until_us FROM profile_range WHERE meter = ? AND device = ? AND profile = ? ORDER BY since_us"
_DEVICES = "SELECT DISTINCT device FROM profile_range WHERE meter = ?"
#: Rows of a load profile name this kind of profile version.
KIND = "load-profile"
VERSION = f"SELECT id FROM profile_version WHERE kind = '{KIND}' AND name = ? AND content = ?"  # noqa: S608 - constant


class HistoryWriter:
    """Writes the load profile rows of one transaction, and the range that they cover.

    Rows of the same time (of an event log) come in one transaction: the second one is known if two are stored. For a
    device past the bound nothing is stored; this is counted as `refused_profile`.
    """

    def __init__(self, connection: sqlite3.Connection, rows: RowWriter) -> None:
        self._connection = connection
        self._rows = rows
        self._before: dict[tuple[ProfileName, int | None], int] = {}  # rows of the same time so far
        self._versions: dict[ProfileName, int | None] = {}  # None: past the bound

    def insert(self, row: Row) -> Outcome:
        """Write one row: WRITTEN, KNOWN or OUT_OF_BOUNDS. LocalProtocolError if it names no load profile."""
        record = row.record
        name = name_of(record)
        version = self._version(name)
        if version is None:
            count(self._connection, {"refused_profile": 1})
            return Outcome(OutcomeKind.OUT_OF_BOUNDS)
        place = (name, record.target_time_us)
        before = self._before.get(place, 0)
        self._before[place] = before + 1
        return self._rows.insert_history(record, row.columns, version, before)

    def cover(self, covered: Covered) -> None:
        """Mark a range as read: all its rows are in this transaction or already stored."""
        name = covered.name
        if self._version(name) is None:
            return
        kept = [Range(*row) for row in self._connection.execute(RANGES, name)]
        self._connection.execute("DELETE FROM profile_range WHERE meter = ? AND device = ? AND profile = ?", name)
        self._connection.executemany(
            "INSERT INTO profile_range VALUES (?, ?, ?, ?, ?)",
            [(*name, *one) for one in merged([*kept, covered.range])],
        )

    def _version(self, name: ProfileName) -> int | None:
        if name not in self._versions:
            self._versions[name] = self._look_up(name)
        return self._versions[name]

    def _look_up(self, name: ProfileName) -> int | None:
        devices = {device for (device,) in self._connection.execute(_DEVICES, (name.meter,))}
        if len(devices) >= DEVICES_PER_METER and name.device not in devices:
            return None
        text = content(name)
        self._connection.execute(
            "INSERT OR IGNORE INTO profile_version (kind, name, sha256, content) VALUES (?, ?, ?, ?)",
            (KIND, name.meter, sha256(text.encode()), text),
        )
        return int(self._connection.execute(VERSION, (name.meter, text)).fetchone()[0])


def content(name: ProfileName) -> str:
    """The name of a load profile among the profile versions."""
    return json.dumps({"device": name.device.hex(), "profile": str(name.profile)}, separators=(",", ":"))


def name_of(record: Record) -> ProfileName:
    """The load profile of a row of origin HISTORY; LocalProtocolError if it names none."""
    if record.profile is None:
        raise LocalProtocolError("a row of a load profile names its load profile")
    return ProfileName(record.capture.meter, record.capture.device, record.profile)

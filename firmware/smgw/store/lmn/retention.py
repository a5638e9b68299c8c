"""Selects rows to remove: by age and list, or because the disk is full."""

import os
import sqlite3
import struct
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from smgw.cosem.reading import ClockState
from smgw.store.file.pending import count
from smgw.store.lmn.rows import Word
from smgw.store.records import ListKind, Retention, RetentionReport

#: Most captures removed in one call (30 ms on a PC, about 0.15 s on a small board), and most captures examined.
REMOVED_AT_MOST = 500
SEEN_AT_MOST = 4000
#: Record numbers looked at to estimate which meter has most rows (2 ms on a PC).
_SAMPLED = 1000

_LIVE = "target_time_us IS NULL"
_GRID = "target_time_us IS NOT NULL"


class _Group(NamedTuple):
    """Rows of one list, live-rate or on the grid; each is walked in the order of its numbers."""

    list: ListKind
    where: str

    @property
    def name(self) -> str:
        return "daily" if self.list is ListKind.DAILY else "live" if self.where == _LIVE else "grid"

    def age_s(self, limits: Retention) -> int:
        return {"daily": limits.daily_s, "live": limits.live_s, "grid": limits.grid_s}[self.name]


_GROUPS = tuple(_Group(kind, where) for kind in ListKind for where in (_LIVE, _GRID))


class _Seen(NamedTuple):
    number: int
    device: int
    utc_us: int
    state: int


class Sweep:
    """Walks the rows from the oldest on, a bounded piece a call, and remembers its position in memory.

    Rows that wait for delivery are skipped and examined again in the next round.
    """

    def __init__(self) -> None:
        self._passed: dict[_Group, int] = {}

    def run(
        self, connection: sqlite3.Connection, *, now_us: int, limits: Retention, delivered: Mapping[bytes, int]
    ) -> RetentionReport:
        """One piece of work inside the caller's transaction."""
        crowded = _bytes_used(connection) > limits.undelivered_bytes
        if crowded:
            self._passed.clear()
        words = connection.execute("SELECT id, octets FROM word WHERE kind = ?", (Word.DEVICE,))
        reached = {key: delivered.get(bytes(octets), 0) for key, octets in words}
        removed = {"live": 0, "grid": 0, "daily": 0}
        undelivered = 0
        more = False
        for group in _GROUPS:
            room = REMOVED_AT_MOST - sum(removed.values())
            if room <= 0:
                more = True
                break
            aged, ended = self._aged(connection, group, now_us - 1_000_000 * group.age_s(limits))
            doomed = [row for row in aged if crowded or row.number <= reached.get(row.device, 0)]
            if len(doomed) > room:
                doomed = doomed[:room]
                aged = [row for row in aged if row.number <= doomed[-1].number]
                ended = False
            more |= not ended
            self._passed[group] = 0 if ended or not aged else aged[-1].number
            remove(connection, (row.number for row in doomed))
            removed[group.name] += len(doomed)
            undelivered += sum(row.number > reached.get(row.device, 0) for row in doomed)
        count(connection, {f"retired_{name}": amount for name, amount in removed.items()})
        count(connection, {"lost_undelivered": undelivered})
        return RetentionReport(removed["live"], removed["grid"], removed["daily"], undelivered, more)

    def _aged(self, connection: sqlite3.Connection, group: _Group, before_us: int) -> tuple[list[_Seen], bool]:
        """The next rows that are older than `before_us`, and whether these were the last such rows."""
        query = f"""SELECT number, device, utc_us, clock_state FROM capture
            WHERE list = ? AND {group.where} AND number > ? ORDER BY number LIMIT ?"""  # noqa: S608 - constant
        rows = [
            _Seen(*row) for row in connection.execute(query, (group.list, self._passed.get(group, 0), SEEN_AT_MOST))
        ]
        old = 0  # these rows are known to be old: numbers follow time even where the clock was wrong
        for index, row in enumerate(rows):
            if row.state == ClockState.SYNCHRONISED:
                if row.utc_us >= before_us:
                    return rows[:old], True
                old = index + 1
        if old < len(rows) == SEEN_AT_MOST:
            query = f"""SELECT utc_us FROM capture WHERE list = ? AND {group.where} AND number > ? AND clock_state = ?
                ORDER BY number LIMIT 1"""  # noqa: S608 - constant
            known = connection.execute(query, (group.list, rows[-1].number, ClockState.SYNCHRONISED)).fetchone()
            if known is not None and known[0] < before_us:
                old = len(rows)
        return rows[:old], old < SEEN_AT_MOST


def thin(connection: sqlite3.Connection, amount: int) -> int:
    """Remove live-rate captures inside the caller's transaction, the oldest of the meter that has most of them.

    Returns their number. So a meter that floods pays with its own rows.
    """
    firsts = [
        first
        for kind in ListKind
        for (first,) in connection.execute(f"SELECT min(number) FROM capture WHERE list = ? AND {_LIVE}", (kind,))  # noqa: S608
        if first is not None
    ]
    if not firsts:
        return 0
    oldest = _oldest_of(connection, _fullest(connection, min(firsts)), min(firsts), amount)
    if len(oldest) < amount:
        others = sorted(set(_oldest(connection, amount)) - set(oldest))
        oldest += others[: amount - len(oldest)]
    remove(connection, oldest)
    return len(oldest)


def _fullest(connection: sqlite3.Connection, first: int) -> int | None:
    """The meter that has most live-rate captures, by a sample of numbers; None if the sample has none.

    Counting all of them would take seconds. The sample is random, since meters send in a rhythm.
    """
    (last,) = connection.execute("SELECT max(number) FROM capture").fetchone()
    span = last - first + 1
    sampled = min(_SAMPLED, span)
    # One number in each of `sampled` stretches of equal length.
    chances = struct.unpack(f"{sampled}I", os.urandom(4 * sampled))
    numbers = [first + (place * span + chance * span // 2**32) // sampled for place, chance in enumerate(chances)]
    query = f"SELECT meter FROM capture WHERE number = ? AND {_LIVE}"  # noqa: S608 - constant
    found = Counter(meter for number in numbers for (meter,) in connection.execute(query, (number,)))
    return found.most_common(1)[0][0] if found else None


def _oldest_of(connection: sqlite3.Connection, meter: int | None, first: int, amount: int) -> list[int]:
    """The numbers of the oldest live-rate captures of a meter, from number `first` on."""
    numbers: list[int] = []
    devices = connection.execute("SELECT DISTINCT device FROM register WHERE meter = ?", (meter,)).fetchall()
    for (device,) in devices:
        query = f"""SELECT number FROM capture WHERE meter = ? AND device = ? AND number >= ? AND {_LIVE}
            ORDER BY number LIMIT ?"""  # noqa: S608 - constant
        numbers += [number for (number,) in connection.execute(query, (meter, device, first, amount))]
    return sorted(numbers)[:amount]


def _oldest(connection: sqlite3.Connection, amount: int) -> list[int]:
    """The numbers of the oldest live-rate captures of any list and meter."""
    numbers: list[int] = []
    for kind in ListKind:
        query = f"SELECT number FROM capture WHERE list = ? AND {_LIVE} ORDER BY number LIMIT ?"  # noqa: S608 - constant
        numbers += [number for (number,) in connection.execute(query, (kind, amount))]
    return sorted(numbers)[:amount]


def remove(connection: sqlite3.Connection, numbers: Iterable[int]) -> None:
    """Delete captures with their readings and signatures."""
    keys = [(number,) for number in numbers]
    connection.executemany("DELETE FROM reading WHERE capture = ?", keys)
    connection.executemany("DELETE FROM signature WHERE capture = ?", keys)
    connection.executemany("DELETE FROM capture WHERE number = ?", keys)


def _bytes_used(connection: sqlite3.Connection) -> int:
    pages, free, size = (
        connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_count", "freelist_count", "page_size")
    )
    return int((pages - free) * size)

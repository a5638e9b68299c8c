"""Selects rows to remove: by age and list, or because the disk is full."""

import sqlite3
from collections import Counter
from collections.abc import Iterable, Mapping
from itertools import groupby
from operator import itemgetter
from typing import NamedTuple

from smgw.cosem.reading import ClockState
from smgw.store.file.pending import count
from smgw.store.lmn import blocks
from smgw.store.lmn.blocks import BLOCK, END, SourceKey, Stretch, stretches
from smgw.store.lmn.hidden import hidden
from smgw.store.lmn.rows import Word
from smgw.store.records import NOBODY_WAITS, ListKind, Retention, RetentionReport

#: Most captures removed in one call, unless the caller says otherwise (15 ms on a PC).
REMOVED_AT_MOST = 500
#: Blocks of a source that one call looks at.
_BLOCKS_AT_ONCE = 16
#: Rounds until all blocks are looked at again: a salvage may have added rows before those that were looked at.
_ROUNDS_REMEMBERED = 144

_OWN_LISTS = f"({ListKind.DERIVED:d}, {ListKind.CALCULATED:d}, {ListKind.DAILY:d}, {ListKind.PERIOD_END:d})"
_DERIVED = f"({ListKind.DERIVED:d}, {ListKind.CALCULATED:d})"
_LIVE = f"target_time_us IS NULL AND list <> {ListKind.DAILY:d}"
_HAS_LIVE = "live > 0"


class _Group(NamedTuple):
    """Rows with the same limit of age; `having` is the condition for a block that has some."""

    name: str
    where: str
    having: str

    def age_s(self, limits: Retention) -> int:
        return {
            "daily": limits.daily_s,
            "live": limits.live_s,
            "grid": limits.grid_s,
            "derived": limits.derived_s,
            "period_end": limits.period_end_s,
        }[self.name]


_GROUPS = (
    _Group("live", _LIVE, _HAS_LIVE),
    _Group("grid", f"target_time_us IS NOT NULL AND list NOT IN {_OWN_LISTS}", "captures > live + daily"),
    _Group("derived", f"target_time_us IS NOT NULL AND list IN {_DERIVED}", "captures > live + daily"),
    _Group("period_end", f"target_time_us IS NOT NULL AND list = {ListKind.PERIOD_END:d}", "captures > live + daily"),
    _Group("daily", f"list = {ListKind.DAILY:d}", "daily > 0"),
)


class _Source(NamedTuple):
    key: SourceKey
    device: bytes
    reached: int  # position up to which its rows are delivered


class Sweep:
    """Removes rows from the oldest on, a bounded piece a call, block by block.

    It remembers in memory before which block a source has no rows of a group. Now and then it looks at all blocks.
    """

    def __init__(self) -> None:
        self._passed: dict[tuple[_Group, SourceKey], int] = {}
        self._rounds = 0

    def run(
        self,
        connection: sqlite3.Connection,
        *,
        now_us: int,
        limits: Retention,
        delivered: Mapping[bytes, int],
        at_most: int = REMOVED_AT_MOST,
    ) -> RetentionReport:
        """One piece of work inside the caller's transaction. A file of an earlier version is counted first."""
        if blocks.count_older(connection):
            return RetentionReport(more=True)
        crowded = _bytes_used(connection) > limits.undelivered_bytes
        sources = [_Source(key, device, delivered.get(device, 0)) for key, device in _sources(connection)]
        unsure = hidden(connection)
        newest = blocks.newest_block(connection)
        removed = dict.fromkeys((group.name for group in _GROUPS), 0)
        undelivered = 0
        more = False
        for group in _GROUPS:
            if sum(removed.values()) >= at_most:
                more = True
                break
            before_us = now_us - 1_000_000 * group.age_s(limits)
            ended: set[SourceKey] = set()
            found, longer = self._candidates(connection, group, sources, newest)
            full = False
            for block, of_block in groupby(found, key=itemgetter(0)):
                # All are chosen before one is removed: a row with an invalid time is judged by those of other sources.
                chosen: list[tuple[_Source, list[int], int]] = []
                for _, source in of_block:
                    room = at_most - sum(removed.values()) - sum(len(doomed) for _, doomed, _ in chosen)
                    if source.key in ended:
                        continue
                    if room <= 0:
                        full = True
                        break
                    until = END if crowded else _settled(source.reached, unsure, block)
                    doomed = _aged(connection, source.key, group, block, before_us, until, room, sources)
                    chosen.append((source, doomed, room))
                for source, doomed, room in chosen:
                    remove(connection, doomed)
                    removed[group.name] += len(doomed)
                    settled = _settled(source.reached, unsure, block)
                    undelivered += sum(number > settled for number in doomed)
                    left = _has(connection, source.key, group, block)
                    if left and len(doomed) < room:
                        ended.add(source.key)
                    self._passed[group, source.key] = block if left else min(block + 1, newest)
                if full:
                    break
            more |= full or bool(longer - ended)
        if not more:
            self._rounds += 1
            if self._rounds % _ROUNDS_REMEMBERED == 0:
                self._passed.clear()
        count(connection, {f"retired_{name}": amount for name, amount in removed.items()})
        count(connection, {"lost_undelivered": undelivered})
        return RetentionReport(**removed, undelivered=undelivered, more=more)

    def _candidates(
        self, connection: sqlite3.Connection, group: _Group, sources: Iterable[_Source], newest: int
    ) -> tuple[list[tuple[int, _Source]], set[SourceKey]]:
        """The oldest blocks with rows of the group, of all sources, and the sources that may have more."""
        found: list[tuple[int, _Source]] = []
        longer: set[SourceKey] = set()
        query = f"""SELECT block FROM source_block WHERE meter = ? AND device = ? AND block BETWEEN ? AND ?
            AND {group.having} ORDER BY block LIMIT {_BLOCKS_AT_ONCE}"""  # noqa: S608 - constant
        for source in sources:
            passed = self._passed.get((group, source.key), 0)
            own = [block for (block,) in connection.execute(query, (*source.key, passed, newest - 1))]
            if len(own) == _BLOCKS_AT_ONCE:
                longer.add(source.key)
            else:
                own.append(newest)
            found += [(block, source) for block in own]
        return sorted(found, key=itemgetter(0)), longer


def _settled(reached: int, unsure: Stretch, block: int) -> int:
    """The number up to which rows of a block are delivered. A position after hidden rows says nothing about them."""
    if reached == NOBODY_WAITS or unsure.first > unsure.last or not block * BLOCK <= unsure.last:
        return reached
    return min(reached, unsure.first - 1) if unsure.first < (block + 1) * BLOCK else reached


def _sources(connection: sqlite3.Connection) -> list[tuple[SourceKey, bytes]]:
    query = """SELECT meter, device, octets FROM (SELECT DISTINCT meter, device FROM register)
        JOIN word ON word.id = device AND word.kind = ?"""
    rows = connection.execute(query, (Word.DEVICE,))
    return [(SourceKey(meter, device), bytes(octets)) for meter, device, octets in rows]


def _aged(
    connection: sqlite3.Connection,
    source: SourceKey,
    group: _Group,
    block: int,
    before_us: int,
    until: int,
    room: int,
    sources: Iterable[_Source],
) -> list[int]:
    """The oldest rows of a source and group in a block, up to a number, that are older than `before_us`.

    A row with an invalid time is as old as the next row of any source with a valid one: numbers follow time.
    """
    query = f"""SELECT number, utc_us, clock_state FROM capture WHERE meter = ? AND device = ?
        AND number BETWEEN ? AND ? AND {group.where} ORDER BY number LIMIT ?"""  # noqa: S608 - constant
    aged: list[int] = []
    old = 0  # rows up to this number are old
    last = min(until, (block + 1) * BLOCK - 1)
    for number, utc_us, state in connection.execute(query, (*source, block * BLOCK, last, room)).fetchall():
        if state == ClockState.SYNCHRONISED:
            if utc_us >= before_us:
                break
        elif number > old:
            old = _old_up_to(connection, sources, number, before_us)
            if number > old:
                break
        aged.append(number)
    return aged


def _old_up_to(connection: sqlite3.Connection, sources: Iterable[_Source], after: int, before_us: int) -> int:
    """The number of the next row with a valid time, or a number before it; 0 if that time is not before `before_us`."""
    block, newest = after // BLOCK, blocks.newest_block(connection)
    found = _first_valid(connection, after, (block + 1) * BLOCK - 1)
    if found is None:
        query = """SELECT block * ?, valid_us FROM source_block WHERE meter = ? AND device = ?
            AND block > ? AND block < ? AND valid_us IS NOT NULL ORDER BY block LIMIT 1"""
        nexts = [connection.execute(query, (BLOCK, *source.key, block, newest)).fetchone() for source in sources]
        found = min((one for one in nexts if one), default=None) or _first_valid(connection, newest * BLOCK, END)
    return int(found[0]) if found and found[1] < before_us else 0


def _first_valid(connection: sqlite3.Connection, first: int, last: int) -> tuple[int, int] | None:
    """Number and capture time of the first row with a valid time."""
    query = """SELECT number, utc_us FROM capture WHERE number BETWEEN ? AND ? AND clock_state = ?
        ORDER BY number LIMIT 1"""
    found: tuple[int, int] | None = connection.execute(query, (first, last, ClockState.SYNCHRONISED)).fetchone()
    return found


def _has(connection: sqlite3.Connection, source: SourceKey, group: _Group, block: int) -> bool:
    query = f"""SELECT 1 FROM capture WHERE meter = ? AND device = ? AND number BETWEEN ? AND ? AND {group.where}
        LIMIT 1"""  # noqa: S608 - constant
    return bool(connection.execute(query, (*source, block * BLOCK, (block + 1) * BLOCK - 1)).fetchone())


def thin(connection: sqlite3.Connection, amount: int) -> int:
    """Remove live-rate captures inside the caller's transaction, the oldest of the meter that has most of them.

    Returns their number. So a meter that floods pays with its own rows.
    """
    sources = [key for key, _ in _sources(connection)]
    fullest = _fullest(connection, sources)
    oldest = _oldest(connection, [source for source in sources if source.meter == fullest], amount)
    if len(oldest) < amount:
        others = sorted(set(_oldest(connection, sources, amount)) - set(oldest))
        oldest += others[: amount - len(oldest)]
    remove(connection, oldest)
    return len(oldest)


def _fullest(connection: sqlite3.Connection, sources: Iterable[SourceKey]) -> int | None:
    """The meter that has most live-rate captures in counted blocks and in the newest one; None if there are none."""
    since, newest = blocks.counted_from(connection), blocks.newest_block(connection)
    query = f"SELECT meter, count(*) FROM capture WHERE number >= ? AND {_LIVE} GROUP BY meter"  # noqa: S608 - constant
    found = Counter(dict(connection.execute(query, (newest * BLOCK,)).fetchall()))
    for source in sources:
        found[source.meter] += blocks.total(connection, source, "live", since, newest)
    ((meter, amount),) = found.most_common(1) or [(None, 0)]
    return meter if amount else None


def _oldest(connection: sqlite3.Connection, sources: Iterable[SourceKey], amount: int) -> list[int]:
    """The numbers of the oldest live-rate captures of these sources."""
    query = f"""SELECT number FROM capture WHERE meter = ? AND device = ? AND number BETWEEN ? AND ? AND {_LIVE}
        ORDER BY number LIMIT ?"""  # noqa: S608 - constant
    numbers: list[int] = []
    for source in sources:
        own: list[int] = []
        for part in stretches(connection, source, having=_HAS_LIVE):
            own += [number for (number,) in connection.execute(query, (*source, *part, amount - len(own)))]
            if len(own) >= amount:
                break
        numbers += own
    return sorted(numbers)[:amount]


_PLACE = f"SELECT meter, device, number / {BLOCK} FROM capture WHERE number = ?"  # noqa: S608 - constant
_DELETE_SLOT = """DELETE FROM slot WHERE (target_time_us, meter, device, list, capture)
    = (SELECT target_time_us, meter, device, list, number FROM capture WHERE number = ?)"""


def remove(connection: sqlite3.Connection, numbers: Iterable[int]) -> None:
    """Delete captures with their readings, signatures and slots, and count their blocks again."""
    keys = [(number,) for number in numbers]
    touched = {row for key in keys for row in connection.execute(_PLACE, key)}
    connection.executemany(_DELETE_SLOT, keys)
    connection.executemany("DELETE FROM reading WHERE capture = ?", keys)
    connection.executemany("DELETE FROM signature WHERE capture = ?", keys)
    connection.executemany("DELETE FROM capture WHERE number = ?", keys)
    for meter, device, block in sorted(touched):
        blocks.recount(connection, SourceKey(meter, device), block)


def _bytes_used(connection: sqlite3.Connection) -> int:
    pages, free, size = (
        connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_count", "freelist_count", "page_size")
    )
    return int((pages - free) * size)

"""Which captures of lmn.db are a source's: blocks of 1024 record numbers, and what each source has in a block.

An index of captures by source would cost a page for each source and commit. The table `source_block` is written once
in 1024 captures. A query for captures of a source goes from block to block, and reads only blocks where the source has
some. So its cost does not grow with the number of captures.

Three stretches of numbers follow each other: blocks that are not counted yet (only in a file of an earlier version),
counted blocks, and the newest block, which is read.
"""

# ruff: noqa: S608 - the queries hold constants

import sqlite3
from collections.abc import Iterator
from typing import NamedTuple

#: Record numbers in a block: reading it costs 45 us on a PC. Version 4 of the schema depends on this number.
BLOCK = 1024
#: Blocks in a span of level 1, and spans in one of the next level. A sum over ten million captures reads 100 rows.
FACTOR = 32
LEVELS = (1, 2, 3)
#: Blocks that are counted in one step (20 ms on a PC), if the file is of an earlier version.
_COUNTED_AT_ONCE = 16
#: Most blocks of one stretch.
_JOINED = 8
#: Larger than any record number.
END = 2**63 - 1

#: Of earlier versions.
_OLD_INDEXES = ("capture_meter", "capture_source", "capture_live", "capture_grid")

_COUNT = f"""INSERT OR REPLACE INTO source_block
    SELECT meter, device, number / {BLOCK}, count(*), sum(target_time_us IS NULL AND list <> 4), sum(list = 4),
        sum(origin = 2), min(utc_us) FILTER (WHERE clock_state = 1), max(target_time_us) FILTER (WHERE origin <> 2)
    FROM capture WHERE number BETWEEN ? AND ?"""
_COUNT_ALL = f"{_COUNT} GROUP BY number / {BLOCK}, meter, device"
_COUNT_ONE = f"{_COUNT} AND meter = ? AND device = ? GROUP BY meter, device"
_FORGET = "DELETE FROM source_block WHERE meter = ? AND device = ? AND block = ?"
_BLOCKS = "SELECT meter, device, block AS part, captures, live, target_us FROM source_block"
_SPANS = "SELECT meter, device, span AS part, captures, live, target_us FROM source_span WHERE level = {}"
_SUM = """INSERT OR REPLACE INTO source_span
    SELECT meter, device, ?1, ?2, sum(captures), sum(live), max(target_us) FROM {} WHERE part BETWEEN ?3 AND ?4"""
_SUM_ONE = f"{_SUM} AND meter = ?5 AND device = ?6 GROUP BY meter, device"
_SUM_ALL = f"{_SUM} GROUP BY meter, device"
_FORGET_SUM = "DELETE FROM source_span WHERE meter = ? AND device = ? AND level = ? AND span = ?"
_OF_SOURCE = "SELECT {} FROM source_block WHERE meter = ? AND device = ? AND block >= ? AND block < ?"


class SourceKey(NamedTuple):
    """The words of a source."""

    meter: int
    device: int


class Stretch(NamedTuple):
    """Record numbers, both included."""

    first: int
    last: int


def counted_from(connection: sqlite3.Connection) -> int:
    """The block from which on all finished blocks are counted."""
    return int(connection.execute("SELECT since_block FROM counted").fetchone()[0])


def newest_block(connection: sqlite3.Connection) -> int:
    """The block of the newest capture. It is read, not counted."""
    return int(connection.execute("SELECT coalesce(max(number), 0) FROM capture").fetchone()[0]) // BLOCK


def count(connection: sqlite3.Connection, first: int, last: int) -> None:
    """Count the captures of all sources in these blocks, for instance after some were added.

    A source that has no captures there any more keeps its row: see `recount`.
    """
    connection.execute(_COUNT_ALL, (first * BLOCK, (last + 1) * BLOCK - 1))
    for level in LEVELS:
        first, last = first // FACTOR, last // FACTOR
        for span in range(first, last + 1):
            _sum_up(connection, level, span)


def finish(connection: sqlite3.Connection, block: int, newest: int) -> None:
    """The block is finished, since a capture of the block `newest` was added."""
    connection.execute(_COUNT_ALL, (block * BLOCK, (block + 1) * BLOCK - 1))
    for level in LEVELS:
        block, newest = block // FACTOR, newest // FACTOR
        if block == newest:
            break
        _sum_up(connection, level, block)


def recount(connection: sqlite3.Connection, source: SourceKey, block: int) -> None:
    """Count the captures of a source in a block again, after some were removed."""
    connection.execute(_FORGET, (*source, block))
    connection.execute(_COUNT_ONE, (block * BLOCK, (block + 1) * BLOCK - 1, *source))
    span = block
    for level in LEVELS:
        span //= FACTOR
        connection.execute(_FORGET_SUM, (*source, level, span))
        _sum_up(connection, level, span, source)


def _sum_up(connection: sqlite3.Connection, level: int, span: int, source: SourceKey | None = None) -> None:
    """Sum up what the level below has of a span: of all sources, or of one."""
    parts = _BLOCKS if level == 1 else _SPANS.format(level - 1)
    numbers = (level, span, span * FACTOR, (span + 1) * FACTOR - 1)
    if source is not None:
        connection.execute(_SUM_ONE.format(f"({parts})"), (*numbers, *source))
        return
    # For each source a range of keys is read: the table is not searched.
    sources = f"(SELECT DISTINCT meter, device FROM register) CROSS JOIN ({parts}) USING (meter, device)"
    connection.execute(_SUM_ALL.format(sources), numbers)


def count_older(connection: sqlite3.Connection) -> bool:
    """Count some blocks of a file of an earlier version, the newest first. False if all are counted."""
    since = counted_from(connection)
    if since:
        first = max(0, since - _COUNTED_AT_ONCE)
        count(connection, first, since - 1)
        connection.execute("UPDATE counted SET since_block = ?", (first,))
        return True
    return drop_indexes(connection, at_most=1)


def drop_indexes(connection: sqlite3.Connection, at_most: int = len(_OLD_INDEXES)) -> bool:
    """Remove indexes of earlier versions; False if there are none."""
    marks = ", ".join("?" * len(_OLD_INDEXES))
    query = f"SELECT name FROM sqlite_master WHERE type = 'index' AND name IN ({marks}) LIMIT {at_most}"
    found = connection.execute(query, _OLD_INDEXES).fetchall()
    for (name,) in found:
        connection.execute(f"DROP INDEX {name}")
    return bool(found)


def stretches(
    connection: sqlite3.Connection, source: SourceKey, after: int = 0, having: str = "captures > 0"
) -> Iterator[Stretch]:
    """Where captures of this source after a number can be, in order. Captures of others are there as well.

    `having` is a condition on the counts of a block. A few blocks that follow each other are one stretch.
    """
    since, newest = counted_from(connection), newest_block(connection)
    if after < since * BLOCK - 1:
        yield Stretch(after + 1, since * BLOCK - 1)
    first = max(since, (after + 1) // BLOCK)
    begun = ended = first
    query = f"{_OF_SOURCE.format('block')} AND {having} ORDER BY block"
    for (block,) in connection.execute(query, (*source, first, newest)):
        if block > ended or ended - begun >= _JOINED:
            if ended > begun:
                yield Stretch(max(after + 1, begun * BLOCK), ended * BLOCK - 1)
            begun = block
        ended = block + 1
    if ended > begun:
        yield Stretch(max(after + 1, begun * BLOCK), ended * BLOCK - 1)
    yield Stretch(max(after + 1, newest * BLOCK), END)


def stretches_back(
    connection: sqlite3.Connection, source: SourceKey, having: str = "captures > 0"
) -> Iterator[Stretch]:
    """As `stretches`, the newest first."""
    since, newest = counted_from(connection), newest_block(connection)
    yield Stretch(newest * BLOCK, END)
    query = f"{_OF_SOURCE.format('block')} AND {having} ORDER BY block DESC"
    for (block,) in connection.execute(query, (*source, since, newest)):
        yield Stretch(block * BLOCK, (block + 1) * BLOCK - 1)
    if since:
        yield Stretch(1, since * BLOCK - 1)


def amount(connection: sqlite3.Connection, source: SourceKey, after: int) -> int:
    """The number of captures of a source after a number."""
    since, newest = counted_from(connection), newest_block(connection)
    after = max(after, 0)
    block = (after + 1) // BLOCK
    parts = [Stretch(max(after + 1, newest * BLOCK), END)]
    if block < since:
        parts.append(Stretch(after + 1, since * BLOCK - 1))
        block = since
    elif after and (after + 1) % BLOCK and block < newest:  # a part of a block; number 0 is not used
        parts.append(Stretch(after + 1, (block + 1) * BLOCK - 1))
        block += 1
    found = 0
    for part in parts:
        query = "SELECT count(*) FROM capture WHERE meter = ? AND device = ? AND number BETWEEN ? AND ?"
        found += connection.execute(query, (*source, *part)).fetchone()[0]
    return int(found) + total(connection, source, "captures", block, newest)


def total(connection: sqlite3.Connection, source: SourceKey, column: str, first: int, end: int) -> int:
    """The sum of `captures` or `live` in counted blocks, from `first` on and before `end`."""
    found = 0
    for level, begin, stop in _parts(first, end):
        if level:
            query = f"SELECT coalesce(sum({column}), 0) FROM source_span WHERE meter = ? AND device = ? AND level = ?"
            query += " AND span >= ? AND span < ?"
            found += connection.execute(query, (*source, level, begin, stop)).fetchone()[0]
        else:
            query = _OF_SOURCE.format(f"coalesce(sum({column}), 0)")
            found += connection.execute(query, (*source, begin, stop)).fetchone()[0]
    return int(found)


def _parts(first: int, end: int) -> Iterator[tuple[int, int, int]]:
    """Blocks from `first` on and before `end`, as ranges of blocks (level 0) and of whole spans."""
    level = 0
    while level < LEVELS[-1]:
        low, high = -(-first // FACTOR), end // FACTOR
        if low >= high:
            break
        if first < low * FACTOR:
            yield level, first, low * FACTOR
        if high * FACTOR < end:
            yield level, high * FACTOR, end
        first, end, level = low, high, level + 1
    if first < end:
        yield level, first, end

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
#: Blocks in a span. A sum over ten million captures reads 76 rows of spans and at most 256 rows of blocks.
SPAN = 128
#: Blocks that are counted in one step (20 ms on a PC), if the file is of an earlier version.
_COUNTED_AT_ONCE = 16
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
_SUM = f"""INSERT OR REPLACE INTO source_span
    SELECT meter, device, block / {SPAN}, sum(captures), max(target_us) FROM {{}} WHERE block BETWEEN ? AND ?"""
_SUM_ONE = f"{_SUM.format('source_block')} AND meter = ? AND device = ? GROUP BY meter, device"
_SOURCES = "(SELECT DISTINCT meter, device FROM register) CROSS JOIN source_block USING (meter, device)"
_SUM_ALL = f"{_SUM.format(_SOURCES)} GROUP BY meter, device"
_FORGET_SUM = "DELETE FROM source_span WHERE meter = ? AND device = ? AND span = ?"
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
    for span in range(first // SPAN, last // SPAN + 1):
        _sum_up(connection, span)


def finish(connection: sqlite3.Connection, block: int, newest: int) -> None:
    """The block is finished, since a capture of the block `newest` was added."""
    connection.execute(_COUNT_ALL, (block * BLOCK, (block + 1) * BLOCK - 1))
    if newest // SPAN > block // SPAN:
        _sum_up(connection, block // SPAN)


def recount(connection: sqlite3.Connection, source: SourceKey, block: int) -> None:
    """Count the captures of a source in a block again, after some were removed."""
    connection.execute(_FORGET, (*source, block))
    connection.execute(_COUNT_ONE, (block * BLOCK, (block + 1) * BLOCK - 1, *source))
    span = block // SPAN
    connection.execute(_FORGET_SUM, (*source, span))
    connection.execute(_SUM_ONE, (span * SPAN, (span + 1) * SPAN - 1, *source))


def _sum_up(connection: sqlite3.Connection, span: int) -> None:
    connection.execute(_SUM_ALL, (span * SPAN, (span + 1) * SPAN - 1))


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

    `having` is a condition on the counts of a block.
    """
    since, newest = counted_from(connection), newest_block(connection)
    if after < since * BLOCK - 1:
        yield Stretch(after + 1, since * BLOCK - 1)
    first = max(since, (after + 1) // BLOCK)
    begun = ended = first
    query = f"{_OF_SOURCE.format('block')} AND {having} ORDER BY block"
    for (block,) in connection.execute(query, (*source, first, newest)):
        if block > ended:
            if ended > begun:
                yield Stretch(max(after + 1, begun * BLOCK), ended * BLOCK - 1)
            begun = block
        ended = block + 1
    if ended < newest:
        if ended > begun:
            yield Stretch(max(after + 1, begun * BLOCK), ended * BLOCK - 1)
        begun = max(newest, first)
    yield Stretch(max(after + 1, begun * BLOCK), END)


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
    block = (after + 1) // BLOCK
    parts = [Stretch(max(after + 1, newest * BLOCK), END)]
    if block < since:
        parts.append(Stretch(after + 1, since * BLOCK - 1))
        block = since
    elif (after + 1) % BLOCK and block < newest:  # a part of a block
        parts.append(Stretch(after + 1, (block + 1) * BLOCK - 1))
        block += 1
    found = 0
    for part in parts:
        query = "SELECT count(*) FROM capture WHERE meter = ? AND device = ? AND number BETWEEN ? AND ?"
        found += connection.execute(query, (*source, *part)).fetchone()[0]
    return int(found) + _summed(connection, source, block, newest)


def _summed(connection: sqlite3.Connection, source: SourceKey, first: int, end: int) -> int:
    """The number of captures in counted blocks, from `first` on and before `end`."""
    low, high = -(-first // SPAN), end // SPAN
    if low >= high:
        parts = [("block", first, end)]
    else:
        parts = [("block", first, low * SPAN), ("span", low, high), ("block", high * SPAN, end)]
    found = 0
    for unit, begin, stop in parts:
        query = f"""SELECT coalesce(sum(captures), 0) FROM source_{unit}
            WHERE meter = ? AND device = ? AND {unit} >= ? AND {unit} < ?"""
        found += connection.execute(query, (*source, begin, stop)).fetchone()[0]
    return int(found)

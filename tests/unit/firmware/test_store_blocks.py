"""Queries by source go from block to block: they find what a search through all captures finds."""

import random
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from itertools import pairwise
from pathlib import Path

import many_captures
import pytest
import released
from many_captures import BEGAN_US, make_many
from smgw.cosem import Capture, ClockState, Data, DataType, DeviceId, Obis, Reading, Stamp
from smgw.store import paths
from smgw.store.lmn import blocks, retention, rows
from smgw.store.lmn.store import LmnStore
from smgw.store.lmn.view import LmnView
from smgw.store.records import NOBODY_WAITS, OutcomeKind, Record, Retention, RetentionReport, Source
from stored import append

DENSE, SPARSE, GRID, NEVER = (
    Source(name, DeviceId.parse(f"1EMH001180288{digit}"))
    for digit, name in enumerate(("dense", "sparse", "grid", "never"), 1)
)
SOURCES = (DENSE, SPARSE, GRID, NEVER)
BOOT = "0f3c6f3e-5c1b-4d32-9a52-6e2f9d3a0a11"
MIDNIGHT = 1_772_323_200 * 10**6
#: Nothing that is older than a second stays, whoever has it.
EVERYTHING = Retention(grid_s=1, daily_s=1, live_s=1, undelivered_bytes=2**40)
DELIVERED = {source.device: NOBODY_WAITS for source in SOURCES}


def record(source: Source, number: int, *, grid: bool = False) -> Record:
    moment = MIDNIGHT + number * 10**6
    reading = Reading(Obis.parse("1.8.0"), Data(DataType.LONG64_UNSIGNED, number), -1, 30)
    stamp = Stamp(BOOT, number * 10**9, moment, 5000, ClockState.SYNCHRONISED)
    return Record(Capture(*source, stamp, None, (reading,)), moment if grid else None, 0)


@pytest.fixture
def version_3(tmp_path: Path) -> Path:
    """A file of schema version 3 with 4,200 captures."""
    released.unpack_version_3(tmp_path)
    return tmp_path


@pytest.fixture
def mixed(tmp_path: Path) -> Iterator[LmnStore]:
    """A store of some blocks: a dense source, one on the grid, one with rows at the begin and in the fourth block."""
    with LmnStore.open(tmp_path, ballast_bytes=0) as store:
        write(store, 1, 5000)
        yield store


def write(store: LmnStore, first: int, last: int) -> None:
    rows = [
        record(SPARSE, number)
        if number < 20 or number == 3100
        else record(GRID, number, grid=True)
        if number % 10 == 0
        else record(DENSE, number)
        for number in range(first, last + 1)
    ]
    for start in range(0, len(rows), 500):
        store.append(rows[start : start + 500])


def positions(directory: Path, source: Source) -> list[int]:
    """By a search through all captures."""
    query = """SELECT number FROM capture WHERE (meter, device) =
        (SELECT m.id, d.id FROM word m, word d WHERE m.kind = 2 AND m.octets = ? AND d.kind = 3 AND d.octets = ?)
        ORDER BY number"""
    with closing(sqlite3.connect(f"file:{directory}/lmn.db?mode=ro", uri=True)) as connection:
        return [number for (number,) in connection.execute(query, (source.meter.encode(), bytes(source.device)))]


def agree(directory: Path, sources: Sequence[Source] = SOURCES) -> None:
    """What the view says is what a search says, for some positions of every source."""
    chosen = random.Random(1)
    with LmnView.open(directory) as view:
        for source in sources:
            there = positions(directory, source)
            assert view.last_position(source) == (there[-1] if there else 0)
            newest = view.newest(source)
            assert (newest.position if newest else None) == (there[-1] if there else None)
            edges = [edge + step for edge in range(0, 6145, 1024) for step in (-1, 0, 1) if edge + step >= 0]
            for after in (*edges, *(chosen.randrange(5200) for _ in range(10))):
                behind = [number for number in there if number > after]
                assert view.backlog(source, after) == len(behind), (source, after)
                assert [row.position for row in view.records(source, after, 70)] == behind[:70], (source, after)


def test_the_blocks_of_a_new_store_are_counted_as_it_grows(mixed: LmnStore, tmp_path: Path) -> None:
    agree(tmp_path)


def test_the_blocks_are_right_after_rows_were_removed(mixed: LmnStore, tmp_path: Path) -> None:
    delivered = {**DELIVERED, GRID.device: 2500}
    while mixed.retain(MIDNIGHT + 4_000 * 10**6, EVERYTHING, delivered).more:
        agree(tmp_path)
    assert positions(tmp_path, SPARSE) == []
    assert positions(tmp_path, DENSE)[0] == 3999
    assert positions(tmp_path, GRID)[0] == 2510
    agree(tmp_path)


def test_the_blocks_are_right_after_the_newest_rows_were_removed(mixed: LmnStore, tmp_path: Path) -> None:
    while mixed.retain(MIDNIGHT + 9_000 * 10**6, EVERYTHING, {**DELIVERED, GRID.device: 0}).more:
        pass
    agree(tmp_path)
    write(mixed, 5001, 5200)
    agree(tmp_path)


def test_the_blocks_are_right_after_a_restart(mixed: LmnStore, tmp_path: Path) -> None:
    mixed.close()
    with LmnStore.open(tmp_path, ballast_bytes=0) as store:
        write(store, 5001, 6150)
        agree(tmp_path)


def test_a_batch_that_is_rolled_back_leaves_no_counts(mixed: LmnStore, tmp_path: Path) -> None:
    def fails(connection: sqlite3.Connection) -> None:
        mixed._insert([], None, connection)
        raise sqlite3.OperationalError("disk I/O error")

    write(mixed, 5001, 5119)
    with pytest.raises(sqlite3.OperationalError):
        mixed._attempt(fails, alone=True)
    write(mixed, 5120, 5140)
    agree(tmp_path)


def test_sums_over_spans_of_every_level_are_right(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(blocks, "BLOCK", 64)
    monkeypatch.setattr(blocks, "FACTOR", 3)
    for module in (blocks, rows, retention):
        for name, query in list(vars(module).items()):
            if isinstance(query, str) and "/ 1024" in query:
                monkeypatch.setattr(module, name, query.replace("/ 1024", "/ 64"))
        monkeypatch.setattr(module, "BLOCK", 64)
    with LmnStore.open(tmp_path, ballast_bytes=0) as store:
        write(store, 1, 5000)
        agree(tmp_path)
        store.retain(MIDNIGHT + 4_000 * 10**6, EVERYTHING, DELIVERED)
        agree(tmp_path)
        write(store, 5001, 5200)
        agree(tmp_path)
    with closing(sqlite3.connect(f"file:{tmp_path}/lmn.db?mode=ro", uri=True)) as connection:
        assert connection.execute("SELECT max(level) FROM source_span").fetchone() == (3,)


def test_a_file_of_version_3_is_read_right_while_its_blocks_are_counted_behind(version_3: Path) -> None:
    with LmnStore.open(version_3, ballast_bytes=0) as store:
        assert store.salvaged is None
        agree(version_3)
        while store.retain(MIDNIGHT, EVERYTHING, {}).more:
            agree(version_3)
        agree(version_3)
        write(store, 4201, 5200)
        agree(version_3)


def test_a_file_that_was_counted_behind_has_the_tables_and_indexes_of_a_new_one(
    version_3: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    new = tmp_path_factory.mktemp("new")
    for directory in (version_3, new):
        with LmnStore.open(directory, ballast_bytes=0) as store:
            while store.retain(MIDNIGHT, EVERYTHING, {}).more:
                pass
    schemas = []
    for directory in (version_3, new):
        with closing(sqlite3.connect(f"file:{directory}/lmn.db?mode=ro", uri=True)) as connection:
            schemas.append(set(connection.execute("SELECT type, name, sql FROM sqlite_master")))
    assert schemas[0] == schemas[1]


def test_a_slot_of_version_3_stays_taken_and_a_gap_there_gives_way(version_3: Path) -> None:
    with LmnStore.open(version_3, ballast_bytes=0) as store:
        assert store.last_target_us(GRID) == MIDNIGHT + 4200 * 10**6
        assert [one.kind for one in store.append([record(GRID, 3990, grid=True)])] == [OutcomeKind.SLOT_TAKEN]
        assert append(store, [record(GRID, 4000, grid=True)]) == [4201]  # a gap stood there
        assert [one.kind for one in store.append([record(GRID, 4000, grid=True)])] == [OutcomeKind.SLOT_TAKEN]
        assert append(store, [record(GRID, 4300, grid=True)]) == [4202]
        assert store.last_target_us(GRID) == MIDNIGHT + 4300 * 10**6


def test_a_row_that_is_removed_frees_its_slot(mixed: LmnStore) -> None:
    while mixed.retain(MIDNIGHT + 9_000 * 10**6, EVERYTHING, DELIVERED).more:
        pass
    assert append(mixed, [record(GRID, 4990, grid=True)]) == [5001]


def test_the_tables_of_blocks_are_written_once_in_1024_captures(mixed: LmnStore, tmp_path: Path) -> None:
    def octets() -> int:
        return paths.wal_of(tmp_path / paths.LMN).stat().st_size

    mixed._file.writer.execute("PRAGMA wal_autocheckpoint = 0")
    sizes = []
    for number in range(5001, 5101):
        mixed.append([record(DENSE, number)])
        sizes.append(octets())
    # capture, its readings, the newest number; now and then a page that is new, and its parent
    frames = sorted((after - before) // 4120 for before, after in pairwise(sizes) if after > before)
    assert frames == [] or frames[len(frames) // 2] <= 3


@pytest.mark.parametrize("grid", [False, True])
def test_a_large_file_for_benchmarks_is_as_the_store_makes_it(tmp_path: Path, grid: bool) -> None:
    sources = make_many(tmp_path, 4100, meters=3, registers=2, grid=grid)
    agree(tmp_path, sources)
    with LmnStore.open(tmp_path, ballast_bytes=0) as store:
        assert store.salvaged is None
        assert store.last_target_us(sources[0]) == (BEGAN_US + 1366 * 10**6 if grid else None)
        assert append(store, [many_captures.record(sources[1], 2, BEGAN_US + 1367 * 10**6, grid=grid)]) == [4101]
    agree(tmp_path, sources)


def test_retention_ends_where_only_young_rows_are_left(tmp_path: Path) -> None:
    sources = make_many(tmp_path, 20_000, meters=2, registers=1)
    delivered = {source.device: NOBODY_WAITS for source in sources}
    with LmnStore.open(tmp_path, ballast_bytes=0) as store:
        assert store.retain(BEGAN_US, EVERYTHING, delivered) == RetentionReport()
        removed = 0
        while (report := store.retain(BEGAN_US + 2_000 * 10**6, EVERYTHING, delivered)).more:
            removed += report.live
        assert removed + report.live == 2 * 1999


def test_a_row_with_an_invalid_time_is_as_old_as_a_later_one_of_another_source(tmp_path: Path) -> None:
    invalid = record(SPARSE, 1)
    stamp = invalid.capture.stamp._replace(state=ClockState.INVALID)
    rows = [invalid._replace(capture=invalid.capture._replace(stamp=stamp))]
    with LmnStore.open(tmp_path, ballast_bytes=0) as store:
        store.append(rows + [record(DENSE, number) for number in range(2, 3000)])
        assert store.retain(MIDNIGHT, EVERYTHING, DELIVERED).live == 0
        assert store.retain(MIDNIGHT + 3 * 10**6 + 1, EVERYTHING, DELIVERED).live == 2
        assert positions(tmp_path, SPARSE) == []


def test_rows_whose_removal_was_rolled_back_are_removed_later(mixed: LmnStore) -> None:
    def fails(connection: sqlite3.Connection) -> None:
        now = MIDNIGHT + 9_000 * 10**6
        mixed._sweep.run(connection, now_us=now, limits=EVERYTHING, delivered=DELIVERED, at_most=9999)
        raise sqlite3.OperationalError("disk I/O error")

    with pytest.raises(sqlite3.OperationalError):
        mixed._attempt(fails, alone=True)
    removed = [mixed.retain(MIDNIGHT + 9_000 * 10**6, EVERYTHING, DELIVERED) for _ in range(20)]
    assert sum(report.live + report.grid for report in removed) == 5000

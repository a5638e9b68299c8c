"""The salvage of lmn.db behind: in pieces, resumed, in order, released if it waits, with words that are found late."""

import errno
import itertools
import os
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from captures_made import HOUSE, MIDNIGHT, POWER, SECOND, capture, energy
from smgw.cosem import Data, DataType, DeviceId, Obis, Reading
from smgw.store.file.connection import PAGE_SIZE
from smgw.store.lmn import behind, salvage, salvaging
from smgw.store.lmn.queued import Phase
from smgw.store.lmn.store import LmnStore
from smgw.store.lmn.view import LmnView
from smgw.store.ranges import Range
from smgw.store.records import ProfileName, Record, Retention, Source, StoredRecord
from smgw.store.rescue.carve import Pages
from stored import finish_salvage, keep, opened

PV = Source("pv", DeviceId.parse("1LOG0065800042"))
ROWS = 1200
Key = tuple[str, int]


def record(number: int, *, source: Source = HOUSE, grid: bool = False) -> Record:
    """Its first value is its number."""
    readings = (energy(number), Reading(POWER, Data(DataType.LONG64, -number), 0, 27))
    made = capture(MIDNIGHT + number * SECOND, *readings, meter=source.meter, device=source.device)
    return Record(made, made.stamp.utc_us if grid else None)


def write(store: LmnStore, first: int, last: int) -> None:
    """Every other one is of the other meter; every tenth is on the grid."""
    for begin in range(first, last + 1, 500):
        numbers = range(begin, min(begin + 500, last + 1))
        store.append([record(one, source=(PV, HOUSE)[one % 2], grid=one % 10 == 0) for one in numbers])


@pytest.fixture(scope="session")
def sound(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A store with `ROWS` captures, all of it in the database, and its identity."""
    directory = tmp_path_factory.mktemp("sound")
    with LmnStore.open(directory, ballast_bytes=0) as store:
        write(store, 1, ROWS)
        store._file.writer.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        return directory, store.store_id


@pytest.fixture
def directory(sound: tuple[Path, str], tmp_path: Path) -> Path:
    copy = tmp_path / "state"
    shutil.copytree(sound[0], copy)
    return copy


@pytest.fixture
def identity(sound: tuple[Path, str]) -> str:
    return sound[1]


@pytest.fixture(autouse=True)
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    """A piece is 64 captures or three pages, so that a salvage has many."""
    monkeypatch.setattr(salvaging, "_FEWEST", 64)
    monkeypatch.setattr(salvaging, "_PIECE_S", 0.0)


def zero(directory: Path, *pages: int) -> None:
    with (directory / "lmn.db").open("r+b") as file:
        for page in pages:
            file.seek((page - 1) * PAGE_SIZE)
            file.write(bytes(PAGE_SIZE))


def root(directory: Path, name: str) -> int:
    with closing(sqlite3.connect(directory / "lmn.db")) as connection:
        (page,) = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = ?", (name,)).fetchone()
    (directory / "lmn.db-wal").touch()
    return int(page)


def header(directory: Path) -> None:
    """Lose all that SQLite goes by, and no capture."""
    zero(directory, 1)


def counts(directory: Path) -> None:
    """Lose the root of a small table: SQLite reads all captures."""
    zero(directory, root(directory, "counts"))


def captures(directory: Path) -> None:
    """Lose the root of the captures: their pages are whole."""
    zero(directory, root(directory, "capture"))


def keys(rows: list[StoredRecord]) -> list[Key]:
    return [(row.store_id, row.record_number) for row in rows]


def rows_of(view: LmnView, source: Source, after: int = 0) -> list[StoredRecord]:
    rows: list[StoredRecord] = []
    while some := view.records(source, rows[-1].position if rows else after, 1000):
        rows += some
    return rows


class Emp:
    """Takes rows of a source as a dispatcher does: after its cursor, in the order of positions."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.rows: list[StoredRecord] = []
        self._cursor: Key = ("", 0)

    @property
    def cursor(self) -> int:
        return self._cursor[1]

    def take(self, view: LmnView) -> list[StoredRecord]:
        """What is new. A new file is read from its beginning, and rows that were taken are recognised."""
        view.changed()
        new = rows_of(view, self.source, self._cursor[1] if self._cursor[0] == view.store_id else 0)
        if new:
            self._cursor = (view.store_id, new[-1].position)
        known = set(keys(self.rows))
        new = [row for row in new if (row.store_id, row.record_number) not in known]
        self.rows += new
        return new

    def check(self, identity: str, first: int = 1, last: int = ROWS) -> None:
        """It has each row of the old file once and whole."""
        numbers = [row.record_number for row in self.rows if row.store_id == identity]
        odd = self.source == HOUSE
        assert sorted(numbers) == [one for one in range(first, last + 1) if one % 2 == odd]
        assert len(set(keys(self.rows))) == len(self.rows)
        for row in self.rows:
            if row.store_id == identity:
                assert [reading.value.value for reading in row.readings] == [row.record_number, -row.record_number]


@pytest.fixture(params=[header, counts, captures], ids=lambda damage: damage.__name__)
def damage(request: pytest.FixtureRequest) -> Callable[[Path], None]:
    return request.param


def test_rows_come_in_order_and_whole_while_they_are_copied(
    directory: Path, identity: str, damage: Callable[[Path], None]
) -> None:
    damage(directory)
    emps = [Emp(HOUSE), Emp(PV)]
    new: list[int] = []
    pieces = 0
    with LmnStore.open(directory, ballast_bytes=0) as store, LmnView.open(directory) as view:
        while store.salvage_step() is not None:
            pieces += 1
            new += (store.append([record(ROWS + pieces)])[0].number or 0,)
            for emp in emps:
                emp.take(view)
        for emp in emps:
            emp.take(view)
            emp.check(identity)
        assert pieces > 15
        assert store.counts()["salvaged"] == ROWS
    assert keys(emps[0].rows) == [(identity, one) for one in range(1, ROWS + 1, 2)] + [(store.store_id, n) for n in new]


def test_a_salvage_that_is_interrupted_after_each_piece_copies_all(
    directory: Path, identity: str, damage: Callable[[Path], None]
) -> None:
    damage(directory)
    emps = [Emp(HOUSE), Emp(PV)]
    phases = set()
    while True:
        with LmnStore.open(directory, ballast_bytes=0) as store, LmnView.open(directory) as view:
            if store.salvage is not None:
                phases.add(store.salvage.phase)
            if store.salvage_step() is None:
                break
            for emp in emps:
                emp.take(view)
    with LmnView.open(directory) as view:
        for emp in emps:
            emp.take(view)
            emp.check(identity)
            assert [row.position for row in emp.rows] == sorted(row.position for row in emp.rows)
    expected = {"counts": {0, 1, 5}, "captures": {1, 2, 3, 4, 5}, "header": {0, 1, 2, 3, 4, 5}}
    assert phases >= expected[damage.__name__] - {0, 5}


def test_a_piece_whose_commit_fails_is_copied_again(
    directory: Path, identity: str, damage: Callable[[Path], None]
) -> None:
    damage(directory)

    class CutError(Exception):
        pass

    with LmnStore.open(directory, ballast_bytes=0) as store, LmnView.open(directory) as view:
        commit = store._behind._commit  # type: ignore[union-attr]

        def cut(body: Callable[[sqlite3.Connection], None]) -> None:
            def then_fail(connection: sqlite3.Connection) -> None:
                body(connection)
                raise CutError

            commit(then_fail)

        for _ in itertools.count():
            if store._behind is None:
                break
            store._behind._commit = cut
            with pytest.raises(CutError):
                store.salvage_step()
            store._behind._commit = commit
            if store.salvage_step() is None:
                break
        for source in (HOUSE, PV):
            emp = Emp(source)
            emp.take(view)
            emp.check(identity)


def test_two_damaged_files_at_once_are_copied_one_after_the_other(
    directory: Path, identity: str, damage: Callable[[Path], None]
) -> None:
    damage(directory)
    emps = [Emp(HOUSE), Emp(PV)]
    with LmnStore.open(directory, ballast_bytes=0) as store, LmnView.open(directory) as view:
        second = store.store_id
        for at in range(15):
            store.salvage_step()
            write(store, ROWS + 1 + 10 * at, ROWS + 10 + 10 * at)
            for emp in emps:
                emp.take(view)
        assert store.salvage is not None
        store._file.writer.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    counts(directory)
    with LmnStore.open(directory, ballast_bytes=0) as store, LmnView.open(directory) as view:
        assert store.salvage is not None
        assert store.salvage.waiting == 1
        write(store, ROWS + 151, ROWS + 160)
        finish_salvage(store)
        third = store.store_id
        for emp in emps:
            emp.take(view)
            emp.check(identity)
            stores = [row.store_id for row in emp.rows]
            assert stores == [identity] * (ROWS // 2) + [second] * 75 + [third] * 5
            values = [row.readings[0].value.value for row in emp.rows]
            assert values == sorted(values)
        assert len(list(directory.glob("lmn.db.corrupt-*"))) >= 2


def test_all_files_aside_are_copied_if_the_order_of_the_second_one_is_lost(
    directory: Path, identity: str, damage: Callable[[Path], None]
) -> None:
    damage(directory)
    with LmnStore.open(directory, ballast_bytes=0) as store:
        second = store.store_id
        for at in range(15):
            store.salvage_step()
            write(store, ROWS + 1 + 10 * at, ROWS + 10 + 10 * at)
        store._file.writer.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    header(directory)
    with LmnStore.open(directory, ballast_bytes=0) as store, LmnView.open(directory) as view:
        finish_salvage(store)
        for source in (HOUSE, PV):
            emp = Emp(source)
            emp.take(view)
            emp.check(identity)
            assert sum(row.store_id == second for row in emp.rows) == 75


def held_back(store: LmnStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """The disk is full for longer than the salvage may hold new rows back."""
    with monkeypatch.context() as patch:
        patch.setattr(behind, "_free", lambda _: 0)
        patch.setattr(behind, "HELD_BACK_S", 0.0)
        assert store.salvage_step()
    assert store.salvage is not None
    assert store.salvage.released


@pytest.mark.parametrize(
    ("lose", "phase", "steps"),
    [
        (counts, Phase.WORDS, 0),
        (counts, Phase.NUMBERS, 5),
        (header, Phase.WORDS, 0),
        (header, Phase.CAPTURES, 5),
        (captures, Phase.CAPTURES, 5),
        (captures, Phase.READINGS, 5),
        (captures, Phase.CHECK, 5),
    ],
    ids=lambda one: getattr(one, "__name__", str(one)),
)
def test_a_salvage_that_waits_for_long_lets_new_rows_pass_and_comes_after_them(
    directory: Path,
    identity: str,
    lose: Callable[[Path], None],
    phase: Phase,
    steps: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    lose(directory)
    prompt, late = [Emp(HOUSE), Emp(PV)], [Emp(HOUSE), Emp(PV)]
    with LmnStore.open(directory, ballast_bytes=0) as store, LmnView.open(directory) as view:
        while store.salvage is not None and store.salvage.phase < phase:
            store.salvage_step()
        for _ in range(steps):
            store.salvage_step()
            for emp in prompt:
                emp.take(view)
        write(store, ROWS + 1, ROWS + 100)
        before = [len(emp.rows) for emp in prompt]
        for emp in prompt:
            emp.take(view)
        assert [len(emp.rows) for emp in prompt] == before
        held_back(store, monkeypatch)
        for emp in prompt:
            assert [row.store_id for row in emp.take(view)] == [store.store_id] * 50
        while store.salvage_step() is not None:
            write(store, ROWS + 101, ROWS + 101)
            for emp in prompt:
                emp.take(view)
        for emp in prompt + late:
            emp.take(view)
            emp.check(identity)
            old = [row.record_number for row in emp.rows if row.store_id == identity]
            assert old == sorted(old)
        for soon, later in zip(prompt, late, strict=True):
            assert keys(soon.rows) == keys(later.rows)


def test_a_release_outlives_a_restart_and_interruptions(
    directory: Path, identity: str, damage: Callable[[Path], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    damage(directory)
    emp = Emp(HOUSE)
    with LmnStore.open(directory, ballast_bytes=0) as store, LmnView.open(directory) as view:
        for _ in range(9):
            store.salvage_step()
        held_back(store, monkeypatch)
        write(store, ROWS + 1, ROWS + 9)
        emp.take(view)
    while True:
        with LmnStore.open(directory, ballast_bytes=0) as store, LmnView.open(directory) as view:
            if store.salvage_step() is None:
                break
            emp.take(view)
    with LmnView.open(directory) as view:
        emp.take(view)
    emp.check(identity)


def test_retention_keeps_rows_that_were_passed_by_until_they_are_delivered(
    directory: Path, identity: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    captures(directory)
    emps = [Emp(HOUSE), Emp(PV)]
    limits = Retention(grid_s=1, live_s=1)
    with LmnStore.open(directory, ballast_bytes=0) as store, LmnView.open(directory) as view:
        for _ in range(70):
            store.salvage_step()
        held_back(store, monkeypatch)
        write(store, ROWS + 1, ROWS + 10)
        going = True
        while going:
            going = store.salvage_step() is not None
            for emp in emps:
                emp.take(view)
            delivered = {bytes(emp.source.device): emp.cursor for emp in emps}
            assert store.retain(MIDNIGHT + 10**6 * SECOND, limits, delivered).undelivered == 0
        for emp in emps:
            emp.take(view)
            emp.check(identity)


@pytest.mark.parametrize("released", [False, True])
def test_a_row_of_a_load_profile_that_was_fetched_again_is_there_once(
    tmp_path: Path, released: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = ProfileName(*HOUSE, Obis.parse("1-0:99.1.0"))
    rows = [record(one, grid=True) for one in range(1, 301)]
    asked = Range(MIDNIGHT, MIDNIGHT + 300 * SECOND)
    with LmnStore.open(tmp_path, ballast_bytes=0) as store:
        keep(store, name, rows, asked)
        store._file.writer.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        identity = store.store_id
    captures(tmp_path)
    with LmnStore.open(tmp_path, ballast_bytes=0) as store, LmnView.open(tmp_path) as view:
        assert None not in keep(store, name, rows[:100], asked)
        if released:
            held_back(store, monkeypatch)
        finish_salvage(store)
        stored = rows_of(view, HOUSE)
        assert sorted(row.readings[0].value.value for row in stored) == list(range(1, 301))
        assert sum(row.store_id == identity for row in stored) == (200 if released else 300)


def test_a_file_that_a_person_moves_away_leaves_what_was_copied(directory: Path, identity: str) -> None:
    captures(directory)
    with LmnStore.open(directory, ballast_bytes=0) as store, LmnView.open(directory) as view:
        while store.salvage is None or store.salvage.phase != Phase.READINGS:
            store.salvage_step()
        for file in directory.glob("lmn.db.corrupt-1*"):
            file.unlink()
        store._behind._salvager.close()  # type: ignore[union-attr]
        finish_salvage(store)
        emp = Emp(HOUSE)
        emp.take(view)
        assert [row.record_number for row in emp.rows if row.store_id == identity] == list(range(1, ROWS + 1, 2))


class TestWordsFoundLate:
    """No small table is readable, and the words stand after the pages that are searched before the start."""

    @pytest.fixture(autouse=True)
    def few_pages(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(salvage, "_FIRST_OCTETS", PAGE_SIZE)
        monkeypatch.setattr(salvage, "_LAST_OCTETS", 4 * PAGE_SIZE)

    def test_no_capture_is_lost(self, directory: Path, identity: str) -> None:
        header(directory)
        with LmnStore.open(directory, ballast_bytes=0) as store, LmnView.open(directory) as view:
            assert view.sources() == []
            finish_salvage(store)
            assert sorted(view.sources()) == sorted([HOUSE, PV])
            for source in (HOUSE, PV):
                emp = Emp(source)
                emp.take(view)
                emp.check(identity)

    def test_captures_that_came_before_the_words_share_them(self, directory: Path, identity: str) -> None:
        header(directory)
        emps = [Emp(HOUSE), Emp(PV)]
        with LmnStore.open(directory, ballast_bytes=0) as store, LmnView.open(directory) as view:
            write(store, ROWS + 1, ROWS + 10)  # gives the words other numbers
            assert sorted(view.sources()) == sorted([HOUSE, PV])
            while store.salvage_step() is not None:
                write(store, ROWS + 11, ROWS + 12)
            for emp in emps:
                emp.take(view)
                emp.check(identity)
                assert [row.store_id for row in emp.rows[ROWS // 2 :]].count(store.store_id) > 5
            assert sorted(view.sources()) == sorted([HOUSE, PV])
        with closing(sqlite3.connect(f"file:{directory}/lmn.db?mode=ro", uri=True)) as connection:
            assert connection.execute("SELECT count(*) FROM salvage_alias").fetchone() == (0,)
            assert connection.execute("SELECT count(DISTINCT meter) FROM register WHERE meter > 0").fetchone() == (2,)

    def test_the_search_goes_on_after_each_interruption(self, directory: Path, identity: str) -> None:
        header(directory)
        while True:
            with LmnStore.open(directory, ballast_bytes=0) as store:
                write(store, ROWS + 1, ROWS + 2)
                if store.salvage_step() is None:
                    break
        with LmnView.open(directory) as view:
            for source in (HOUSE, PV):
                emp = Emp(source)
                emp.take(view)
                emp.check(identity)


@pytest.mark.parametrize("lost", [0, 4096], ids=["whole", "without its header"])
@pytest.mark.parametrize("size", [1024, 4096])
def test_pages_of_both_sizes_are_read(directory: Path, tmp_path: Path, size: int, lost: int) -> None:
    """Files of former versions have pages of 4 KiB."""
    file = tmp_path / "copy.db"
    with closing(sqlite3.connect(directory / "lmn.db")) as source, closing(sqlite3.connect(file)) as copy:
        copy.execute(f"PRAGMA page_size = {size}")
        copy.execute("VACUUM")
        source.execute("ATTACH ? AS copied", (str(file),))
        source.execute("CREATE TABLE copied.capture AS SELECT number, meter, device, utc_us FROM main.capture")
        numbers = {number for (number,) in source.execute("SELECT number FROM capture")}
    with file.open("r+b") as copied:
        copied.write(bytes(lost))
    with closing(Pages(file)) as pages:
        found = {one.columns[0] for number in range(1, pages.last + 1) for one in pages.records(number)}
        assert pages.size == size
    assert len(numbers & found) > len(numbers) // 2


def test_a_record_that_a_cut_off_file_has_in_part_is_not_read(directory: Path) -> None:
    """What is missing is not zero: a row of zeroes would be delivered as a value."""
    file = directory / "lmn.db"
    with closing(Pages(file)) as pages:
        number = next(one for one in range(2, pages.last + 1) if len(list(pages.records(one))) > 2)
        whole = list(pages.records(number))
    octets = file.read_bytes()
    for lacking in (*range(1, PAGE_SIZE, 9), PAGE_SIZE - 1):
        file.write_bytes(octets[: number * PAGE_SIZE - lacking])
        with closing(Pages(file)) as pages:
            found = list(pages.records(number))
        assert all(one in whole for one in found)
    assert found == []


def test_no_row_is_made_of_what_a_cut_off_file_lacks(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """SQLite fills the last page up with zeroes if the file has a part of it."""
    for name, value in (("_FEWEST", 1), ("_FIRST_AMOUNT", 1), ("_PIECE_S", 0.0)):
        monkeypatch.setattr(salvaging, name, value)
    file = directory / "lmn.db"
    with closing(sqlite3.connect(file)) as database:
        rows = dict(database.execute("SELECT number, utc_us || ' ' || dispersion_us FROM capture"))
    with closing(Pages(file)) as pages:
        leaves = [
            number
            for number in range(pages.last // 4, pages.last)
            if any(one.rowid in rows and len(one.columns) == 17 for one in pages.records(number))
        ]
    octets = file.read_bytes()
    for lacking in range(20, 500, 61):
        with TemporaryDirectory(dir=directory) as made:
            copy = Path(made) / "lmn.db"
            copy.write_bytes(octets[: leaves[0] * PAGE_SIZE - lacking])
            opened(Path(made)).close()
            with closing(sqlite3.connect(copy)) as salvaged:
                found = salvaged.execute("SELECT number, utc_us || ' ' || dispersion_us, older_store FROM capture")
                assert not [row for row in found if rows.get(row[0], row[1]) != row[1] or not row[2]]


def test_a_page_that_the_card_cannot_read_has_no_records(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with closing(Pages(directory / "lmn.db")) as pages:
        whole = [list(pages.records(number)) for number in range(1, pages.last + 1)]
        read = os.pread

        def bad_block(file: int, octets: int, at: int) -> bytes:
            if at // PAGE_SIZE == 20:
                raise OSError(errno.EIO, os.strerror(errno.EIO))
            return read(file, octets, at)

        monkeypatch.setattr(os, "pread", bad_block)
        found = [list(pages.records(number)) for number in range(1, pages.last + 1)]
    assert whole[20]
    assert found == [*whole[:20], [], *whole[21:]]


def test_status_says_how_far_the_salvage_is_and_which_rows_wait(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    captures(directory)
    with LmnStore.open(directory, ballast_bytes=0) as store, LmnView.open(directory) as view:
        store.salvage_step()
        state = view.salvage()
        assert state == store.salvage
        assert state is not None
        assert (state.file, state.released, state.waiting) == ("lmn.db.corrupt-1", False, 0)
        assert "after its records" in state.order
        held_back(store, monkeypatch)
        state = view.salvage()
        assert state is not None
        assert "first" in state.order
        finish_salvage(store)
        assert view.salvage() is None
        events = [entry.event for entry in view.log_entries(9)]
        assert events == ["store-salvaged", "salvage-waits", "salvage-waits", "salvage-ended"]

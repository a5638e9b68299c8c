"""A process in an intruder's hands does what it likes with its own database. Whoever reads that loses little."""

import contextlib
import os
import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from smgw.clock.sample import TimeSample
from smgw.store.errors import StoreError
from smgw.store.file import foreign
from smgw.store.file.foreign import Bounds
from smgw.store.lmn.store import LmnStore
from smgw.store.lmn.view import LmnView
from smgw.store.wan.store import WanStore
from smgw.store.wan.view import WanView
from soon import soon

SAMPLE = TimeSample("0" * 32, 1, 1, 1, "ntp")
ENDLESS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n)"


@pytest.fixture
def directory(tmp_path: Path) -> Iterator[Path]:
    """An honest wan.db, whose owner runs."""
    with WanStore.open(tmp_path) as store:
        store.add_time_sample(SAMPLE)
        yield tmp_path


def tampered(directory: Path, *statements: str) -> None:
    with contextlib.closing(sqlite3.connect(directory / "wan.db")) as connection:
        for statement in statements:
            connection.execute(statement)
        connection.commit()


@pytest.mark.parametrize("name", ["wan.db", "wan.db-wal", "wan.db-shm", "wan.db-journal"])
@pytest.mark.parametrize("kind", ["pipe", "link", "directory"])
def test_a_file_that_is_no_regular_file_is_not_opened(directory: Path, name: str, kind: str) -> None:
    file = directory / name
    if file.exists():
        file.rename(directory / "kept")
    if kind == "pipe":
        os.mkfifo(file)
    elif kind == "link":
        file.symlink_to(directory / "kept")
    else:
        file.mkdir()
    with pytest.raises(StoreError, match="is no regular file"):
        soon(lambda: WanView.open(directory))
    file.rmdir() if kind == "directory" else file.unlink()
    if (directory / "kept").exists():
        (directory / "kept").rename(file)


def test_a_file_replaced_by_a_pipe_does_not_stop_a_view_that_was_open(directory: Path) -> None:
    with WanView.open(directory) as view:
        (directory / "wan.db").rename(directory / "kept")
        os.mkfifo(directory / "wan.db")
        with pytest.raises(StoreError, match="is no regular file"):
            soon(view.changed)
        (directory / "wan.db").unlink()
        (directory / "kept").rename(directory / "wan.db")
        assert len(view.time_samples(0)) == 1


def test_openings_that_hang_are_given_up_and_few(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The pipe came between the look and the opening."""
    released = threading.Event()
    monkeypatch.setattr(foreign, "_OPEN_SECONDS", 0.05)
    monkeypatch.setattr(foreign, "connect_reader", lambda *_: released.wait(600) and sqlite3.connect(":memory:"))
    before = threading.active_count()
    for _ in range(10):
        with pytest.raises(StoreError, match="cannot be opened"):
            soon(lambda: WanView.open(directory))
    assert threading.active_count() - before <= 4
    hanging = [thread for thread in threading.enumerate() if thread.name == "open"]
    released.set()
    for thread in hanging:
        thread.join(60)


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, who may give a file away")
def test_a_file_of_another_user_than_the_directory_s_is_not_read(directory: Path) -> None:
    os.chown(directory, 12345, -1)
    os.chown(directory / "wan.db", 12346, -1)
    with pytest.raises(StoreError, match="belongs to user 12346"):
        WanView.open(directory)
    os.chown(directory / "wan.db", 12345, -1)
    os.chown(directory / "wan.db-wal", 12345, -1)
    os.chown(directory / "wan.db-shm", 12345, -1)
    WanView.open(directory).close()


@pytest.mark.parametrize(
    "statements",
    [
        ("DROP TABLE time_sample", f"CREATE VIEW time_sample AS {ENDLESS} SELECT i AS id FROM n"),
        ("CREATE TRIGGER strange AFTER INSERT ON cursor BEGIN SELECT 1; END",),
        ("CREATE VIRTUAL TABLE found USING fts5(text)",),
    ],
    ids=["view", "trigger", "virtual table"],
)
def test_a_schema_of_more_than_tables_is_not_read(directory: Path, statements: tuple[str, ...]) -> None:
    with WanView.open(directory) as view:
        assert len(view.time_samples(0)) == 1
        tampered(directory, *statements)
        with pytest.raises(StoreError, match="more than tables"):
            soon(lambda: view.time_samples(0))
    with pytest.raises(StoreError, match="more than tables"):
        soon(lambda: WanView.open(directory))


def test_the_trigger_of_lmn_db_is_known(tmp_path: Path) -> None:
    with LmnStore.open(tmp_path), LmnView.open(tmp_path) as view:
        assert view.sources() == []


def test_an_unlimited_number_of_rows_is_read_up_to_a_limit(directory: Path) -> None:
    tampered(
        directory,
        f"INSERT INTO time_sample {ENDLESS} SELECT i + 1, 'b', 1, 1, 1, 'ntp' FROM n LIMIT 10000",
        f"INSERT INTO counts {ENDLESS} SELECT 'n' || i, 1 FROM n LIMIT 110000",
    )
    with WanView.open(directory) as view:
        assert len(view.time_samples(1)) == 4096
        with pytest.raises(StoreError, match="more than 100000 rows"):
            view.counts()


def test_long_rows_are_refused(directory: Path) -> None:
    tampered(directory, "UPDATE time_sample SET source = printf('%.*c', 1000000, 'x')")
    with WanView.open(directory) as view, pytest.raises(StoreError, match="too big"):
        view.time_samples(0)


class Bounded(WanView):
    """A view whose reads may cost next to nothing."""

    _bounds = Bounds(seconds=60, row_octets=64 * 1024, rows=100_000, growth=2 * 2**20, steps=100)

    def endless(self) -> None:
        self._rows(f"{ENDLESS} SELECT max(i) FROM n")

    def wide(self) -> None:
        self._rows(f"{ENDLESS} SELECT printf('%.*c', 60000, 'x') FROM n LIMIT 5000")


def test_a_read_that_needs_much_memory_is_ended(directory: Path) -> None:
    with Bounded.open(directory) as view, pytest.raises(StoreError, match="needed more than 2 MiB of memory"):
        soon(view.wide)


def test_a_read_that_takes_long_is_ended(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Bounded.open(directory) as view:
        monkeypatch.setattr(view._guard, "_bounds", Bounded._bounds._replace(seconds=0.05))
        with pytest.raises(StoreError, match=r"took longer than 0\.05 s"):
            soon(view.endless)
        assert len(view.time_samples(0)) == 1


def test_an_end_ends_the_read_of_another_thread(directory: Path) -> None:
    with Bounded.open(directory) as view:
        timer = threading.Timer(0.05, view.end)
        timer.start()
        with pytest.raises(StoreError, match="the process stops"):
            soon(view.endless)
        timer.join()


def test_the_schema_of_a_file_trusts_no_function(directory: Path) -> None:
    with WanView.open(directory) as view:
        assert view._connection.execute("PRAGMA trusted_schema").fetchone() == (0,)


def test_a_schema_whose_names_are_no_text_is_damage(tmp_path: Path) -> None:
    """SQLite quotes such a name in its error, which Python cannot decode."""
    LmnStore.open(tmp_path).close()
    octets = bytearray((tmp_path / "lmn.db").read_bytes())
    octets[octets.index(b"capturecapture")] = 0xFF
    octets[octets.index(b"CREATE TABLE capture")] = ord("X")
    for side in tmp_path.glob("lmn.db-*"):
        side.unlink()
    (tmp_path / "lmn.db").write_bytes(octets)
    with pytest.raises(StoreError), LmnView.open(tmp_path) as view:
        view.sources()

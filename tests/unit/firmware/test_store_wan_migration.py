"""wan.db of schema version 1, which kept cursors by meter and the status of answers, becomes one of the newest."""

import sqlite3
from pathlib import Path

import pytest
from captures_made import HOUSE
from delivered import acknowledged, reached
from released import unpack
from smgw.cosem import DeviceId
from smgw.store import paths
from smgw.store.errors import StoreTooOld
from smgw.store.file.connection import PAGE_SIZE
from smgw.store.lmn.store import LmnStore
from smgw.store.lmn.view import LmnView
from smgw.store.progress import Progress
from smgw.store.records import Source
from smgw.store.wan import store as wan
from smgw.store.wan.records import EVERY_DEVICE, ChannelKind, ChannelState, Cursor, SetAside
from smgw.store.wan.schema import wan_schema
from smgw.store.wan.store import WanStore
from smgw.store.wan.view import WanView

STORE = "ab" * 16
GAS = Source("house", DeviceId.parse("7GAS0000000001"))
VERSION_1 = """\
CREATE TABLE cursor (
  emp TEXT NOT NULL, store_id TEXT NOT NULL, meter TEXT NOT NULL, position INTEGER NOT NULL,
  acknowledged INTEGER NOT NULL, PRIMARY KEY (emp, store_id, meter)
) WITHOUT ROWID;
CREATE TABLE set_aside (
  emp TEXT NOT NULL, store_id TEXT NOT NULL, position INTEGER NOT NULL, meter TEXT NOT NULL,
  record_store_id TEXT NOT NULL, record_number INTEGER NOT NULL, status INTEGER NOT NULL, reason TEXT NOT NULL,
  at_us INTEGER NOT NULL, requeued INTEGER NOT NULL DEFAULT 0, PRIMARY KEY (emp, store_id, position)
) WITHOUT ROWID;
CREATE TABLE channel (
  emp TEXT PRIMARY KEY, state TEXT NOT NULL, since_us INTEGER NOT NULL, last_status INTEGER, detail TEXT NOT NULL,
  retry_at_us INTEGER, last_ack_us INTEGER
) WITHOUT ROWID;
CREATE TABLE time_sample (
  id INTEGER PRIMARY KEY AUTOINCREMENT, boot_id TEXT NOT NULL, boottime_ns INTEGER NOT NULL,
  offset_us INTEGER NOT NULL, dispersion_us INTEGER NOT NULL, source TEXT NOT NULL
);
CREATE TABLE work_order (id INTEGER PRIMARY KEY AUTOINCREMENT, emp TEXT, kind TEXT NOT NULL);
CREATE TABLE order_taken (emp TEXT PRIMARY KEY, last INTEGER NOT NULL) WITHOUT ROWID;
"""
ROWS = (
    ("INSERT INTO cursor VALUES (?, ?, ?, ?, ?)", ("north", STORE, "house", 7, 5)),
    ("INSERT INTO set_aside VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
     ("north", STORE, 3, "house", STORE, 3, 422, "no such register", 5, 0)),
    ("INSERT INTO set_aside VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
     ("north", STORE, 4, "house", STORE, 4, 413, "", 6, 0)),
    ("INSERT INTO set_aside VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
     ("north", STORE, 5, "house", STORE, 5, 0, "not sent: no place for it", 7, 1)),
    ("INSERT INTO channel VALUES (?, ?, ?, ?, ?, ?, ?)", ("north", "held", 6, 403, "answers 403: no", None, 4)),
)  # fmt: skip


@pytest.fixture
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A store of version 1 with a few rows."""
    now = wan_schema()
    old = now._replace(scripts=(now.scripts[0], VERSION_1), version=1, migrations={})
    with monkeypatch.context() as patch:
        patch.setattr(wan, "wan_schema", lambda: old)
        WanStore.open(tmp_path).close()
    for statement, row in ROWS:
        run(tmp_path, statement, row)
    return tmp_path


def run(directory: Path, statement: str, row: tuple[object, ...] = ()) -> list[object]:
    connection = sqlite3.connect(directory / "wan.db")
    keeper = sqlite3.connect(f"file:{directory}/wan.db?mode=ro", uri=True)
    keeper.execute("SELECT 1 FROM store").fetchone()  # closed last, it leaves the -wal in place
    with connection:
        found = connection.execute(statement, row).fetchall()
    connection.close()
    keeper.close()
    return found


def aside(position: int, reason: str, at_us: int, device: bytes = EVERY_DEVICE) -> SetAside:
    return SetAside("north", STORE, "house", device, position, STORE, position, reason, at_us)


def test_a_cursor_of_a_meter_stands_for_all_its_devices_until_they_have_their_own(directory: Path) -> None:
    with WanStore.open(directory) as store, WanView.open(directory) as view:
        assert store.salvaged is None
        assert (reached(store, "north", STORE), reached(store, "north", STORE, GAS)) == (7, 7)
        store.acknowledge("north", STORE, HOUSE, 9, 2)
        assert (reached(store, "north", STORE), reached(store, "north", STORE, GAS)) == (9, 7)
        assert acknowledged(view, "north") == 7
        assert Cursor("north", STORE, "house", EVERY_DEVICE, 7, 5) in view.cursors()
    assert run(directory, "PRAGMA user_version") == [(wan_schema().version,)]


def test_rows_set_aside_and_the_channel_say_in_words_what_was_answered(directory: Path) -> None:
    with WanStore.open(directory) as store, WanView.open(directory) as view:
        assert store.set_aside("north") == [aside(3, "answers 422: no such register", 5), aside(4, "answers 413", 6)]
        assert store.take_requeued("north", STORE, 9) == [aside(5, "not sent: no place for it", 7)]
        assert view.channels() == [ChannelState("north", ChannelKind.HELD, 6, "answers 403: no", None, 4)]


def test_a_row_set_aside_before_that_arrives_is_counted(directory: Path) -> None:
    with WanStore.open(directory) as store, WanView.open(directory) as view:
        store.settle_requeued(store.take_requeued("north", STORE, 9))
        assert acknowledged(view, "north") == 6
        assert (view.set_aside_counts(), reached(store, "north", STORE, GAS)) == ({"north": 2}, 7)


def test_a_reader_says_that_the_owner_has_to_start_first(directory: Path) -> None:
    with pytest.raises(StoreTooOld, match=r"wan\.db: is of an older version; the process that owns it"):
        WanView.open(directory)
    WanStore.open(directory).close()
    WanView.open(directory).close()


def test_a_damaged_file_of_version_1_keeps_its_cursors(directory: Path) -> None:
    (root,) = run(directory, "SELECT rootpage FROM sqlite_master WHERE name = 'time_sample'")[0]  # type: ignore[misc]
    size = PAGE_SIZE
    run(directory, "PRAGMA wal_checkpoint(TRUNCATE)")
    pages = bytearray((directory / "wan.db").read_bytes())
    pages[(root - 1) * size : root * size] = bytes([0xA5]) * size
    (directory / "wan.db").write_bytes(pages)
    with WanStore.open(directory) as store:
        assert store.salvaged is not None
        assert reached(store, "north", STORE) == 7
        assert [row.record_number for row in store.set_aside("north")] == [3, 4]


def test_what_waits_in_the_stores_of_the_released_package_waits_after_the_upgrade(tmp_path: Path) -> None:
    unpack(tmp_path)
    own, pv = Source("house", DeviceId.parse("1EMH0011802881")), Source("pv", DeviceId.parse("1LOG0065800042"))
    LmnStore.open(paths.lmn_directory(tmp_path), ballast_bytes=0).close()
    with (
        WanStore.open(paths.wan_directory(tmp_path)) as store,
        WanView.open(paths.wan_directory(tmp_path)) as view,
        LmnView.open(paths.lmn_directory(tmp_path)) as readings,
    ):
        assert store.salvaged is None
        assert readings.sources() == [own, pv]
        known = Progress((), view.cursors(), readings.store_id)
        reached_there = {
            (who, source): known.position(who, source) for who in ("power", "archive") for source in (own, pv)
        }
        assert reached_there == {("power", own): 17, ("power", pv): 9, ("archive", own): 5, ("archive", pv): 0}
        assert known.position("archive", own, "ab" * 16) == 7
        assert (acknowledged(view, "power"), acknowledged(view, "archive")) == (9, 9)
        (refused,) = store.set_aside("power")
        assert refused.reason == "answers 422: no such register"
        assert readings.find(own, refused.record_store_id, refused.record_number) is not None
        assert [channel.state for channel in view.channels()] == [ChannelKind.IDLE]
        assert len(view.time_samples(0)) == 1

"""The file system is full: live-rate rows make room for grid values, every loss is counted, nothing falls over."""

import contextlib
import os
import subprocess

import pytest
from delivered import reached
from smgw.cosem.data import Data, DataType
from smgw.cosem.device_id import DeviceId
from smgw.cosem.obis import Obis
from smgw.cosem.reading import Capture, ClockState, Reading, Stamp
from smgw.store.errors import StoreError, StoreFull
from smgw.store.file.log_book import Level
from smgw.store.lmn.store import LmnStore
from smgw.store.lmn.view import LmnView
from smgw.store.records import Record, Source
from smgw.store.wan.orders import place_order
from smgw.store.wan.records import ChannelKind, ChannelState, OrderKind, SetAside
from smgw.store.wan.store import WanStore
from smgw.store.wan.view import WanView
from stored import append

if os.geteuid() != 0:
    pytest.skip("NEEDS ROOT: a small tmpfs is mounted to fill it up", allow_module_level=True)

DEVICE = DeviceId.parse("1EMH0011802881")
HOUSE = Source("house", DEVICE)
REGISTERS = [Obis.parse(code) for code in ("1.8.0", "2.8.0", "16.7.0", "36.7.0", "56.7.0", "76.7.0", "1.8.1", "1.8.2")]


def record(number: int, *, grid: bool = False) -> Record:
    stamp = Stamp("boot", number * 10**9, number * 10**6, 5000, ClockState.SYNCHRONISED)
    readings = tuple(Reading(obis, Data(DataType.LONG64, number * 8 + at), -1, 30) for at, obis in enumerate(REGISTERS))
    return Record(Capture("house", DEVICE, stamp, None, readings), stamp.utc_us if grid else None)


@pytest.fixture
def disk(tmp_path):
    """A file system of 8 MiB."""
    mount = tmp_path / "disk"
    mount.mkdir()
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "smgw-test", mount], capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"NEEDS MOUNT: no tmpfs can be mounted here: {done.stderr.strip()}")
    yield mount
    subprocess.run(["umount", mount], check=True)


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    """Ask at every append whether there is room again."""
    monkeypatch.setattr("smgw.store.file.writer._ASK_EVERY_S", 0.0)


def fill(disk, name="filler"):
    """Another program takes all the space there is."""
    with (disk / name).open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(bytes(4096))


def kept(disk):
    with LmnView.open(disk) as view:
        rows = view.records(HOUSE, 0, 10**6)
        assert view.backlog(HOUSE, 0) == len(rows)
        return rows, view.counts()


def test_the_oldest_live_rate_rows_give_way_and_every_grid_value_stays(disk):
    with LmnStore.open(disk) as store:
        numbers = {}
        for number in range(1, 40_001, 50):
            batch = [record(n, grid=n % 100 == 0) for n in range(number, number + 50)]
            numbers.update(zip(batch, append(store, batch), strict=True))
        rows, counts = kept(disk)
        entries = [entry.event for entry in store_log(disk)]

    assert all(number is not None for entry, number in numbers.items() if entry.target_time_us is not None)
    assert sum(row.target_time_us is not None for row in rows) == 400
    assert counts.get("lost_grid", 0) == 0
    assert len(rows) + counts["lost_live"] == 40_000
    live = [row.stamp.utc_us // 10**6 for row in rows if row.target_time_us is None]
    assert live == [n for n in range(live[0], 40_001) if n % 100], "the oldest went, without holes"
    assert len(live) > 5000
    assert entries.count("disk-full") == 1


def store_log(disk):
    with LmnView.open(disk) as view:
        return view.log_entries(1000)


def test_another_program_fills_the_disk_and_gives_it_back(disk):
    with LmnStore.open(disk) as store, LmnView.open(disk) as view:
        for number in range(1, 5001, 10):
            store.append([record(n) for n in range(number, number + 10)])
        fill(disk)

        returned = [append(store, [record(n, grid=n % 10 == 0)])[0] for n in range(5001, 6001)]
        grid = [number for at, number in enumerate(returned) if (5001 + at) % 10 == 0]
        assert None not in grid
        assert view.changed()
        assert view.records(HOUSE, grid[-1] - 1, 1)[0].readings == record(6000).capture.readings
        store.log("still-here", Level.INFO, "", record(1).capture.stamp)
        assert not (disk / "lmn.ballast").exists()

        (disk / "filler").unlink()
        assert None not in append(store, [record(n) for n in range(6001, 6101)])
        assert (disk / "lmn.ballast").stat().st_size == 2 * 1024 * 1024

        rows, counts = kept(disk)
        assert len(rows) + counts["lost_live"] == 6100
        assert [entry.event for entry in view.log_entries(10, "system")] == [
            "disk-full",
            "still-here",
            "disk-room-again",
        ]
        durable = {number for number in returned if number}
        gone_since = {number for number in durable if number not in {row.position for row in rows}}
        assert len(gone_since) <= counts["lost_live"]


def test_where_nothing_can_be_thinned_grid_values_take_the_reserve_and_then_are_counted(disk):
    with LmnStore.open(disk) as store:
        written = 0
        lost = 0
        for number in range(1, 30_001, 50):
            for answer in append(store, [record(n, grid=True) for n in range(number, number + 50)]):
                written += answer is not None
                lost += answer is None
        assert not (disk / "lmn.ballast").exists()
        rows, _ = kept(disk)
        assert len(rows) == written > 10_000
        assert store.counts()["lost_grid"] == lost > 0


def test_no_room_at_all_loses_what_it_must_and_never_falls_over(disk):
    with LmnStore.open(disk, ballast_bytes=0) as store:
        store.append([record(1)])
        fill(disk)
        answers = [append(store, [record(n, grid=n % 2 == 0)])[0] for n in range(2, 3000)]
        store.log("still-here", Level.INFO, "", record(1).capture.stamp)
        rows, _ = kept(disk)
        counts = store.counts()
        assert len(rows) + counts.get("lost_live", 0) + counts.get("lost_grid", 0) == 2999
        assert {answer for answer in answers if answer} >= {row.position for row in rows} - {1}

        (disk / "filler").unlink()
        assert append(store, [record(3000)]) != [None]
        rows, counts = kept(disk)
        assert len(rows) + counts.get("lost_live", 0) + counts.get("lost_grid", 0) == 3000
        assert "still-here" in [entry.event for entry in store_log(disk)]


def test_the_store_opens_on_a_full_disk(disk):
    with LmnStore.open(disk) as store:
        for number in range(1, 3001, 100):
            store.append([record(n) for n in range(number, number + 100)])
    fill(disk)

    with LmnStore.open(disk) as store:
        assert store.salvaged is None
        assert None not in append(store, [record(n, grid=True) for n in range(3001, 3050)])


def test_a_damaged_store_on_a_full_disk_waits_for_room_and_loses_nothing(disk):
    with LmnStore.open(disk) as store:
        for number in range(1, 2001, 100):
            store.append([record(n) for n in range(number, number + 100)])
        store._file.writer.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    fill(disk)
    with (disk / "lmn.db").open("r+b") as file:
        file.write(bytes(4096))

    with LmnStore.open(disk) as store:  # the reserve gives room for the new file
        assert append(store, [record(9001)]) != [None]  # and new values come first
        assert store.salvage_step()
        assert store.counts()["salvaged"] == 0

        (disk / "filler").unlink()
        store._asked = 0.0
        assert append(store, [record(9002)]) != [None]
        for _ in range(100):
            store.salvage_step()
        assert store.counts()["salvaged"] == 2000


def test_a_salvage_on_a_disk_that_stays_full_lets_new_rows_be_delivered_and_follows_them(disk, monkeypatch):
    with LmnStore.open(disk) as store:
        for number in range(1, 2001, 100):
            store.append([record(n) for n in range(number, number + 100)])
        store._file.writer.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        identity = store.store_id
    fill(disk)
    with (disk / "lmn.db").open("r+b") as file:
        file.write(bytes(4096))

    with LmnStore.open(disk) as store, LmnView.open(disk) as view:
        append(store, [record(9001, grid=True)])
        assert view.records(HOUSE, 0, 9) == []
        monkeypatch.setattr("smgw.store.lmn.behind.HELD_BACK_S", 0.0)
        assert store.salvage_step()
        assert store.salvage is not None
        assert store.salvage.released
        (new,) = view.records(HOUSE, 0, 9)
        assert new.store_id == store.store_id

        (disk / "filler").unlink()
        store._asked = 0.0
        append(store, [record(9002, grid=True)])
        while store.salvage_step() is not None:
            pass
        view.changed()
        later = view.records(HOUSE, new.position, 5000)
    assert [(row.store_id == identity, row.record_number) for row in later][1:] == [(True, n) for n in range(1, 2001)]


def test_there_is_a_clear_word_where_not_even_a_new_store_fits(disk):
    fill(disk)

    with pytest.raises(StoreFull, match=r"lmn\.db: the file system is full; free some space"):
        LmnStore.open(disk)
    (disk / "filler").unlink()
    with LmnStore.open(disk) as store:
        assert append(store, [record(1)]) == [1]


STORE = "ab" * 16


def cursors(disk):
    with WanView.open(disk) as view:
        return {row.meter: (row.position, row.acknowledged) for row in view.cursors()}


def test_what_emps_acknowledge_on_a_full_disk_goes_into_the_reserve(disk):
    with WanStore.open(disk) as store:
        fill(disk)
        for position in range(1, 200):
            store.acknowledge("north", STORE, HOUSE, position, 1)

        assert cursors(disk) == {"house": (199, 199)}


def test_where_the_reserve_is_used_up_cursors_wait_in_memory_and_delivery_goes_on(disk, caplog, monkeypatch):
    with WanStore.open(disk) as store:
        store.acknowledge("north", STORE, HOUSE, 1, 1)
        fill(disk)
        asides = []
        for position in range(2, 3000):
            asides.append(SetAside("north", STORE, "house", bytes(DEVICE), position, STORE, position, "x" * 500, 5))
            store.acknowledge("north", STORE, HOUSE, position, 1, asides[-1:])
            store.note_channel(ChannelState("north", ChannelKind.DELIVERING, position))
        assert not (disk / "wan.ballast").exists()
        assert reached(store, "north", STORE) == 2999
        assert cursors(disk)["house"][0] < 2999
        assert sum("is full" in message for message in caplog.messages) == 1

        (disk / "filler").unlink()
        monkeypatch.setattr("smgw.store.wan.store._TRY_EVERY_S", 0.0)
        store.note_channel(ChannelState("north", ChannelKind.IDLE, 3000))
        assert cursors(disk) == {"house": (2999, 2999)}
        assert store.set_aside("north") == asides
        store.acknowledge("north", STORE, HOUSE, 3000, 1)
        assert (disk / "wan.ballast").stat().st_size == 256 * 1024
        with WanView.open(disk) as view:
            assert [entry.event for entry in view.log_entries(9)] == ["disk-full", "disk-room-again"]


def test_cursors_that_wait_are_written_when_the_store_closes(disk):
    with WanStore.open(disk) as store:
        fill(disk)
        for position in range(1, 1500):
            aside = SetAside("north", STORE, "house", bytes(DEVICE), position, STORE, position, "x" * 500, 5)
            store.acknowledge("north", STORE, HOUSE, position, 1, [aside])
        (disk / "filler").unlink()
    with WanStore.open(disk) as store:
        assert reached(store, "north", STORE) == 1499


def test_an_order_stays_until_there_is_room_to_take_it(disk):
    with WanStore.open(disk) as store:
        aside = SetAside("north", STORE, "house", bytes(DEVICE), 3, STORE, 3, "no", 5)
        store.acknowledge("north", STORE, HOUSE, 7, 6, [aside])
        place_order(disk, "north", OrderKind.AGAIN)
        fill(disk)
        for position in range(8, 1500):
            row = SetAside("south", STORE, "house", bytes(DEVICE), position, STORE, position, "x" * 500, 5)
            store.acknowledge("south", STORE, HOUSE, position, 1, [row])

        taken = store.take_orders("north")
        (disk / "filler").unlink()
        taken += store.take_orders("north")
        assert taken == [OrderKind.AGAIN]
        assert store.take_requeued("north", STORE, 9) == [aside]


def test_a_reader_keeps_its_place_all_the_while(disk):
    seen = []
    with LmnStore.open(disk) as store, LmnView.open(disk) as view:
        for number in range(1, 30_001, 50):
            store.append([record(n) for n in range(number, number + 50)])
            after = seen[-1] if seen else 0
            seen += [row.position for row in view.records(HOUSE, after, 100)]
    assert seen == sorted(set(seen))
    assert len(seen) == 30_000


def test_the_reserve_gives_way_where_a_file_system_has_no_room_for_another_file(tmp_path):
    """Out of inodes: it is not SQLite who meets that, but whoever makes a file."""
    mount = tmp_path / "disk"
    mount.mkdir()
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=8m,nr_inodes=8", "smgw-test", mount], capture_output=True
    )
    if done.returncode:
        pytest.skip("NEEDS MOUNT: no tmpfs can be mounted here")
    try:
        with LmnStore.open(mount) as store:
            store.append([record(1)])
            store._file.writer.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            for number in range(9):
                with contextlib.suppress(OSError):
                    (mount / f"filler {number}").touch()
            with (mount / "lmn.db").open("r+b") as file:
                file.seek(4096)
                file.write(b"\xa5" * ((mount / "lmn.db").stat().st_size - 4096))
            store._file.writer.execute("PRAGMA shrink_memory")
            with contextlib.suppress(StoreError):  # SQLite needs two files more
                store.append([record(2, grid=True)])
            assert not (mount / "lmn.ballast").exists()

            for filler in mount.glob("filler *"):
                filler.unlink()
            assert append(store, [record(3)]) != [None]
            assert store.salvaged
            assert not (mount / "lmn.db.corrupt-2").exists()
    finally:
        subprocess.run(["umount", mount], check=True)

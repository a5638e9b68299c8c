import os
import tempfile
from pathlib import Path

import pytest
from captures_made import DEVICE, HOUSE
from delivered import acknowledged, reached
from smgw.clock.sample import TimeSample
from smgw.cosem import ClockState, DeviceId, Stamp
from smgw.store.errors import StoreAbsent, StoreError, StoreOwned
from smgw.store.file import beside
from smgw.store.records import Source
from smgw.store.wan.orders import place_order
from smgw.store.wan.records import ChannelKind, ChannelState, Cursor, OrderKind, SetAside
from smgw.store.wan.store import WanStore
from smgw.store.wan.view import WanView

STORE = "ab" * 16
OTHER = DeviceId.parse("1ISK0071234567")


def refused(position: int, emp: str = "north") -> SetAside:
    return SetAside(emp, STORE, "house", bytes(DEVICE), position, STORE, position, "no such register", 5)


def again(store: WanStore, directory: Path, emp: str) -> None:
    """A person orders again what this EMP refused."""
    place_order(directory, emp, OrderKind.AGAIN)
    assert store.take_orders(emp) == [OrderKind.AGAIN]


@pytest.fixture
def store(tmp_path):
    with WanStore.open(tmp_path) as opened:
        yield opened


@pytest.fixture
def view(store, tmp_path):
    with WanView.open(tmp_path) as opened:
        yield opened


def test_a_cursor_starts_at_nothing(store):
    assert reached(store, "north", STORE) == 0


def test_a_cursor_only_grows_and_counts_what_arrived(store, view):
    store.acknowledge("north", STORE, HOUSE, 7, 5)
    store.acknowledge("north", STORE, HOUSE, 3, 1)

    assert reached(store, "north", STORE) == 7
    assert view.cursors() == [Cursor("north", STORE, "house", DEVICE, 7, 6)]
    assert acknowledged(view, "north") == 6
    assert acknowledged(view, "south") == 0


def test_cursors_of_another_store_or_meter_or_device_or_emp_are_others(store):
    store.acknowledge("north", STORE, HOUSE, 7, 5)

    assert reached(store, "south", STORE) == 0
    assert reached(store, "north", "cd" * 16) == 0
    assert reached(store, "north", STORE, Source("garage", DEVICE)) == 0
    assert reached(store, "north", STORE, Source("house", OTHER)) == 0


def test_cursors_survive_a_restart(tmp_path):
    with WanStore.open(tmp_path) as store:
        store.acknowledge("north", STORE, HOUSE, 7, 5)
    with WanStore.open(tmp_path) as store:
        assert reached(store, "north", STORE) == 7


def test_what_is_set_aside_is_counted_until_it_has_arrived(store, view, tmp_path):
    store.acknowledge("north", STORE, HOUSE, 7, 5, [refused(3), refused(6)])
    assert store.set_aside("north") == [refused(3), refused(6)]
    assert store.take_requeued("north", STORE, 10) == []

    again(store, tmp_path, "north")
    assert store.set_aside("north") == []
    assert view.set_aside_counts() == {"north": 2}
    assert store.take_requeued("north", STORE, 1) == [refused(3)]

    store.settle_requeued([refused(3)], [refused(6)._replace(reason="too late")])
    assert view.set_aside_counts() == {"north": 1}
    assert store.set_aside("north") == [refused(6)._replace(reason="too late")]
    assert store.take_requeued("north", STORE, 10) == []
    assert acknowledged(view, "north") == 6


def test_an_order_for_all_is_done_by_each_emp_for_itself(store, tmp_path):
    store.acknowledge("north", STORE, HOUSE, 7, 5, [refused(3)])
    store.acknowledge("south", STORE, HOUSE, 7, 5, [refused(3, "south")])

    place_order(tmp_path, None, OrderKind.AGAIN)
    assert store.take_orders("north") == [OrderKind.AGAIN]
    assert store.take_requeued("north", STORE, 10) == [refused(3)]
    assert store.take_requeued("south", STORE, 10) == []
    assert store.take_orders("south") == [OrderKind.AGAIN]
    assert store.take_requeued("south", STORE, 10) == [refused(3, "south")]


def test_a_channel_is_what_it_was_noted_last(store, view):
    store.note_channel(ChannelState("north", ChannelKind.DELIVERING, 5))
    held = ChannelState("north", ChannelKind.HELD, 6, "forbidden", None, 4)
    store.note_channel(held)

    assert view.channels() == [held]
    assert view.channels()[0].state is ChannelKind.HELD


def test_time_samples_come_after_a_number(store, view):
    samples = [TimeSample("boot", number, 2, 3, "ntp") for number in range(4)]
    for sample in samples:
        store.add_time_sample(sample)

    assert [sample for _, sample in view.time_samples(0)] == samples
    assert [number for number, _ in view.time_samples(2)] == [3, 4]


def test_old_time_samples_go(store, view, monkeypatch):
    monkeypatch.setattr("smgw.store.wan.store._SAMPLES_KEPT", 3)
    for number in range(9):
        store.add_time_sample(TimeSample("boot", number, 2, 3, "ntp"))

    assert [number for number, _ in view.time_samples(0)] == [7, 8, 9]


def test_an_order_is_taken_once_by_each_it_is_for(store, tmp_path):
    place_order(tmp_path, "north", OrderKind.DELIVER)
    place_order(tmp_path, None, OrderKind.AGAIN)

    assert store.take_orders("north") == [OrderKind.DELIVER, OrderKind.AGAIN]
    assert store.take_orders("south") == [OrderKind.AGAIN]
    assert store.take_orders("north") == store.take_orders("south") == []


def test_an_order_of_a_kind_that_only_newer_programs_know_is_passed_over(store, tmp_path):
    store._file.writer.execute("INSERT INTO work_order (kind) VALUES ('dance')")
    place_order(tmp_path, "north", OrderKind.DELIVER)

    assert store.take_orders("north") == [OrderKind.DELIVER]


def test_the_order_to_send_again_requeues_in_the_step_that_takes_it(store, tmp_path):
    store.acknowledge("north", STORE, HOUSE, 7, 5, [refused(3)])
    store.acknowledge("south", STORE, HOUSE, 7, 5, [refused(3, "south")])
    place_order(tmp_path, None, OrderKind.AGAIN)

    assert store.take_orders("north") == [OrderKind.AGAIN]
    assert store.take_requeued("north", STORE, 10) == [refused(3)]
    assert store.take_requeued("south", STORE, 10) == []


def test_an_order_that_cannot_be_done_is_not_taken(store, tmp_path):
    place_order(tmp_path, None, OrderKind.AGAIN)
    store._file.writer.execute("ALTER TABLE set_aside RENAME TO gone")
    with pytest.raises(StoreError):
        store.take_orders("north")

    store._file.writer.execute("ALTER TABLE gone RENAME TO set_aside")
    assert store.take_orders("north") == [OrderKind.AGAIN]


def test_rows_of_an_older_store_file_are_ordered_again_too_after_those_of_this_one(store, tmp_path):
    older = refused(9)._replace(store_id="01" * 16)
    store.acknowledge("north", STORE, HOUSE, 7, 5, [refused(3)])
    store.acknowledge("north", "01" * 16, HOUSE, 9, 5, [older])
    again(store, tmp_path, "north")

    assert store.take_requeued("north", STORE, 10) == [refused(3), older]
    assert store.take_requeued("north", "01" * 16, 1) == [older]


def test_a_row_set_aside_that_can_no_longer_be_delivered_is_counted_and_forgotten(store, view):
    store.acknowledge("north", STORE, HOUSE, 7, 5, [refused(3)])

    store.forget_set_aside(refused(3), "it is past its age")
    store.forget_set_aside(refused(3), "it is past its age")

    assert view.set_aside_counts() == {}
    assert store.counts() == {"lost_set_aside": 1}
    (entry,) = view.log_entries(9)
    assert (entry.event, entry.outcome) == ("set-aside-lost", False)
    assert entry.subject == f"EMP north: record 3 of store {STORE}: it is past its age"


def test_an_order_from_the_command_line_reaches_the_running_owner(store, tmp_path):
    place_order(tmp_path, "north", OrderKind.DELIVER)

    assert store.take_orders("north") == [OrderKind.DELIVER]


def test_an_order_while_nobody_runs_waits_and_leaves_the_file_readable(tmp_path):
    WanStore.open(tmp_path).close()

    place_order(tmp_path, None, OrderKind.AGAIN)

    assert (tmp_path / "wan.db-wal").exists()
    with WanStore.open(tmp_path) as store:
        assert store.salvaged is None
        assert store.take_orders("north") == [OrderKind.AGAIN]


def test_an_order_needs_a_store(tmp_path):
    with pytest.raises(StoreAbsent):
        place_order(tmp_path, None, OrderKind.AGAIN)


def test_there_is_one_owner(store, tmp_path):
    with pytest.raises(StoreOwned):
        WanStore.open(tmp_path)


def test_the_last_acknowledgement_is_the_last_one_and_outlives_a_restart(tmp_path):
    now = [Stamp("boot", 0, 1000, 0, ClockState.INVALID)]
    with WanStore.open(tmp_path) as store:
        store.use_clock(lambda: now[0])
        store.note_channel(ChannelState("north", ChannelKind.DELIVERING, 5, last_ack_us=5))
        store.acknowledge("north", STORE, HOUSE, 7, 3)
        now[0] = now[0]._replace(utc_us=2000)
        store.acknowledge("north", STORE, HOUSE, 9, 0)  # nothing arrived
    with WanStore.open(tmp_path) as store, WanView.open(tmp_path) as view:
        store.note_channel(ChannelState("north", ChannelKind.BACKING_OFF, 9, "answers 503", 60))
        (channel,) = view.channels()
    assert channel == ChannelState("north", ChannelKind.BACKING_OFF, 9, "answers 503", 60, 1000)


def test_an_order_follows_no_link(tmp_path):
    state, elsewhere = tmp_path / "wan", tmp_path / "elsewhere"
    state.mkdir()
    elsewhere.mkdir()
    with WanStore.open(elsewhere) as other:
        (state / "wan.db").symlink_to(elsewhere / "wan.db")
        with pytest.raises(StoreError, match="is no regular file"):
            place_order(state, None, OrderKind.DELIVER)
        assert other.take_orders("north") == []


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_an_order_of_root_is_written_as_the_user_who_has_the_directory(monkeypatch):
    user = 12_345
    with tempfile.TemporaryDirectory() as name:
        state = Path(name)
        WanStore.open(state).close()
        for one in (state, *state.iterdir()):
            os.chown(one, user, user)
        for file in ("wan.db-wal", "wan.db-shm"):
            (state / file).unlink()
        users = []
        monkeypatch.setattr(beside, "refuse_odd_files", lambda _: users.append((os.geteuid(), os.getegid())))
        place_order(state, None, OrderKind.DELIVER)
        assert users == [(user, user)]
        assert (os.geteuid(), os.getegid()) == (0, 0)
        assert {file.stat().st_uid for file in state.iterdir()} == {user}
        # The link comes after the look at the file: it leads to what this user may not open.
        secret = state / "secret.db"
        (state / "wan.db").rename(secret)
        os.chown(secret, 0, 0)
        secret.chmod(0o600)
        (state / "wan.db").symlink_to(secret)
        before = secret.read_bytes()
        with pytest.raises(StoreError):
            place_order(state, None, OrderKind.DELIVER)
        assert secret.read_bytes() == before


def test_acknowledgements_of_rounds_that_follow_each_other_are_one_commit(store, view, monkeypatch):
    store.gather("north", STORE, HOUSE, 7, 5)
    store.settle_due()
    store.gather("north", STORE, HOUSE, 9, 2)
    store.settle_due()
    assert [cursor.position for cursor in view.cursors()] == [7]
    assert reached(store, "north", STORE) == 9
    monkeypatch.setattr("smgw.store.wan.store._GATHERED_S", 0.0)
    store.settle_due()
    assert [cursor.position for cursor in view.cursors()] == [9]

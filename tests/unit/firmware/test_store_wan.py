import pytest
from smgw.clock.sample import TimeSample
from smgw.store.errors import StoreAbsent, StoreOwned
from smgw.store.orders import place_order
from smgw.store.wan import WanStore
from smgw.store.wan_records import ChannelKind, ChannelState, Cursor, OrderKind, SetAside
from smgw.store.wan_view import WanView

STORE = "ab" * 16


def refused(position: int, emp: str = "north") -> SetAside:
    return SetAside(emp, STORE, "house", position, STORE, position, 422, "no such register", 5)


@pytest.fixture
def store(tmp_path):
    with WanStore.open(tmp_path) as opened:
        yield opened


@pytest.fixture
def view(store, tmp_path):
    with WanView.open(tmp_path) as opened:
        yield opened


def test_a_cursor_starts_at_nothing(store):
    assert store.cursor("north", STORE, "house") == 0


def test_a_cursor_only_grows_and_counts_what_arrived(store, view):
    store.acknowledge("north", STORE, "house", 7, 5)
    store.acknowledge("north", STORE, "house", 3, 1)

    assert store.cursor("north", STORE, "house") == 7
    assert view.cursors() == [Cursor("north", STORE, "house", 7, 6)]
    assert view.acknowledged("north") == 6
    assert view.acknowledged("south") == 0


def test_cursors_of_another_store_or_meter_or_emp_are_others(store):
    store.acknowledge("north", STORE, "house", 7, 5)

    assert store.cursor("south", STORE, "house") == 0
    assert store.cursor("north", "cd" * 16, "house") == 0
    assert store.cursor("north", STORE, "garage") == 0


def test_cursors_survive_a_restart(tmp_path):
    with WanStore.open(tmp_path) as store:
        store.acknowledge("north", STORE, "house", 7, 5)
    with WanStore.open(tmp_path) as store:
        assert store.cursor("north", STORE, "house") == 7


def test_what_is_set_aside_is_counted_until_it_has_arrived(store, view):
    store.acknowledge("north", STORE, "house", 7, 5, [refused(3), refused(6)])
    assert store.set_aside("north") == [refused(3), refused(6)]
    assert store.take_requeued("north", STORE, 10) == []

    assert store.requeue("north") == 2
    assert store.set_aside("north") == []
    assert view.set_aside_counts() == {"north": 2}
    assert store.take_requeued("north", STORE, 1) == [refused(3)]

    store.settle_requeued([refused(3)], [refused(6)._replace(status=400)])
    assert view.set_aside_counts() == {"north": 1}
    assert store.set_aside("north") == [refused(6)._replace(status=400)]
    assert store.take_requeued("north", STORE, 10) == []
    assert view.acknowledged("north") == 6


def test_requeue_of_all_takes_every_emp(store):
    store.acknowledge("north", STORE, "house", 7, 5, [refused(3)])
    store.acknowledge("south", STORE, "house", 7, 5, [refused(3, "south")])

    assert store.requeue(None) == 2
    assert store.requeue(None) == 0


def test_a_channel_is_what_it_was_noted_last(store, view):
    store.note_channel(ChannelState("north", ChannelKind.DELIVERING, 5))
    held = ChannelState("north", ChannelKind.HELD, 6, 403, "forbidden", None, 4)
    store.note_channel(held)

    assert view.channels() == [held]
    assert view.channels()[0].state is ChannelKind.HELD


def test_time_samples_come_after_a_number(store, view):
    samples = [TimeSample("boot", number, 2, 3, "ntp") for number in range(4)]
    for sample in samples:
        store.add_time_sample(sample)

    assert [sample for _, sample in view.time_samples(0)] == samples
    assert [number for number, _ in view.time_samples(2)] == [3, 4]
    assert store.newest_time_samples(2) == samples[2:]


def test_old_time_samples_go(store, view, monkeypatch):
    monkeypatch.setattr("smgw.store.wan._SAMPLES_KEPT", 3)
    for number in range(9):
        store.add_time_sample(TimeSample("boot", number, 2, 3, "ntp"))

    assert [number for number, _ in view.time_samples(0)] == [7, 8, 9]


def test_an_order_is_taken_once_by_each_it_is_for(store):
    store.order("north", OrderKind.DELIVER)
    store.order(None, OrderKind.AGAIN)

    assert store.take_orders("north") == [OrderKind.DELIVER, OrderKind.AGAIN]
    assert store.take_orders("south") == [OrderKind.AGAIN]
    assert store.take_orders("north") == store.take_orders("south") == []


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

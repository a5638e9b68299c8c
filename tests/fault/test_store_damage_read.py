"""Damage that shows when the own store is read: it is repaired as if it had shown when writing."""

import random

import pytest
from captures_made import HOUSE
from delivered import reached
from smgw.clock.gateway_clock import Saved
from smgw.cosem.device_id import DeviceId
from smgw.cosem.reading import ClockState
from smgw.store.errors import StoreError
from smgw.store.file.connection import PAGE_SIZE
from smgw.store.lmn.store import LmnStore
from smgw.store.lmn.view import LmnView
from smgw.store.records import CacheKind
from smgw.store.wan.orders import place_order
from smgw.store.wan.records import OrderKind, SetAside
from smgw.store.wan.store import WanStore

DEVICE = DeviceId.parse("1EMH0011802881")
STORE = "ab" * 16
ASIDE = SetAside("north", STORE, "house", bytes(DEVICE), 3, STORE, 3, "no such register", 5)


def destroy(store):
    """All pages but the first go bad under the open store, and what was read of them before is forgotten."""
    store._file.writer.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    path = store._file.path
    noise = random.Random(1)
    with path.open("r+b") as file:
        for page in range(1, path.stat().st_size // PAGE_SIZE):
            file.seek(page * PAGE_SIZE)
            file.write(noise.randbytes(PAGE_SIZE))
    store._file.writer.execute("PRAGMA shrink_memory")


@pytest.fixture
def lmn(tmp_path):
    with LmnStore.open(tmp_path, ballast_bytes=0) as store:
        store.cache(CacheKind.OBJECT_LIST, DEVICE, b"1.0", b"list")
        store.save_clock("boot", 1, 2, 3, ClockState.SYNCHRONISED)
        store.flush(now=True)
        yield store


@pytest.fixture
def wan(tmp_path):
    with WanStore.open(tmp_path) as store:
        store.acknowledge("north", STORE, HOUSE, 7, 5, [ASIDE])
        yield store


@pytest.mark.parametrize(
    "read",
    [
        lambda store: store.cached(CacheKind.OBJECT_LIST, DEVICE, b"1.0") in (None, b"list"),
        lambda store: store.load_clock() in (None, Saved("boot", 1, 2, 3, ClockState.SYNCHRONISED)),
        lambda store: "salvaged" in store.counts(),
    ],
    ids=["cached", "load_clock", "counts"],
)
def test_damage_met_while_reading_the_lmn_store_is_repaired_and_the_question_answered(lmn, tmp_path, read):
    identity = lmn.store_id
    destroy(lmn)

    assert read(lmn)

    assert lmn.store_id != identity
    with LmnView.open(tmp_path) as view:
        assert [entry.event for entry in view.log_entries(1)] == ["store-salvaged"]


@pytest.mark.parametrize(
    "read",
    [
        lambda store: reached(store, "north", STORE) in (0, 7),
        lambda store: store.set_aside("north") in ([], [ASIDE]),
        lambda store: store.take_requeued("north", STORE, 9) == [],
        lambda store: store.take_orders("north") == [],
        lambda store: isinstance(store.counts(), dict),
    ],
    ids=["cursor", "set_aside", "take_requeued", "take_orders", "counts"],
)
def test_damage_met_while_reading_the_wan_store_is_repaired_and_the_question_answered(wan, read):
    identity = wan.store_id
    destroy(wan)

    assert read(wan)

    assert wan.store_id != identity
    wan.acknowledge("north", STORE, HOUSE, 9, 1)
    assert reached(wan, "north", STORE) == 9


def test_interned_rows_that_are_damaged_in_a_big_file_do_not_keep_the_store_from_opening(tmp_path, monkeypatch):
    with LmnStore.open(tmp_path, ballast_bytes=0) as store:
        identity = store.store_id
        destroy_page_of = store._file.writer.execute("SELECT rootpage FROM sqlite_schema WHERE name = 'word'")
        page = destroy_page_of.fetchone()[0]
        store._file.writer.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    with (tmp_path / "lmn.db").open("r+b") as file:
        file.seek((page - 1) * PAGE_SIZE)
        file.write(b"\xa5" * PAGE_SIZE)
    monkeypatch.setattr("smgw.store.file.owned.CHECKED_BYTES", 0)

    with LmnStore.open(tmp_path, ballast_bytes=0) as store:
        assert store.store_id != identity


def test_an_error_that_is_no_damage_is_a_store_error(lmn):
    lmn._file.writer.execute("DROP TABLE cache")

    with pytest.raises(StoreError, match="cannot be used: no such table"):
        lmn.cached(CacheKind.OBJECT_LIST, DEVICE, b"1.0")


def test_an_order_survives_a_repair(wan, tmp_path):
    place_order(tmp_path, "north", OrderKind.DELIVER)
    wan._file.writer.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    wan._file.condemn("a test says so")

    assert wan.take_orders("north") == [OrderKind.DELIVER]

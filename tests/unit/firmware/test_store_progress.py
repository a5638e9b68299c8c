"""Who gets what, and how far."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from captures_made import DEVICE, ENERGY, HOUSE, MIDNIGHT, POWER, SECOND, capture, energy
from smgw.cosem import Data, DataType, DeviceId, Reading
from smgw.profiles.feed import Feed
from smgw.profiles.toml_importer import parse
from smgw.store.lmn.store import LmnStore
from smgw.store.lmn.view import LmnView
from smgw.store.progress import Progress, carried, progress
from smgw.store.records import NOBODY_WAITS, ListKind, Record, Source
from smgw.store.wan.records import EVERY_DEVICE, Cursor
from stored import finish_salvage

STORE, OLDER = "ab" * 16, "cd" * 16
GAS = Source("house", DeviceId.parse("7GAS0000000001"))
ATTIC = Source("attic", DEVICE)
CONFIGURATION = parse(
    """\
[gateway]
device_id = "ESMG0000000001"
[[meter]]
name = "house"
protocol = "sml-push"
port = "/dev/ttyUSB0"
[[meter]]
name = "solar"
protocol = "sml-push"
port = "/dev/ttyUSB1"
[[emp]]
name = "lab"
url = "http://a"
insecure = true
meters = ["house"]
[[emp]]
name = "utility"
url = "http://b"
insecure = true
meters = ["house"]
""",
    "g.toml",
)


def cursor(who: str, source: Source, position: int, store_id: str = STORE) -> Cursor:
    return Cursor(who, store_id, source.meter, bytes(source.device), position, position)


def of(*cursors: Cursor, sources: tuple[Source, ...] = (HOUSE, GAS)) -> Progress:
    return progress(CONFIGURATION, sources, cursors, STORE)


def test_a_feed_without_a_cursor_is_at_the_beginning() -> None:
    assert of().position("lab", HOUSE) == 0
    assert of(cursor("lab", HOUSE, 7, OLDER)).position("lab", HOUSE) == 0


def test_the_devices_of_a_meter_have_cursors_of_their_own() -> None:
    known = of(cursor("lab", HOUSE, 7), cursor("lab", GAS, 3))
    assert (known.position("lab", HOUSE), known.position("lab", GAS), known.position("utility", GAS)) == (7, 3, 0)


def test_a_cursor_of_a_whole_meter_counts_until_a_device_is_farther() -> None:
    old = Cursor("lab", STORE, "house", EVERY_DEVICE, 5, 5)
    known = of(old, cursor("lab", HOUSE, 7), cursor("lab", GAS, 3))
    assert (known.position("lab", HOUSE), known.position("lab", GAS)) == (7, 5)
    assert of(old, cursor("utility", GAS, 9)).reached(GAS) == 5


def test_a_source_has_reached_what_its_slowest_emp_has() -> None:
    known = of(cursor("lab", HOUSE, 7), cursor("utility", HOUSE, 5))
    assert (known.reached(HOUSE), known.reached(GAS)) == (5, 0)


def test_nobody_waits_for_a_source_that_no_emp_gets() -> None:
    solar = Source("solar", DEVICE)
    assert of(cursor("lab", solar, 3), sources=(solar,)).reached(solar) == NOBODY_WAITS


def test_who_had_begun_to_get_a_meter_that_no_profile_names_any_more_waits_for_its_rows() -> None:
    other = Source("attic", GAS.device)
    known = of(cursor("gone", ATTIC, 3), cursor("older", ATTIC, 9, OLDER), sources=(ATTIC, other))
    assert known.orphans() == [("gone", ATTIC), ("gone", other)]
    assert (known.reached(ATTIC), known.reached(other)) == (3, 0)
    assert of(sources=(ATTIC,)).reached(ATTIC) == NOBODY_WAITS


@pytest.fixture
def view(tmp_path: Path) -> Iterator[LmnView]:
    """Rows 1, 3, 5 of the one device, 2, 4 of the other."""
    with LmnStore.open(tmp_path, ballast_bytes=0) as store:
        devices = [HOUSE.device, GAS.device] * 2 + [HOUSE.device]
        store.append([Record(capture(MIDNIGHT + n * SECOND, device=device)) for n, device in enumerate(devices)])
        with LmnView.open(tmp_path) as opened:
            yield opened


def test_the_backlog_is_what_stands_behind_the_cursor(view: LmnView) -> None:
    known = progress(CONFIGURATION, view.sources(), [cursor("lab", HOUSE, 3, view.store_id)], view.store_id)
    assert [known.backlog(view, feed.who, feed.source) for feed in known.feeds] == [1, 2, 3, 2]


def test_a_piece_holds_the_rows_of_its_feed_alone(view: LmnView) -> None:
    known = progress(CONFIGURATION, view.sources(), [], view.store_id)
    feed = known.feeds[1]
    assert feed.source == GAS
    first = known.piece(view, feed, 0, 1)
    assert ([record.position for record in first.records], first.read, first.position) == ([2], 1, 2)
    last = known.piece(view, feed, 2, 9)
    assert ([record.position for record in last.records], last.position) == ([4], 4)
    assert known.piece(view, feed, 4, 9) == ((), 0, 4)


def test_a_salvaged_row_that_was_settled_in_its_own_store_does_not_go_again(tmp_path: Path) -> None:
    with LmnStore.open(tmp_path, ballast_bytes=0) as store:
        store.append([Record(capture(MIDNIGHT + n * SECOND)) for n in range(4)])
        first = store.store_id
        store._file.replace("a test")
        store._take_over()
        finish_salvage(store)
        with LmnView.open(tmp_path) as view:
            known = progress(CONFIGURATION, view.sources(), [cursor("lab", HOUSE, 3, first)], view.store_id)
            piece = known.piece(view, known.feeds[0], 0, 9)
    assert ([record.record_number for record in piece.records], piece.read) == ([4], 4)


def test_a_feed_carries_the_lists_and_registers_that_are_granted(tmp_path: Path) -> None:
    power = Reading(POWER, Data(DataType.DOUBLE_LONG, 5), 0, 27)
    with LmnStore.open(tmp_path, ballast_bytes=0) as store:
        store.append([Record(capture(MIDNIGHT, energy(1), power)), Record(capture(MIDNIGHT + SECOND, power))])
        with LmnView.open(tmp_path) as view:
            both, only_power = view.records(HOUSE, 0, 9)
    feed = Feed("lab", HOUSE, DEVICE)
    assert carried(feed, both) == both
    assert carried(feed._replace(lists=(ListKind.ORIGINAL,)), both) == both
    assert carried(feed._replace(lists=(ListKind.DAILY,)), both) is None
    partly = carried(feed._replace(objects=(ENERGY,)), both)
    assert partly is not None
    assert partly.readings == (energy(1),)
    assert carried(feed._replace(objects=(ENERGY,)), only_power) is None

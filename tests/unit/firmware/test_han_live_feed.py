"""The one watcher of live values, and what a house sees of them."""

import os
import threading
from pathlib import Path

import pytest
from captures_made import DEVICE, ENERGY, MIDNIGHT, POWER, capture, energy
from hypothesis import given
from hypothesis import strategies as some
from smgw.cosem import Data, DataType, DeviceId, GatewayStatus, Obis, Reading
from smgw.han.live.feed import LiveFeed
from smgw.han.live.points import MOST_POINTS, Point, shown
from smgw.ports.wake import Wake
from smgw.store.live import LiveWriter
from smgw.store.live_changes import LiveChanges
from soon import LIMIT

OTHER = DeviceId.parse("1EMH0000000007")


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return tmp_path / "live"


@pytest.fixture
def writer(directory: Path) -> LiveWriter:
    return LiveWriter(directory, {"house": "/dev/ttyUSB0", "roof": "/dev/ttyUSB1"})


def times(changes: LiveChanges) -> list[int]:
    return [live.capture.stamp.utc_us for live in changes.look().new]


def test_a_look_gives_what_is_new_since_the_last(writer: LiveWriter, directory: Path) -> None:
    changes = LiveChanges(directory)
    writer.capture(capture(MIDNIGHT))
    assert times(changes) == [MIDNIGHT]
    assert times(changes) == []
    writer.capture(capture(MIDNIGHT + 1, meter="roof", device=OTHER))
    assert times(changes) == [MIDNIGHT + 1]


def test_no_replacement_is_missed_within_a_tick_of_the_clock(writer: LiveWriter, directory: Path) -> None:
    changes = LiveChanges(directory)
    for number in range(300):
        writer.capture(capture(MIDNIGHT + number))
        assert times(changes) == [MIDNIGHT + number]


def test_a_directory_at_rest_is_not_read_again(
    writer: LiveWriter, directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer.capture(capture(MIDNIGHT))
    os.utime(directory, ns=(1, 1))
    changes = LiveChanges(directory)
    assert times(changes) == [MIDNIGHT]
    monkeypatch.setattr(os, "scandir", None)
    assert not changes.look()


def test_a_value_that_is_removed_is_reported_once(writer: LiveWriter, directory: Path) -> None:
    changes = LiveChanges(directory)
    writer.capture(capture(MIDNIGHT))
    changes.look()
    writer.left("house", DEVICE)
    assert changes.look().gone == [("house", DEVICE)]
    assert not changes.look()


def test_a_directory_that_goes_and_comes_back_is_looked_at(writer: LiveWriter, directory: Path) -> None:
    changes = LiveChanges(directory)
    assert not changes.look()
    writer.capture(capture(MIDNIGHT))
    changes.look()
    writer.close()
    directory.rmdir()
    assert changes.look().gone == [("house", DEVICE)]
    LiveWriter(directory, {"house": "/dev/ttyUSB0"}).capture(capture(MIDNIGHT + 5))
    assert times(changes) == [MIDNIGHT + 5]


def test_a_file_that_is_no_live_value_is_left_out(writer: LiveWriter, directory: Path) -> None:
    changes = LiveChanges(directory)
    (directory / f"house.{DEVICE.hex()}.json").write_text("{}")
    (directory / "notes.txt").write_text("x")
    (directory / "roof.00.json").symlink_to("/etc/passwd")
    assert not changes.look()


def test_a_subscriber_begins_with_every_value_and_then_gets_the_newest(writer: LiveWriter, directory: Path) -> None:
    feed, wake = LiveFeed(directory, 0.01), Wake()
    writer.capture(capture(MIDNIGHT))
    with feed.subscribed(wake) as first:
        assert wake.wait(LIMIT)
        assert [one.utc_us for one in first.take().values() if one] == [MIDNIGHT]
        late = Wake()
        with feed.subscribed(late) as second:
            assert late.wait(LIMIT)
            assert [one.utc_us for one in second.take().values() if one] == [MIDNIGHT]
    for one in (wake, late):
        one.close()


def test_a_slow_subscriber_misses_captures_and_never_the_newest(writer: LiveWriter, directory: Path) -> None:
    feed, slow, quick = LiveFeed(directory, 0.001), Wake(), Wake()
    with feed.subscribed(slow) as waiting, feed.subscribed(quick) as box:
        for number in range(20):
            quick.clear()
            writer.capture(capture(MIDNIGHT + number))
            assert quick.wait(LIMIT)
            box.take()
        found = waiting.take()
    assert [one.utc_us for one in found.values() if one] == [MIDNIGHT + 19]
    for one in (slow, quick):
        one.close()


def test_a_subscriber_sees_only_its_meters(writer: LiveWriter, directory: Path) -> None:
    feed, wake, all_of_them = LiveFeed(directory, 0.01), Wake(), Wake()
    writer.capture(capture(MIDNIGHT))
    writer.capture(capture(MIDNIGHT, meter="roof", device=OTHER))
    with feed.subscribed(all_of_them) as box, feed.subscribed(wake, ["roof"]) as own:
        assert wake.wait(LIMIT)
        assert list(own.take()) == [("roof", OTHER)]
        assert len(box.take()) == 2
    assert [one.meter for one in feed.now(["roof"])] == ["roof"]
    for one in (wake, all_of_them):
        one.close()


def test_nobody_looks_while_nobody_subscribes(directory: Path) -> None:
    feed, wake = LiveFeed(directory), Wake()
    assert not feed.watching
    with feed.subscribed(wake):
        assert feed.watching
    assert not feed.watching
    assert "live-values" not in [one.name for one in threading.enumerate()]
    wake.close()


def test_a_house_sees_numbers_and_neither_texts_nor_the_meters_own_counts() -> None:
    readings = (
        energy(12_345, -1),
        Reading(POWER, Data(DataType.DOUBLE_LONG, -7), 1, 27),
        Reading(Obis.parse("0-0:96.1.0"), Data(DataType.OCTET_STRING, b"\x0a"), class_id=1),
        Reading(Obis.parse("0-0:96.7.21"), Data(DataType.UNSIGNED, 3), class_id=1),
        Reading(Obis.parse("1-0:1.6.0"), Data(DataType.DATE_TIME, bytes(12)), class_id=4, attribute=5),
        Reading(Obis.parse("1-0:32.7.0"), Data(DataType.NULL_DATA, None), 0, 35),
    )
    points = shown(capture(MIDNIGHT, *readings)).points
    assert [(one.name, one.number, one.unit) for one in map(Point.in_kilo, points)] == [
        ("1-0:1.8.0", "1.2345", "kWh"),
        ("1-0:16.7.0", "-70", "W"),
    ]


def test_a_meter_that_invents_registers_shows_a_bounded_number() -> None:
    many = [energy(1)._replace(obis=Obis(b"\x01" + number.to_bytes(4, "big") + b"\xff")) for number in range(2000)]
    assert len(shown(capture(MIDNIGHT, *many)).points) == MOST_POINTS


@pytest.mark.parametrize(
    ("flags", "synchronised", "unfit"),
    [
        (0, True, ()),
        (GatewayStatus.WARNING, True, ()),
        (GatewayStatus.NOT_VALIDATED, True, ("the telegram was not validated",)),
        (0, False, ("the gateway's clock is not synchronised",)),
    ],
    ids=["fit", "warning", "not-validated", "clock"],
)
def test_why_no_bill_may_use_a_value(flags: int, synchronised: bool, unfit: tuple[str, ...]) -> None:
    one = capture(MIDNIGHT, energy(1), synchronised=synchronised)._replace(flags=int(flags))
    assert shown(one).unfit == unfit


@given(some.integers(-(2**63), 2**64 - 1), some.integers(-128, 127))
def test_a_number_in_kilo_is_the_same_number(value: int, scaler: int) -> None:
    from decimal import Context, Decimal

    exactly = Context(prec=300)
    point = Point(ENERGY, value, scaler, "Wh")
    kilo = point.in_kilo()
    assert exactly.multiply(Decimal(kilo.number), Decimal(1000)) == Decimal(point.number)

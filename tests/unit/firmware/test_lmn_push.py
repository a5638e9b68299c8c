"""The reader of pushing meters, at a real pty."""

import logging
import random
from collections.abc import Iterator
from pathlib import Path

import pytest
from captures_made import DEVICE, ENERGY, POWER
from line_meter import Head, Inbox, driver, running, telegram, until
from smgw.cosem import DeviceId, MeterTime, MeterTimeKind
from smgw.lmn import driver as driver_module
from smgw.lmn import listening
from smgw.lmn.driver import Driver
from smgw.profiles.meter import MeterProfile
from smgw.sml.messages import ListEntry
from smgw.sml.tlv import unsigned
from smgw.store.records import Condition


@pytest.fixture(autouse=True)
def quick_ticks(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setattr(listening, "_TICK", 0.05)
    caplog.set_level(logging.INFO)


@pytest.fixture
def head(tmp_path: Path) -> Iterator[Head]:
    made = Head(tmp_path / "head")
    yield made
    made.unplug()


def reader(head: Head, inbox: Inbox, **changes: object) -> Driver:
    profile = MeterProfile(name="house", protocol="sml-push", port=str(head.link), **changes)  # type: ignore[arg-type]
    return driver(profile, inbox=inbox)


def opened(made: Driver) -> None:
    """Wait until the reader has the pty: what is written before is flushed when it is opened."""
    until(lambda: made.tried)


def said(caplog: pytest.LogCaptureFixture, text: str) -> int:
    return sum(text in record.getMessage() for record in caplog.records)


def test_a_telegram_becomes_a_capture(head: Head) -> None:
    inbox = Inbox()
    with running(reader(head, inbox)) as made:
        opened(made)
        head.send(telegram(5))
        until(lambda: inbox.captures)
    (capture,) = inbox.captures
    assert (capture.meter, capture.device) == ("house", DEVICE)
    assert capture.meter_time == MeterTime(MeterTimeKind.SEC_INDEX, (4711).to_bytes(4, "big"))
    assert [(one.obis, one.value.value, one.scaler, one.unit) for one in capture.readings] == [
        (ENERGY, 5, -1, 30),
        (POWER, 1234, 0, 27),
    ]
    assert inbox.states[-1].state == Condition.READING
    assert (inbox.states[-1].good, inbox.states[-1].refused) == (1, 0)


def test_scalers_units_and_factors_of_the_profile_hold_for_sml_too(head: Head) -> None:
    """Some meters send their power as Wh."""
    inbox = Inbox()
    changes = {"scalers": ((POWER, -1),), "units": ((POWER, 27),), "factors": ((ENERGY, 40),)}
    with running(reader(head, inbox, **changes)) as made:
        opened(made)
        head.send(telegram(5))
        until(lambda: inbox.captures)
    assert [(one.value.value, one.scaler, one.unit) for one in inbox.captures[0].readings] == [
        (200, -1, 30), (1234, -1, 27),
    ]  # fmt: skip


def test_only_the_wanted_objects_are_read(head: Head) -> None:
    inbox = Inbox()
    with running(reader(head, inbox, objects=(POWER,))) as made:
        opened(made)
        head.send(telegram())
        until(lambda: inbox.captures)
    assert [one.obis for one in inbox.captures[0].readings] == [POWER]


def test_garbage_and_damaged_telegrams_are_refused_counted_and_told_once(
    head: Head, caplog: pytest.LogCaptureFixture
) -> None:
    inbox, damaged = Inbox(), bytearray(telegram(1))
    damaged[60] ^= 4
    with running(reader(head, inbox)) as made:
        opened(made)
        head.send(b"\x00\xff/ISK5MT174\r\n" + random.Random(3).randbytes(300).replace(b"\x1b", b"?"))
        for _ in range(3):
            head.send(bytes(damaged))
        head.send(telegram(2))
        until(lambda: inbox.captures)
    assert inbox.values == [2]
    assert inbox.states[-1].refused == 3
    assert said(caplog, "telegram refused") == 1


def test_an_unplugged_head_is_told_once_and_read_again_soon_after_it_is_back(
    head: Head, caplog: pytest.LogCaptureFixture
) -> None:
    inbox = Inbox()
    with running(reader(head, inbox)) as made:
        opened(made)
        head.send(telegram(1))
        until(lambda: inbox.captures)
        head.unplug()
        until(lambda: inbox.states[-1].state == Condition.ABSENT)
        head.plug()
        until(lambda: inbox.states[-1].state == Condition.WAITING)
        head.send(telegram(2))
        until(lambda: len(inbox.captures) == 2)
    assert inbox.values == [1, 2]
    assert [said(caplog, f"house: {state}") for state in (Condition.ABSENT, Condition.WAITING, Condition.READING)] == [
        1,
        1,
        2,
    ]


def test_a_port_that_comes_and_goes_without_a_telegram_is_told_once(
    head: Head, caplog: pytest.LogCaptureFixture
) -> None:
    inbox = Inbox()
    with running(reader(head, inbox)) as made:
        opened(made)
        for _ in range(3):
            head.unplug()
            until(lambda: inbox.states[-1].state == Condition.ABSENT)
            head.plug()
            until(lambda: inbox.states[-1].state == Condition.WAITING)
    assert [said(caplog, f"house: {state}") for state in (Condition.ABSENT, Condition.WAITING)] == [1, 1]


def test_a_meter_that_waits_for_its_pin_is_told_once(head: Head, caplog: pytest.LogCaptureFixture) -> None:
    locked = (ListEntry(bytes(ENERGY), unit=30, scaler=-1, value=unsigned(50_000, 4)),)
    inbox = Inbox()
    with running(reader(head, inbox)) as made:
        opened(made)
        for count in (1, 2, 3):
            head.send(telegram(listed=locked))
            until(lambda count=count: len(inbox.captures) == count)
        assert inbox.states[-1].state == Condition.LOCKED
        head.send(telegram())
        until(lambda: inbox.states[-1].state == Condition.READING)
    assert said(caplog, "PIN") == 1


@pytest.mark.parametrize("octets", [bytes.fromhex("090149534b0004316b4e"), b"1LGZ1234567", bytes(64)])
def test_a_foreign_device_id_is_kept_as_it_came(head: Head, octets: bytes) -> None:
    inbox = Inbox()
    with running(reader(head, inbox)) as made:
        opened(made)
        head.send(telegram(server_id=octets))
        until(lambda: inbox.captures)
    assert inbox.captures[0].device == DeviceId(octets)
    assert not inbox.captures[0].device.is_din


def test_a_device_id_that_is_none_is_refused_and_reading_goes_on(head: Head) -> None:
    inbox = Inbox()
    with running(reader(head, inbox)) as made:
        opened(made)
        head.send(telegram(1, server_id=bytes(65)))
        head.send(telegram(2))
        until(lambda: inbox.captures)
    assert inbox.values == [2]
    assert inbox.states[-1].refused


def test_an_exchanged_meter_is_told(head: Head, caplog: pytest.LogCaptureFixture) -> None:
    inbox = Inbox()
    other = DeviceId.parse("1ISK0071234567")
    with running(reader(head, inbox, silence=1)) as made:
        opened(made)
        head.send(telegram(1) + telegram(2, server_id=other))
        until(lambda: len(inbox.captures) == 2)
        until(lambda: said(caplog, "meter exchanged?"))
    assert inbox.gone == [("house", inbox.captures[0].device)]


def test_a_stop_ends_every_wait_and_is_quiet(
    head: Head, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The waits are longer than the limit of `running`."""
    monkeypatch.setattr(listening, "_TICK", 600)
    monkeypatch.setattr(driver_module, "_FIRST_PAUSE", 600)
    monkeypatch.setattr(driver_module, "_LONGEST_PAUSE", 600)
    with running(reader(head, Inbox())):  # at once
        pass
    with running(reader(head, Inbox())) as made:  # waiting for octets
        opened(made)
    with running(reader(head, Inbox())) as made:  # in mid-telegram
        opened(made)
        head.send(telegram()[:50])
        until(lambda: not made._listening.idle)  # type: ignore[attr-defined]
    caplog.clear()
    head.unplug()
    inbox = Inbox()
    with running(reader(head, inbox)):  # absent
        until(lambda: inbox.states[-1].state == Condition.ABSENT)
    assert said(caplog, "house: absent") == 1

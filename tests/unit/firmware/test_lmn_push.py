"""The reader of pushing meters, at a real pty."""

import logging
import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from captures_made import DEVICE, ENERGY, POWER
from line_meter import Head, Inbox, driver, running, telegram, until
from smgw.cosem import DeviceId, MeterTime, MeterTimeKind
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


def opened(head: Head) -> None:
    """Wait until the reader has the pty: what is written before is flushed when it is opened."""
    time.sleep(0.15)


def said(caplog: pytest.LogCaptureFixture, text: str) -> int:
    return sum(text in record.getMessage() for record in caplog.records)


def test_a_telegram_becomes_a_capture(head: Head) -> None:
    inbox = Inbox()
    with running(reader(head, inbox)):
        opened(head)
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


def test_only_the_wanted_objects_are_read(head: Head) -> None:
    inbox = Inbox()
    with running(reader(head, inbox, objects=(POWER,))):
        opened(head)
        head.send(telegram())
        until(lambda: inbox.captures)
    assert [one.obis for one in inbox.captures[0].readings] == [POWER]


def test_chunks_at_the_line_s_pace_make_one_capture_stamped_at_its_first_octets(head: Head) -> None:
    inbox = Inbox()
    with running(reader(head, inbox)):
        opened(head)
        for value in (1, 2):
            before = time.monotonic()
            head.send(telegram(value), chunk=16, pause=16 * 10 / 9600)
            sent = time.monotonic() - before
            until(lambda value=value: len(inbox.captures) == value)
            assert abs(inbox.captures[-1].stamp.utc_us / 1e6 - before) < 0.06 < sent
    assert inbox.values == [1, 2]


def test_a_capture_is_there_soon_after_its_last_octet(head: Head) -> None:
    inbox = Inbox()
    with running(reader(head, inbox)):
        opened(head)
        for count in range(1, 6):
            head.send(telegram(count))
            assert until(lambda count=count: len(inbox.captures) == count) < 0.15


def test_a_telegram_that_begins_in_the_octets_that_end_another_has_its_own_stamp(head: Head) -> None:
    inbox, first, second = Inbox(), telegram(1), telegram(2)
    with running(reader(head, inbox)):
        opened(head)
        head.send(first[:100])
        time.sleep(0.4)
        joined = time.monotonic()
        head.send(first[100:] + second[:40])
        time.sleep(0.2)
        head.send(second[40:])
        until(lambda: len(inbox.captures) == 2)
    assert joined - inbox.captures[0].stamp.utc_us / 1e6 > 0.35
    assert abs(inbox.captures[1].stamp.utc_us / 1e6 - joined) < 0.1


def test_a_telegram_after_one_that_was_cut_off_is_not_stamped_with_the_time_of_that(head: Head) -> None:
    inbox = Inbox()
    with running(reader(head, inbox)):
        opened(head)
        head.send(telegram(1)[:90])
        time.sleep(0.5)
        again = time.monotonic()
        head.send(telegram(2))
        until(lambda: inbox.captures)
    assert inbox.values == [2]
    assert abs(inbox.captures[0].stamp.utc_us / 1e6 - again) < 0.1


def test_a_telegram_that_pauses_in_the_middle_is_read(head: Head) -> None:
    inbox, octets = Inbox(), telegram(7)
    with running(reader(head, inbox)):
        opened(head)
        head.send(octets[:77])
        time.sleep(0.4)
        head.send(octets[77:])
        until(lambda: inbox.captures)
    assert inbox.values == [7]


def test_garbage_and_damaged_telegrams_are_refused_counted_and_told_once(
    head: Head, caplog: pytest.LogCaptureFixture
) -> None:
    inbox, damaged = Inbox(), bytearray(telegram(1))
    damaged[60] ^= 4
    with running(reader(head, inbox)):
        opened(head)
        head.send(b"\x00\xff/ISK5MT174\r\n" + os.urandom(300).replace(b"\x1b", b"?"))
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
    with running(reader(head, inbox)):
        opened(head)
        head.send(telegram(1))
        until(lambda: inbox.captures)
        head.unplug()
        until(lambda: inbox.states[-1].state == Condition.ABSENT)
        time.sleep(1.7)  # long enough for the pauses to have grown
        head.plug()
        until(lambda: inbox.states[-1].state == Condition.WAITING, 1.5)
        opened(head)
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
    with running(reader(head, inbox)):
        for _ in range(3):
            opened(head)
            head.unplug()
            until(lambda: inbox.states[-1].state == Condition.ABSENT)
            head.plug()
            until(lambda: inbox.states[-1].state == Condition.WAITING, 2)
    assert [said(caplog, f"house: {state}") for state in (Condition.ABSENT, Condition.WAITING)] == [1, 1]


def test_telegrams_that_stop_are_told_once_and_so_are_those_that_are_back(
    head: Head, caplog: pytest.LogCaptureFixture
) -> None:
    inbox = Inbox()
    with running(reader(head, inbox, silence=0.3)):
        opened(head)
        for value in (1, 2):
            head.send(telegram(value))
            until(lambda value=value: len(inbox.captures) == value)
            until(lambda: inbox.states[-1].state == Condition.SILENT)
            time.sleep(0.3)
    assert [said(caplog, f"house: {state}") for state in (Condition.SILENT, Condition.READING)] == [2, 2]


def test_garbage_is_silence_and_the_state_says_what_was_refused(head: Head) -> None:
    inbox, damaged = Inbox(), bytearray(telegram(1))
    damaged[60] ^= 4
    with running(reader(head, inbox, silence=0.3)):
        opened(head)
        for _ in range(8):
            head.send(bytes(damaged))
            time.sleep(0.06)
        until(lambda: inbox.states[-1].state == Condition.SILENT)
        assert "check sum" in inbox.states[-1].note


def test_a_meter_that_waits_for_its_pin_is_told_once(head: Head, caplog: pytest.LogCaptureFixture) -> None:
    locked = (ListEntry(bytes(ENERGY), unit=30, scaler=-1, value=unsigned(50_000, 4)),)
    inbox = Inbox()
    with running(reader(head, inbox)):
        opened(head)
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
    with running(reader(head, inbox)):
        opened(head)
        head.send(telegram(server_id=octets))
        until(lambda: inbox.captures)
    assert inbox.captures[0].device == DeviceId(octets)
    assert not inbox.captures[0].device.is_din


def test_a_device_id_that_is_none_is_refused_and_reading_goes_on(head: Head) -> None:
    inbox = Inbox()
    with running(reader(head, inbox)):
        opened(head)
        head.send(telegram(1, server_id=bytes(65)))
        head.send(telegram(2))
        until(lambda: inbox.captures)
    assert inbox.values == [2]
    assert inbox.states[-1].refused


def test_an_exchanged_meter_is_told(head: Head, caplog: pytest.LogCaptureFixture) -> None:
    inbox = Inbox()
    other = DeviceId.parse("1ISK0071234567")
    with running(reader(head, inbox, silence=1)):
        opened(head)
        head.send(telegram(1) + telegram(2, server_id=other))
        until(lambda: len(inbox.captures) == 2)
        until(lambda: said(caplog, "meter exchanged?"))
    assert inbox.gone == [("house", inbox.captures[0].device)]


def test_a_stop_is_quick_and_quiet_in_every_state(head: Head, caplog: pytest.LogCaptureFixture) -> None:
    with running(reader(head, Inbox())):  # at once
        pass
    with running(reader(head, Inbox())):  # waiting for octets
        opened(head)
    with running(reader(head, Inbox())):  # in mid-telegram
        opened(head)
        head.send(telegram()[:50])
        time.sleep(0.1)
    with running(reader(head, Inbox(), silence=0.1)):  # silent
        opened(head)
        time.sleep(0.2)
    caplog.clear()
    head.unplug()
    inbox = Inbox()
    with running(reader(head, inbox)):  # absent
        until(lambda: inbox.states[-1].state == Condition.ABSENT)
        time.sleep(0.7)
    assert said(caplog, "house: absent") == 1

"""A port on which nobody speaks is opened again: when, and what it mends."""

import logging
import os
import socket
import termios
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from driven_line import Line
from line_meter import Head, Inbox, PolledMeter, driver, running, telegram, until
from memory_line import FakeTime
from smgw.lmn import listening
from smgw.lmn.reopening import Reopening
from smgw.profiles.meter import MeterProfile


@pytest.fixture(autouse=True)
def quick_ticks(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setattr(listening, "_TICK", 0.05)
    caplog.set_level(logging.INFO)


def said(caplog: pytest.LogCaptureFixture, text: str) -> int:
    return sum(text in record.getMessage() for record in caplog.records)


def test_the_pauses_double_up_to_a_quarter_of_an_hour_and_a_telegram_ends_them() -> None:
    time = FakeTime()
    made, moments = Reopening(60, time), []
    for _ in range(4000):
        time.sleep(1)
        if made.due:
            moments.append(round(time.passed))
            made.opened_again()
    assert moments == [60, 180, 420, 900, 1800, 2700, 3600]
    made.heard()
    time.sleep(59)
    assert not made.due
    time.sleep(1)
    assert made.due


def test_a_silence_longer_than_a_quarter_of_an_hour_is_kept() -> None:
    time = FakeTime()
    made = Reopening(3600, time)
    time.sleep(3599)
    assert not made.due
    time.sleep(1)
    assert made.due


@pytest.mark.parametrize("protocol", ["sml-push", "dlms-push"])
def test_a_pushing_line_that_is_silent_is_opened_again(protocol: str, caplog: pytest.LogCaptureFixture) -> None:
    line = Line(protocol)
    line.run(1000)
    assert line.reopened == [60, 180, 420, 900]
    assert said(caplog, "the port is opened again") == 1


def test_a_line_whose_meter_speaks_is_never_opened_again() -> None:
    line = Line("sml-push", silence=10)
    for second in range(0, 300, 9):
        line.port.say(telegram(second), second)
    line.run(300)
    assert line.reopened == []
    assert len(line.inbox.values) == 34


def test_it_is_said_once_that_telegrams_come_again(caplog: pytest.LogCaptureFixture) -> None:
    line = Line("sml-push")
    for second in range(200, 205):
        line.port.say(telegram(second), second)
    line.run(210)
    assert line.reopened == [60, 180]
    assert said(caplog, "telegrams come again; the port was opened again 2 times") == 1


def test_a_telegram_that_is_due_to_end_loses_no_octets() -> None:
    line, octets = Line("sml-push"), telegram(7)
    for place in range(0, len(octets), 16):  # a slow line: it begins before the pause is over and ends after it
        line.port.say(octets[place : place + 16], 55 + place / 16)
    line.run(80)
    assert line.inbox.values == [7]


def test_octets_without_end_do_not_keep_a_port_from_being_opened_again() -> None:
    line = Line("sml-push")
    line.port.say(b"\x1b\x1b\x1b\x1b\x01\x01\x01\x01", 1)
    for second in range(2, 200):
        line.port.say(b"\x55", second)
    line.run(200)
    assert line.reopened


@pytest.mark.parametrize("meters", [1, 3])
def test_a_polled_line_whose_meters_are_all_silent_is_opened_again(meters: int) -> None:
    line = Line(*["dlms"] * meters)
    line.run(1000)
    assert len(line.reopened) >= 3
    assert 60 <= line.reopened[0] < 150, "with the next poll after the silence"


def test_a_shared_line_is_not_opened_again_while_one_meter_answers() -> None:
    line = Line("dlms", "dlms")
    line.driver.watches["m1"].heard([])
    line.driver._members[1].meter.poll = lambda _: ()  # type: ignore[attr-defined]
    line.run(600)
    assert line.reopened == []


def profile(port: str) -> MeterProfile:
    return MeterProfile(name="house", protocol="sml-push", port=port, silence=1)


@pytest.fixture
def head(tmp_path: Path) -> Iterator[Head]:
    made = Head(tmp_path / "head")
    yield made
    made.unplug()


def test_a_tty_whose_settings_another_program_changed_is_set_again(
    head: Head, caplog: pytest.LogCaptureFixture
) -> None:
    inbox, value = Inbox(), 0

    def heard() -> bool:
        nonlocal value
        value += 1
        head.send(telegram(value), pause=0.05)
        return len(inbox.captures) > before

    with running(driver(profile(str(head.link)), inbox=inbox)):
        before = 0
        until(heard)
        other = os.open(head.link, os.O_RDWR | os.O_NOCTTY)
        settings = termios.tcgetattr(other)
        settings[0] |= termios.ISTRIP  # seven bits: no check sum fits any more
        termios.tcsetattr(other, termios.TCSANOW, settings)
        os.close(other)
        before = len(inbox.captures) + 3  # what was under way
        until(heard)
    assert said(caplog, "the port is opened again") == 1
    assert said(caplog, "telegrams come again") == 1


def test_a_bridge_that_keeps_the_connection_and_sends_no_more_is_connected_again() -> None:
    inbox, connections = Inbox(), []
    with socket.create_server(("127.0.0.1", 0)) as bridge:

        def serve() -> None:
            for _ in range(2):
                connection, _ = bridge.accept()
                connections.append(connection)
                connection.sendall(telegram(len(connections)))

        thread = threading.Thread(target=serve)
        thread.start()
        with running(driver(profile(f"socket://127.0.0.1:{bridge.getsockname()[1]}"), inbox=inbox)):
            until(lambda: len(inbox.captures) == 2)
        thread.join(5)
    assert inbox.values == [1, 2]
    assert connections[0].recv(1) == b"", "the dead connection was closed"
    for one in connections:
        one.close()


def test_a_pty_is_never_left_without_a_reader_while_it_is_opened_again(head: Head) -> None:
    """A master whose last slave goes gets EIO: socat would end."""
    lost, stop = [], threading.Event()

    def watch() -> None:
        while not stop.is_set():
            try:
                os.read(head.master, 64)
            except OSError as error:
                lost.append(error)
                return

    os.set_blocking(head.master, True)
    inbox = Inbox()
    with running(made := driver(profile(str(head.link)), inbox=inbox)):
        until(lambda: made.tried)
        thread = threading.Thread(target=watch, daemon=True)
        thread.start()
        until(lambda: made._reopening.times >= 2)
        assert not lost
    stop.set()
    thread.join(5)


def test_a_polled_line_whose_settings_another_program_changed_is_set_again(head: Head) -> None:
    inbox = Inbox()
    polled = MeterProfile(
        name="house", protocol="sml-poll", port=str(head.link), silence=1, interval=1, timeout=1, retries=0
    )
    with PolledMeter(master=head.master), running(driver(polled, inbox=inbox)):
        until(lambda: inbox.captures)
        other = os.open(head.link, os.O_RDWR | os.O_NOCTTY)
        settings = termios.tcgetattr(other)
        settings[0] |= termios.ISTRIP
        termios.tcsetattr(other, termios.TCSANOW, settings)
        before = len(inbox.captures) + 1  # an answer may be under way
        until(lambda: len(inbox.captures) > before + 1)
        assert not termios.tcgetattr(other)[0] & termios.ISTRIP
        os.close(other)

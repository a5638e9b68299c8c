"""Octets without a telegram are a state of their own, in every command."""

import logging
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from line_meter import Head, Inbox, telegram
from memory_line import FakeTime, MemoryPort, in_the_loop
from smgw.cli import main
from smgw.dump import source
from smgw.iec62056.seven_bit import with_parity
from smgw.lmn.contract import Surroundings
from smgw.lmn.polling import PollingDriver
from smgw.lmn.push_line import PushLine
from smgw.ports import LineSettings
from smgw.profiles.meter import MeterProfile
from smgw.profiles.secrets import Secrets
from smgw.store.records import Condition

D0 = b"/EMH5\\@01LZQJ\r\n\x021-0:1.8.0*255(000123.4*kWh)\r\n!\r\n"
TELNET = b"\xff\xfb\x01\xff\xfb\x03\xff\xfd\x00\xff\xfb\x2c"
NOISE = bytes((17 * place * place + 89 * place) % 251 for place in range(100))


class Line:
    """One meter on a line in memory, on fake time."""

    def __init__(self, protocol: str = "sml-push") -> None:
        self.time, self.inbox, stop = FakeTime(), Inbox(), threading.Event()
        self.port: Any = MemoryPort(self.time)
        self.stop = stop
        profile = MeterProfile(name="house", protocol=protocol, port="/dev/ttyUSB0", silence=60)
        around = Surroundings(self.time, now=self.time, stopping=stop.is_set)
        self.driver: Any
        if profile.polled:
            self.driver = PollingDriver([(profile, Secrets())], around, self.inbox, None, stop)
        else:
            self.driver = PushLine(profile, Secrets(), around, self.inbox, stop)

    def run(self, seconds: float) -> None:
        def end() -> None:
            self.stop.set()
            self.port.woken = True

        self.time.after(seconds, end)
        if not isinstance(self.driver, PushLine):
            self.driver.serve(self.port)
            return
        loop = in_the_loop(self.time, [(self.driver, self.port)])
        while not self.stop.is_set():
            loop.turn()

    @property
    def last(self) -> tuple[Condition, str]:
        return self.inbox.states[-1].state, self.inbox.states[-1].note


@pytest.fixture(autouse=True)
def info(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)


@pytest.mark.parametrize(
    ("octets", "words"),
    [
        (D0, "this is text of IEC 62056-21"),
        (TELNET, 'write the port as "rfc2217://host:port"'),
        (bytes(octet & 0x7F for octet in telegram(1)), "bit 7 is never set"),
    ],
)
def test_octets_of_another_kind_are_reported_before_the_silence_is_over(octets: bytes, words: str) -> None:
    line = Line()
    for second in range(1, 30):
        line.port.say(octets, second)
    line.run(30)
    condition, note = line.last
    assert condition is Condition.UNREADABLE
    assert words in note
    assert "octets/s and no telegram" in note


def test_a_meter_that_speaks_rarely_is_read_on_whatever_comes_between_its_telegrams() -> None:
    line = Line()
    for second in range(1, 300):
        line.port.say(telegram(second) if second % 50 == 1 else b"\x00\xff\x80", second)
    line.run(300)
    assert {state.state for state in line.inbox.states} == {Condition.WAITING, Condition.READING}


def test_noise_is_reported_when_the_silence_is_over() -> None:
    line = Line()
    for second in range(1, 90):
        line.port.say(NOISE, second)
    line.run(59)
    assert line.last[0] is not Condition.UNREADABLE
    line = Line()
    for second in range(1, 90):
        line.port.say(NOISE, second)
    line.run(80)
    assert line.last[0] is Condition.UNREADABLE
    assert "another speed, or noise" in line.last[1]


def test_an_episode_is_logged_once_and_so_is_its_end(caplog: pytest.LogCaptureFixture) -> None:
    line = Line()
    for second in range(1, 600):
        line.port.say(D0, second)
    line.port.say(telegram(5), 600)
    line.run(620)
    told = [record for record in caplog.records if getattr(record, "event", "") == "meter-unreadable"]
    assert len(told) == 1
    assert line.last[0] is Condition.READING
    assert not any(getattr(record, "event", "") == "meter-silent" for record in caplog.records)


def test_a_line_without_octets_is_silent() -> None:
    line = Line()
    line.run(80)
    assert line.last[0] is Condition.SILENT


def test_damaged_telegrams_of_the_own_protocol_keep_their_reason() -> None:
    line = Line()
    damaged = bytearray(telegram(1))
    damaged[100] ^= 1
    for second in range(1, 80):
        line.port.say(bytes(damaged), second)
    line.run(80)
    assert line.last[0] is Condition.SILENT
    assert "refused since the start, the last:" in line.last[1]


def test_sml_on_a_line_of_dlms_is_told_with_the_right_protocol() -> None:
    line = Line("dlms-push")
    for second in range(1, 30):
        line.port.say(telegram(second), second)
    line.run(30)
    assert line.last[0] is Condition.UNREADABLE
    assert 'this is SML; write protocol = "sml-push"' in line.last[1]


@pytest.mark.parametrize("protocol", ["dlms", "sml-poll"])
def test_a_line_that_is_asked_and_brings_text_is_unreadable(protocol: str) -> None:
    line = Line(protocol)
    for second in range(1, 200):
        line.port.say(D0, second)
    line.run(200)
    assert line.last[0] is Condition.UNREADABLE


def test_the_words_do_not_change_with_every_tick() -> None:
    line = Line()
    for second in range(1, 60):
        line.port.say(D0 * (1 + second % 7), second)
    line.run(60)
    notes = {state.note for state in line.inbox.states if state.state is Condition.UNREADABLE}
    assert len(notes) == 1


@pytest.fixture
def head(tmp_path: Path) -> Iterator[Head]:
    made = Head(tmp_path / "head")
    yield made
    made.unplug()


@contextmanager
def sending(head: Head, octets: bytes) -> Iterator[None]:
    stop = threading.Event()

    def run() -> None:
        os.set_blocking(head.master, False)
        while not stop.wait(0.02):
            try:
                head.send(octets)
            except BlockingIOError:
                continue

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(5)


def test_read_tells_what_came(tmp_path: Path, head: Head, capsys: pytest.CaptureFixture[str]) -> None:
    config = tmp_path / "gateway.toml"
    config.write_text(
        f'[gateway]\ndevice_id = "ESMG0000000001"\n[[meter]]\nname = "m"\nprotocol = "sml-push"\nport = "{head.link}"\n'
    )
    with sending(head, D0):
        assert main(["read", "--config", str(config), "--seconds", "1"]) == 1
    told = capsys.readouterr().err
    assert "octets/s came: this is text of IEC 62056-21 (D0)" in told


@pytest.mark.parametrize(
    ("name", "octets", "words"),
    [
        ("sml", D0, "no telegram: this is text of IEC 62056-21 (D0)"),
        ("dlms", telegram(1), "no telegram: this is SML; try smgw dump sml"),
        ("sml", TELNET, "no telegram: this is a negotiation of Telnet"),
    ],
)
def test_dump_of_a_port_tells_what_came(
    name: str, octets: bytes, words: str, head: Head, capsys: pytest.CaptureFixture[str]
) -> None:
    with sending(head, octets):
        assert main(["dump", name, str(head.link), "--seconds", "0.5"]) == 1
    assert words in capsys.readouterr().err


def test_dump_of_a_port_tells_it_while_it_goes_on(
    head: Head, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(source, "_SILENT_S", 0.05)
    with sending(head, D0):
        main(["dump", "sml", str(head.link), "--seconds", "1"])
    assert capsys.readouterr().err.count("this is text of IEC 62056-21") >= 2


def test_dump_of_a_silent_port_asks_for_the_wire(
    head: Head, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(source, "_SILENT_S", 0.2)
    assert main(["dump", "sml", str(head.link), "--seconds", "0.5"]) == 1
    told = capsys.readouterr().err
    assert "at 9600 8N1: no octets for 0.2 s. Does the meter send?" in told


def test_dump_of_a_file_hints_at_its_format(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "octets"
    file.write_bytes(D0 * 3)
    assert main(["dump", "sml", str(file)]) == 1
    assert "hint: this is text of IEC 62056-21 (D0)" in capsys.readouterr().err


class _Recorder:
    """A printer that shows nothing."""

    enough = False
    delivered = 0
    finished = 0

    def receive(self, _: bytes) -> bool:
        return False

    def finish(self) -> None:
        self.finished += 1

    def summary(self) -> None:
        """There is none."""


def test_the_printer_of_a_port_is_told_that_no_more_octets_come(head: Head) -> None:
    printer = _Recorder()
    source.dump(str(head.link), LineSettings(), 0.05, printer, "sml")
    assert printer.finished == 1


def test_dump_takes_a_line_with_seven_data_bits(head: Head, capsys: pytest.CaptureFixture[str]) -> None:
    with sending(head, with_parity(D0)):
        main(["dump", "sml", str(head.link), "--bytesize", "7", "--parity", "E", "--seconds", "0.5"])
    told = capsys.readouterr().err
    assert f"{head.link} at 9600 7E1" in told
    assert "this is text of IEC 62056-21 (D0); try smgw dump d0" in told

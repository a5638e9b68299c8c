"""A meter that calls on an M-Bus and is acknowledged (Siemens AMIS), and its encrypted records."""

import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from line_meter import Inbox
from mbus_amis import KEY, NORMALISE, RECORDS, Amis, frame
from memory_line import START_US, FakeTime, MemoryPort
from smgw.cli import main
from smgw.cosem.date_time import DateTime
from smgw.errors import RemoteProtocolError
from smgw.lmn.contract import Heard, Surroundings, Values
from smgw.lmn.errors import NoAnswerError, PollError, StoppedError
from smgw.lmn.mbus.push import MBusPush
from smgw.lmn.mbus.scan import PUSH
from smgw.lmn.polling import PollingDriver
from smgw.mbus.frame import Frame, FrameDecoder
from smgw.mbus.requests import RequestDecoder, Short
from smgw.mbus.telegram import read_telegram
from smgw.profiles import toml_importer
from smgw.profiles.advice import advised
from smgw.profiles.mbus import MBusProfile
from smgw.profiles.meter import MeterProfile
from smgw.profiles.problems import ConfigurationError
from smgw.profiles.secrets import Secrets, read_secrets
from smgw.wire import Refused

PROFILE = MeterProfile("house", "mbus-push", "/dev/null", parity="E", options=MBusProfile(), timeout=10)
SHOWN = [
    ("1-0:1.8.0*255", 960382), ("1-0:2.8.0*255", 0), ("1-0:3.8.1*255", 12205), ("1-0:4.8.1*255", 134176),
    ("1-0:1.7.0*255", 313), ("1-0:2.7.0*255", 0), ("1-0:3.7.0*255", 0), ("1-0:4.7.0*255", 9),
]  # fmt: skip


class Bench:
    """The meter on a line of its own."""

    def __init__(self, key: bytes | None = KEY, meters_key: bytes | None = KEY) -> None:
        self.time = FakeTime()
        self.stop = threading.Event()
        self.port: Any = MemoryPort(self.time)
        self.amis = Amis(self.time, self.port, meters_key)
        self.surroundings = Surroundings(self.time, now=self.time, stopping=self.stop.is_set)
        self.secrets = Secrets(encryption_key=key)
        self.meter = MBusPush(PROFILE, self.secrets, self.surroundings)


def values(heard: Sequence[Heard]) -> list[Values]:
    return [one for group in heard if not isinstance(group, Refused) for one in group]


def shown(one: Values) -> list[tuple[str, object]]:
    return [(str(reading.obis), reading.value.value) for reading in one.readings]


@pytest.mark.parametrize("key", [KEY, None], ids=["encrypted", "in the clear"])
def test_the_values_of_a_real_meter_have_their_names(key: bytes | None) -> None:
    bench = Bench(key, key)
    (one,) = values(bench.meter.poll(bench.port))
    assert str(one.device) == "1SAM0100000000"
    assert shown(one) == SHOWN
    assert one.meter_time is not None
    assert str(DateTime.read(one.meter_time.octets)) == "2015-06-27 14:36:03"
    assert bench.meter.identify(bench.port) == one.device


def test_every_telegram_is_captured_once_and_acknowledged() -> None:
    bench, inbox = Bench(), Inbox()
    driver = PollingDriver([(PROFILE, bench.secrets)], bench.surroundings, inbox, None, bench.stop)

    def end() -> None:
        bench.stop.set()
        bench.port.woken = True

    bench.time.after(60, end)
    driver._serve(bench.port)
    assert len(inbox.captures) == bench.amis.acknowledged == 60
    stamps = [(one.stamp.utc_us - START_US) / 1e6 for one in inbox.captures]
    assert stamps == pytest.approx([second + 0.5 for second in range(60)], abs=0.1)


def test_a_telegram_is_sent_again_until_its_acknowledgement_arrives_and_is_captured_once() -> None:
    bench = Bench()
    heard: list[Heard] = [*bench.meter.poll(bench.port)]
    bench.amis.lost = 1
    bench.time.after(0.5, lambda: setattr(bench.amis, "lost", 0))
    while bench.time.now < 1004.3:
        heard += bench.meter.listen(bench.port, 1004.3)
    assert bench.amis.acknowledged == len(values(heard))
    lost = Bench()
    assert values(lost.meter.listen(lost.port, 1001))
    lost.amis._sending = True  # the meter has not seen our acknowledgement
    assert not lost.meter.listen(lost.port, 1001.9)
    assert lost.amis.acknowledged == 2


@pytest.mark.parametrize("size", [1, 3, 1000])
def test_noise_echoes_and_pieces_change_nothing(size: int) -> None:
    bench = Bench()
    bench.port.peers = []
    octets = b"\xe5\x00\xff" + NORMALISE + b"\xe5" + frame()
    for place in range(0, len(octets), size):
        bench.port.say(octets[place : place + size], 0.1 + place * 0.00115)
    heard = bench.meter.poll(bench.port)
    assert [shown(one) for one in values(heard)] == [SHOWN]
    assert [octets for _, octets in bench.port.sent] == [b"\xe5", b"\xe5"]


def test_each_single_bit_flipped_is_never_a_value() -> None:
    whole = frame()
    for place in range(len(whole)):
        for bit in range(8):
            damaged = bytearray(whole)
            damaged[place] ^= 1 << bit
            decoder = RequestDecoder()
            events = [*decoder.receive(bytes(damaged)), *decoder.finish()]
            assert not [event for event in events if isinstance(event, Frame)], (place, bit)


@pytest.mark.parametrize(
    ("key", "meters_key", "words"),
    [
        (None, KEY, "there is no key; write encryption_key_file"),
        (bytes(16), KEY, "the key does not fit"),
        (KEY, None, "a telegram in the clear"),
    ],
    ids=["no key", "wrong key", "clear"],
)
def test_what_no_key_opens_is_refused_with_the_reason(key: bytes | None, meters_key: bytes | None, words: str) -> None:
    bench = Bench(key, meters_key)
    with pytest.raises(PollError, match=words):
        bench.meter.poll(bench.port)
    assert bench.amis.acknowledged > 5, "the meter goes on"


def test_a_silent_line_is_no_answer_and_a_stop_ends_the_wait() -> None:
    bench = Bench()
    bench.time._due.clear()
    with pytest.raises(NoAnswerError, match="no telegram within 10 s"):
        bench.meter.poll(bench.port)

    def stop() -> None:
        bench.stop.set()
        bench.port.woken = True

    bench.time.after(0.5, stop)
    with pytest.raises(StoppedError):
        bench.meter.poll(bench.port)
    with pytest.raises(PollError, match="no load profile"):
        bench.meter.load_profile(None, None)  # type: ignore[arg-type]
    bench.meter.close(bench.port)


def test_a_cut_telegram_is_refused_and_the_next_one_is_read() -> None:
    bench = Bench()
    bench.port.peers = []
    bench.time._due.clear()
    bench.port.say(frame()[:50], 0.1)
    bench.port.say(NORMALISE + frame(2), 2.0)
    heard = bench.meter.poll(bench.port)
    assert isinstance(heard[0], Refused)
    assert [shown(one) for one in values(heard)] == [SHOWN]


def test_records_behind_the_encrypted_blocks_are_not_read() -> None:
    (made,) = FrameDecoder().receive(frame())
    assert isinstance(made, Frame)
    telegram = read_telegram(made._replace(data=made.data + b"\x04\x03\1\0\0\0"), KEY)
    assert len(telegram.records) == len(read_telegram(made, KEY).records)
    with pytest.raises(RemoteProtocolError, match="are not the 80"):
        read_telegram(made._replace(data=made.data[:-1]), KEY)
    with pytest.raises(RemoteProtocolError, match="encrypted in mode 7"):
        read_telegram(made._replace(data=made.data[:11] + b"\x07" + made.data[12:]), KEY)


def test_a_call_that_nobody_acknowledges_is_recognised() -> None:
    found = advised(NORMALISE * 8)
    assert found is not None
    assert str(found) == ('a meter calls on an M-Bus and waits for an acknowledgement; write protocol = "mbus-push"')
    assert found.kind not in PROFILE.entry.reads(None) or not advised(NORMALISE * 8, PROFILE.entry.reads(None))


def test_a_scan_knows_a_meter_by_its_calls() -> None:
    ear = PUSH.ear(PROFILE)
    assert ear.hear(NORMALISE) is None
    heard = ear.hear(b"\0" + NORMALISE)
    assert heard is not None
    assert heard.profile.protocol == "mbus-push"


def test_short_frames_are_found_between_others() -> None:
    decoder = RequestDecoder()
    events = decoder.receive(b"\x10\x68" + NORMALISE + frame() + Short(0x5B, 254).encode() + b"\x10")
    assert [type(event) for event in events] == [Refused, Short, Frame, Short]
    assert decoder.receiving
    assert [type(event) for event in decoder.finish()] == [Refused]


CONFIGURATION = """
[gateway]
device_id = "ESMG0000000001"
[[meter]]
name = "house"
protocol = "mbus-push"
port = "/dev/ttyUSB0"
"""


def test_a_profile_needs_the_key_alone(tmp_path: Path) -> None:
    (tmp_path / "key").write_text(KEY.hex())
    (tmp_path / "key").chmod(0o600)
    file = tmp_path / "smgw.toml"
    file.write_text(CONFIGURATION + 'mbus = { encryption_key_file = "key" }\n')
    (profile,) = toml_importer.load(file).meters
    assert (profile.baudrate, profile.parity, profile.timeout, profile.silence) == (9600, "E", 10, 30)
    assert read_secrets(profile, tmp_path)["encryption_key"] == KEY


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("interval = 5", "the meter sends at its own interval"),
        ("mbus = { address = 1 }", 'this meter is never asked; leave it out, or write protocol = "mbus"'),
    ],
)
def test_a_key_of_meters_that_are_asked_is_refused(tmp_path: Path, text: str, words: str) -> None:
    file = tmp_path / "smgw.toml"
    file.write_text(CONFIGURATION + text + "\n")
    with pytest.raises(ConfigurationError, match=words):
        toml_importer.load(file)


def test_dump_opens_telegrams_with_the_key(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "key").write_text(KEY.hex())
    (tmp_path / "key").chmod(0o600)
    (tmp_path / "capture").write_bytes(NORMALISE + frame())
    assert main(["dump", "mbus", str(tmp_path / "capture"), "--key", str(tmp_path / "key")]) == 0
    out = capsys.readouterr().out
    assert "1-0:1.8.0*255    960382 Wh" in out
    assert main(["dump", "mbus", str(tmp_path / "capture")]) == 1
    assert "encrypted (mode 5)" in capsys.readouterr().err
    assert RECORDS[:4].hex() not in out

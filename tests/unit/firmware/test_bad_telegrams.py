"""What is no telegram, of D0, P1, M-Bus by wire and radio: counted, told once an hour, the next one is delivered."""

import logging
import operator
import threading
from collections.abc import Callable, Iterator
from itertools import chain
from typing import Any, NamedTuple

import pytest
from d0_line import D0Line, D0Model, identification
from line_meter import Inbox
from mbus_bus import WATER, meter, volume
from mbus_bus import Line as MBusLine
from memory_line import FakeTime, MemoryPort, in_the_loop
from smgw.iec62056.d0.meter import D0Meter
from smgw.iec62056.seven_bit import with_parity, without_parity
from smgw.lmn.contract import Surroundings
from smgw.lmn.polling import PollingDriver
from smgw.lmn.push_line import PushLine
from smgw.mbus.radio.sending import by_imst, in_the_clear
from smgw.profiles.d0 import D0Profile
from smgw.profiles.mbus import MBusProfile
from smgw.profiles.meter import MeterProfile
from smgw.profiles.p1 import P1Profile
from smgw.profiles.secrets import Secrets
from smgw.profiles.wmbus import WmbusProfile
from smgw.wire.crc_arc import crc_arc

HOUR_S = 3600
ENDLESS = 65_536


def d0_telegram(value: int) -> bytes:
    return with_parity(f"/XXX5TEST\r\n\r\n1-0:1.7.0*255({value:06d}*W)\r\n1-0:0.0.0*255(4711)\r\n!\r\n".encode())


def p1_telegram(value: int) -> bytes:
    text = f"/XXX5TEST\r\n\r\n1-0:1.7.0({value:06d}*W)\r\n0-0:96.1.1(4D)\r\n!".encode()
    return text + b"%04X\r\n" % crc_arc(text)


def radio_telegram(value: int) -> bytes:
    """As an iM871A passes it on."""
    return by_imst(in_the_clear(WATER, value % 256, volume(value)), 100)


class Pushed(NamedTuple):
    """A protocol whose meter sends by itself."""

    options: Any
    telegram: Callable[[int], bytes]
    endless: bytes


PUSHED = {
    "d0-push": Pushed(
        D0Profile(), d0_telegram, with_parity(b"/XXX5TEST\r\n\r\n" + b"1-0:1.7.0*255(000009*W)\r\n" * (ENDLESS // 25))
    ),
    "dsmr-p1": Pushed(P1Profile(), p1_telegram, b"/XXX5TEST\r\n\r\n" + b"1-0:1.7.0(000009*W)\r\n" * (ENDLESS // 21)),
    "wmbus": Pushed(WmbusProfile(WATER.id), radio_telegram, b"\xa5\x82\x03\xff" + volume(9) * (ENDLESS // 6)),
}


def spoilt_check(octets: bytes) -> bytes:
    """A digit of a value is another one."""
    place = without_parity(octets).find(b"*W") - 1 if b"*" in without_parity(octets) else len(octets) - 4
    return octets[:place] + bytes((octets[place] ^ 1,)) + octets[place + 1 :]


def interleaved(octets: bytes) -> bytes:
    """Two meters at once, whose octets mix."""
    return bytes(chain.from_iterable(zip(octets, octets[7:] + octets[:7], strict=True)))


def overlapped(octets: bytes) -> bytes:
    """Another meter begins while one sends, and their bits mix: a space of one of them wins."""
    begun = 8
    return octets[:begun] + bytes(map(operator.and_, octets[begun:], octets))


def cut(octets: bytes) -> bytes:
    """The line is cut in the middle."""
    return octets[: len(octets) // 2]


SPOILT = {"check": spoilt_check, "interleaved": interleaved, "overlapped": overlapped, "cut": cut}


class PushBench:
    """A line in memory with a pushing meter, as the gateway drives it."""

    def __init__(self, name: str) -> None:
        self.time, self.inbox, stop = FakeTime(), Inbox(), threading.Event()
        self.port: Any = MemoryPort(self.time)
        profile = MeterProfile("house", name, "/dev/null", options=PUSHED[name].options)
        line = PushLine(profile, Secrets(), Surroundings(self.time, now=self.time), self.inbox, stop)
        self._loop = in_the_loop(self.time, [(line, self.port)])

    def hear(self, octets: bytes, seconds: float = 1) -> None:
        """The line carries octets, and time passes."""
        until = self.time.passed + seconds
        self.port.say(octets)
        while self.time.passed < until:
            self._loop.turn()

    @property
    def refused(self) -> int:
        return self.inbox.states[-1].refused


@pytest.fixture(autouse=True)
def heard(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)


def told(caplog: pytest.LogCaptureFixture) -> int:
    refused = (one for one in caplog.records if getattr(one, "event", "") == "telegram-refused")
    return sum(one.levelno >= logging.INFO for one in refused)


def counted(bench: PushBench, caplog: pytest.LogCaptureFixture) -> int:
    """Damage on a radio stick is nobody's: the line counts it."""
    return bench.refused + told(caplog)


@pytest.mark.parametrize("fault", SPOILT)
@pytest.mark.parametrize("name", PUSHED)
def test_a_pushed_telegram_that_is_spoilt_gives_no_value_and_the_next_is_delivered(
    name: str, fault: str, caplog: pytest.LogCaptureFixture
) -> None:
    bench, telegram = PushBench(name), PUSHED[name].telegram
    bench.hear(telegram(1))
    bench.hear(SPOILT[fault](telegram(2)) + telegram(3))
    assert bench.inbox.values == [1, 3]
    assert counted(bench, caplog)


@pytest.mark.parametrize("name", PUSHED)
def test_a_pushed_telegram_of_64_kb_without_end_is_refused_and_the_next_is_delivered(
    name: str, caplog: pytest.LogCaptureFixture
) -> None:
    bench, made = PushBench(name), PUSHED[name]
    bench.hear(made.telegram(1))
    for start in range(0, len(made.endless), 512):
        bench.hear(made.endless[start : start + 512], 0.5)
    bench.hear(made.telegram(3))
    assert bench.inbox.values == [1, 3]
    assert counted(bench, caplog)


@pytest.mark.parametrize("fault", SPOILT)
@pytest.mark.parametrize("name", PUSHED)
def test_spoilt_pushes_among_good_ones_are_told_once_an_hour(
    name: str, fault: str, caplog: pytest.LogCaptureFixture
) -> None:
    bench, telegram = PushBench(name), PUSHED[name].telegram
    for number in range(0, HOUR_S - 60, 60):
        bench.hear(SPOILT[fault](telegram(5)), 30)
        bench.hear(telegram(number), 30)
    assert bench.inbox.values == list(range(0, HOUR_S - 60, 60))
    assert bench.refused >= 59 or name == "wmbus"
    assert told(caplog) == 1


class Spoil:
    """What becomes of answers on the way; nothing at first."""

    def __init__(self) -> None:
        self.change: Callable[[bytes], bytes] | None = None

    def __call__(self, octets: bytes) -> bytes:
        return octets if self.change is None else self.change(octets)


class SpoiltD0Line(D0Line):
    """Read-outs are spoilt, the identification is not."""

    spoil = Spoil()

    def _send(self, octets: bytes, rate: int) -> None:
        sent = octets if octets.startswith(b"/") else self.spoil(octets)
        for start in range(0, len(sent) if len(sent) >= ENDLESS // 2 else 0, 1024):
            self.port.say(sent[start : start + 1024], (start + 1024) * 10 / rate)
        if len(sent) < ENDLESS // 2:
            super()._send(sent, rate)


def d0_line(spoil: Spoil, values: Iterator[int]) -> tuple[FakeTime, Any, Any]:
    class Model(D0Model):
        def read_out(self) -> str:
            return f"1.7.0({next(values):06d}*W)\r\nC.1.0(4711)\r\n"

    time = FakeTime()
    line = SpoiltD0Line(time, D0Meter(identification(), Model()))
    line.spoil = spoil
    return time, line.port, D0Profile()


def mbus_line(spoil: Spoil, values: Iterator[int]) -> tuple[FakeTime, Any, Any]:
    slave = meter(5)
    slave._telegrams = lambda _: (volume(next(values)),)
    line = MBusLine([slave])
    carry = line.port.peers[0]
    line.port.peers[0] = lambda octets: answer if len(answer := carry(octets)) < 2 else spoil(answer)
    return line.time, line.port, MBusProfile(address=5)


ASKED = {"d0": d0_line, "mbus": mbus_line}
D0_ENDLESS = with_parity(b"\x02" + b"1.7.0(000009*W)\r\n" * (ENDLESS // 17))
MBUS_ENDLESS = b"\x68\xf8\xf8\x68\x08\x05\x72" + b"\x04\x13\x09\x00\x00\x00" * (ENDLESS // 6)


def wrong_sum(octets: bytes) -> bytes:
    """The check value of D0, or the check sum of an M-Bus frame, is another one."""
    place = len(octets) - (2 if octets.startswith(b"\x68") else 1)
    return octets[:place] + bytes((octets[place] ^ 3,)) + octets[place + 1 :]


def endless(octets: bytes) -> bytes:
    return MBUS_ENDLESS if octets.startswith(b"\x68") else D0_ENDLESS


SPOILT_ANSWERS = {
    "check": wrong_sum,
    "interleaved": interleaved,
    "overlapped": overlapped,
    "cut": cut,
    "64kB": endless,
}


@pytest.mark.parametrize("fault", SPOILT_ANSWERS)
@pytest.mark.parametrize("name", ASKED)
def test_spoilt_answers_give_no_value_are_told_once_an_hour_and_the_next_good_one_is_delivered(
    name: str, fault: str, caplog: pytest.LogCaptureFixture
) -> None:
    spoil, stop, inbox, sent = Spoil(), threading.Event(), Inbox(), iter(range(1, 1000))
    good: list[int] = []

    def values() -> Iterator[int]:
        for value in sent:
            if spoil.change is None:
                good.append(value)
            yield value

    time, port, options = ASKED[name](spoil, values())
    profile = MeterProfile("house", name, "/dev/null", interval=300, timeout=2, retries=1, silence=900, options=options)
    made = PollingDriver([(profile, Secrets())], Surroundings(time, now=time, stopping=stop.is_set), inbox, None, stop)

    def spoils() -> None:
        spoil.change = SPOILT_ANSWERS[fault]

    def mends() -> None:
        spoil.change = None

    for place in range(0, HOUR_S - 600, 600):  # one read-out is good, the next is spoilt
        time.after(place + 200, spoils)
        time.after(place + 590, mends)

    def end() -> None:
        stop.set()
        port.woken = True

    time.after(HOUR_S - 300, end)
    made._serve(port)
    assert inbox.values == good
    assert len(good) >= 6
    assert inbox.states[-1].refused >= 4
    assert told(caplog) == 1

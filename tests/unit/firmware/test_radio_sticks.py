"""Radio sticks of three makers: their frames whole, octet by octet, in noise, damaged."""

from collections.abc import Callable

import pytest
from smgw.mbus.radio import sending
from smgw.mbus.radio.sticks import Amber, AnyStick, Imst, Lines, Radio, Stick, cc1101_dbm, imst_dbm
from smgw.mbus.telegram import Identity
from smgw.wire import Refused
from work import is_linear

METER = Identity("12345678", "ELS", 0x12, 7)
TELEGRAMS = [sending.in_the_clear(METER, access, bytes.fromhex("0C1378563412") * 3) for access in range(3)]


def cul_b(telegram: bytes, signal: int) -> bytes:
    return sending.by_cul(telegram, signal, format_b=True)


KINDS: dict[str, tuple[Callable[[], Stick], Callable[[bytes, int], bytes]]] = {
    "imst": (Imst, sending.by_imst),
    "amber": (Amber, sending.by_amber),
    "cul": (Lines, sending.by_cul),
    "cul-b": (Lines, cul_b),
}
NAMES = list(KINDS)


def radios(events: list[Radio | Refused]) -> list[bytes]:
    return [one.telegram for one in events if isinstance(one, Radio)]


def stream(name: str) -> bytes:
    return b"".join(KINDS[name][1](telegram, 100) for telegram in TELEGRAMS)


@pytest.mark.parametrize("name", NAMES)
def test_all_telegrams_are_found_with_their_signal(name: str) -> None:
    stick = KINDS[name][0]()
    events = stick.receive(stream(name))
    assert radios(events) == TELEGRAMS
    signal = imst_dbm(100) if name == "imst" else cc1101_dbm(100)
    assert {one.signal for one in events if isinstance(one, Radio)} == {signal}
    assert not stick.receiving


@pytest.mark.parametrize("name", NAMES)
def test_octet_by_octet_they_are_the_same(name: str) -> None:
    stick = KINDS[name][0]()
    events = [event for octet in stream(name) for event in stick.receive(bytes((octet,)))]
    assert radios(events) == TELEGRAMS


@pytest.mark.parametrize("name", NAMES)
def test_the_stick_is_recognised_by_what_it_sends(name: str) -> None:
    stick = AnyStick()
    events = [event for octet in stream(name) for event in stick.receive(bytes((octet,)))]
    assert radios(events + stick.finish()) == TELEGRAMS


@pytest.mark.parametrize("name", ["imst", "amber"])
def test_noise_before_costs_nothing(name: str) -> None:
    stick = KINDS[name][0]()
    events = stick.receive(b"\x00\x01\x02noise" + stream(name))
    assert radios(events) == TELEGRAMS
    assert any(isinstance(one, Refused) for one in events)


def test_remarks_of_a_cul_are_no_telegrams() -> None:
    stick = Lines()
    events = stick.receive(b"V 1.67 nanoCUL868\r\nTMODE\r\n" + stream("cul") + b"LOVF\r\n")
    assert radios(events) == TELEGRAMS
    assert len(events) == len(TELEGRAMS)


@pytest.mark.parametrize("name", ["imst", "cul", "cul-b"])
def test_each_flipped_bit_is_noticed_and_costs_one_telegram(name: str) -> None:
    first, good = KINDS[name][1](TELEGRAMS[0], 100), KINDS[name][1](TELEGRAMS[1], 100)
    for place in range(0, 8 * (len(first) - 8), 3):
        flipped = bytearray(first)
        flipped[place // 8] ^= 1 << place % 8
        if bytes(flipped).upper() == first.upper():  # hex digits of the other case are the same digits
            continue
        stick = KINDS[name][0]()
        stick.receive(good)
        assert radios([*stick.receive(bytes(flipped) + good), *stick.finish()]) == [TELEGRAMS[1]]


def test_a_telegram_that_a_cul_cut_off_is_refused_with_the_reason() -> None:
    line = sending.by_cul(TELEGRAMS[0], 100).strip()[:-20]
    (event,) = Lines().receive(line + b"\r\n")
    assert isinstance(event, Refused)
    assert "firmware" in event.reason


def test_a_cul_without_signal_octets_is_read() -> None:
    line = sending.by_cul(TELEGRAMS[0], 100).strip()[:-4]
    assert Lines().receive(line + b"\n") == [Radio(TELEGRAMS[0])]


def test_an_amber_stick_that_wraps_nothing_is_read() -> None:
    bare = b"".join(bytes((one[0] + 1,)) + one[1:] + b"\x64" for one in TELEGRAMS)
    assert radios(Amber().receive(bare)) == TELEGRAMS


def test_an_amber_stick_without_signal_octets_is_read() -> None:
    assert radios(Amber(signal=False).receive(b"".join(TELEGRAMS))) == TELEGRAMS


def test_answers_of_sticks_are_passed_over() -> None:
    answer = b"\xff\x84\x01\x09" + bytes((0xFF ^ 0x84 ^ 0x01 ^ 0x09,))
    assert radios(Amber().receive(answer + stream("amber"))) == TELEGRAMS


def test_a_line_without_end_is_given_up_once() -> None:
    stick = Lines()
    events = [event for _ in range(64) for event in stick.receive(b"b" + b"0" * 1024)]
    assert len(events) == 1
    assert radios(stick.receive(b"\r\n" + stream("cul"))) == TELEGRAMS


@pytest.mark.parametrize("name", [*NAMES, "any"])
def test_octets_without_a_telegram_cost_linear_work(name: str) -> None:
    make = AnyStick if name == "any" else KINDS[name][0]

    for piece in (b"\xa5", b"\xff\x03", b"\x44", b"b4", b"\xa5\x82\x03\xff"):

        def run(size: int, piece: bytes = piece) -> None:
            stick = make()
            for _ in range(size):
                stick.receive(piece * 64)
            stick.finish()

        assert is_linear(run, 20)


@pytest.mark.parametrize(("octet", "dbm"), [(0, -127), (100, -73), (255, 9)])
def test_the_signal_of_an_im871a(octet: int, dbm: int) -> None:
    assert imst_dbm(octet) == dbm


@pytest.mark.parametrize(("octet", "dbm"), [(0, -74), (100, -24), (128, -138), (255, -74)])
def test_the_signal_of_a_cc1101(octet: int, dbm: int) -> None:
    assert cc1101_dbm(octet) == dbm

"""R26: a trace of a line tells time, direction, octets and what they are; it shows no password and can be replayed."""

import logging

import pytest
from hdlc_trace import Traced, read_trace
from hdlc_wire import Wire
from hypothesis import given
from hypothesis import strategies as st
from smgw.dlms.carriers.wrapper import Wrapper
from smgw.dlms.security.hls import Password
from smgw.dlms.security.secret import Secret
from smgw.dlms.session.client import Client
from smgw.dlms.session.events import Send
from smgw.hdlc import Address, ApduReceived, Connected, Link, LinkParameters
from smgw.hdlc.trace import Trace
from smgw.wire import Transmit

CLIENT, METER = Address(16), Address(1, 17)
PASSWORD = b"12345678"


def octets_of(events: list[object]) -> bytes:
    return b"".join(event.octets for event in events if isinstance(event, Transmit))


def aarq() -> bytes:
    (send,) = Client(Password(Secret(PASSWORD))).associate()
    assert isinstance(send, Send)
    return send.apdu


def connected(information: int) -> Link:
    parameters = LinkParameters.of(information)
    wire = Wire(Link.client(CLIENT, METER, parameters), Link.server(METER, parameters))
    wire.connect()
    assert isinstance(wire.client, Link)
    return wire.client


def test_a_line_says_when_which_way_what_and_who() -> None:
    link = connected(128)
    line = Trace("flat").line(octets_of(link.send(b"\xc0\x01\xc1", 0.0)), 12.3456784, sent=True)
    assert line.startswith("12.345678 > 7ea0100223211")
    assert line.endswith(" I 0/0 F 16 > 1/17, 6 octets")
    came = Trace("flat").line(bytes.fromhex("7ea0082102235172ad7e"), 13.0, sent=False)
    assert came.startswith("13.000000 < 7ea0082102235172ad7e")


@pytest.mark.parametrize("information", [128, 64, 40, 20, 8])
@pytest.mark.parametrize("window", [1, 7])
def test_a_password_is_hidden_however_the_request_is_cut(information: int, window: int) -> None:
    parameters = LinkParameters.of(information, window)
    wire = Wire(Link.client(CLIENT, METER, parameters), Link.server(METER, parameters))
    wire.connect()
    wire.ask(aarq())
    wire.ask(b"what follows is not hidden")
    trace = Trace("flat")
    sent = [(octets, trace.line(octets, 0.0, sent=True)) for side, octets in wire.transmissions if side == "client"]
    shown = "".join(line.split()[2] for _, line in sent)
    assert "**" in shown
    for length in (8, 6, 4):
        assert PASSWORD[:length].hex() not in shown
    assert "**" not in sent[-1][1]


def test_over_the_wrapper_a_password_is_hidden_and_nothing_else() -> None:
    wrapper = Wrapper.client(16, 1)
    wrapper.connect(0.0)
    apdu = aarq()
    sent = octets_of(wrapper.send(apdu, 0.0))
    line = Trace("flat").line(sent, 1.0, sent=True)
    assert line == f"1.000000 > {sent.hex().replace(PASSWORD.hex(), '**' * 8)} wrapper 16 > 1, {len(apdu)} octets"


def test_a_session_is_replayed_from_its_trace() -> None:
    trace = Trace("flat")
    wire = Wire(Link.client(CLIENT, METER), Link.server(METER), lambda apdu: apdu * 50)
    wire.connect()
    assert wire.ask(b"question") == b"question" * 50
    lines = [
        f"Nov 22 smgw[1]: flat: {trace.line(octets, place / 10, sent=side == 'client')}"
        for place, (side, octets) in enumerate(wire.transmissions)
    ]
    again = Link.client(CLIENT, METER)
    again.connect(0.0)
    events = []
    for one in read_trace(["some other line", *lines]):
        if one.sent:
            continue
        assert one.octets is not None
        events += again.receive(one.octets, one.now)
        if isinstance(events[-1], Connected):
            again.send(b"question", one.now)
    assert [event.apdu for event in events if isinstance(event, ApduReceived)] == [b"question" * 50]


def test_what_is_hidden_is_no_octets() -> None:
    assert read_trace(["1.000000 > 60ac**", "2.500000 < 7e what"]) == [
        Traced(1.0, True, None),
        Traced(2.5, False, b"\x7e"),
    ]


def test_nothing_is_written_unless_debug_is_on(caplog: pytest.LogCaptureFixture) -> None:
    trace = Trace("flat")
    with caplog.at_level(logging.INFO):
        trace.sent(b"\x7e", 0.0)
        trace.received(b"\x7e", 0.0)
    assert not caplog.records
    with caplog.at_level(logging.DEBUG):
        trace.sent(b"\x7e", 0.0)
        trace.received(b"\x7e", 0.5)
    assert caplog.messages == ["flat: 0.000000 > 7e", "flat: 0.500000 < 7e"]


@given(st.lists(st.tuples(st.binary(max_size=60), st.booleans()), max_size=6))
def test_whatever_goes_by_is_written_and_read_again(pieces: list[tuple[bytes, bool]]) -> None:
    trace = Trace("flat")
    lines = [trace.line(octets, place, sent=sent) for place, (octets, sent) in enumerate(pieces)]
    for one, (octets, sent) in zip(read_trace(lines), pieces, strict=True):
        assert one.sent is sent
        assert one.octets in (octets, None)


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_a_line_that_echoes_gives_no_password_to_the_trace(size: int) -> None:
    parameters = LinkParameters()
    client, meter = Link.client(CLIENT, METER, parameters), Link.server(METER, parameters)
    trace = Trace("flat")
    shown = ""

    def exchange(octets: bytes) -> None:
        nonlocal shown
        trace.line(octets, 0.0, sent=True)
        answer = octets_of(meter.receive(octets, 0.0))
        client.receive(answer, 0.0)
        came = b"\xff" + octets + answer
        for place in range(0, len(came), size):
            shown += trace.line(came[place : place + size], 0.0, sent=False).split()[2]

    exchange(octets_of(client.connect(0.0)))
    exchange(octets_of(client.send(aarq(), 0.0)))
    assert "**" in shown
    assert PASSWORD.hex() not in shown

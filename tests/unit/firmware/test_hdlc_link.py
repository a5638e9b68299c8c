"""HDLC links: client and meter wired in memory, over wires that lose, damage, cut and echo."""

import random

import pytest
from hdlc_wire import Wire, decode_frame
from hypothesis import given, settings
from hypothesis import strategies as st
from smgw.errors import LocalProtocolError
from smgw.hdlc import Address, ApduReceived, Cause, Connected, Disconnected, Link, LinkParameters
from smgw.hdlc.control import CONTROLS, Control, Kind
from smgw.hdlc.frame import encode_frame
from smgw.hdlc.states import TRANSITIONS, State
from smgw.wire import Refused, Transmit

CLIENT = Address(16)
METER = Address(1, 17)
WIDE = LinkParameters.of(2030, 7)


def pair(
    offered: LinkParameters = WIDE, can: LinkParameters = WIDE, *, timeout: float = 5.0, retries: int = 2
) -> tuple[Link, Link]:
    return Link.client(CLIENT, METER, offered, timeout=timeout, retries=retries), Link.server(METER, can)


def linked(offered: LinkParameters = WIDE, can: LinkParameters = WIDE, **wire: object) -> Wire:
    wired = Wire(*pair(offered, can), **wire)  # type: ignore[arg-type]
    wired.connect()
    return wired


def octets_of(events: list[object]) -> bytes:
    return b"".join(event.octets for event in events if isinstance(event, Transmit))


def from_meter(kind: Kind, *, sent: int = 0, received: int = 0, final: bool = True, apdu: bytes = b"") -> bytes:
    information = b"\xe6\xe7\x00" + apdu if apdu else b""
    return encode_frame(CLIENT, METER, Control(kind, final, sent, received).encode(), information)


def connected_client(parameters: LinkParameters = WIDE, **times: float) -> Link:
    link = Link.client(CLIENT, METER, parameters, **times)  # type: ignore[arg-type]
    link.connect(0.0)
    link.receive(encode_frame(CLIENT, METER, 0x73, parameters.encode()), 0.0)
    assert link.connected
    return link


@pytest.mark.parametrize(
    ("offered", "can", "agreed"),
    [
        (WIDE, WIDE, (2030, 2030, 7, 7)),
        (LinkParameters(), WIDE, (128, 128, 1, 1)),
        (WIDE, LinkParameters(64, 300, 1, 3), (300, 64, 3, 1)),
    ],
)
def test_each_direction_has_the_smaller_of_what_both_sides_can_do(
    offered: LinkParameters, can: LinkParameters, agreed: tuple[int, int, int, int]
) -> None:
    wire = linked(offered, can)
    assert wire.seen == [Connected(1, LinkParameters(*agreed))]
    sent_information, sent_window = agreed[0], agreed[2]
    assert wire.meter_seen == [Connected(16, LinkParameters(agreed[1], sent_information, agreed[3], sent_window))]


def test_a_meter_that_answers_snrm_with_an_empty_ua_keeps_the_defaults() -> None:
    link = Link.client(CLIENT, METER, WIDE)
    link.connect(0.0)
    events = link.receive(encode_frame(CLIENT, METER, 0x73), 0.1)
    assert events == [Connected(1, LinkParameters(128, 128, 1, 1))]


@pytest.mark.parametrize("information", [20, 128, 2030])
@pytest.mark.parametrize("window", [1, 3, 7])
@pytest.mark.parametrize("piece", [0, 1])
def test_long_apdus_go_both_ways_in_segments(information: int, window: int, piece: int) -> None:
    wire = linked(LinkParameters.of(information, window), piece=piece)
    for octets in (1, information - 3, information - 2, information, 10 * information + 5, 5000):
        apdu = random.Random(octets).randbytes(octets)
        assert wire.ask(apdu) == apdu
    assert wire.now == 1000.0, "nothing had to be polled for"
    if window == 1:
        segments = [len(decode_frame(octets).information) for _, octets in wire.transmissions[2:]]
        assert max(segments) == information


def test_a_window_is_sent_in_one_go_and_only_its_last_frame_polls() -> None:
    wire = linked(LinkParameters.of(30, 3))
    sent = octets_of(wire.client.send(bytes(200), wire.now))
    frames = sent.split(b"\x7e\x7e")
    assert len(frames) == 3
    assert [CONTROLS[int(frame.lstrip(b"\x7e")[5])].final for frame in frames] == [False, False, True]  # type: ignore[union-attr]


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.integers(1, 900), min_size=1, max_size=4),
    st.sampled_from([(16, 1), (128, 1), (50, 7), (128, 4)]),
    st.lists(st.sampled_from("....ldcn"), max_size=40),
    st.booleans(),
    st.randoms(use_true_random=False),
)
def test_whatever_the_wire_does_for_a_while_every_answer_arrives_once_and_whole(
    sizes: list[int], parameters: tuple[int, int], harms: list[str], echo: bool, chance: random.Random
) -> None:
    """R1, R2, R3, R5: lost, damaged and cut transmissions, noise and echo cost time, never an APDU."""

    def harm(count: int, octets: bytes) -> bytes:
        what = harms[count - 2] if 2 <= count < len(harms) + 2 else "."
        if what == "l":
            return b""
        if what == "d":
            place = chance.randrange(len(octets))
            return octets[:place] + bytes((octets[place] ^ 1 << chance.randrange(8),)) + octets[place + 1 :]
        if what == "c":
            place = chance.randrange(len(octets))
            return octets[:place] + octets[place + chance.randrange(10) :]
        return octets if what == "." else chance.randbytes(chance.randrange(12)) + octets

    client, meter = pair(LinkParameters.of(*parameters), retries=60)
    wire = Wire(client, meter, lambda apdu: bytes(reversed(apdu)) * 2, harm=harm, echo=echo)
    wire.connect()
    for size in sizes:
        apdu = chance.randbytes(size)
        assert wire.ask(apdu) == bytes(reversed(apdu)) * 2
    received = [event for event in wire.meter_seen if isinstance(event, ApduReceived)]
    assert len(received) == len(sizes), "the meter got nothing twice"
    assert len([event for event in wire.seen if isinstance(event, ApduReceived)]) == len(sizes)


def test_a_lost_answer_is_polled_for_and_the_request_never_blindly_sent_again() -> None:
    """R5: RR with P comes first."""
    wire = linked(harm=lambda count, octets: b"" if count == 3 else octets)
    assert wire.ask(b"question") == b"question"
    kinds = [
        (side, CONTROLS[decode_frame(octets).control].kind)  # type: ignore[union-attr]
        for side, octets in wire.transmissions[2:]
    ]
    assert kinds == [("client", Kind.I), ("meter", Kind.I), ("client", Kind.RR), ("meter", Kind.I)]
    assert wire.now == 1005.0


def test_a_lost_request_is_sent_again_once_the_meter_says_that_it_lacks_it() -> None:
    wire = linked(harm=lambda count, octets: b"" if count == 2 else octets)
    assert wire.ask(b"question") == b"question"
    assert len([event for event in wire.meter_seen if isinstance(event, ApduReceived)]) == 1


def test_a_repeated_frame_is_discarded_and_acknowledged_again() -> None:
    link = connected_client()
    link.send(b"ask", 0.0)
    answer = from_meter(Kind.I, received=1, apdu=b"answer")
    assert link.receive(answer, 0.1) == [ApduReceived(b"answer", False, 1)]
    (again,) = link.receive(answer, 0.2)
    assert isinstance(again, Transmit)
    assert CONTROLS[decode_frame(again.octets).control] == Control(Kind.RR, True, 0, 1)


def test_a_meter_that_is_silent_is_given_up_after_its_time_and_every_wait_has_a_deadline() -> None:
    """R3, R4."""
    link = connected_client(timeout=4.0, retries=2)
    link.send(b"ask", 0.0)
    now, polls = 0.0, 0
    while (due := link.deadline(now)) is not None:
        now = due
        last = link.expire(now)[-1]
        polls += isinstance(last, Transmit)
    assert (now, polls) == (12.0, 2)
    assert last == Disconnected(Cause.SILENT, "no answer from 1/17 within 12 s")
    assert not link.connected


def test_a_meter_that_acknowledges_and_never_answers_is_given_up_too() -> None:
    wire = linked(answer=lambda _: None)
    assert wire.ask(b"ask") is None
    assert wire.seen[-1] == Disconnected(Cause.SILENT, "no answer from 1/17 within 15 s")
    assert wire.now - 1000.0 == 5.0 + 15.0, "its acknowledgement, polled for once, was the last progress"


def test_a_meter_that_is_slow_is_polled_until_it_answers() -> None:
    """R4."""
    link, meter = pair()
    wire = Wire(link, meter, lambda _: None)
    wire.connect()
    events = link.send(b"ask", 0.0)
    meter.receive(octets_of(events), 0.0)
    poll = link.expire(5.0)
    ready = octets_of(meter.receive(octets_of(poll), 5.0))
    assert CONTROLS[decode_frame(ready).control] == Control(Kind.RR, True, 0, 1)
    link.receive(ready, 5.0)
    assert meter.send(b"at last", 5.2) == []  # it has no turn
    assert link.deadline(5.0) == 5.5
    answer = octets_of(meter.receive(octets_of(link.expire(5.5)), 5.5))
    assert link.receive(answer, 5.5) == [ApduReceived(b"at last", False, 1)]


def test_a_meter_that_is_not_ready_gets_no_more_segments_until_it_is() -> None:
    link = connected_client(LinkParameters.of(20, 1))
    link.send(bytes(40), 0.0)
    assert link.receive(from_meter(Kind.RNR, received=1), 0.1) == []
    (poll,) = link.expire(0.6)
    assert isinstance(poll, Transmit)
    assert CONTROLS[decode_frame(poll.octets).control].kind is Kind.RR  # type: ignore[union-attr]
    (segment,) = link.receive(from_meter(Kind.RR, received=1), 0.7)
    assert isinstance(segment, Transmit)
    assert CONTROLS[decode_frame(segment.octets).control] == Control(Kind.I, True, 1, 0)


def test_noise_that_never_ends_does_not_keep_a_wait_alive() -> None:
    """R3: what comes in counts as time, too."""
    link = connected_client(timeout=2.0, retries=1)
    link.send(b"ask", 0.0)
    header = from_meter(Kind.I, apdu=bytes(2000))[:20]
    now = 0.0
    while link.connected and now < 60:
        now += 0.5
        link.receive(header, now)
        if (due := link.deadline(now)) is not None and due <= now:
            link.expire(now)
    assert now <= 5.0


def test_a_frame_that_comes_slowly_is_waited_for() -> None:
    link = connected_client(timeout=2.0)
    link.send(b"ask", 0.0)
    answer = from_meter(Kind.I, received=1, apdu=bytes(40))
    link.receive(answer[:20], 1.9)
    assert link.deadline(1.9) == 2.9
    assert link.receive(answer[20:], 2.8) == [ApduReceived(bytes(40), False, 1)]


def test_a_damaged_answer_is_polled_for_as_soon_as_the_line_is_silent() -> None:
    """R5: not only after the whole time-out."""
    link = connected_client(timeout=5.0)
    link.send(b"ask", 0.0)
    answer = bytearray(from_meter(Kind.I, received=1, apdu=bytes(40)))
    answer[30] ^= 1
    link.receive(bytes(answer[:35]), 0.1)
    link.receive(bytes(answer[35:]), 0.2)
    assert link.deadline(0.2) == pytest.approx(1.2)
    link.receive(b"\x00", 0.9)
    assert link.deadline(0.9) == pytest.approx(1.9), "more came: not silent yet"
    *_, poll = link.expire(1.9)
    assert isinstance(poll, Transmit)
    assert link.deadline(1.9) == pytest.approx(6.9)


def test_an_answer_behind_the_start_of_a_frame_that_never_ends_is_found_when_the_time_is_over() -> None:
    link = connected_client(timeout=2.0)
    link.send(b"ask", 0.0)
    cut = from_meter(Kind.I, apdu=bytes(500))[:60]
    assert link.receive(cut + from_meter(Kind.I, received=1, apdu=b"answer"), 0.5) == []
    events = link.expire(2.0)
    assert ApduReceived(b"answer", False, 1) in events
    assert not link.busy


@pytest.mark.parametrize("how", ["whole", "cut", "with noise"])
def test_what_the_line_echoes_is_removed(how: str) -> None:
    """R2: full, partial and mixed with noise; told once."""
    link = connected_client()
    sent = octets_of(link.send(bytes(range(60)), 0.0))
    echo = {"whole": sent, "cut": sent[:30], "with noise": sent[:25] + b"\x00\xff" + sent[25:]}[how]
    events = link.receive(echo + from_meter(Kind.I, received=1, apdu=b"answer"), 0.1)
    assert [event for event in events if isinstance(event, ApduReceived)] == [ApduReceived(b"answer", False, 1)]
    assert link.echo
    if how != "with noise":
        assert not [event for event in events if isinstance(event, Refused)]


def test_a_session_over_a_line_with_echo_is_as_one_without() -> None:
    """R2."""
    wire = linked(LinkParameters.of(50, 3), echo=True)
    apdu = bytes(range(256)) * 3
    assert wire.ask(apdu) == apdu
    assert wire.now == 1000.0


def test_client_and_meter_with_equal_address_octets_understand_each_other() -> None:
    wire = Wire(Link.client(Address(1), Address(1)), Link.server(Address(1)))
    wire.connect()
    assert wire.ask(b"question") == b"question"


@pytest.mark.parametrize("piece", [0, 1])
def test_on_a_line_that_echoes_equal_addresses_do_not_make_an_echo_an_answer(piece: int) -> None:
    """R2: client 16 and server 16, as of some meters."""
    client, meter = Link.client(CLIENT, CLIENT, LinkParameters.of(50, 3)), Link.server(CLIENT, LinkParameters.of(50, 3))
    wire = Wire(client, meter, lambda apdu: apdu, echo=True, piece=piece)
    wire.connect()
    apdu = bytes(range(256)) * 3
    assert wire.ask(apdu) == apdu
    assert wire.now == 1000.0
    assert client.echo


def test_frames_of_other_meters_on_the_bus_change_nothing() -> None:
    """R12: several meters by address."""
    link = connected_client()
    link.send(b"ask", 0.0)
    other = encode_frame(CLIENT, Address(1, 18), 0x30, b"\xe6\xe7\x00other")
    assert link.receive(other, 0.1) == []
    assert link.busy


def test_a_call_to_any_device_takes_the_answer_of_the_one_that_is_there() -> None:
    link = Link.client(CLIENT, Address(1, 0x7F))
    link.connect(0.0)
    assert link.receive(encode_frame(CLIENT, METER, 0x73), 0.1) == [Connected(1, LinkParameters())]


def test_disc_is_sent_before_the_first_snrm_and_any_answer_to_it_will_do() -> None:
    """R6."""
    for answer in (Control(Kind.UA, True), Control(Kind.DM, True)):
        link = Link.client(CLIENT, METER)
        link.disconnect(0.0)
        assert link.receive(encode_frame(CLIENT, METER, answer.encode()), 0.1) == [Disconnected(Cause.ASKED)]
        assert link.deadline(0.1) is None
    link = Link.client(CLIENT, METER, timeout=3.0)
    link.disconnect(0.0)
    assert link.expire(3.0) == [Disconnected(Cause.ASKED)]


def test_another_client_has_to_wait_until_the_link_is_down_and_then_begins_with_new_numbers() -> None:
    """R6, R7: a full DISC and SNRM for a change of the client."""
    meter = Link.server(METER)
    public, manager = Link.client(CLIENT, METER), Link.client(Address(1), METER)
    wire = Wire(public, meter)
    wire.connect()
    wire.ask(b"counter")
    refused = Wire(manager, meter)
    refused.connect()
    (down,) = refused.seen
    assert isinstance(down, Disconnected)
    assert down.cause is Cause.REFUSED
    assert "DM" in down.reason
    wire.run(public.disconnect(wire.now))
    assert wire.seen[-1] == Disconnected(Cause.ASKED)
    refused.connect()
    assert refused.ask(b"values") == b"values"


def test_a_client_that_the_meter_does_not_know_gets_no_link() -> None:
    wire = Wire(Link.client(Address(99), METER), Link.server(METER, clients={16, 1}))
    wire.connect()
    (down,) = wire.seen
    assert isinstance(down, Disconnected)
    assert down.cause is Cause.REFUSED
    assert "unknown client" in down.reason


@pytest.mark.parametrize("kind", [Kind.DM, Kind.FRMR])
def test_a_meter_that_has_dropped_the_link_says_so_and_a_new_one_can_be_made(kind: Kind) -> None:
    """R7."""
    link = connected_client()
    link.send(b"ask", 0.0)
    (down,) = link.receive(from_meter(kind), 0.1)
    assert isinstance(down, Disconnected)
    assert down.cause is (Cause.DROPPED if kind is Kind.DM else Cause.REJECTED)
    assert kind.name in down.reason
    link.connect(0.2)
    assert link.receive(encode_frame(CLIENT, METER, 0x73), 0.3) == [Connected(1, LinkParameters())]


def test_frmr_from_nowhere_to_nowhere_ends_the_link() -> None:
    """R7: so a meter seen here answers a client that it does not know."""
    link = Link.client(CLIENT, METER)
    link.connect(0.0)
    (down,) = link.receive(bytes.fromhex("7ea007010197a0d17e"), 0.1)
    assert isinstance(down, Disconnected)
    assert down.cause is Cause.REJECTED
    assert "FRMR" in down.reason


def test_a_push_in_a_ui_frame_between_request_and_answer_is_told_from_the_answer() -> None:
    """R18."""
    link = connected_client()
    link.send(b"ask", 0.0)
    push = from_meter(Kind.UI, apdu=b"\x0fpush")
    events = link.receive(push + from_meter(Kind.I, received=1, apdu=b"answer"), 0.1)
    assert events == [ApduReceived(b"\x0fpush", True, 1), ApduReceived(b"answer", False, 1)]


@pytest.mark.parametrize("final", [True, False])
def test_after_a_push_in_an_i_frame_the_answer_is_polled_for(final: bool) -> None:
    """R18."""
    link = connected_client()
    link.send(b"ask", 0.0)
    events = link.receive(from_meter(Kind.I, received=1, final=final, apdu=b"\x0fpush"), 0.1)
    assert events == [ApduReceived(b"\x0fpush", False, 1)]
    asked = link.poll(0.1)
    assert bool(asked) is final
    assert link.busy
    answer = from_meter(Kind.I, sent=1, received=1, apdu=b"answer")
    assert link.receive(answer, 0.2) == [ApduReceived(b"answer", False, 1)]
    assert not link.busy


def test_several_pushes_in_one_information_field_are_several_apdus() -> None:
    """R17."""
    link = connected_client()
    information = b"".join(b"\xe6\xe7\x00\x0f" + bytes((number,)) for number in range(3))
    events = link.receive(encode_frame(CLIENT, METER, 0x13, information), 0.1)
    assert events == [ApduReceived(bytes((0x0F, number)), True, 1) for number in range(3)]


def test_an_apdu_that_never_ends_is_dropped_and_said() -> None:
    """R28."""
    link = connected_client()
    link.send(b"ask", 0.0)
    events: list[object] = []
    count = 0
    while link.connected:
        assert count < 40
        control = Control(Kind.I, True, count & 7, 1).encode()
        events = list(link.receive(encode_frame(CLIENT, METER, control, bytes(2030), segmented=True), 0.1))
        count += 1
    assert isinstance(events[-1], Disconnected)
    assert events[-1].cause is Cause.BROKEN
    assert "65535" in events[-1].reason


def test_a_meter_drops_a_link_that_nobody_uses() -> None:
    _, meter = pair()
    wire = Wire(Link.client(CLIENT, METER), meter)
    wire.connect()
    assert meter.deadline(wire.now) == wire.now + 120.0
    assert meter.expire(wire.now + 120.0) == [Disconnected(Cause.SILENT, "nothing came for 120 s")]
    (answer,) = meter.receive(encode_frame(METER, CLIENT, 0x10, b"\xe6\xe6\x00ask"), wire.now + 121)
    assert isinstance(answer, Transmit)
    assert CONTROLS[decode_frame(answer.octets).control].kind is Kind.DM  # type: ignore[union-attr]


@pytest.mark.parametrize("kind", [Kind.DM, Kind.FRMR])
def test_a_meter_is_told_that_its_client_has_dropped_the_link(kind: Kind) -> None:
    wire = linked()
    (down,) = wire.meter.receive(encode_frame(METER, CLIENT, Control(kind, True).encode()), wire.now)
    assert isinstance(down, Disconnected)
    assert down.cause is Cause.DROPPED
    assert kind.name in down.reason


def test_a_meter_pushes_to_the_client_it_was_given() -> None:
    meter = Link.server(METER, client=Address(102))
    frame = decode_frame(octets_of(meter.send_unnumbered(b"\x0fpush", 0.0)))
    assert (frame.destination, frame.source, frame.information) == (Address(102), METER, b"\xe6\xe7\x00\x0fpush")


def test_sending_without_a_link_is_our_own_mistake() -> None:
    with pytest.raises(LocalProtocolError, match="connect first"):
        Link.client(CLIENT, METER).send(b"ask", 0.0)
    with pytest.raises(LocalProtocolError):
        Link.server(METER).connect(0.0)
    with pytest.raises(LocalProtocolError, match="2030"):
        LinkParameters.of(2031)


def test_every_state_of_the_table_can_be_left_and_ends_in_disconnected() -> None:
    assert set(TRANSITIONS) == set(State)
    for moves in TRANSITIONS.values():
        assert set(moves.values()) <= set(State)
    for state in set(State) - {State.DISCONNECTED}:
        assert TRANSITIONS[state][Kind.DM] is State.DISCONNECTED


@settings(max_examples=150, deadline=None)
@given(st.lists(st.binary(max_size=30) | st.sampled_from([from_meter(kind, apdu=b"x") for kind in Kind]), max_size=12))
def test_no_octets_from_the_line_make_a_link_raise(pieces: list[bytes]) -> None:
    for link in (connected_client(), Link.server(METER), Link.client(METER, CLIENT)):
        now = 0.0
        for piece in pieces:
            link.receive(piece, now)
            if (due := link.deadline(now)) is not None:
                now = due
                link.expire(now)

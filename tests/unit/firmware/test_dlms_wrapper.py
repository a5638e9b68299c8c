"""The wrapper over TCP and UDP: the same face as an HDLC link, over a wire that cuts as it likes."""

import pytest
from hdlc_wire import Wire
from hypothesis import given
from hypothesis import strategies as st
from smgw.dlms.carriers.wrapper import Wrapper, encode_wrapper
from smgw.errors import LocalProtocolError
from smgw.hdlc import ApduReceived, Cause, Connected, Disconnected, Event
from smgw.wire import Refused, Transmit


def linked(**wire: object) -> Wire:
    wired = Wire(Wrapper.client(16, 1), Wrapper.server(1), **wire)  # type: ignore[arg-type]
    wired.connect()
    return wired


def test_a_request_has_the_octets_that_were_seen_between_two_independent_peers() -> None:
    client = Wrapper.client(16, 1)
    client.connect(0.0)
    assert client.send(bytes.fromhex("c001c1"), 0.0) == [Transmit(bytes.fromhex("000100100001 0003 c001c1"))]


@pytest.mark.parametrize("piece", [0, 1, 7])
def test_apdus_go_both_ways_however_the_stream_is_cut(piece: int) -> None:
    wire = linked(piece=piece)
    for octets in (1, 8, 500, 65_535):
        assert wire.ask(bytes(octets)) == bytes(octets)
    assert wire.seen[0] == Connected(1, None)
    assert wire.meter_seen[0] == Connected(16, None)


def test_several_apdus_in_one_piece_are_all_delivered() -> None:
    client = Wrapper.client(16, 1)
    client.connect(0.0)
    data = encode_wrapper(1, 16, b"one") + encode_wrapper(1, 16, b"two")
    assert client.receive(data, 0.0) == [ApduReceived(b"one", False, 1), ApduReceived(b"two", False, 1)]


def test_what_is_for_another_access_point_is_not_ours() -> None:
    client = Wrapper.client(16, 1)
    client.connect(0.0)
    assert client.receive(encode_wrapper(1, 17, b"x") + encode_wrapper(2, 16, b"y"), 0.0) == []


def test_an_answer_that_does_not_come_ends_the_connection_in_its_time() -> None:
    """R3."""
    wire = linked(answer=lambda _: None)
    assert wire.ask(b"ask") is None
    assert wire.seen[-1] == Disconnected(Cause.SILENT, "no answer from logical device 1 within 5 s")
    assert wire.now == 1005.0


def test_another_client_of_the_same_connection_is_told_of() -> None:
    meter = Wrapper.server(1)
    assert meter.receive(encode_wrapper(16, 1, b"a"), 0.0) == [Connected(16, None), ApduReceived(b"a", False, 16)]
    assert meter.receive(encode_wrapper(1, 1, b"b"), 0.0) == [Connected(1, None), ApduReceived(b"b", False, 1)]


def test_octets_that_are_no_wrapper_are_refused_and_the_next_one_is_found() -> None:
    client = Wrapper.client(16, 1)
    client.connect(0.0)
    events = client.receive(b"HTTP/1.1 400 Bad Request" + encode_wrapper(1, 16, b"x"), 0.0)
    assert isinstance(events[0], Refused)
    assert events[0].octets == 24
    assert events[-1] == ApduReceived(b"x", False, 1)


def test_sending_too_early_or_too_much_is_our_own_mistake() -> None:
    with pytest.raises(LocalProtocolError, match="connect first"):
        Wrapper.client(16, 1).send(b"x", 0.0)
    with pytest.raises(LocalProtocolError, match="65535"):
        encode_wrapper(1, 16, bytes(65_536))


@given(st.lists(st.binary(max_size=40) | st.just(encode_wrapper(1, 16, b"apdu")), max_size=8), st.data())
def test_no_octets_make_it_raise_and_the_cut_changes_nothing(pieces: list[bytes], data: st.DataObject) -> None:
    stream = b"".join(pieces)
    whole = Wrapper.client(16, 1)
    cut = Wrapper.client(16, 1)
    place = data.draw(st.integers(0, len(stream)))
    expected = _apdus(whole.receive(stream, 0.0))
    assert _apdus(cut.receive(stream[:place], 0.0) + cut.receive(stream[place:], 0.0)) == expected


def _apdus(events: list[Event]) -> list[Event]:
    return [event for event in events if isinstance(event, ApduReceived)]

"""M-Bus as the carrier of pushes: frames in any pieces, segments in their order, everything else refused."""

import pytest
from captures import field_case
from dlms_captures import dlms_capture
from dlms_pushes import KAIFA_MBUS
from hypothesis import given
from hypothesis import strategies as st
from smgw.dlms.apdus.apdu import decode_apdu
from smgw.dlms.apdus.envelope import Ciphered
from smgw.dlms.carriers.mbus import MBusListener, MBusPush, encode_push
from smgw.errors import LocalProtocolError
from smgw.mbus import Frame
from smgw.wire import Refused
from work import is_linear


def frame(piece: bytes, segment: int) -> bytes:
    inside = bytes((0x53, 0xFF, segment, 0x01, 0x67)) + piece
    return bytes((0x68, len(inside), len(inside), 0x68)) + inside + bytes((sum(inside) & 0xFF, 0x16))


def frames(apdu: bytes, size: int) -> list[bytes]:
    pieces = [apdu[begin : begin + size] for begin in range(0, len(apdu), size)]
    return [frame(piece, number & 15 | (16 if number == len(pieces) - 1 else 0)) for number, piece in enumerate(pieces)]


def all_of(listener: MBusListener, octets: bytes) -> list[MBusPush | Refused]:
    return [*listener.receive(octets), *listener.finish()]


@given(st.binary(min_size=1, max_size=2000), st.integers(40, 250))
def test_an_apdu_in_segments_is_put_together(apdu: bytes, size: int) -> None:
    assert all_of(MBusListener(), b"".join(frames(apdu, size))) == [MBusPush(apdu, 0x01, 0x67)]


@given(st.lists(st.binary(min_size=1, max_size=300), max_size=3), st.integers(1, 40))
def test_pieces_of_any_size_give_the_same(apdus: list[bytes], size: int) -> None:
    octets = b"".join(b"".join(frames(apdu, 100)) for apdu in apdus)
    listener = MBusListener()
    events = [one for begin in range(0, len(octets), size) for one in listener.receive(octets[begin : begin + size])]
    assert events + listener.finish() == [MBusPush(apdu, 0x01, 0x67) for apdu in apdus]


@given(st.binary(max_size=300), st.binary(min_size=1, max_size=200))
def test_noise_before_a_frame_does_not_hide_it(noise: bytes, apdu: bytes) -> None:
    events = all_of(MBusListener(), noise + b"".join(frames(apdu, 250)))
    assert MBusPush(apdu, 0x01, 0x67) in events or b"\x68" in noise


@given(st.binary(max_size=600))
def test_random_octets_are_pushes_or_refused(octets: bytes) -> None:
    listener = MBusListener()
    all_of(listener, octets)
    assert not listener.receiving


@pytest.mark.parametrize("name", ["operator-docs/tinetz_kaifa_mbus_dlms.bin", KAIFA_MBUS])
def test_a_push_with_any_bit_of_its_header_or_end_changed_is_refused(name: str) -> None:
    octets = dlms_capture(name)
    for place in (*range(40), *range(len(octets) - 20, len(octets))):
        for bit in range(8):
            changed = bytearray(octets)
            changed[place] ^= 1 << bit
            events = all_of(MBusListener(), bytes(changed))
            assert not [one for one in events if isinstance(one, MBusPush)], (place, bit)


def test_a_segment_lost_loses_its_apdu_and_no_other() -> None:
    first, second, third = frames(bytes(300), 100)
    events = all_of(MBusListener(), first + third + first + second + third)
    assert [type(one) for one in events] == [Refused, MBusPush]
    assert events[0] == Refused("segment 2 of an APDU where 1 was to come", 100)


def test_the_last_segment_lost_is_said_when_the_next_begins_or_the_line_is_silent() -> None:
    first, _ = frames(bytes(200), 100)
    listener = MBusListener()
    assert listener.receive(first) == []
    assert listener.receiving
    assert listener.receive(first) == [Refused("an APDU lacks its last segments", 100)]
    assert listener.finish() == [Refused("an APDU lacks its last segments", 100)]


def test_m_bus_of_another_kind_is_refused_and_the_reason_says_so() -> None:
    (refused,) = all_of(MBusListener(), frame(b"\x01\x02", 0x72))
    assert refused == Refused("M-Bus, but no DLMS: control information 72", 7)


@pytest.mark.parametrize("chunk", [1000, 1])
def test_hostile_octets_take_linear_work(chunk: int) -> None:
    def receive(size: int) -> None:
        listener = MBusListener()
        octets = b"\x68\xff\xff\x68" * (size // 4)
        for place in range(0, size, chunk):
            listener.receive(octets[place : place + chunk])
        listener.finish()

    assert is_linear(receive, 4000 * min(chunk, 4))


def test_segments_past_those_that_four_bits_number_are_refused_by_their_number() -> None:
    listener = MBusListener()
    events = [event for number in range(16) for event in listener.receive(frame(b"x", number))]
    assert events == []
    assert listener.receive(frame(b"x", 15)) == [Refused("segment 15 of an APDU where 16 was to come", 16)]


@given(st.integers(1, 508), st.integers(1, 600), st.integers(1, 40))
def test_a_frame_whose_length_octet_wraps_at_256_is_read(size: int, octets: int, pieces: int) -> None:
    """Sagemcom T210-D: its first frame has 257 octets, and its length octet says 01."""
    push = MBusPush(bytes(number & 0xFF for number in range(octets)), 0x01, 0x67)
    if -(-octets // size) > 16 or size + 5 > 511:
        return
    sent = encode_push(push, size)
    listener = MBusListener()
    events = [one for begin in range(0, len(sent), pieces) for one in listener.receive(sent[begin : begin + pieces])]
    assert events + listener.finish() == [push]


def test_the_length_octet_of_a_frame_of_257_octets_says_1() -> None:
    sent = Frame(0x53, 0xFF, 0x00, bytes(254)).encode()
    assert sent[:4] == bytes.fromhex("68010168")
    assert len(sent) == 4 + 257 + 2


def test_a_frame_that_wraps_with_a_wrong_check_sum_is_refused() -> None:
    sent = bytearray(encode_push(MBusPush(bytes(260), 1, 0x67), 252))
    sent[100] ^= 1
    events = all_of(MBusListener(), bytes(sent))
    assert not [one for one in events if isinstance(one, MBusPush)]


def test_a_damaged_frame_loses_no_frame_behind_it() -> None:
    """Its length may be one that wrapped: more octets are awaited, and looked through again."""
    first, second = encode_push(MBusPush(b"first", 1, 0x67), 250), encode_push(MBusPush(b"second", 1, 0x67), 250)
    damaged = first[:8] + b"\x00" + first[9:]
    events = all_of(MBusListener(), damaged + second + first)
    assert [one for one in events if isinstance(one, MBusPush)] == [
        MBusPush(b"second", 1, 0x67), MBusPush(b"first", 1, 0x67),
    ]  # fmt: skip


def test_a_frame_that_would_wrap_twice_is_not_sent() -> None:
    with pytest.raises(LocalProtocolError, match="M-Bus frame of 512 octets"):
        Frame(0x53, 0xFF, 0x00, bytes(509)).encode()


def test_the_two_frames_of_a_sagemcom_t210_are_one_apdu() -> None:
    (push,) = all_of(MBusListener(), field_case("dlms/sagemcom_mbus_length_wraps"))
    assert isinstance(push, MBusPush)
    apdu = decode_apdu(push.apdu)
    assert isinstance(apdu, Ciphered)
    assert len(push.apdu) == 260
    assert apdu.system_title == b"SAGY\x00\x00\x00\x01"

"""SML transport: what the decoder makes of every cut, of noise and of frames too long, and that it stays linear."""

import random
from collections.abc import Iterable

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from smgw.sml.file import encode_messages
from smgw.sml.telegram import Telegram, TelegramReader
from smgw.sml.transport import ESCAPE, START, START_V2, Frame, FrameDecoder, encode_frame
from smgw.wire import Crc, Refused
from telegrams import entries, file_messages, frame
from work import is_linear

#: Octets rich in what means something to the transport.
RICH = st.lists(
    st.sampled_from(
        [b"\x1b", b"\x1b\x1b", b"\x1b" * 3, ESCAPE, ESCAPE * 2, START, START_V2, b"\x01" * 4, b"\x1a", b"\x1a\x00",
         b"\x00", b"\x01", b"\x76", ESCAPE + b"\x1a\x00", ESCAPE + b"\x1a\x03"]
    )
    | st.binary(max_size=6),
    max_size=30,
).map(b"".join)  # fmt: skip


def decode(pieces: Iterable[bytes], max_frame: int = 65_536) -> list[Frame | Refused]:
    decoder = FrameDecoder(max_frame)
    events = [event for piece in pieces for event in decoder.receive(piece)]
    return events + decoder.finish()


def octet_by_octet(octets: bytes) -> list[bytes]:
    return [octets[place : place + 1] for place in range(len(octets))]


@given(RICH, st.sampled_from(Crc))
@example(b"\x1b" * 5, Crc.X25)
@example(ESCAPE + b"\x1a\x00\x00\x00" + START, Crc.KERMIT)
def test_a_frame_of_any_octets_is_decoded_to_the_same_octets(payload: bytes, crc: Crc) -> None:
    assert decode([encode_frame(payload, crc)]) == [Frame(payload, crc)]


@given(st.lists(RICH, max_size=4), st.sampled_from(Crc))
def test_frames_one_after_another_are_all_decoded(payloads: list[bytes], crc: Crc) -> None:
    stream = b"".join(encode_frame(payload, crc) for payload in payloads)
    assert decode(octet_by_octet(stream)) == [Frame(payload, crc) for payload in payloads]


@given(RICH, RICH, st.binary(max_size=12))
@settings(max_examples=150)
def test_a_frame_is_delivered_whatever_stands_before_and_behind_it(noise: bytes, payload: bytes, behind: bytes) -> None:
    stream = noise + encode_frame(payload) + behind
    assert Frame(payload, Crc.X25) in decode([stream])


@given(st.lists(RICH | RICH.map(encode_frame), max_size=5).map(b"".join), st.data(), st.sampled_from((24, 100, 65_536)))
@settings(max_examples=150)
@example((b"\x1b" * 8 + b"\x01" * 4) * 12 + ESCAPE + b"\x01" * 4 + bytes(40), None, 24)
def test_how_octets_are_cut_into_pieces_never_changes_the_events(
    octets: bytes, data: st.DataObject | None, max_frame: int
) -> None:
    whole = decode([octets], max_frame)
    assert decode(octet_by_octet(octets), max_frame) == whole
    if data is not None:
        cuts = sorted(data.draw(st.lists(st.integers(0, len(octets)), max_size=8)))
        pieces = [octets[begin:end] for begin, end in zip([0, *cuts], [*cuts, len(octets)], strict=True)]
        assert decode(pieces, max_frame) == whole


@given(st.binary(max_size=2000) | RICH)
def test_any_octets_raise_nothing(octets: bytes) -> None:
    reader = TelegramReader()
    for event in reader.receive(octets) + reader.finish():
        assert isinstance(event, Telegram | Refused)


@given(st.binary(max_size=200))
def test_random_messages_in_a_right_frame_are_a_telegram_or_refused(payload: bytes) -> None:
    (event,) = TelegramReader().receive(encode_frame(payload))
    assert isinstance(event, Telegram | Refused)


@pytest.mark.parametrize("length", range(1, 40))
def test_a_payload_of_1b_octets_only_is_decoded(length: int) -> None:
    assert decode([encode_frame(b"\x1b" * length)]) == [Frame(b"\x1b" * length, Crc.X25)]


@pytest.mark.parametrize("count", range(40))
def test_a_frame_behind_doubled_starts_and_any_number_of_1b_is_delivered(count: int) -> None:
    noise = (b"\x1b" * 8 + b"\x01" * 4) * 20 + b"\x1b" * count
    assert decode([noise + encode_frame(b"payload")])[-1] == Frame(b"payload", Crc.X25)


def test_a_frame_whose_payload_holds_many_starts_is_one_frame() -> None:
    payload = START * 50
    assert decode([encode_frame(payload)]) == [Frame(payload, Crc.X25)]


def crc_ends_in(octet: int, crc: Crc) -> bytes:
    """A frame whose last octet is this one."""
    return next(made for number in range(65_536) if (made := encode_frame(number.to_bytes(4, "big"), crc))[-1] == octet)


@pytest.mark.parametrize("crc", Crc)
def test_a_frame_whose_check_sum_ends_in_an_escape_octet_ends_there(crc: Crc) -> None:
    first = crc_ends_in(0x1B, crc)
    events = decode([first + encode_frame(b"next", crc)])
    assert [type(event) for event in events] == [Frame, Frame]


@pytest.mark.parametrize("kept", range(1, 16))
def test_a_frame_that_loses_its_end_does_not_take_the_next_one_along(kept: int) -> None:
    first, second = encode_frame(b"first file"), encode_frame(b"second one")
    assert Frame(b"second one", Crc.X25) in decode([first[:-kept] + second])


def with_fill(payload: bytes, fill: int) -> bytes:
    body = START + payload + bytes(fill) + ESCAPE + bytes((0x1A, fill))
    return body + Crc.X25.wire(body).to_bytes(2, "big")


@pytest.mark.parametrize("fill", range(5))
def test_up_to_four_octets_of_fill_are_taken_away(fill: int) -> None:
    assert decode([with_fill(b"\x76payload", fill)]) == [Frame(b"\x76payload", Crc.X25)]


def test_a_fill_count_beyond_what_is_there_takes_nothing_away() -> None:
    body = START + b"\x76abc" + ESCAPE + b"\x1a\x09"
    stream = body + Crc.X25.wire(body).to_bytes(2, "big")
    assert decode([stream]) == [Frame(b"\x76abc", Crc.X25)]


def test_a_telegram_with_four_octets_of_fill_is_read() -> None:
    (event,) = TelegramReader().receive(with_fill(encode_messages(file_messages()), 4))
    assert isinstance(event, Telegram)
    assert event.lists[0].entries == entries()


def test_transport_version_2_is_reported_once_and_skipped() -> None:
    other = ESCAPE + b"\x02\x02\x02\x02" + bytes(40) + ESCAPE + b"\x1a\x00\x12\x34"
    events = decode([other + frame()])
    assert [type(event) for event in events] == [Refused, Frame]
    assert isinstance(events[0], Refused)
    assert "version 2" in events[0].reason


@pytest.mark.parametrize("before", [0, 70_000])
def test_transport_version_2_at_the_end_of_a_piece_is_reported_once(before: int) -> None:
    decoder = FrameDecoder()
    events = decoder.receive(bytes(before) + START_V2) + decoder.receive(bytes(20))
    assert len(events) == 1


def test_a_version_2_start_inside_a_frame_ends_it() -> None:
    events = decode([START + b"abcd" + START_V2 + b"rest" + frame()])
    assert [type(event) for event in events] == [Refused, Frame]


def test_a_frame_as_long_as_allowed_is_delivered_and_one_octet_longer_is_refused() -> None:
    octets = encode_frame(b"\x76" * 40)
    for pieces in ([octets], octet_by_octet(octets)):
        assert decode(pieces, len(octets)) == [Frame(b"\x76" * 40, Crc.X25)]
        (event,) = decode(pieces, len(octets) - 1)
        assert isinstance(event, Refused)
        assert str(len(octets) - 1) in event.reason


def test_receiving_is_true_between_a_start_and_its_end() -> None:
    decoder = FrameDecoder()
    octets = frame()
    states = []
    for octet in octet_by_octet(octets):
        decoder.receive(octet)
        states.append(decoder.receiving)
    assert states == [False] * 7 + [True] * (len(octets) - 8) + [False]


def test_after_finish_nothing_of_the_old_stream_is_left() -> None:
    decoder = FrameDecoder()
    octets = frame()
    decoder.receive(octets[:50])
    (cut,) = decoder.finish()
    assert cut == Refused("cut off before its end", 50)
    assert decoder.receive(octets[50:]) == []
    assert [type(event) for event in decoder.receive(octets)] == [Frame]


@pytest.mark.parametrize(
    ("octets", "crc", "wire"),
    [
        (b"123456789", Crc.X25, 0x6E90),  # the published check value 906E, low octet first
        (b"123456789", Crc.KERMIT, 0x2189),  # the published check value 2189, high octet first
        (b"", Crc.X25, 0x0000),
        (b"", Crc.KERMIT, 0x0000),
    ],
)
def test_check_sums_are_the_published_ones(octets: bytes, crc: Crc, wire: int) -> None:
    assert crc.wire(octets) == wire


@given(st.binary(max_size=60))
def test_a_check_sum_matches_the_family_that_made_it(octets: bytes) -> None:
    for crc in Crc:
        assert Crc.matching(octets, crc.wire(octets)) is not None


HOSTILE = {
    "1B": b"\x1b",
    "starts": START,
    "doubled starts": b"\x1b" * 8 + b"\x01" * 4,
    "starts and ends": START + ESCAPE + b"\x1a\x00\x00\x00",
    "doubtful starts and ends": START + (b"\x1b" * 8 + b"\x01" * 4) * 4 + ESCAPE + b"\x1a\x00\x00\x00",
    "a start and long data": START + bytes(5000),
    "zeros": b"\x00",
    "random": random.Random(5).randbytes(999),
}


@pytest.mark.parametrize("pattern", HOSTILE.values(), ids=HOSTILE.keys())
def test_hostile_octets_in_one_piece_take_linear_work(pattern: bytes) -> None:
    def receive(size: int) -> None:
        FrameDecoder().receive((pattern * (size // len(pattern) + 1))[:size])

    assert is_linear(receive, 50_000)


@pytest.mark.parametrize("name", ["1B", "starts", "doubled starts"])
def test_hostile_octets_one_by_one_take_linear_work_and_a_frame_behind_them_is_read(name: str) -> None:
    pattern = HOSTILE[name]
    decoder = FrameDecoder()

    def receive(size: int) -> None:
        for piece in octet_by_octet(pattern * (size // len(pattern))):
            decoder.receive(piece)

    assert is_linear(receive, 20_000)
    assert frame_is_delivered(decoder)


def frame_is_delivered(decoder: FrameDecoder) -> bool:
    return any(isinstance(event, Frame) for event in decoder.receive(frame()))

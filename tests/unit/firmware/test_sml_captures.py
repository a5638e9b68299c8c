"""Every good frame of every capture comes out exactly as an independent reader saw it; nothing else comes out."""

import random
from collections.abc import Iterator

import pytest
from captures import (
    ABSENT,
    OWN,
    SHARED,
    SmlCapture,
    all_sml_captures,
    field_case,
    intact_frames,
    sml_capture,
    sml_captures,
    summary,
    without_length,
)
from smgw.sml.file import find_messages
from smgw.sml.messages import CloseResponse, GetListResponse, OpenResponse
from smgw.sml.telegram import Telegram, TelegramReader
from smgw.sml.transport import START, encode_frame
from smgw.wire import Crc, Refused
from sml_made import a_day
from smsim.sml import style
from telegrams import payload_of, reseal, sealed, unsealed

CAPTURES = all_sml_captures()
FRAMED = [capture for capture in CAPTURES if not capture.bare]
every_capture = pytest.mark.parametrize("capture", CAPTURES, ids=lambda capture: capture.name)
every_framed_capture = pytest.mark.parametrize("capture", FRAMED, ids=lambda capture: capture.name)


def read(pieces: Iterator[bytes] | list[bytes]) -> list[Telegram | Refused]:
    reader = TelegramReader()
    events = [event for piece in pieces for event in reader.receive(piece)]
    return events + reader.finish()


def lists(events: list[Telegram | Refused]) -> list[dict[str, object]]:
    return [found for event in events if isinstance(event, Telegram) for found in summary(event)]


def golden(capture: SmlCapture) -> list[dict[str, object]]:
    return [without_length(frame) for frame in capture.golden]


def test_all_captures_of_the_shared_folder_are_tried() -> None:
    if not SHARED.is_dir():
        pytest.skip(f"ONLY THE FREE CAPTURES WERE TRIED: {ABSENT}")
    assert len(sml_captures()) == 35
    assert sum(len(capture.golden) for capture in sml_captures()) == 123


def test_the_free_captures_are_the_shared_ones_unchanged() -> None:
    if not SHARED.is_dir():
        pytest.skip(ABSENT)
    for path in (OWN / "sml").glob("*/*"):
        assert path.read_bytes() == (SHARED / "sml" / path.relative_to(OWN / "sml")).read_bytes()


def test_there_is_a_made_capture_of_every_style_with_both_families_of_check_sums() -> None:
    made = [capture for capture in CAPTURES if capture.made]
    assert [capture.name for capture in made] == [f"made/{name}.bin" for name in style.names()]
    assert {frame["crc"] for capture in made for frame in capture.golden} == {crc.value for crc in Crc}
    assert all(len(capture.golden) == 3 for capture in made)


@every_capture
def test_a_capture_read_whole_is_what_the_independent_reader_found(capture: SmlCapture) -> None:
    events = read([capture.octets])
    assert lists(events) == golden(capture)
    assert all(event.lists and not event.unread for event in events if isinstance(event, Telegram))


@every_capture
def test_a_capture_read_octet_by_octet_gives_the_same_events(capture: SmlCapture) -> None:
    octets = capture.octets
    assert read([octets[place : place + 1] for place in range(len(octets))]) == read([octets])


@every_framed_capture
def test_a_capture_read_in_random_pieces_gives_the_same_events(capture: SmlCapture) -> None:
    whole = read([capture.octets])
    for seed in range(5):
        generator = random.Random(seed)
        pieces = []
        place = 0
        while place < len(capture.octets):
            size = generator.choice((1, 2, 3, 4, 5, 7, 8, 9, 16, 64, 300))
            pieces.append(capture.octets[place : place + size])
            place += size
        assert read(pieces) == whole, f"seed {seed}"


NOISE = {
    "random octets": random.Random(1).randbytes(500),
    "zeros": bytes(100),
    **{f"{count} octets 1B": b"\x1b" * count for count in range(1, 18)},
    "1,000 octets 1B": b"\x1b" * 1000,
    "starts": START * 9,
    **{
        f"doubled starts and {count} octets 1B": (b"\x1b" * 8 + b"\x01" * 4) * 9 + b"\x1b" * count for count in range(9)
    },
    "a start and 4 octets 1B": START + b"\x1b" * 4,
    "an end": b"\x1b\x1b\x1b\x1b\x1a\x00\x12\x34",
    "an end cut in its check sum": b"\x1b\x1b\x1b\x1b\x1a\x00\x12",
    "a start of transport version 2": b"\x1b\x1b\x1b\x1b\x02\x02\x02\x02",
    "half a frame": START + b"\x76\x05\x01\x02\x03\x04" * 9,
    "half a frame that ends in a half escape": START + b"\x76\x05\x01\x02\x03\x04" * 9 + b"\x1b\x1b",
}


@pytest.mark.parametrize("noise", NOISE.values(), ids=NOISE.keys())
def test_noise_before_a_capture_loses_and_adds_nothing(noise: bytes) -> None:
    for capture in FRAMED:
        if not capture.octets.startswith(START) or not capture.golden:
            continue
        assert lists(read([noise + capture.octets])) == golden(capture), capture.name


def test_a_frame_with_a_right_transport_but_wrong_message_check_sums_is_refused_with_the_reason() -> None:
    (event,) = read([sml_capture("smllib-tests/frame_03.bin").octets])
    assert isinstance(event, Refused)
    assert "check sum of a message" in event.reason


@pytest.mark.parametrize("place", range(3))
@pytest.mark.parametrize("name", style.names())
def test_a_made_frame_with_a_right_transport_but_one_wrong_message_check_sum_is_refused(name: str, place: int) -> None:
    parts = [bytearray(sealed(part, Crc.X25)) for part in unsealed(payload_of(a_day(name)[0].octets))]
    parts[place][-2] ^= 1
    (event,) = read([encode_frame(b"".join(parts))])
    assert isinstance(event, Refused)
    assert "check sum of a message" in event.reason


@pytest.mark.parametrize("name", style.names())
def test_made_messages_without_a_transport_are_found_in_their_order(name: str) -> None:
    made = a_day(name)[0]
    payload = payload_of(made.octets)
    found = [message for message, _ in find_messages(b"\0\x76noise" + payload + b"noise" + payload)]
    assert [type(message.body) for message in found] == [OpenResponse, GetListResponse, CloseResponse] * 2
    for listed in Telegram(found, Crc.X25).lists:
        assert (listed.server_id, list(listed.entries)) == (made.server_id, made.entries)


def test_a_list_whose_length_goes_on_with_its_type_is_read() -> None:
    (event,) = read([field_case("sml/tl_f170_min")])
    assert isinstance(event, Telegram)
    assert [entry.value.value for entry in event.lists[0].entries if entry.value] == list(range(16))


@pytest.mark.parametrize(
    ("name", "server", "seconds", "values"),
    [
        ("smllib-tests/frame_09.bin", "090149534b0004812d55", 42357970,
         [56720514, 56720514, 0, 54220245, 54220245, 0, 196]),
        ("smllib-tests/frame_11.bin", "0a0149534b0005020de2", 1658712, [2390977, 0, 2061]),
        ("jsml-tests/crctest_messages_untransported_0.bin", "06454d4801001d465c79", 22973761, [2324849] * 2 + [0, 954]),
    ],
)  # fmt: skip
def test_messages_without_a_transport_are_found_in_their_order(
    name: str, server: str, seconds: int, values: list[int]
) -> None:
    found = [message for message, _ in find_messages(sml_capture(name).octets)]
    assert [type(message.body) for message in found] == [OpenResponse, GetListResponse, CloseResponse]
    (listed,) = summary(Telegram(found, Crc.X25))
    assert (listed["server"], listed["actSensorTime"]) == (server, [1, seconds])
    assert [value for *_, value in listed["entries"] if isinstance(value, int)] == values


def test_every_intact_frame_is_delivered_alone_and_sealed_anew_with_either_family() -> None:
    assert len(intact_frames()) >= 5
    for frame in intact_frames():
        (plain,) = read([frame])
        assert isinstance(plain, Telegram)
        for crc in Crc:
            (again,) = read([reseal(frame, crc, crc)])
            assert again == plain._replace(crc=crc)


@pytest.mark.parametrize(
    "name", ["jsml-tests/decodefile_0.bin", "smartmeter-obis/testLocalFileSml_0.bin", "sml-rs/sample_itron.bin"]
)
@pytest.mark.parametrize(("messages", "transport"), [(Crc.KERMIT, Crc.X25), (Crc.X25, Crc.KERMIT)])
def test_a_frame_whose_messages_are_of_another_family_than_its_transport_is_refused(
    name: str, messages: Crc, transport: Crc
) -> None:
    (event,) = read([reseal(sml_capture(name).octets, messages, transport)])
    assert isinstance(event, Refused)
    assert "check sum of a message" in event.reason


def test_three_captures_in_one_stream_may_each_have_their_own_family() -> None:
    frames = intact_frames()[:3]
    families = (Crc.KERMIT, Crc.X25, Crc.KERMIT)
    stream = b"".join(reseal(frame, crc, crc) for frame, crc in zip(frames, families, strict=True))
    assert tuple(event.crc for event in read([stream]) if isinstance(event, Telegram)) == families

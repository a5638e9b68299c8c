"""The fast path gives what the full decoder gives, objects and refusals alike, whatever became of a learnt telegram."""

import random
from typing import Any

import pytest
from captures import all_sml_captures, intact_frames
from hypothesis import given, settings
from hypothesis import strategies as st
from smgw.sml import tlv
from smgw.sml.file import FileError, decode_messages, encode_messages
from smgw.sml.messages import GetListResponse, ListEntry, Message, Time
from smgw.sml.shape import LONGEST, MOST_SHAPES, Shape, Shapes
from smgw.sml.telegram import Telegram, TelegramReader
from smgw.sml.tlv import Value
from smgw.sml.transport import ESCAPE, encode_frame
from smgw.wire import Crc
from sml_strategies import entries as any_entry
from sml_strategies import messages as any_message
from telegrams import SERVER, entries, file_messages, payload_of, sealed, unsealed, with_repeated_types

FAMILIES = st.sampled_from(Crc)
PARTS = [unsealed(payload_of(octets)) for octets in intact_frames()]


def typed(value: Any) -> Any:
    """A value with the type of everything in it: a NamedTuple equals any tuple with its content, and True equals 1."""
    return (type(value), [typed(part) for part in value] if isinstance(value, tuple | list) else value)


def full(payload: bytes, crc: Crc) -> Any:
    try:
        return typed(decode_messages(payload, crc))
    except FileError as error:
        return str(error)


def fast(shapes: Shapes, payload: bytes, crc: Crc) -> Any:
    try:
        return typed(shapes.decode(payload, crc))
    except FileError as error:
        return str(error)


def joined(parts: list[bytes], crc: Crc) -> bytes:
    return b"".join(sealed(part, crc) for part in parts)


def learnt(payload: bytes, crc: Crc) -> Shapes:
    shapes = Shapes()
    assert fast(shapes, payload, crc) == full(payload, crc)
    return shapes


def flip(octets: bytes, generator: random.Random) -> bytes:
    place = generator.randrange(len(octets))
    return octets[:place] + bytes((octets[place] ^ 1 << generator.randrange(8),)) + octets[place + 1 :]


def overwrite(octets: bytes, generator: random.Random) -> bytes:
    """Octets that mean something to somebody, in place of as many."""
    place = generator.randint(1, len(octets))
    other = generator.choice((ESCAPE, ESCAPE + b"\x1a\x00", b"\x01", b"\x00", b"\x76", b"\xff" * 4, b"\x80" * 8))
    return (octets[:place] + other + octets[place + len(other) :])[: len(octets)]


def insert(octets: bytes, generator: random.Random) -> bytes:
    place = generator.randint(1, len(octets))
    return octets[:place] + generator.choice((b"\x01", b"\x00", b"\x62\x01", ESCAPE)) + octets[place:]


def remove(octets: bytes, generator: random.Random) -> bytes:
    place = generator.randint(1, len(octets))
    return octets[:place] + octets[place + generator.randint(1, 4) :]


def mutated(parts: list[bytes], generator: random.Random) -> list[bytes]:
    parts = list(parts)
    for _ in range(generator.choice((1, 1, 2, 5, 20))):
        index = generator.randrange(len(parts))
        parts[index] = generator.choice((flip, flip, flip, overwrite, insert, remove))(parts[index], generator)
    return parts


@given(st.sampled_from(PARTS), FAMILIES, st.integers(0, 2**32))
@settings(max_examples=400)
def test_a_capture_with_other_octets_and_right_check_sums_comes_out_as_from_the_full_decoder(
    parts: list[bytes], crc: Crc, seed: int
) -> None:
    shapes = learnt(joined(parts, crc), crc)
    generator = random.Random(seed)
    for _ in range(5):
        payload = joined(mutated(parts, generator), crc)
        assert fast(shapes, payload, crc) == full(payload, crc)


@given(st.lists(any_message, min_size=1, max_size=3), FAMILIES, st.integers(0, 2**32))
@settings(max_examples=200)
def test_any_messages_with_other_octets_come_out_as_from_the_full_decoder(
    messages: list[Message], crc: Crc, seed: int
) -> None:
    payload = encode_messages(messages, crc)
    shapes = learnt(payload, crc)
    generator = random.Random(seed)
    for _ in range(5):
        other = joined(mutated(unsealed(payload), generator), crc)
        assert fast(shapes, other, crc) == full(other, crc)


@given(st.lists(any_entry, max_size=4), FAMILIES, st.integers(0, 2**32))
@settings(max_examples=200)
def test_a_list_of_any_values_sizes_and_absences_comes_out_as_from_the_full_decoder(
    listed: list[ListEntry], crc: Crc, seed: int
) -> None:
    payload = encode_messages(file_messages(tuple(listed), Time(1, 5)), crc)
    shapes = learnt(payload, crc)
    generator = random.Random(seed)
    for _ in range(5):
        other = joined([flip(part, generator) for part in unsealed(payload)], crc)
        assert fast(shapes, other, crc) == full(other, crc)


@given(st.lists(any_message, min_size=1, max_size=3), FAMILIES, st.integers(0, 2**32))
@settings(max_examples=80)
def test_type_bits_in_follow_up_octets_change_no_message_on_either_path(
    messages: list[Message], crc: Crc, seed: int
) -> None:
    generator = random.Random(seed)
    parts = unsealed(encode_messages(messages, crc))
    for bits in (lambda first: first, lambda _: generator.randrange(256)):
        payload = joined([with_repeated_types(part, bits) for part in parts], crc)
        shapes = Shapes()
        first = fast(shapes, payload, crc)
        assert first == fast(shapes, payload, crc) == full(payload, crc) == typed(messages)


@given(st.integers(16, 300), st.lists(any_entry, min_size=1, max_size=3), st.integers(0, 2**32))
@settings(max_examples=40)
def test_a_long_list_whose_head_repeats_its_type_is_read_by_the_shape_as_by_the_full_decoder(
    length: int, some: list[ListEntry], seed: int
) -> None:
    listed = tuple(some[place % len(some)] for place in range(length))
    parts = [with_repeated_types(part) for part in unsealed(encode_messages(file_messages(listed)))]
    payload = joined(parts, Crc.X25)
    assert bytes((0xF0 | length >> 4,)) + bytes((0x70 | length & 15,)) in payload or length > 255
    shape = Shape(payload, decode_messages(payload, Crc.X25))
    generator = random.Random(seed)
    for _ in range(3):
        other = joined([flip(part, generator) for part in parts], Crc.X25)
        read = shape.read(other, Crc.X25)
        assert read is None or typed(read) == full(other, Crc.X25)
    assert shape.read(payload, Crc.X25) == file_messages(listed)


@pytest.mark.parametrize("crc", Crc)
def test_one_flipped_bit_of_a_capture_is_refused_for_the_full_decoders_reason(crc: Crc) -> None:
    generator = random.Random(3)
    for parts in PARTS:
        payload = joined(parts, crc)
        shapes = learnt(payload, crc)
        for _ in range(30):
            damaged = flip(payload, generator)
            assert fast(shapes, damaged, crc) == full(damaged, crc)


def test_every_place_of_a_telegram_may_hold_any_octet() -> None:
    parts = unsealed(encode_messages(file_messages(sensor_time=Time(3, 9, -60, 60))))
    shapes = learnt(joined(parts, Crc.X25), Crc.X25)
    for index, part in enumerate(parts):
        for place in range(1, len(part)):
            for octet in (0x00, 0x01, 0x1B, 0x52, 0x62, 0x65, 0x72, 0x7F, 0x80, 0xFF):
                other = [*parts]
                other[index] = part[:place] + bytes((octet,)) + part[place + 1 :]
                payload = joined(other, Crc.X25)
                assert fast(shapes, payload, Crc.X25) == full(payload, Crc.X25)


def test_a_capture_read_twice_is_known_the_second_time_and_gives_the_same() -> None:
    for capture in all_sml_captures():
        reader = TelegramReader()
        first = [event for event in reader.receive(capture.octets) if isinstance(event, Telegram)]
        again = [event for event in reader.receive(capture.octets) if isinstance(event, Telegram)]
        assert [typed(event) for event in again] == [typed(event) for event in first]
        if first and len(reader.shapes) < MOST_SHAPES:
            assert reader.shapes.hits >= len(again)


@pytest.mark.parametrize("crc", Crc)
def test_a_telegram_of_the_other_family_of_check_sums_is_refused_though_its_shape_is_known(crc: Crc) -> None:
    other = Crc.KERMIT if crc is Crc.X25 else Crc.X25
    shapes = learnt(encode_messages(file_messages(), crc), crc)
    with pytest.raises(FileError, match="wrong check sum"):
        shapes.decode(encode_messages(file_messages(), other), crc)


def listed(value: Value | None, number: int) -> bytes:
    """A telegram of one value; its ids, times and status are made from `number`."""
    moment = Time(1, number)
    row = ListEntry(
        b"\x01\x00\x01\x08\x00\xff", tlv.unsigned(number, 4), moment, 30, -1, value, number.to_bytes(4, "big")
    )
    ids = number.to_bytes(4, "big")
    body = GetListResponse(SERVER, (row,), sensor_time=moment, list_signature=ids * 16, gateway_time=moment)
    return encode_messages([Message(ids, body)])


@pytest.mark.parametrize("kind", [tlv.Kind.SIGNED, tlv.Kind.UNSIGNED])
@pytest.mark.parametrize("size", range(1, 9))
def test_integers_of_every_size_are_read_by_the_fast_path(kind: tlv.Kind, size: int) -> None:
    shapes = learnt(listed(Value(kind, size, 5), 1), Crc.X25)
    for number in (0, 1, 127, 128, 255, 2 ** (8 * size) - 1, 2 ** (8 * size - 1)):
        content = (number % 256**size).to_bytes(size, "big")
        value = Value(kind, size, int.from_bytes(content, "big", signed=kind is tlv.Kind.SIGNED))
        payload = listed(value, 0x1B1B1B1B)
        assert fast(shapes, payload, Crc.X25) == full(payload, Crc.X25)
        (message,) = shapes.decode(payload, Crc.X25)
        assert isinstance(message.body, GetListResponse)
        assert message.body.entries[0].value == value
    assert shapes.misses == 1


def test_a_value_that_comes_and_goes_or_changes_its_size_is_another_shape() -> None:
    shapes = Shapes()
    values = [tlv.unsigned(5, 8), None, tlv.unsigned(5, 7), tlv.signed(5, 8), tlv.octets(b"12345678")]
    for number in range(3):
        for value in values:
            payload = listed(value, number)
            assert fast(shapes, payload, Crc.X25) == full(payload, Crc.X25)
    assert (shapes.hits, shapes.misses) == (10, 5)


@pytest.mark.parametrize("crc", Crc)
def test_escapes_in_the_values_of_a_known_shape_are_data(crc: Crc) -> None:
    reader = TelegramReader()
    reader.receive(encode_frame(encode_messages(file_messages(), crc), crc))
    for energy in (0x1B1B1B1B, 0x1B1B1B1B_1B1B1B1B, 0x1B1B1B1B_1A000000, 0x1B1B1B1B_01010101):
        (event,) = reader.receive(encode_frame(encode_messages(file_messages(entries(energy)), crc), crc))
        assert isinstance(event, Telegram)
        assert event.lists[0].entries == entries(energy)
    assert reader.shapes.misses == 1


def test_of_ever_changing_shapes_only_the_newest_are_kept() -> None:
    shapes = Shapes()
    for size in range(1, 3 * MOST_SHAPES):
        shapes.decode(listed(tlv.octets(bytes(size)), 1), Crc.X25)
        assert len(shapes) == min(size, MOST_SHAPES)
    shapes.decode(listed(tlv.octets(bytes(3 * MOST_SHAPES - 1)), 2), Crc.X25)
    assert shapes.hits == 1


def test_the_shape_that_is_used_stays_while_others_come_and_go() -> None:
    shapes = Shapes()
    for size in range(1, 3 * MOST_SHAPES):
        shapes.decode(listed(tlv.unsigned(size, 3), size), Crc.X25)
        shapes.decode(listed(tlv.octets(bytes(size)), 1), Crc.X25)
    assert shapes.misses == 3 * MOST_SHAPES


def test_a_telegram_too_long_to_be_one_of_every_second_is_read_and_not_learnt() -> None:
    shapes = Shapes()
    payload = listed(tlv.octets(bytes(LONGEST)), 1)
    assert fast(shapes, payload, Crc.X25) == full(payload, Crc.X25)
    assert len(shapes) == 0


def test_a_payload_that_is_no_file_is_refused_and_not_learnt() -> None:
    shapes = Shapes()
    for payload in (b"", b"\x76", bytes(8), b"\x76\x05\x01\x02"):
        with pytest.raises(FileError):
            shapes.decode(payload, Crc.X25)
    assert len(shapes) == 0


def test_what_was_read_first_is_not_changed_by_what_is_read_later() -> None:
    shape = Shape(listed(tlv.unsigned(1, 4), 1), decode_messages(listed(tlv.unsigned(1, 4), 1), Crc.X25))
    first = shape.read(listed(tlv.unsigned(2, 4), 2), Crc.X25)
    before = typed(first)
    shape.read(listed(tlv.unsigned(3, 4), 3), Crc.X25)
    assert typed(first) == before

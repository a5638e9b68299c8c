"""Damaged streams: every intact frame is delivered, and nothing else.

What is intact is read off the damaged stream itself: each place where one of the original frames still stands whole.
"""

import random
from collections.abc import Callable
from itertools import pairwise

import pytest
from captures import intact_frames
from smgw.sml.telegram import Telegram, TelegramReader
from smgw.wire import Refused
from telegrams import frame

FRAMES = intact_frames()
TELEGRAMS = {octets: TelegramReader().receive(octets)[0] for octets in FRAMES}


def flip(octets: bytes, generator: random.Random) -> bytes:
    """One to three bits."""
    damaged = bytearray(octets)
    for _ in range(generator.randint(1, 3)):
        damaged[generator.randrange(len(octets))] ^= 1 << generator.randrange(8)
    return bytes(damaged)


def lose(octets: bytes, generator: random.Random) -> bytes:
    """Some octets, mostly few."""
    begin = generator.randrange(len(octets))
    return octets[:begin] + octets[begin + generator.choice((1, 1, 1, 2, 4, 8, 40)) :]


def insert(octets: bytes, generator: random.Random) -> bytes:
    """Random octets, or those that mean something."""
    place = generator.randrange(1, len(octets))
    more = generator.choice((generator.randbytes(generator.randint(1, 9)), b"\x1b", b"\x1b" * 4, b"\x01", b"\x00"))
    return octets[:place] + more + octets[place:]


def cut_end(octets: bytes, generator: random.Random) -> bytes:
    """From one octet to nearly all."""
    return octets[: -generator.choice((1, 2, 3, 4, 5, 8, generator.randrange(1, len(octets))))]


def cut_begin(octets: bytes, generator: random.Random) -> bytes:
    """The same at the other end."""
    return octets[generator.choice((1, 2, 4, 5, 7, 8, generator.randrange(1, len(octets)))) :]


DAMAGES: tuple[Callable[[bytes, random.Random], bytes], ...] = (flip, lose, insert, cut_end, cut_begin)


def damaged_stream(frames: list[bytes], rate: float, generator: random.Random) -> bytes:
    """The frames one after another; of each, with probability `rate`, what a fault leaves of it.

    Now and then two neighbours are glued: the end of one and the beginning of the next are lost.
    """
    pieces = []
    cut_next = False
    for octets in frames:
        piece = octets
        if cut_next:
            piece, cut_next = cut_begin(piece, generator), False
        elif generator.random() < rate:
            if generator.random() < 0.2:
                piece, cut_next = cut_end(piece, generator), True
            else:
                while piece == octets:  # a flip may undo itself, an octet be lost beside its like
                    piece = generator.choice(DAMAGES)(octets, generator)
        pieces.append(piece)
        if generator.random() < rate:
            pieces.append(generator.choice((b"\x00", b"\x1b", b"\x1b" * 4, generator.randbytes(20), b"")))
    return b"".join(pieces)


def intact_places(stream: bytes) -> list[tuple[int, bytes]]:
    """Where an original frame stands whole in the stream, in order."""
    found = []
    for octets in FRAMES:
        place = stream.find(octets)
        while place >= 0:
            found.append((place, octets))
            place = stream.find(octets, place + 1)
    found.sort()
    for (begin, octets), (following, _) in pairwise(found):
        assert begin + len(octets) <= following, "two whole frames share octets: choose another seed"
    return found


@pytest.mark.parametrize("rate", [0.05, 0.15, 0.40])
@pytest.mark.parametrize("seed", range(8))
def test_of_a_damaged_stream_every_intact_frame_is_delivered_and_nothing_else(rate: float, seed: int) -> None:
    print(f"seed {seed}, {rate:.0%} damaged")
    generator = random.Random(f"{seed} {rate}")
    frames = generator.choices(FRAMES, k=250)
    stream = damaged_stream(frames, rate, generator)
    expected = [TELEGRAMS[octets] for _, octets in intact_places(stream)]
    assert 250 * (1 - 2.5 * rate) - 20 < len(expected) < 250
    reader = TelegramReader()
    events = []
    place = 0
    while place < len(stream):
        size = generator.choice((1, 7, 64, 4096))
        events += reader.receive(stream[place : place + size])
        place += size
    events += reader.finish()
    assert [event for event in events if isinstance(event, Telegram)] == expected
    assert any(isinstance(event, Refused) for event in events)


@pytest.mark.parametrize("octets", [frame(), FRAMES[0]], ids=["made", "captured"])
def test_a_frame_with_any_single_bit_flipped_is_not_delivered_and_the_next_one_is(octets: bytes) -> None:
    # The transport's check sum covers every octet, the fill too, and the start and end marks must be found: so
    # there is no bit whose flip could leave a telegram to deliver.
    following = frame(())
    (wanted,) = TelegramReader().receive(following)
    for bit in range(8 * len(octets)):
        damaged = bytearray(octets)
        damaged[bit // 8] ^= 1 << bit % 8
        events = TelegramReader().receive(bytes(damaged) + following)
        assert [event for event in events if isinstance(event, Telegram)] == [wanted], f"bit {bit}"


def test_a_frame_with_any_single_octet_lost_is_not_delivered_and_the_next_one_is() -> None:
    octets, following = frame(), frame(())
    (wanted,) = TelegramReader().receive(following)
    for place in range(len(octets)):
        damaged = octets[:place] + octets[place + 1 :]
        events = TelegramReader().receive(damaged + following)
        if damaged + following[:1] == octets:
            continue  # the next frame's first octet stands in for the lost one
        assert [event for event in events if isinstance(event, Telegram)] == [wanted], f"octet {place}"


def test_a_frame_with_any_octet_doubled_is_not_delivered_and_the_next_one_is() -> None:
    octets, following = frame(), frame(())
    (wanted,) = TelegramReader().receive(following)
    (itself,) = TelegramReader().receive(octets)
    for place in range(len(octets)):
        damaged = octets[:place] + octets[place : place + 1] + octets[place:]
        delivered = [event for event in TelegramReader().receive(damaged + following) if isinstance(event, Telegram)]
        intact = octets in damaged  # an octet more before the start or behind the end hurts nothing
        assert delivered == ([itself, wanted] if intact else [wanted]), f"octet {place}"

"""How fast SML telegrams become objects, every check sum verified, beside SmlLib's parse_frame on the same octets.

All good frames of the shared captures, in file order, one reader a file as the gateway has one a meter. Each round has
other contents in every value, status, time, id and signature, and new check sums, so that nothing can be remembered by
its content. SmlLib and we take turns, a round each; what counts is the median of the rounds' ratios of CPU time.

First sight is a telegram whose shape the reader never saw: the full decoder, which keeps it. Second sight is the next
of that shape: the shape is learnt from the first one, and read with. Known is every one after that.
Run alone: `python tests/bench/bench_sml_shape.py`; exits 1 under a bar.
"""

import gc
import json
import pickle
import random
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from statistics import median
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "firmware"), str(ROOT / "tests" / "support"), str(Path(__file__).parent)]

from captures import SHARED, sml_captures  # noqa: E402
from result import Result, shown  # noqa: E402
from smgw.sml import tlv  # noqa: E402
from smgw.sml.telegram import Telegram, TelegramReader  # noqa: E402
from smgw.sml.transport import START, Frame, FrameDecoder, encode_frame  # noqa: E402
from smgw.wire import Crc  # noqa: E402
from telegrams import sealed, unsealed  # noqa: E402

ROUNDS = 60
OPEN_RESPONSE, LIST_RESPONSE = 0x0101, 0x0701


class Meter(NamedTuple):
    """A capture's name and its frames: the messages up to their check sums, and the family of those."""

    name: str
    frames: list[tuple[list[bytes], Crc]]


def meters() -> list[Meter]:
    found = []
    for capture in sml_captures():
        frames = []
        reader = TelegramReader()
        for end in range(1, len(capture.octets) + 1):
            if any(isinstance(event, Telegram) for event in reader.receive(capture.octets[end - 1 : end])):
                frames.append(intact(capture.octets[:end]))
        if frames:
            found.append(Meter(capture.name, frames))
    return found


def intact(octets: bytes) -> tuple[list[bytes], Crc]:
    """The frame that ends where these octets end."""
    begin = octets.rindex(START)
    (event,) = FrameDecoder().receive(octets[begin:])
    assert isinstance(event, Frame)
    return unsealed(event.payload), event.crc


def other(value: tlv.Value | None, generator: random.Random) -> tlv.Value | None:
    """Another content of the same type and length."""
    if value is None or isinstance(value.value, tuple | bool):
        return value
    raw = generator.randbytes(value.size)
    if isinstance(value.value, bytes):
        return value._replace(value=raw)
    return value._replace(value=int.from_bytes(raw, "big", signed=value.kind is tlv.Kind.SIGNED))


def other_time(value: tlv.Value | None, generator: random.Random) -> tlv.Value | None:
    if value is None or not isinstance(value.value, tuple):
        return other(value, generator)
    choice, seconds = value.value
    if seconds is not None and isinstance(seconds.value, tuple):
        return tlv.sequence(choice, tlv.sequence(other(seconds.value[0], generator), *seconds.value[1:]))
    return tlv.sequence(choice, other(seconds, generator))


def replaced(record: tlv.Value | None, generator: random.Random, contents: set[int], times: set[int]) -> tlv.Value:
    """A list with other contents in some places, and other times in some."""
    assert record is not None
    assert isinstance(record.value, tuple)
    return tlv.sequence(
        *(
            other(part, generator) if place in contents else other_time(part, generator) if place in times else part
            for place, part in enumerate(record.value)
        )
    )


def rewritten(part: bytes, generator: random.Random) -> bytes:
    """A message with other contents of the same lengths, up to its check sum."""
    transaction, end = tlv.decode(part, 1)
    group, end = tlv.decode(part, end)
    abort, end = tlv.decode(part, end)
    choice, end = tlv.decode(part, end)
    assert choice is not None
    assert isinstance(choice.value, tuple)
    tag, body = choice.value
    assert tag is not None
    if tag.value == OPEN_RESPONSE:
        body = replaced(body, generator, {2}, {4})
    elif tag.value == LIST_RESPONSE:
        body = replaced(body, generator, {5}, {3, 6})
        assert isinstance(body.value, tuple)
        entries = body.value[4]
        assert entries is not None
        assert isinstance(entries.value, tuple)
        entries = tlv.sequence(*(replaced(entry, generator, {1, 5, 6}, {2}) for entry in entries.value))
        body = tlv.sequence(*body.value[:4], entries, *body.value[5:])
    made = b"\x76" + b"".join(map(tlv.encode, (other(transaction, generator), group, abort, tlv.sequence(tag, body))))
    assert len(made) == len(part)
    return made


def one_round(found: list[Meter], generator: random.Random) -> list[list[bytes]]:
    """The frames of each meter."""
    return [
        [
            encode_frame(b"".join(sealed(rewritten(part, generator), crc) for part in parts), crc)
            for parts, crc in meter.frames
        ]
        for meter in found
    ]


class SmlLib:
    """SmlLib in its own environment."""

    def __init__(self) -> None:
        python = ROOT / ".venv-peers" / "bin" / "python"
        if not python.exists():
            raise SystemExit("the peers are missing: make setup")
        script = Path(__file__).parent / "peers" / "smllib_frames.py"
        self._process = subprocess.Popen([str(python), str(script)], stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def seconds(self, frames: list[bytes]) -> list[float | None]:
        """What it took for each frame, None where it gave none; for no frames, its end."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        pickle.dump(frames, self._process.stdin)
        self._process.stdin.flush()
        if frames:
            answer: list[float | None] = json.loads(self._process.stdout.readline())
            return answer
        self._process.communicate(timeout=5)
        return []


def known(readers: list[TelegramReader], meter_frames: list[list[bytes]]) -> float:
    """Seconds a frame, with readers that know the meters."""
    began = time.process_time()
    for reader, frames in zip(readers, meter_frames, strict=True):
        for octets in frames:
            reader.receive(octets)
    return (time.process_time() - began) / sum(map(len, meter_frames))


def first_two(meter_frames: list[list[bytes]], again: list[list[bytes]]) -> tuple[float, float]:
    """Seconds a frame, each with a reader that never saw one, and seconds for the second of its shape, in it."""
    flat = [octets for frames in meter_frames for octets in frames]
    following = [octets for frames in again for octets in frames]
    readers = []
    began = time.process_time()
    for octets in flat:
        reader = TelegramReader()
        reader.receive(octets)
        readers.append(reader)
    between = time.process_time()
    for reader, octets in zip(readers, following, strict=True):
        reader.receive(octets)
    return (between - began) / len(flat), (time.process_time() - between) / len(flat)


def times(theirs: list[float], ours: list[float]) -> float:
    """How many times as fast, in the median round."""
    return median(their / our for their, our in zip(theirs, ours, strict=True))


def main() -> list[Result]:
    if not SHARED.is_dir():
        print(f"only the free captures: {SHARED} is not there")
    found = meters()
    generator = random.Random(7)
    readers = [TelegramReader() for _ in found]
    single = TelegramReader()
    theirs: list[float] = []
    fast: list[float] = []
    first: list[float] = []
    second: list[float] = []
    mixed: list[float] = []
    unread: Counter[str] = Counter()
    names = [meter.name for meter in found for _ in meter.frames]
    peer = SmlLib()
    gc.collect()
    gc.freeze()  # what pytest and the captures left behind is no part of a gateway
    for _ in range(ROUNDS):
        meter_frames = one_round(found, generator)
        answers = peer.seconds([octets for frames in meter_frames for octets in frames])
        unread.update(name for name, took in zip(names, answers, strict=True) if took is None)
        good = [took for took in answers if took is not None]
        theirs.append(sum(good) / len(good))
        fast.append(known(readers, meter_frames))
        once, twice = first_two(meter_frames, one_round(found, generator))
        first.append(once)
        second.append(twice)
        mixed.append(known([single] * len(found), meter_frames))
    peer.seconds([])
    gc.unfreeze()
    for name, count in unread.items():
        print(f"SmlLib cannot read {count} of {names.count(name) * ROUNDS} frames of {name}")
    if not unread:
        print(f"SmlLib reads all {len(names)} frames of {len(found)} files, in every round")
    hits = sum(reader.shapes.hits for reader in readers)
    misses = sum(reader.shapes.misses for reader in readers)
    shared = single.shapes.hits / (single.shapes.hits + single.shapes.misses)
    return [
        Result("SML, known shape: times as fast as SmlLib", times(theirs, fast), "x", 8, at_most=False),
        Result("SML, known shape: the same, aim of issue 11", times(theirs, fast), "x", 14, at_most=False),
        Result("SML, first sight of a shape: times as fast as SmlLib", times(theirs, first), "x", 2, at_most=False),
        Result("SML, second sight, which learns it: times as fast as SmlLib", times(theirs, second), "x"),
        Result("SML, a frame of a known shape", median(fast) * 1e6, "us"),
        Result("SML, a frame of a new shape: full decoder", median(first) * 1e6, "us"),
        Result("SML, the second frame of a shape, which is learnt", median(second) * 1e6, "us"),
        Result("SML, hit rate of shapes, the first frames counted", 100 * hits / (hits + misses), "%"),
        Result(f"SML, one reader for all files, which knows {100 * shared:.0f} %", median(mixed) * 1e6, "us"),
        Result("peer: SmlLib, parse_frame", median(theirs) * 1e6, "us"),
    ]


if __name__ == "__main__":
    sys.exit(shown(main()))

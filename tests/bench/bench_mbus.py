"""How fast an M-Bus frame becomes named readings, beside pyMeterBus with values on the same octets.

All frames of the captures with a header, some 12 records each; each round has other octets in every number. pyMeterBus
and we take turns, a round each; what counts is the median of the rounds' ratios of CPU time.
jMBus decodes the unchanged frames again and again, warm, without framing and without names of COSEM. Ours beside it is
the time from octets to named readings; the time to records stands below.
Run alone: `python tests/bench/bench_mbus.py`; exits 1 over a bar.
"""

import gc
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "firmware"), str(ROOT / "tests" / "support"), str(Path(__file__).parent)]

import pytest  # noqa: E402
from java_peer import java_peer  # noqa: E402
from result import Result, shown  # noqa: E402
from smgw.mbus.frame import Frame, FrameDecoder  # noqa: E402
from smgw.mbus.readings import readings  # noqa: E402
from smgw.mbus.telegram import LONG, read_telegram  # noqa: E402

CAPTURES = ROOT / "tests" / "captures" / "mbus" / "libmbus" / "test-frames"
PEERS = Path(os.environ.get("SMGW_PEERS_PYTHON", ROOT / ".venv-peers/bin/python"))
ROUNDS = 20


def frames() -> list[Frame]:
    """Those with a long header."""
    found = []
    for path in sorted(CAPTURES.glob("*.hex")):
        (frame,) = FrameDecoder().receive(bytes.fromhex(path.read_text()))
        assert isinstance(frame, Frame)
        if frame.control_information == LONG:
            found.append(frame)
    return found


def other(generator: random.Random, frame: Frame) -> bytes:
    """The frame with other decimal digits in each number."""
    data = bytearray(frame.data)
    at = 0
    for record in read_telegram(frame).records:
        if not isinstance(record.value and record.value.value, int) or record.head.length < 1:
            continue
        at = data.index(record.octets, at)
        for place in range(record.head.length - 1):
            data[at + place] = generator.randrange(10) << 4 | generator.randrange(10)
        at += record.head.length
    return frame._replace(data=bytes(data)).encode()


def records_alone(telegrams: list[bytes]) -> float:
    decoder = FrameDecoder()
    began = time.process_time()
    for octets in telegrams:
        (frame,) = decoder.receive(octets)
        assert isinstance(frame, Frame)
        read_telegram(frame)
    return (time.process_time() - began) / len(telegrams)


def ours(telegrams: list[bytes]) -> float:
    decoder = FrameDecoder()
    began = time.process_time()
    for octets in telegrams:
        (frame,) = decoder.receive(octets)
        assert isinstance(frame, Frame)
        telegram = read_telegram(frame)
        assert telegram.identity is not None
        readings(telegram, telegram.identity.medium)
    return (time.process_time() - began) / len(telegrams)


def warm() -> list[Result]:
    """Beside jMBus, on frames that it does not take for encrypted; nothing without Java."""
    octets = [frame.encode() for frame in frames() if not any(frame.data[10:12])]
    with tempfile.TemporaryDirectory() as folder:
        try:
            command = java_peer("jmbus", Path(folder))
        except pytest.skip.Exception as absent:
            print(f"not measured: {absent}")
            return []
        given = "".join(f"{one.hex()}\n" for one in octets)
        told = subprocess.run([*command, "time"], input=given, capture_output=True, text=True, check=True).stdout
    theirs, named = float(told), median(ours(octets) for _ in range(10 * ROUNDS))
    return [
        Result("M-Bus: our time as a multiple of jMBus, warm", named / theirs, "", 5),
        Result("M-Bus, a known frame to readings", named * 1e6, "us"),
        Result(
            "M-Bus, a known frame to records", median(records_alone(octets) for _ in range(10 * ROUNDS)) * 1e6, "us"
        ),
        Result("peer: jMBus, records alone", theirs * 1e6, "us"),
    ]


def main() -> list[Result]:
    generator, captured = random.Random(7), frames()
    script = ROOT / "tests" / "interop" / "peers" / "meterbus_read.py"
    fast, theirs = [], []
    gc.collect()
    gc.freeze()  # what the imports left behind is no part of a gateway
    with subprocess.Popen(
        [str(PEERS), "-I", str(script), "time"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as peer:
        assert peer.stdin is not None
        assert peer.stdout is not None
        for _ in range(ROUNDS):
            telegrams = [other(generator, frame) for frame in captured]
            peer.stdin.write(json.dumps([octets.hex() for octets in telegrams]) + "\n")
            peer.stdin.flush()
            theirs.append(float(peer.stdout.readline()))
            fast.append(ours(telegrams))
        peer.stdin.close()
    gc.unfreeze()
    return [
        Result(
            "M-Bus: our share of pyMeterBus's time", median(a / b for a, b in zip(fast, theirs, strict=True)), "", 0.25
        ),
        Result("M-Bus, a frame to readings", median(fast) * 1e6, "us"),
        Result("peer: pyMeterBus, with values", median(theirs) * 1e6, "us"),
        *warm(),
    ]


if __name__ == "__main__":
    sys.exit(shown(main()))

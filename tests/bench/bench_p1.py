"""How fast a P1 telegram becomes devices and readings, its check sum verified, beside dsmr-parser on the same octets.

A telegram of version 5 with gas, from a real meter; each round has other digits in every value, and new check sums.
dsmr-parser and we take turns, a round each; what counts is the median of the rounds' ratios of CPU time.
Run alone: `python tests/bench/bench_p1.py`; exits 1 over a bar.
"""

import gc
import json
import os
import random
import re
import subprocess
import sys
import time
from pathlib import Path
from statistics import median

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "firmware"), str(Path(__file__).parent)]

from result import Result, shown  # noqa: E402
from smgw.iec62056.p1.devices import devices  # noqa: E402
from smgw.iec62056.p1.telegram import Telegram, TelegramReader  # noqa: E402
from smgw.wire.crc_arc import crc_arc  # noqa: E402

CAPTURE = ROOT / "tests" / "captures" / "dsmr" / "dsmr_parser" / "telegram_v5.txt"
PEERS = Path(os.environ.get("SMGW_PEERS_PYTHON", ROOT / ".venv-peers/bin/python"))
ROUNDS, TELEGRAMS = 20, 50
_DIGITS = re.compile(rb"[0-9]+(?=\.?[0-9]*\*)|(?<=\.)[0-9]+(?=\*)")


def other(generator: random.Random) -> bytes:
    """The telegram with other digits before each unit."""
    text = CAPTURE.read_bytes().rpartition(b"!")[0] + b"!"
    text = _DIGITS.sub(lambda found: b"%0*d" % (len(found[0]), generator.randrange(10 ** len(found[0]))), text)
    return text + b"%04X\r\n" % crc_arc(text)


def ours(reader: TelegramReader, telegrams: list[bytes]) -> float:
    began = time.process_time()
    for octets in telegrams:
        (telegram,) = reader.receive(octets)
        assert isinstance(telegram, Telegram)
        devices(telegram, 60)
    return (time.process_time() - began) / len(telegrams)


def main() -> list[Result]:
    generator, reader = random.Random(7), TelegramReader()
    script = Path(__file__).parent / "peers" / "dsmr_loop.py"
    fast, theirs = [], []
    gc.collect()
    gc.freeze()  # what the imports left behind is no part of a gateway
    with subprocess.Popen(
        [str(PEERS), "-I", str(script)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as peer:
        assert peer.stdin is not None
        assert peer.stdout is not None
        for _ in range(ROUNDS):
            telegrams = [other(generator) for _ in range(TELEGRAMS)]
            peer.stdin.write(json.dumps([octets.decode() for octets in telegrams]) + "\n")
            peer.stdin.flush()
            theirs.append(float(peer.stdout.readline()))
            fast.append(ours(reader, telegrams))
        peer.stdin.close()
    gc.unfreeze()
    return [
        Result(
            "P1: our share of dsmr-parser's time", median(a / b for a, b in zip(fast, theirs, strict=True)), "", 0.25
        ),
        Result("P1, a telegram of version 5 with gas", median(fast) * 1e6, "us"),
        Result("peer: dsmr-parser", median(theirs) * 1e6, "us"),
    ]


if __name__ == "__main__":
    sys.exit(shown(main()))

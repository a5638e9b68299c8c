"""How fast a D0 read-out of 60 data sets becomes readings, its check value and parity verified.

Each round has other digits in every value. Run alone: `python tests/bench/bench_d0.py`; exits 1 over a bar.
"""

import gc
import random
import sys
import time
from pathlib import Path
from statistics import median

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "firmware"), str(Path(__file__).parent)]

from result import Result, shown  # noqa: E402
from smgw.iec62056.d0.check import bcc  # noqa: E402
from smgw.iec62056.d0.read_out import ReadOut, ReadOutReader  # noqa: E402
from smgw.iec62056.d0.values import values  # noqa: E402
from smgw.iec62056.seven_bit import with_parity  # noqa: E402

ROUNDS, READ_OUTS, REGISTERS = 20, 50, 58


def other(generator: random.Random) -> bytes:
    """A read-out with other digits."""
    lines = [
        f"{1 + place // 30}.8.{place % 30}({generator.randrange(10**9) / 1000:010.3f}*kWh)"
        for place in range(REGISTERS)
    ]
    body = "\r\n".join(("F.F(00)", "C.1.0(13647123)", *lines, "!", "")).encode() + b"\x03"
    return with_parity(b"/LGZ5ZMF100AC.M26\r\n\x02" + body + bytes((bcc(body),)))


def main() -> list[Result]:
    generator, reader, took = random.Random(7), ReadOutReader(), []
    gc.collect()
    gc.freeze()  # what the imports left behind is no part of a gateway
    for _ in range(ROUNDS):
        read_outs = [other(generator) for _ in range(READ_OUTS)]
        began = time.process_time()
        for octets in read_outs:
            (found,) = reader.receive(octets)
            assert isinstance(found, ReadOut)
            values(found.sets, 1)
        took.append((time.process_time() - began) / READ_OUTS)
    gc.unfreeze()
    return [Result("D0, a read-out of 60 data sets", median(took) * 1e6, "us", 300)]


if __name__ == "__main__":
    sys.exit(shown(main()))

"""What a live value costs the thread that reads a meter: one capture of 8 readings into its file, on a tmpfs.

Run alone: `python tests/bench/bench_live.py`; exits 1 under a bar.
"""

import sys
import tempfile
import time
from pathlib import Path
from statistics import median

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "firmware"), str(ROOT / "tests" / "support"), str(Path(__file__).parent)]

from captures_made import BOOT, DEVICE  # noqa: E402
from result import Result, shown  # noqa: E402
from smgw.cosem import Capture, ClockState, MeterTime, MeterTimeKind, Obis, Reading, Stamp, integer  # noqa: E402
from smgw.store.live import LiveWriter  # noqa: E402
from smgw.store.live_reader import read_live  # noqa: E402

READINGS, ROUNDS, CAPTURES = 8, 40, 500
TMPFS = Path("/dev/shm")
BAR_US = 60


def capture(number: int) -> Capture:
    """As an eHZ sends it: energies with a status word, then powers."""
    readings = tuple(
        Reading(
            Obis((1, 0, place, 8 if place < 4 else 7, 0, 255)),
            integer(86_038_387 + number * place, 8, signed=False),
            -1,
            30 if place < 4 else 27,
            status=integer(0x1A4, 4, signed=False) if not place else None,
        )
        for place in range(READINGS)
    )
    stamp = Stamp(BOOT, number * 1_000_000_000, 1_785_000_000_000_000 + number, 5000, ClockState.SYNCHRONISED)
    return Capture("house", DEVICE, stamp, MeterTime(MeterTimeKind.SEC_INDEX, number.to_bytes(4)), readings)


def main() -> list[Result]:
    """CPU and elapsed time are the same here: nothing is waited for. The median of rounds counts."""
    with tempfile.TemporaryDirectory(dir=TMPFS) as folder:
        writer = LiveWriter(Path(folder), {"house": "/dev/ttyUSB0"})
        rounds = []
        for turn in range(ROUNDS):
            captures = [capture(turn * CAPTURES + number) for number in range(CAPTURES)]
            began = time.process_time_ns()
            for one in captures:
                writer.capture(one)
            rounds.append((time.process_time_ns() - began) / CAPTURES / 1000)
        (live,) = read_live(Path(folder))
        assert live.capture == captures[-1]
        octets = next(Path(folder).iterdir()).stat().st_size
    return [
        Result(f"a live value of {READINGS} readings, written", median(rounds), "us", BAR_US),
        Result("its file", octets, "octets"),
    ]


if __name__ == "__main__":
    sys.exit(shown(main()))

"""pyMeterBus, another people's reader of M-Bus, beside ours: the same numbers, storage, tariffs and subunits."""

import json
import os
import subprocess
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from mbus_captures import MBusCapture, mbus_captures
from smgw.mbus.telegram import read_telegram

PEERS = Path(os.environ.get("SMGW_PEERS_PYTHON", Path(__file__).parents[2] / ".venv-peers/bin/python"))
SCRIPT = Path(__file__).with_name("peers") / "meterbus_read.py"
FRAMES = mbus_captures("test-frames")
SECONDS = {"s": 1, "min": 60, "h": 3600, "d": 86_400}
#: Frames that the peer refuses, and why.
REFUSED = {"manual_frame2": "it knows no fixed form (CI 73)", "sen_pollusonic_2": "it knows no fixed form (CI 73)"}


@pytest.fixture(scope="module")
def theirs() -> dict[str, Any]:
    """Name of a capture -> what the peer found."""
    if not PEERS.exists():
        pytest.fail(f"the peers' environment {PEERS} is missing; make it with: make setup")
    done = subprocess.run(
        [str(PEERS), "-I", str(SCRIPT)],
        input=json.dumps([one.octets.hex() for one in FRAMES]) + "\n",
        text=True, capture_output=True, check=False, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return dict(zip((one.name for one in FRAMES), json.loads(done.stdout), strict=True))


@pytest.mark.parametrize("capture", FRAMES, ids=lambda one: one.name)
def test_both_read_the_same_numbers(capture: MBusCapture, theirs: dict[str, Any]) -> None:
    found = theirs[capture.name]
    assert (found is None) == (capture.name in REFUSED)
    for record, (text, unit, *place) in zip(read_telegram(capture.frame).records, found or (), strict=False):
        assert list(record.head[1:4]) == place
        if text is None or record.value is None or not isinstance(record.value.value, int):
            continue
        ours = Fraction(record.value.value) * Fraction(10) ** record.head.meaning.scaler
        if unit == "seconds":
            ours *= SECONDS[record.head.meaning.symbol]
        assert abs(Fraction(text) - ours) <= Fraction(1, 10**9) * max(1, abs(ours)), "the peer uses floats"

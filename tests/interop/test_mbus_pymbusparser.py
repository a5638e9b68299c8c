"""pymbusparser, another people's reader of M-Bus, beside ours: the same numbers, and the same text behind a key."""

import json
import os
import subprocess
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from mbus_amis import KEY, frame
from mbus_captures import MBusCapture, mbus_captures
from smgw.cosem.data import DataType
from smgw.mbus.frame import Frame, FrameDecoder
from smgw.mbus.telegram import LONG, Telegram, read_telegram

PEERS = Path(os.environ.get("SMGW_PEERS_PYTHON", Path(__file__).parents[2] / ".venv-peers/bin/python"))
SCRIPT = Path(__file__).with_name("peers") / "mbusparser_read.py"
FRAMES = mbus_captures("test-frames")
#: Frames of which the peer reads fewer records, or none -> why.
PARTLY = {
    "electricity-meter-2": "it stops at the maker's VIFE of the first record",
    "elv_temp_humid": "it takes the text of a unit as standing behind the VIFE, as the standard words it",
    "example_data_01": 'it takes the "signature" 27B6 for an encryption mode',
    "manual_frame2": "it knows no fixed form (CI 73)",
    "sen_pollusonic_2": "it knows no fixed form (CI 73)",
}
#: Moments of a maximum (VIFE 6F) that it takes for the maximum.
MOMENTS = {("landis+gyr_ultraheat_t230", place) for place in (19, 20, 21, 22)}


def peer(frames: list[bytes], *key: str) -> list[Any]:
    """What it finds in each frame."""
    if not PEERS.exists():
        pytest.fail(f"the peers' environment {PEERS} is missing; make it with: make setup")
    done = subprocess.run(
        [str(PEERS), "-I", str(SCRIPT), *key],
        input=json.dumps([one.hex() for one in frames]) + "\n",
        text=True, capture_output=True, check=False, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found: list[Any] = json.loads(done.stdout)
    return found


@pytest.fixture(scope="module")
def theirs() -> dict[str, Any]:
    """Name of a capture -> what the peer found."""
    return dict(zip((one.name for one in FRAMES), peer([one.octets for one in FRAMES]), strict=True))


def numbers(telegram: Telegram) -> list[Fraction | None]:
    """The number of each record, in its unit; None for what is none."""
    return [
        Fraction(record.value.value) * Fraction(10) ** record.head.meaning.scaler
        if record.value is not None and isinstance(record.value.value, int)
        else None
        for record in telegram.records
    ]


@pytest.mark.parametrize("capture", FRAMES, ids=lambda one: one.name)
def test_both_read_the_same_numbers(capture: MBusCapture, theirs: dict[str, Any]) -> None:
    telegram, found = read_telegram(capture.frame), theirs[capture.name]
    if capture.name not in PARTLY:
        assert len(found) - len(telegram.records) in (0, 1), "the maker's data at the end are a record for the peer"
    for place, (record, ours, (text, _, *places)) in enumerate(
        zip(telegram.records, numbers(telegram), found, strict=False)
    ):
        assert list(record.head[1:4]) == places
        if text is not None and (capture.name, place) not in MOMENTS:
            assert ours == Fraction(text), record
        elif ours is not None:
            assert record.value is not None
            assert record.value.type in (DataType.DOUBLE_LONG, DataType.DOUBLE_LONG_UNSIGNED)


def test_both_open_a_frame_in_mode_5() -> None:
    (pushed,) = FrameDecoder().receive(frame())
    assert isinstance(pushed, Frame)
    answer = pushed._replace(control=0x08, control_information=LONG)
    (found,) = peer([answer.encode()], KEY.hex())
    ours = [one for one in numbers(read_telegram(answer, KEY)) if one is not None]
    assert [Fraction(text) for text, *_ in found if text is not None] == ours
    assert len(ours) >= 8

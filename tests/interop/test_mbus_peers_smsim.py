"""jMBus and pyMeterBus, other people's masters of M-Bus, ask the simulator; jMBus reads the captures as we do."""

import json
import os
import subprocess
from fractions import Fraction
from pathlib import Path

import pytest
from java_peer import java_peer
from mbus_captures import MBusCapture, mbus_captures
from mbus_smsim import simulated
from smgw.mbus.telegram import read_telegram

PEERS = Path(os.environ.get("SMGW_PEERS_PYTHON", Path(__file__).parents[2] / ".venv-peers/bin/python"))
SCRIPT = Path(__file__).with_name("peers") / "meterbus_ask.py"
FRAMES = mbus_captures("test-frames")
#: Frames that jMBus refuses, and why.
REFUSED = {
    "manual_frame2": "it knows no fixed form (CI 73)",
    "sen_pollusonic_2": "it knows no fixed form (CI 73)",
    "example_data_01": "it takes the configuration word of a plain frame for encryption",
}


@pytest.fixture(scope="module")
def jmbus(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    return java_peer("jmbus", tmp_path_factory.mktemp("jmbus"))


def ran(command: list[str], given: str = "") -> list[str]:
    done = subprocess.run(command, input=given, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


@pytest.fixture(scope="module")
def decoded(jmbus: list[str]) -> dict[str, list[list[str]] | None]:
    """Name of a capture -> storage, tariff, subunit, type, exponent and value of each record; None: refused."""
    found: dict[str, list[list[str]] | None] = {}
    names, records = iter(FRAMES), []
    for line in ran([*jmbus, "decode"], "".join(f"{one.octets.hex()}\n" for one in FRAMES)):
        word, *rest = line.split()
        if word == "record":
            records.append(rest)
            continue
        found[next(names).name] = records if word == "end" else None
        records = []
    return found


@pytest.mark.parametrize("capture", FRAMES, ids=lambda one: one.name)
def test_jmbus_reads_the_same_numbers(capture: MBusCapture, decoded: dict[str, list[list[str]] | None]) -> None:
    theirs = decoded[capture.name]
    assert (theirs is None) == (capture.name in REFUSED)
    for record, (*place, kind, exponent, value) in zip(
        read_telegram(capture.frame).records, theirs or (), strict=False
    ):
        assert list(map(str, record.head[1:4])) == place
        if kind not in ("LONG", "BCD") or record.value is None or not isinstance(record.value.value, int):
            continue
        meaning = record.head.meaning
        if not meaning.quantity.startswith("%"):  # it ignores the power behind a unit in plain text
            ours = Fraction(record.value.value) * Fraction(10) ** meaning.scaler
            assert Fraction(value) * Fraction(10) ** int(exponent) == ours


def test_jmbus_reads_both_telegrams_of_a_meter(jmbus: list[str]) -> None:
    with simulated() as (where, _):
        lines = [line.split() for line in ran([*jmbus, "read", *where.split(":"), "1"])]
    assert [line[1] for line in lines] == ["0", "0", "0", "1"]
    assert lines[3][4:] == ["LONG", "0", "48000000"]


def test_jmbus_finds_both_meters_at_one_primary_address(jmbus: list[str]) -> None:
    with simulated(heat=0, water=0) as (where, _):
        found = ran([*jmbus, "scan", *where.split(":")])
    assert sorted(found) == ["KAM 14839120 1", "LUG 66660205 7"]


@pytest.mark.parametrize("address", ["2", "148391202D2C0107"], ids=["primary", "secondary"])
def test_pymeterbus_reads_a_meter(address: str) -> None:
    if not PEERS.exists():
        pytest.fail(f"the peers' environment {PEERS} is missing; make it with: make setup")
    with simulated(heat=0) as (where, _):
        (line,) = ran([str(PEERS), "-I", str(SCRIPT), *where.split(":"), address])
    counter, _, history = json.loads(line)
    assert float(history) == 815
    assert float(counter) >= 815

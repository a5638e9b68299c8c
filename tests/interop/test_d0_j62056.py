"""j62056, another people's reader of D0, beside ours: it reads smsim's meters, and the same data sets as we do."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from d0_made import BODY, HEAD, framed
from java_peer import java_peer
from smgw.iec62056.d0.read_out import ReadOut, ReadOutReader
from testbed import Program

RUN_S = 120


@pytest.fixture(scope="module")
def j62056(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """The command that runs the peer."""
    return java_peer("j62056", tmp_path_factory.mktemp("j62056"))


def told(command: list[str], *arguments: str, given: str = "") -> list[Any]:
    done = subprocess.run([*command, *arguments], input=given, capture_output=True, text=True, timeout=RUN_S)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def as_the_peer(one: ReadOut) -> list[list[str]]:
    """Code, value, unit of the first group of each set."""
    return [[each.code, *(each.text.split("*", 1) if "*" in each.text else (each.text, ""))] for each in one.sets]


def test_the_peer_reads_the_same_data_sets(j62056: list[str]) -> None:
    octets = framed()
    (found,) = told(j62056, "decode", given=octets.hex())
    (ours,) = ReadOutReader().receive(octets)
    assert isinstance(ours, ReadOut)
    assert found["sets"] == as_the_peer(ours)


def test_both_refuse_a_wrong_check_value(j62056: list[str]) -> None:
    octets = framed(BODY.replace(b"042951", b"042952"), HEAD)[:-1] + framed()[-1:]
    (found,) = told(j62056, "decode", given=octets.hex())
    assert isinstance(found, str), found
    assert not [one for one in ReadOutReader().receive(octets) if isinstance(one, ReadOut)]


@pytest.mark.parametrize("mode", ["A", "B", "C"])
def test_the_peer_reads_a_simulated_meter(mode: str, j62056: list[str], tmp_path: Path) -> None:
    (tmp_path / "meters.toml").write_text(
        f'[[meter]]\nname = "barn"\ndevice = "1LGZ0000000001"\nport = "tcp:0"\nd0 = "{mode}"\n'
    )
    smsim = Program("smsim", ["-m", "smsim", "run", str(tmp_path / "meters.toml")])
    try:
        smsim.start()
        port = smsim.wait_for("smsim: meter barn").text.rpartition(":")[2]
        (found,) = told(j62056, "ask", "127.0.0.1", port)
    finally:
        smsim.destroy()
    assert found["meter"] == "LGZ SMSIM-D0"
    sets = {code: (value, unit) for code, value, unit in found["sets"]}
    assert sets["C.1.0"] == ("1LGZ0000000001", "")
    assert sets["1.8.0"][1] == "kWh"

"""What our codecs write, pydlms-client reads and writes again, octet for octet."""

import os
import subprocess
from pathlib import Path

import pytest
from dlms_strategies import encoded, encoded_apdus
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

REPOSITORY = Path(__file__).parents[2]
PEERS = Path(os.environ.get("SMGW_PEERS_PYTHON", REPOSITORY / ".venv-peers/bin/python"))
CODEC = Path(__file__).with_name("peers") / "pydlms_codec.py"
#: What the peer has not: the obsolete floating-point, ciphered APDUs and blocks apart from a session, codes and
#: choices without a name, and an invocation counter error without the counter.
NOT_THERE = ("0x07", "no xDLMS decoder", "is not defined", "need 4 octets at 3, have 0")


def drawn(kind: str, encoded: st.SearchStrategy[bytes], count: int) -> list[str]:
    lines: list[str] = []

    @settings(max_examples=count, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
    @given(encoded)
    def collect(octets: bytes) -> None:
        lines.append(f"{kind} {octets.hex()}")

    collect()
    return lines


@pytest.mark.parametrize(
    ("kind", "encoded", "count"),
    [("data", encoded, 500), ("apdu", encoded_apdus, 1500)],
)
def test_what_we_write_the_peer_reads_and_writes_the_same(
    kind: str, encoded: st.SearchStrategy[bytes], count: int
) -> None:
    if not PEERS.exists():
        pytest.fail(f"the peers' environment {PEERS} is missing; make it with: make setup")
    lines = drawn(kind, encoded, count)
    done = subprocess.run(
        [str(PEERS), "-I", str(CODEC)], input="\n".join(lines), text=True, capture_output=True, timeout=120, check=True
    )
    answers = done.stdout.splitlines()
    assert len(answers) == len(lines)
    compared = [
        (line, answer)
        for line, answer in zip(lines, answers, strict=True)
        if not (answer.startswith("refused") and any(reason in answer for reason in NOT_THERE))
    ]
    assert [answer for _, answer in compared] == [line.removeprefix(f"{kind} ") for line, _ in compared]
    assert len(compared) > count // 2

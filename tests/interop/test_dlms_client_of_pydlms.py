"""pydlms-client, which others wrote, reads our DLMS server in general blocks, the transfer that few clients know."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]
PEERS = Path(os.environ.get("SMGW_PEERS_PYTHON", REPOSITORY / ".venv-peers/bin/python"))
SCRIPT = Path(__file__).with_name("peers") / "pydlms_general_blocks.py"
METER = REPOSITORY / "tests/support/dlms_meter_process.py"


@pytest.mark.parametrize("window", [1, 3, 20])
def test_a_client_of_others_reads_and_writes_in_general_blocks(window: int) -> None:
    if not PEERS.exists():
        pytest.fail(f"the peers' environment {PEERS} is missing; make it with: make setup")
    command = [sys.executable, str(METER), "--general-blocks"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as meter:
        assert meter.stdout is not None
        assert meter.stdin is not None
        _, port = meter.stdout.readline().split()
        asked = [str(PEERS), "-I", str(SCRIPT), port, str(window)]
        done = subprocess.run(asked, capture_output=True, text=True, timeout=60)
        meter.stdin.close()
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["rows"] == [1000, 1000]
    assert "READ_WRITE_DENIED" in told["set"], "the long value came over, and the meter does not take it"

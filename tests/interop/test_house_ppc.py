"""py-ppc-smgw, a client of PPC's gateways that nobody here wrote, unmodified against a real `smgw han`."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from broker import free_port, wait_until
from house_state import DEVICE, TEXT, make
from later_python import peers

SCRIPT = Path(__file__).with_name("peers") / "ppc_ask.py"


@pytest.fixture
def gateway(tmp_path: Path) -> Iterator[tuple[str, str]]:
    """URL and anna's password of a running HAN process."""
    port = free_port()
    make(tmp_path, text=TEXT)
    with (tmp_path / "gateway.toml").open("a") as file:
        file.write(f'[han]\nlisten = "127.0.0.1:{port}"\nviews = ["ppc"]\n')
    begin = [sys.executable, "-m", "smgw"]
    where = ["--config", str(tmp_path / "gateway.toml"), "--state", str(tmp_path)]
    added = subprocess.run([*begin, "consumer", "add", "anna", *where], capture_output=True, text=True, timeout=60)
    assert added.returncode == 0, added.stderr
    password = re.search(r"password:?\s+(\S+)", added.stdout, re.IGNORECASE)
    assert password, added.stdout
    with (tmp_path / "han.log").open("w") as log:
        process = subprocess.Popen([*begin, "han", *where], stdout=log, stderr=log)
    try:
        wait_until(lambda: "ready" in (tmp_path / "han.log").read_text())
        yield f"https://127.0.0.1:{port}/cgi-bin/hanservice.cgi", password[1]
    finally:
        process.terminate()
        process.wait(60)


def test_the_client_reads_meters_values_profile_and_firmware(gateway: tuple[str, str]) -> None:
    python = peers("ppc", "python3.13", "py-ppc-smgw")
    url, password = gateway
    asked = [str(python), "-I", str(SCRIPT), url, "anna", password, "2026-03-01 01:00:00", "2026-03-01 01:30:00"]
    done = subprocess.run(asked, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    told: dict[str, Any] = json.loads(done.stdout)
    (meter,) = told["meters"]
    assert meter["name"] == f"01005e318002.{str(DEVICE).lower()}.sm"
    assert meter["device"] == str(DEVICE).lower()
    assert (meter["period"], meter["active"]) == (900, True)
    assert {obis[:9]: value[0] for obis, value in meter["readings"].items()} == {
        "1-0:1.8.0": "0.2970",
        "1-0:2.8.0": "0.0297",
    }
    assert [one for one in meter["entries"] if one[0].startswith("1-0:1.8.0")] == [
        [meter["entries"][0][0], 10.0 * place, -1, 30, 0, f"2026-03-01T00:{15 * place:02d}:00+00:00"]
        for place in range(3)
    ]
    assert len(meter["entries"]) == 6
    assert len(told["firmware"][0][2]) == 64

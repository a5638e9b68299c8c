"""py-ppc-smgw, a client of PPC's gateways that nobody here wrote, unmodified against a real `smgw han`."""

import json
import subprocess
from pathlib import Path
from typing import Any

from han_process import han_process
from house_state import DEVICE
from later_python import peers

SCRIPT = Path(__file__).with_name("peers") / "ppc_ask.py"


def test_the_client_reads_meters_values_profile_and_firmware(tmp_path: Path) -> None:
    python = peers("ppc", "python3.13", "py-ppc-smgw")
    with han_process(tmp_path, "ppc") as (host, password):
        asked = [str(python), "-I", str(SCRIPT), f"https://{host}/cgi-bin/hanservice.cgi", "anna", password]
        asked += ["2026-03-01 01:00:00", "2026-03-01 01:30:00"]
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

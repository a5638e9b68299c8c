"""Time zones: the stand-in that saves memory leaves no trace."""

import subprocess
import sys
from pathlib import Path

FIRMWARE = Path(__file__).parents[3] / "firmware"
PROGRAM = """
import sys
from smgw.cosem.zone import time_zone
assert "sysconfig" not in sys.modules
print(time_zone("Europe/Berlin"))
assert "sysconfig" not in sys.modules
import sysconfig
print(sysconfig.get_paths()["stdlib"])
"""


def test_a_zone_costs_no_sysconfig_and_leaves_it_usable() -> None:
    run = subprocess.run(
        [sys.executable, "-S", "-c", PROGRAM],
        env={"PYTHONPATH": str(FIRMWARE)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    zone, folder = run.stdout.splitlines()
    assert zone == "Europe/Berlin"
    assert Path(folder).is_dir()

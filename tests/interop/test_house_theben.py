"""theben-conexa-smgw, a client of Theben's gateways that nobody here wrote, unmodified against a real `smgw han`."""

import json
import subprocess
from pathlib import Path

from han_process import han_process
from later_python import peers

SCRIPT = Path(__file__).with_name("peers") / "theben_ask.py"


def test_the_client_reads_the_newest_values(tmp_path: Path) -> None:
    python = peers("theben", "python3.13", "--ignore-requires-python", "theben-conexa-smgw")
    with han_process(tmp_path, "theben") as (host, password):
        asked = [str(python), "-I", str(SCRIPT), host, "anna", password]
        done = subprocess.run(asked, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["id"].startswith("e")
    assert told["values"] == {"0100010800ff": ["297.0", "Wh", "2026-03-04T02:15:00Z"]}

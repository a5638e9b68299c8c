"""kill -9 in the middle of a load profile: afterwards it is complete, each row once, and not read from the start again.

The moments come from a seed (SMGW_KILL_SEED, printed).
"""

import os
import random
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest
from line_meter import PolledMeter
from profiled_model import QUARTER, ProfiledModel
from smgw.sml.profiles import LOAD_PROFILE
from smgw.store.lmn_view import LmnView
from smgw.store.ranges import Range
from smgw.store.records import ProfileName
from testbed import surroundings, wait_until

SEED = int(os.environ.get("SMGW_KILL_SEED") or random.SystemRandom().randrange(1_000_000))
KILLS = 12
NOW = int(time.time())
LAST = NOW - NOW % QUARTER - QUARTER
ROWS = range(LAST - 29 * 86_400, LAST + 1, QUARTER)
PIECE = 60  # rows that the meter answers at most
CONFIGURATION = """\
[gateway]
device_id = "ESMG0000000001"
[[meter]]
name = "house"
protocol = "sml-poll"
port = "{port}"
interval = 1
registration_period = 0
load_profile = ["1-0:99.1.0"]
load_profile_days = 30
"""
COMMANDS = {
    "the gateway": ["lmn"],
    "smgw profile": ["profile", "house", "--from", datetime.fromtimestamp(ROWS[0] - 3600, UTC).isoformat(), "--csv"],
}


class Kept:
    """The rows in lmn.db."""

    def __init__(self, state: Path) -> None:
        self._state = state

    def times(self) -> list[int]:
        """Of all rows, in order; each row tells its time as a value, too."""
        if not (self._state / "lmn" / "lmn.db").exists():
            return []
        name = ProfileName("house", ProfiledModel.device, LOAD_PROFILE)
        with LmnView.open(self._state / "lmn") as view:
            rows = view.profile_rows(name, Range(0, 2**62), 100_000)
        for row in rows:
            assert row.target_time_us == row.readings[0].value.value * 1_000_000  # type: ignore[operator]
            assert [reading.value.value for reading in row.readings] == [
                row.target_time_us // 10**6,
                row.target_time_us // 5 // 10**5,
            ]
        return [row.readings[0].value.value for row in rows]  # type: ignore[misc]


@pytest.mark.parametrize("who", COMMANDS)
def test_a_load_profile_is_complete_after_kills_in_the_middle_of_it(who: str, tmp_path: Path) -> None:
    print(f"SMGW_KILL_SEED={SEED}")
    chance = random.Random(f"{SEED} {who}")
    (tmp_path / "state").mkdir()
    kept = Kept(tmp_path / "state")
    model = ProfiledModel(ROWS, most=PIECE)
    with PolledMeter(model) as meter:
        meter.answer = lambda octets: [octets[: len(octets) // 2], 0.02, octets[len(octets) // 2 :]]
        (tmp_path / "gateway.toml").write_text(CONFIGURATION.format(port=meter.url))
        common = ["--config", str(tmp_path / "gateway.toml"), "--state", str(tmp_path / "state")]
        command = [sys.executable, "-m", "smgw", COMMANDS[who][0], *common, *COMMANDS[who][1:]]
        in_the_middle = 0
        for _ in range(KILLS):
            asked = len(model.asked)
            process = subprocess.Popen(
                command, env=surroundings(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
            )
            try:
                wait_until(lambda asked=asked: len(model.asked) > asked + 1, 30, "nothing was asked")  # type: ignore[misc]
                time.sleep(chance.uniform(0, 0.1))
            finally:
                process.kill()
                process.wait(10)
            in_the_middle += 0 < len(kept.times()) < len(ROWS)
        process = subprocess.Popen(command, env=surroundings(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            wait_until(lambda: len(kept.times()) >= len(ROWS), 60, "the load profile is not complete")
        finally:
            process.terminate()
            process.wait(10)
    assert kept.times() == list(ROWS), "a row is missing, or there twice"
    print(f"{KILLS} kills, {in_the_middle} between the first and the last row; {len(model.asked)} pieces were asked")
    assert in_the_middle >= KILLS // 3
    # What a kill interrupted is asked again, and the end after the last row; nothing else.
    pieces = -(-len(ROWS) // PIECE)
    assert len(model.asked) <= pieces + 2 * KILLS + 2

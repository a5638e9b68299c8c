"""kill -9 in the middle of a load profile: afterwards it is complete, each row once, and not read from the start again.

The moments come from a seed (SMGW_KILL_SEED, printed).
"""

import contextlib
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import dlms_line_meter
import pytest
from d0_line_meter import D0LineMeter, RowModel
from dlms_line_meter import DlmsMeter
from effort import SEED, rounds
from line_meter import PolledMeter
from profiled_model import QUARTER, ProfiledModel
from smgw.cosem import DeviceId
from smgw.iec62056.d0.profile import bound
from smgw.sml.profiles import LOAD_PROFILE
from smgw.store.lmn.view import LmnView
from smgw.store.ranges import Range
from smgw.store.records import ProfileName
from testbed import surroundings, wait_until

KILLS = rounds(4, long=12)
NOW = int(time.time())
LAST = NOW - NOW % QUARTER - QUARTER
ROWS = range(LAST - 29 * 86_400, LAST + 1, QUARTER)
PIECE = 60  # rows that the meter answers at most
MOST = 100  # rows that are asked for at most
CONFIGURATION = """\
[gateway]
device_id = "ESMG0000000001"
[[meter]]
name = "house"
protocol = "{protocol}"
port = "{port}"
interval = 1
registration_period = 0
load_profile = ["1-0:99.1.0"]
load_profile_days = 30
{more}"""
#: The request is not slowed down to 300 Bd.
MORE = {"d0": "d0 = { initial_baudrate = 9600 }\n"}
COMMANDS = {
    "the gateway": ["lmn"],
    "smgw profile": ["profile", "house", "--from", datetime.fromtimestamp(ROWS[0] - 3600, UTC).isoformat(), "--csv"],
}


class Kept:
    """The rows in lmn.db."""

    def __init__(self, state: Path, device: DeviceId) -> None:
        self._state = state
        self._name = ProfileName("house", device, LOAD_PROFILE)

    def times(self) -> list[int]:
        """Of all rows, in order; each row tells its time as a value, too."""
        if not (self._state / "lmn" / "lmn.db").exists():
            return []
        with LmnView.open(self._state / "lmn") as view:
            rows = view.profile_rows(self._name, Range(0, 2**62), 100_000)
        for row in rows:
            assert len(row.readings) == 2
            assert row.target_time_us == row.readings[0].value.value * 1_000_000  # type: ignore[operator]
        return [row.readings[0].value.value for row in rows]  # type: ignore[misc]


@contextlib.contextmanager
def sml_meter() -> Iterator[tuple[str, str, DeviceId, list[tuple[int, int]]]]:
    """Its protocol, port and device, and what it was asked, which it appends to."""
    model = ProfiledModel(ROWS, most=PIECE)
    with PolledMeter(model) as meter:
        meter.answer = lambda octets: [octets[: len(octets) // 2], 0.02, octets[len(octets) // 2 :]]
        yield "sml-poll", meter.url, ProfiledModel.device, model.asked


@contextlib.contextmanager
def dlms_meter() -> Iterator[tuple[str, str, DeviceId, list[tuple[int, int]]]]:
    """The same over HDLC; its pieces are 100 rows."""
    model = dlms_line_meter.Model(ROWS)
    with DlmsMeter(model) as meter:
        meter.spoil = lambda octets: [octets[: len(octets) // 2], 0.03, octets[len(octets) // 2 :]]
        yield "dlms", meter.url, DeviceId(dlms_line_meter.NAME), model.ranges


@contextlib.contextmanager
def d0_meter() -> Iterator[tuple[str, str, DeviceId, list[tuple[int, int]]]]:
    """The same over D0, in programming mode."""
    model = RowModel(
        ROWS,
        lambda row: f"{datetime.fromtimestamp(row, UTC):2%y%m%d%H%M}",
        lambda row: bound(row, ZoneInfo("Europe/Berlin")),
    )
    with D0LineMeter(model) as meter:
        meter.spoil = lambda octets: [octets[: len(octets) // 2], 0.02, octets[len(octets) // 2 :]]
        yield "d0", meter.url, DeviceId(b"4711"), model.asked


METERS = {"SML": sml_meter, "DLMS": dlms_meter, "D0": d0_meter}


@pytest.mark.parametrize("protocol", METERS)
@pytest.mark.parametrize("who", COMMANDS)
def test_a_load_profile_is_complete_after_kills_in_the_middle_of_it(who: str, protocol: str, tmp_path: Path) -> None:
    print(f"SMGW_KILL_SEED={SEED}")
    chance = random.Random(f"{SEED} {who} {protocol}")
    (tmp_path / "state").mkdir()
    with METERS[protocol]() as (spoken, url, device, asked):
        kept = Kept(tmp_path / "state", device)
        (tmp_path / "gateway.toml").write_text(
            CONFIGURATION.format(port=url, protocol=spoken, more=MORE.get(spoken, ""))
        )
        common = ["--config", str(tmp_path / "gateway.toml"), "--state", str(tmp_path / "state")]
        command = [sys.executable, "-m", "smgw", COMMANDS[who][0], *common, *COMMANDS[who][1:]]
        in_the_middle = 0
        for _ in range(KILLS):
            if len(ROWS) - len(kept.times()) < 2 * MOST:  # it could end before the kill
                break
            before = len(asked)
            process = subprocess.Popen(
                command, env=surroundings(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
            )
            try:
                wait_until(lambda before=before: len(asked) > before + 1, 60, "nothing was asked")  # type: ignore[misc]
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
    print(f"at most {KILLS} kills, {in_the_middle} between the first and the last row; {len(asked)} pieces were asked")
    assert in_the_middle >= KILLS // 3
    # What a kill interrupted is asked again, and the end after the last row; nothing else.
    pieces = -(-len(ROWS) // PIECE)
    assert len(asked) <= pieces + 2 * KILLS + 2

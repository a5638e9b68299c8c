"""kill -9 at random moments of a week: registers are those of an uninterrupted run, and no energy counts twice.

The moments come from a seed (SMGW_KILL_SEED, printed). In `make test-long` there are 200 kills.
"""

import json
import os
import random
import subprocess
import sys
import time
from pathlib import Path

import tariff_writer
from effort import SEED, rounds
from smgw.cosem.evaluation_facts import FACTS
from smgw.metering.evaluation.evaluation import Offer, evaluate
from smgw.metering.evaluation.plan import Plan
from smgw.metering.evaluation.state import State
from smgw.profiles.evaluation import EvaluationProfile
from smgw.store.lmn.store import LmnStore
from smgw.store.lmn.view import LmnView
from smgw.store.records import Source, StoredRecord

KILLS = rounds(6, long=200)
#: Quarter hours: a week in long runs.
ROWS = rounds(300, tariff_writer.WEEK)
WRITER = Path(tariff_writer.__file__)
FIRMWARE = Path(__file__).parents[2] / "firmware"


def _uninterrupted(profile: EvaluationProfile) -> tuple[list[tuple[int, int, dict[int, int]]], State]:
    offers = [
        Offer(part, tariff_writer.METERS[meter].hex(), (tariff_writer.BEGIN + place) * 900, value)
        for place in range(ROWS)
        for part, meter in enumerate(profile.parts)
        if (value := tariff_writer.value_of(meter, place)) is not None
    ]
    rows, state, _ = evaluate(offers, Plan.of(profile), State())
    return [(row.time_s, row.list, dict(row.registers)) for row in rows], state


def _registers(row: StoredRecord) -> dict[int, object]:
    """By group E; a row at a period's end also says which evaluation it is of."""
    return {one.obis[4]: one.value.value for one in row.readings if one.obis != FACTS.obis}


def _run(directory: Path, quarter_hours: int | None, later: float = 0.0) -> bool:
    """Run the writer, and kill it some seconds after so many quarter hours; True if it came to its end."""
    with subprocess.Popen(
        [sys.executable, str(WRITER), str(directory), str(ROWS)],
        env={**os.environ, "PYTHONPATH": str(FIRMWARE)},
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        for printed, _ in enumerate(process.stdout):
            if printed == quarter_hours:
                time.sleep(later)  # into the next commit
                process.kill()
        return process.wait() == 0


def test_registers_are_those_of_an_uninterrupted_run_after_every_kill(tmp_path: Path) -> None:
    print(f"SMGW_KILL_SEED={SEED}")
    chance = random.Random(SEED)
    each = max(1, ROWS // KILLS)
    for _ in range(KILLS):
        if _run(tmp_path, chance.randrange(2 * each), chance.uniform(0, 0.01)):
            break
    assert _run(tmp_path, None)

    with LmnStore.open(tmp_path, ballast_bytes=0) as store:
        states = {one.name: one for one in store.evaluation_states()}
        assert store.counts().get("lost_derived", 0) == 0
    for profile in tariff_writer.PROFILES:
        rows, state = _uninterrupted(profile)
        (stored,) = json.loads(states[profile.name].octets)
        found = State.decode(stored.encode())
        assert (found.last, found.steps, found.error, found.total) == (
            state.last,
            state.steps,
            state.error,
            state.total,
        )
        with LmnView.open(tmp_path) as view:
            kept = view.records(Source(profile.name, states[profile.name].device), 0, 10_000)
        assert [
            (row.target_time_us // 1_000_000, int(row.list), _registers(row))
            for row in kept
            if row.target_time_us is not None
        ] == rows

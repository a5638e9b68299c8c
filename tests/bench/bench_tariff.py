"""What tariffs cost: a year of quarter hours through TAF 2, and two evaluations for each of 64 meters.

The costs of 64 meters are differences between two processes with the same meters, store and registrar: one with 128
evaluations and one with none. Each writes a day of quarter hours. CPU is a share of the 900 s between two of them.
Run alone: `python tests/bench/bench_tariff.py`; exits 1 under a bar.
"""

import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "firmware"), str(ROOT / "tests" / "support"), str(Path(__file__).parent)]

from result import Result, shown  # noqa: E402
from smgw.metering.evaluation.evaluation import Offer, evaluate  # noqa: E402
from smgw.metering.evaluation.plan import Plan  # noqa: E402
from smgw.metering.evaluation.state import State  # noqa: E402
from smgw.profiles.calendar import Calendar, DayProfile, MonthDay, Season, Switch  # noqa: E402
from smgw.profiles.evaluation import EvaluationProfile  # noqa: E402

BEGIN = 1_767_225_600  # 2026-01-01 UTC
YEAR = 365 * 96
ROUNDS = 5
SCALE = """
import gc, os, sys, time
from pathlib import Path
import smgw.services.lmn
from smgw.cosem import Capture, ClockState, Data, DataType, DeviceId, Obis, Reading, Stamp
from smgw.metering.registrar import Registrar
from smgw.profiles.toml_importer import parse
from smgw.store.lmn.store import LmnStore
METERS, PLACES, EVALUATED = 64, 96, sys.argv[2] == "yes"
ENERGY = (Obis.parse("1-0:1.8.0"), Obis.parse("1-0:2.8.0"))
def stamp(place):
    us = (1_767_225_600 + 900 * place) * 1_000_000
    return Stamp("boot", us * 1000, us, 1, ClockState.SYNCHRONISED)
class Clock:
    now = stamp(0)
    def stamp(self):
        return self.now
def size():
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6
clock = Clock()
names = [f"meter-{number}" for number in range(METERS)]
devices = [DeviceId.parse(f"1EMH{number:010d}") for number in range(METERS)]
text = '[gateway]\\ndevice_id = "ESMG0000000001"\\n' + "".join(
    f'[[meter]]\\nname = "{name}"\\nprotocol = "sml-push"\\nport = "/dev/ttyX{place}"\\n'
    for place, name in enumerate(names))
if EVALUATED:
    days = 'days = { day = { "00:00" = 1, "06:00" = 2, "12:00" = 3, "18:00" = 4 } }'
    calendar = f'{{ {days}, season = [{{ name = "y", week = {{ mon-sun = "day" }} }}] }}'
    text += "".join(
        f'[[evaluation]]\\nname = "{name}-{c}"\\ntaf = 2\\nmeters = ["{name}"]\\nobjects = ["1-0:{c}.8.0"]\\n'
        f"calendar = {calendar}\\n"
        for name in names for c in (1, 2))
configuration = parse(text, "g.toml")
del text
with LmnStore.open(Path(sys.argv[1]), ballast_bytes=0) as store:
    registrar = Registrar(store, clock, dict.fromkeys(names, 900))
    if EVALUATED:
        from smgw.metering.evaluations import Evaluations
        evaluations = Evaluations(store, clock.stamp)
        evaluations.configure(configuration.evaluations)
        store.evaluate_with(evaluations)
    gc.collect()  # as the daemon does before it starts
    gc.freeze()
    used = 0.0
    for place in range(PLACES):
        clock.now = stamp(place)
        began = time.process_time()
        for name, device in zip(names, devices):
            readings = tuple(Reading(obis, Data(DataType.LONG64, 10**6 + 7 * place), 0, 30) for obis in ENERGY)
            registrar.capture(Capture(name, device, clock.now, None, readings))
        registrar.run_once(0)
        used += time.process_time() - began
    print(used / PLACES, size())
"""


def year() -> float:
    """CPU seconds of a year; the profile is compiled within."""
    day = DayProfile("day", tuple(Switch(360 * place, 1 + place) for place in range(4)))
    season = Season("year", MonthDay(1, 1), MonthDay(12, 31), ("day",) * 7)
    profile = EvaluationProfile("year", 2, ("house",), calendar=Calendar("Europe/Berlin", (day,), (season,)))
    offers = [Offer(0, "0a", BEGIN + 900 * place, 10**6 + 7 * place) for place in range(YEAR + 1)]
    began = time.process_time()
    _, state, _ = evaluate(offers, Plan.of(profile), State())
    took = time.process_time() - began
    assert state.total == 7 * YEAR
    assert state.error == 0
    return took


def scale(evaluated: str) -> tuple[float, float]:
    """CPU seconds of a quarter hour of 64 meters, and MB of the process."""
    with tempfile.TemporaryDirectory() as folder:
        run = subprocess.run(
            [sys.executable, "-c", SCALE, folder, evaluated],
            env={"PYTHONPATH": str(ROOT / "firmware")},
            capture_output=True,
            text=True,
            check=True,
        )
    cpu, size = map(float, run.stdout.split())
    return cpu, size


def main() -> list[Result]:
    """The medians of some rounds."""
    alone, with_tariffs = ([scale(evaluated) for _ in range(3)] for evaluated in ("no", "yes"))
    cpu, size = (median(one[place] for one in with_tariffs) - median(one[place] for one in alone) for place in range(2))
    return [
        Result("a year of quarter hours through TAF 2 with 4 steps", median(year() for _ in range(ROUNDS)), "s", 0.35),
        Result("64 meters with two evaluations each: more CPU", cpu / 900 * 100, "% of a core", 0.2),
        Result("64 meters with two evaluations each: more memory", size, "MB", 1.0),
    ]


if __name__ == "__main__":
    sys.exit(shown(main()))

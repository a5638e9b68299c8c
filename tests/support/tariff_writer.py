"""A process that a test kills: two meters through a week of quarter hours, evaluated by two tariffs, as fast as it can.

    python tariff_writer.py STATE ROWS

It goes on behind the newest quarter hour in the database, prints each one that is durable, and ends after ROWS of them.
"""

import sys
import time
from pathlib import Path

from smgw.cosem import Capture, ClockState, Data, DataType, DeviceId, Obis, Reading, Stamp
from smgw.metering.evaluations import Evaluations
from smgw.metering.registrar import Registrar
from smgw.profiles.calendar import Calendar, DayProfile, MonthDay, Season, Switch
from smgw.profiles.evaluation import EvaluationProfile
from smgw.store.lmn.store import LmnStore
from smgw.store.records import Source

QUARTER_US = 900_000_000
#: 2026-03-27 00:00 UTC: the week has the change of the clock and the end of a month.
BEGIN = 1_774_569_600_000_000 // QUARTER_US
WEEK = 7 * 96
ENERGY = Obis.parse("1-0:1.8.0")
METERS = {"house": DeviceId.parse("1EMH0011802881"), "shed": DeviceId.parse("1ISK0071234567")}
_DAY = DayProfile("day", (Switch(0, 2), Switch(150, 3), Switch(360, 1), Switch(1320, 2)))
_SEASON = Season("year", MonthDay(1, 1), MonthDay(12, 31), ("day",) * 7)
CALENDAR = Calendar("Europe/Berlin", (_DAY,), (_SEASON,))
PROFILES = (
    EvaluationProfile("one", 2, ("house",), calendar=CALENDAR),
    EvaluationProfile("both", 2, ("house", "shed"), calendar=CALENDAR),
)
_PAUSE = 0.005


def value_of(meter: str, place: int) -> int | None:
    """The value for a quarter hour; None: the meter was silent."""
    if (place * 7919 + len(meter)) % 41 == 0 or 300 < place < 310:
        return None
    return 1_000_000 + place * (place + 13 * len(meter))


def stamp(place: int) -> Stamp:
    us = (BEGIN + place) * QUARTER_US
    return Stamp("boot", us * 1000, us, 1, ClockState.SYNCHRONISED)


class _Clock:
    def __init__(self) -> None:
        self.now = stamp(0)

    def stamp(self) -> Stamp:
        return self.now


def main(directory: Path, rows: int) -> None:
    """Until all rows are written."""
    with LmnStore.open(directory, ballast_bytes=0) as store:
        clock = _Clock()
        evaluations = Evaluations(store, clock.stamp)
        evaluations.configure(PROFILES)
        store.evaluate_with(evaluations)
        registrar = Registrar(store, clock, dict.fromkeys(METERS, 900))
        newest = {meter: store.last_target_us(Source(meter, device)) for meter, device in METERS.items()}
        # A meter may be a quarter hour ahead of the other one.
        first = min((one // QUARTER_US - BEGIN + 1 if one is not None else 0) for one in newest.values())
        for place in range(first, rows):
            clock.now = stamp(place)
            for meter, device in METERS.items():
                value = value_of(meter, place)
                target = newest[meter]
                if value is not None and (target is None or (BEGIN + place) * QUARTER_US > target):
                    reading = Reading(ENERGY, Data(DataType.LONG64, value), 0, 30)
                    registrar.capture(Capture(meter, device, clock.now, None, (reading,)))
                    registrar.run_once(0)
            print(place, flush=True)
            time.sleep(_PAUSE)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))

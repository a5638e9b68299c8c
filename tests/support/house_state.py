"""A gateway of two consumers for the HAN: contracts of several use cases, a meter that changes hands, and log books."""

from collections.abc import Callable, Iterable
from pathlib import Path

from captures_made import DEVICE, ENERGY, MIDNIGHT, SECOND, capture, energy
from delivering import GATEWAY
from registering import Clock
from smgw.cosem import Data, DataType, DeviceId, Obis, Reading
from smgw.han.house import House
from smgw.metering.evaluations import Evaluations
from smgw.metering.period_ends import PeriodEnds
from smgw.metering.registrar import Registrar
from smgw.profiles.gateway import Configuration
from smgw.profiles.toml_importer import load
from smgw.store import paths
from smgw.store.file.log_book import Level
from smgw.store.lmn.store import LmnStore
from smgw.store.lmn.view import LmnView
from smgw.store.records import Source

SLOT = 900 * SECOND
DAY = 96
EXPORT = Obis.parse("2.8.0")
FLAT = DeviceId.parse("1EMH0011802882")
#: The flat goes from berta to carl at this slot.
MOVED = DAY + 40
AFTER_THE_MOVE = "values of the flat are missing after the move"
TEXT = f"""\
[gateway]
device_id = "{GATEWAY}"
[[meter]]
name = "house"
protocol = "sml-push"
port = "/dev/null"
[[meter]]
name = "flat"
protocol = "sml-push"
port = "/dev/zero"
[[evaluation]]
name = "day-night"
taf = 2
meters = ["house"]
usage_point = "DE1"
consumer = "anna"
supplier = "9900000000001"
zone = "UTC"
[evaluation.calendar]
zone = "UTC"
days = {{ day = {{ "00:00" = 2, "06:00" = 1, "22:00" = 2 }} }}
season = [{{ name = "year", week = {{ mon-sun = "day" }} }}]
[[evaluation]]
name = "series"
taf = 7
meters = ["house"]
usage_point = "DE1"
consumer = "anna"
supplier = "9900000000001"
[[evaluation]]
name = "flat-total"
taf = 1
meters = ["flat"]
usage_point = "DE2"
consumer = "berta"
supplier = "9900000000002"
zone = "UTC"
end = 2026-03-02T10:00:00Z
[[consumer]]
name = "carl"
meters = ["flat"]
begin = 2026-03-02T10:15:00Z
"""


def exported(value: int) -> Reading:
    return Reading(EXPORT, Data(DataType.LONG64_UNSIGNED, value), -1, 30)


def used(meter: str, place: int) -> int:
    """The house has used 10 at each slot, the flat 7, in 0.1 Wh."""
    return (10 if meter == "house" else 7) * place


def make(
    state: Path,
    slots: Iterable[int] = range(3 * DAY + 10),
    text: str = TEXT,
    *,
    begin_us: int = MIDNIGHT,
    value: Callable[[str, int], int] = used,
) -> Configuration:
    """The state directory: `value` is what a meter shows at a slot; each has delivered 1 more at each slot."""
    (state / "gateway.toml").write_text(text)
    configuration = load(state / "gateway.toml")
    clock = Clock()
    with LmnStore.open(paths.lmn_directory(state), ballast_bytes=0) as store:
        evaluations = Evaluations(store, clock.stamp)
        evaluations.configure(configuration.evaluations)
        store.evaluate_with(evaluations)
        registrar = Registrar(store, clock, {meter.name: 900 for meter in configuration.meters})
        registrar.signs = PeriodEnds(configuration.evaluations)
        for place in slots:
            clock.now_us = begin_us + place * SLOT
            for meter, device in ((configuration.meters[0].name, DEVICE), (configuration.meters[1].name, FLAT)):
                values = energy(value(meter, place)), exported(place)
                one = capture(place * SLOT, *values, meter=meter, device=device)
                registrar.capture(one._replace(stamp=clock.stamp()))
            registrar.run_once(0)
        store.flush(now=True)
        # The log book gets what concerns the meter, whoever has it now.
        about = {"identity": configuration.meters[1].name, "consumers": ("berta", "carl")}
        store.log("values-missing", Level.WARNING, AFTER_THE_MOVE, clock.stamp(), **about)
        for consumer in ("anna", "berta", "carl"):
            clock.now_us += SECOND
            store.log(
                "meter-lost", Level.WARNING, f"of {consumer}", clock.stamp(), identity=consumer, consumers=(consumer,)
            )
    return configuration


def opened(state: Path, view: LmnView, now_us: int | None = None, live: Callable[[], list[object]] = list) -> House:
    """The house over that state, at the last slot unless another time is given."""
    now = MIDNIGHT + (3 * DAY + 10) * SLOT if now_us is None else now_us
    return House(view, None, load(state / "gateway.toml"), live, lambda: now)  # type: ignore[arg-type]


HOUSE, THE_FLAT = Source("house", DEVICE), Source("flat", FLAT)
__all__ = [
    "AFTER_THE_MOVE",
    "DEVICE",
    "ENERGY",
    "EXPORT",
    "FLAT",
    "HOUSE",
    "MIDNIGHT",
    "MOVED",
    "SLOT",
    "THE_FLAT",
    "make",
    "opened",
]

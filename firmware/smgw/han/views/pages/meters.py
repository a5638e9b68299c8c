"""A meter as pages show it: which of its registers count import, export and power, and how it is."""

from collections.abc import Iterable
from typing import NamedTuple

from smgw.cosem.obis import Obis
from smgw.cosem.units import WATT, WATT_HOUR
from smgw.han.calendar import Step, marks
from smgw.han.house import MOST_MARKS, House, Meter
from smgw.han.series import Closing
from smgw.look.language import N_, Language
from smgw.look.times import Zone
from smgw.store.ranges import Range
from smgw.store.records import Condition

_IMPORT, _EXPORT, _ENERGY, _MOMENTARY = 1, 2, 8, 7
#: Of a meter that is not for electricity: volumes and heat.
_COUNTERS = frozenset({13, 14, WATT_HOUR})


class Registers(NamedTuple):
    """The registers of a meter by what a page does with them."""

    imported: Obis | None = None
    exported: Obis | None = None
    power: Obis | None = None


def registers(house: House, consumer: str, meter: Meter) -> Registers:
    """Of all that the meter ever sent."""
    known = [one for source in reversed(meter.sources) for one in house.registers(consumer, source)]
    allowed = set(meter.allowed)
    return choose([one for one in known if not allowed or one[0] in allowed])


def choose(known: Iterable[tuple[Obis, int, int]]) -> Registers:
    """Import and export are totals of electricity; another meter has one counter, which is shown as import."""
    found = list(known)

    def first(group_c: int, group_d: int, unit: int) -> Obis | None:
        wanted = (1, group_c, group_d, 0)
        return next(
            (obis for obis, _, it in found if (obis[0], obis[2], obis[3], obis[4]) == wanted and it == unit), None
        )

    imported = first(_IMPORT, _ENERGY, WATT_HOUR)
    exported = first(_EXPORT, _ENERGY, WATT_HOUR)
    power = first(16, _MOMENTARY, WATT) or first(_IMPORT, _MOMENTARY, WATT)
    if imported is None and exported is None:
        imported = next((obis for obis, _, unit in found if obis[0] > 1 and unit in _COUNTERS), None)
    return Registers(imported, exported, power)


def closings(
    house: House, consumer: str, meter: Meter, obis: Obis, step: Step, wanted: Range, zone: Zone
) -> list[Closing | None]:
    """The closing value at the end of each step, of the device that was there."""
    found: list[Closing | None] = []
    for source in meter.sources:
        one = house.closings(consumer, source, obis, step, wanted, zone.name)[1:]
        found = [new or old for new, old in zip(one, found or [None] * len(one), strict=True)]
    return found or [None] * len(marks(step, wanted, zone.name, MOST_MARKS)[1:])


_CONDITIONS = {
    Condition.READING: N_("is read"),
    Condition.WAITING: N_("is waited for"),
    Condition.SILENT: N_("does not answer"),
    Condition.UNREADABLE: N_("cannot be understood"),
    Condition.ABSENT: N_("is not there"),
    Condition.LOCKED: N_("is locked"),
    Condition.HELD: N_("refuses the gateway"),
}


def condition(meter: Meter, language: Language) -> tuple[str, str]:
    """The state of a meter in words, and the kind of flag."""
    if not meter.states:
        return language.text(N_("no state yet")), "plain"
    worst = next((one for one in meter.states if one.state is not Condition.READING), meter.states[0])
    return state_text(worst.state, language), "good" if worst.state is Condition.READING else "bad"


def state_text(state: str, language: Language) -> str:
    """The state of a meter in words; one that has none as it is."""
    known = {str(one): text for one, text in _CONDITIONS.items()}
    return language.text(known[state]) if state in known else state

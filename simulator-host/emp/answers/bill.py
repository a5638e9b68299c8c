"""Bills by a supplier's tariff file: the readings on the grid of a meter, by the steps of the file (TAF 2).

The rule is the gateway's own (`smgw.metering.evaluation`). Energy of a gap over a switch is in the error register. The
sum of steps and error is always the difference of the last and the first reading of the period.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from datetime import date, datetime, timedelta
from typing import NamedTuple, Protocol
from zoneinfo import ZoneInfo

from smgw.cosem.device_id import DeviceId
from smgw.cosem.obis import Obis
from smgw.errors import SmgwError
from smgw.look.times import Zone
from smgw.metering.evaluation import evaluation
from smgw.metering.evaluation.counting import counts
from smgw.metering.evaluation.plan import ERROR, TOTAL, Plan
from smgw.metering.evaluation.state import State
from smgw.profiles.calendar import Calendar, DayProfile, MonthDay, Season, Switch
from smgw.profiles.evaluation import EvaluationProfile
from smgw.transparency.supplier import Stage, Tariff

from emp.answers.days import period_of
from emp.store.storage import RowSpan, RowView

_GRID_US = 60_000_000
#: A value of the grid is captured at most so much later, also one of a load profile that was fetched after an outage.
_LATER_US = 40 * 86_400 * 1_000_000
_DEFAULT = "default"


class BillError(SmgwError):
    """There can be no bill; the text says what is missing."""


class Rows(Protocol):
    """What is asked of a store."""

    def batches(self, device: DeviceId, span: RowSpan) -> Iterator[list[RowView]]:
        """See Storage."""


class Step(NamedTuple):
    """The energy of one step, in 10^scaler of the unit of the bill."""

    stage: Stage
    amount: int


class Bill(NamedTuple):
    """A bill of one measured register. Amounts are in 10^scaler of the unit; `steps` and `error` sum up to `total`."""

    register: Obis
    begin_s: int  # registration time of the first and of the last reading that counts
    end_s: int
    begin: int  # these readings
    end: int
    steps: tuple[Step, ...]
    error: int
    total: int
    scaler: int
    unit: int
    readings: int  # that count
    expected: int
    remarks: tuple[str, ...]
    exchanged: bool = False  # the readings are of two meters

    @property
    def agrees(self) -> bool:
        """Whether steps and error register sum up to the difference of the readings; of two meters, to the total."""
        summed = sum(step.amount for step in self.steps) + self.error
        return summed == self.total and (self.exchanged or self.total == self.end - self.begin)


def bills(storage: Rows, devices: Sequence[DeviceId], tariff: Tariff, zone: Zone) -> list[Bill]:
    """A bill for each measured register of the tariff. `devices`: the meters one after the other, if one was exchanged.

    :raises BillError: the tariff's calendar has no entry for a day, or no reading counts.
    """
    _require_days(tariff, zone)
    stages: dict[Obis, list[Stage]] = defaultdict(list)
    for stage in tariff.stages:
        stages[_measured(stage)].append(stage)
    return [_bill(storage, devices, tariff, zone, register, several) for register, several in stages.items()]


def _measured(stage: Stage) -> Obis:
    """The register whose energy a step counts: 1-0:1.8.1 is a step of 1-0:1.8.0."""
    octets = bytearray.fromhex(stage.obis)
    octets[4] = 0
    return Obis(bytes(octets))


def _bill(
    storage: Rows, devices: Sequence[DeviceId], tariff: Tariff, zone: Zone, register: Obis, stages: list[Stage]
) -> Bill:
    offers = _offers(storage, devices, register, tariff)
    period_s = period_of([offer.time_s * 1_000_000 for offer in offers]) // 1_000_000
    profile = EvaluationProfile(
        tariff.name,
        2,
        ("meter",),
        objects=(register,),
        begin=tariff.begin_s,
        end=tariff.end_s,
        zone=zone.name,
        registration_period=period_s,
        calendar=_calendar(tariff, zone),
    )
    plan = Plan.of(profile, every=False)
    first = evaluation.evaluate(_until_begun(offers, plan), plan, State())
    done = evaluation.evaluate(offers, plan, State())
    row = evaluation.current(plan, done.state)
    if row is None or first.state.last is None or done.state.last is None:
        raise BillError(
            f"no reading of {register} counts between {zone.local(tariff.begin_s * 1_000_000)} and "
            f"{zone.local(tariff.end_s * 1_000_000)}; name the meter with --device"
        )
    amounts = dict(row.registers)
    begin_s, end_s = first.state.last.time_s, done.state.last.time_s
    finer = int(10 ** ((first.state.scaler or 0) - row.scaler))
    return Bill(
        register,
        begin_s,
        end_s,
        first.state.last.parts[0].value * finer,
        done.state.last.parts[0].value,
        tuple(Step(stage, amounts.get(stage.number, 0)) for stage in stages),
        amounts[ERROR],
        amounts[TOTAL],
        row.scaler,
        row.unit,
        len({offer.time_s for offer in offers if offer.value is not None and offer.time_s % period_s == 0}),
        (tariff.end_s - tariff.begin_s) // period_s + 1,
        tuple(_remarks(tariff, zone, begin_s, end_s, done.events)),
        any(event.kind is evaluation.EventKind.EXCHANGED for event in done.events),
    )


def _remarks(tariff: Tariff, zone: Zone, begin_s: int, end_s: int, events: Iterable[evaluation.Event]) -> Iterable[str]:
    if begin_s > tariff.begin_s:
        yield f"no reading counts at the begin; the bill begins at {zone.local(begin_s * 1_000_000)}"
    if end_s < tariff.end_s:
        yield f"no reading counts at the end; the bill ends at {zone.local(end_s * 1_000_000)}"
    for event in events:
        if event.kind in (evaluation.EventKind.FELL, evaluation.EventKind.EXCHANGED, evaluation.EventKind.UNIT):
            yield f"{zone.local(event.time_s * 1_000_000)}: {event.text}"


def _until_begun(offers: list[evaluation.Offer], plan: Plan) -> list[evaluation.Offer]:
    """The offers up to the first one that counts."""
    for place, offer in enumerate(offers):
        if offer.value is not None and offer.time_s % plan.period_s == 0:
            return offers[: place + 1]
    return []


def _offers(storage: Rows, devices: Sequence[DeviceId], register: Obis, tariff: Tariff) -> list[evaluation.Offer]:
    """The readings of the billing period in the order of time. Of two for one time the one that came first is first."""
    begin_us, end_us = tariff.begin_s * 1_000_000, tariff.end_s * 1_000_000
    found: list[tuple[int, int, evaluation.Offer]] = []
    for device in devices:
        for batch in storage.batches(device, RowSpan(from_us=begin_us - _GRID_US, to_us=end_us + _LATER_US)):
            for row in batch:
                target_us = row.target_time_us
                if target_us is None or target_us % _GRID_US or not begin_us <= target_us <= end_us:
                    continue
                for one, value in row.cells:
                    if one.obis == register and isinstance(value.value, int):
                        number = value.value if counts(row.status.gateway, row.status.meter) else None
                        offer = evaluation.Offer(
                            0, bytes(device).hex(), target_us // 1_000_000, number, one.scaler, one.unit
                        )
                        found.append((target_us, row.position, offer))
    return [offer for _, _, offer in sorted(found, key=lambda entry: entry[:2])]


def _calendar(tariff: Tariff, zone: Zone) -> Calendar:
    """The tariff's days as special days; other days have the default step."""
    names: dict[tuple[tuple[int, int], ...], str] = {}
    for switches in tariff.days.values():
        names.setdefault(switches, f"day {len(names) + 1}")
    days = [DayProfile(_DEFAULT, (Switch(0, tariff.default),))]
    days += [DayProfile(name, tuple(Switch(*one) for one in switches)) for switches, name in names.items()]
    year = Season("year", MonthDay(1, 1), MonthDay(12, 31), (_DEFAULT,) * 7)
    special = tuple((day.isoformat(), names[switches]) for day, switches in sorted(tariff.days.items()))
    return Calendar(zone.name, tuple(days), (year,), special=special)


def _require_days(tariff: Tariff, zone: Zone) -> None:
    """A calendar of several steps names each day of the billing period."""
    if not tariff.days and len({stage.number for stage in tariff.stages}) <= 2:
        return
    place = ZoneInfo(zone.name)
    day = datetime.fromtimestamp(tariff.begin_s, place).date()
    last = datetime.fromtimestamp(tariff.end_s - 1, place).date()
    while day <= last:
        if day not in tariff.days:
            raise BillError(f"the tariff file has no SpecialDayProfile for {day}; it needs one for {_span(day, last)}")
        day += timedelta(days=1)


def _span(day: date, last: date) -> str:
    return str(day) if day == last else f"each day until {last}"

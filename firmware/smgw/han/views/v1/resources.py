"""What there is below /smgw/con/v1/rts/ (resources) and /exp/ (exports). All of it is asked of the `House`."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

from smgw.cosem.obis import Obis
from smgw.cosem.reading import ClockState
from smgw.cosem.zone import DEFAULT_ZONE
from smgw.han.calendar import Step, marks, pieces
from smgw.han.house import MOST_MARKS, House
from smgw.han.rights import NotYoursError
from smgw.han.views.v1 import shapes
from smgw.han.views.v1.asked import Asked, RefusedError
from smgw.store.ranges import Range
from smgw.store.records import ListKind, Source, StoredRecord

_SECOND = 1_000_000
_DAY_US = 86_400 * _SECOND
_IMPORT = Obis.parse("1-0:1.8.0")
#: Value lists by the names of `q.type`; "telegram" has no grid.
LISTS = {
    "original": ListKind.ORIGINAL,
    "derived": ListKind.DERIVED,
    "switch": ListKind.CALCULATED,
    "daily": ListKind.DAILY,
    "period-end": ListKind.PERIOD_END,
}
TELEGRAM = "telegram"

Shapes = Iterable[shapes.Shape]


class Resource(NamedTuple):
    """A type: its list, one of it, and the filters that one has. `name`: the schema of one."""

    name: str
    every: Callable[[House, str], Shapes]
    one: Callable[[House, str, str, Asked], Any]  # a Shape, or an iterator of them: an array
    filters: tuple[str, ...] = ()
    about: str = ""


def _ids(names: Iterable[str]) -> Shapes:
    return [{"id": name} for name in names]


def _meters(house: House, consumer: str) -> Shapes:
    return _ids(one.profile.name for one in house.meters(consumer))


def _contracts(house: House, consumer: str) -> Shapes:
    return _ids(one.name for one in house.contracts(consumer))


def _both(house: House, consumer: str) -> Shapes:
    return [*_meters(house, consumer), *_contracts(house, consumer)]


def _devices(house: House, consumer: str) -> Shapes:
    return [{"id": str(one.device), "of": one.meter} for one in house.sources(consumer)]


def _gateways(house: House, _consumer: str) -> Shapes:
    return _ids([str(house.configuration.gateway.device_id).lower()])


def _own(_house: House, consumer: str) -> Shapes:
    return _ids([consumer])


def _gateway(house: House, _consumer: str, name: str, _asked: Asked) -> shapes.Shape:
    if name.lower() != str(house.configuration.gateway.device_id).lower():
        raise NotYoursError
    now_us, saved = house.clock()
    return {
        "id": name.lower(),
        "time": shapes.time(now_us),
        "time_valid": saved is not None and saved.state is ClockState.SYNCHRONISED,
        "time_within_us": None if saved is None else saved.dispersion_us,
        "firmware": [{"component": one.name, "version": one.version, "sha256": one.digest} for one in house.firmware()],
    }


def _meter(house: House, consumer: str, name: str, _asked: Asked) -> shapes.Shape:
    found = house.meter(consumer, name)
    return {
        "id": name,
        "registration_period": found.profile.registration_period,
        "allowed": list(map(str, found.allowed)),
        "shown": [shapes.span(one) for one in found.spans],
        "devices": [
            {
                "id": str(one.device),
                "registers": [shapes.register(register) for register in house.registers(consumer, one)],
            }
            for one in found.sources
        ],
        "states": [
            {"device": None if one.device is None else str(one.device), "state": str(one.state), "text": one.note}
            for one in found.states
        ],
    }


def _contract(house: House, consumer: str, name: str, _asked: Asked) -> shapes.Shape:
    found = house.contract(consumer, name)
    now = house.step_registers(consumer, name)
    return {
        **shapes.contract(found.profile),
        "devices": [str(one.device) for one in found.sources],
        "registers": [shapes.registers(one) for one in now],
    }


def _live(house: House, consumer: str, name: str, _asked: Asked) -> shapes.Shape:
    house.meter(consumer, name)
    own = [one.capture for one in house.live(consumer) if one.capture.meter == name]
    return {"id": name, "telegrams": [shapes.live(one) for one in own]}


def _recipients(house: House, consumer: str, name: str, _asked: Asked) -> Shapes:
    if name not in {str(one["id"]) for one in _both(house, consumer)}:
        raise NotYoursError
    return [
        {
            "emp": one.grant.who,
            "objects": list(map(str, one.grant.objects)),
            "pseudonym_days": one.grant.pseudonym_days,
            "last_delivery": shapes.time(one.last_us),
        }
        for one in house.recipients(consumer)
        if one.grant.meter == name
    ]


def _readings(house: House, consumer: str, name: str, asked: Asked) -> Iterator[shapes.Shape]:
    source = house.source(consumer, name)
    kind = asked.type or ("original" if source.meter in _names(house, consumer) else "derived")
    if kind != TELEGRAM and kind not in LISTS:
        raise RefusedError(400, f"q.type is none of {', '.join(LISTS)}, {TELEGRAM}")

    def rows(wanted: Range) -> Iterator[StoredRecord]:
        if kind == TELEGRAM:
            return house.telegrams(consumer, source, wanted, asked.objects)
        return house.readings(consumer, source, wanted, LISTS[kind], asked.objects)

    return map(shapes.record, _counted(asked, house, rows))


def _names(house: House, consumer: str) -> set[str]:
    return {one.profile.name for one in house.meters(consumer)}


def _counted(asked: Asked, house: House, rows: Callable[[Range], Iterator[StoredRecord]]) -> Iterator[StoredRecord]:
    """All rows of the range; the first `q.count` from q.fromtime on, or the newest so many without it."""
    wanted = asked.range(0, house.now_us() + _DAY_US)
    if asked.most is None:
        yield from rows(wanted)
    elif asked.from_us is not None:
        for place, row in enumerate(rows(wanted)):
            if place == asked.most:
                break
            yield row
    else:
        back_us = _DAY_US
        found: list[StoredRecord] = []
        while len(found) < asked.most and back_us // 8 <= wanted.until:
            found = list(rows(Range(max(wanted.until - back_us, 0), wanted.until)))
            back_us *= 8
        yield from found[-asked.most :]


def _marked(house: House, asked: Asked, zone: str) -> tuple[Step, Range]:
    """The step and the range of a series; RefusedError if it has too many steps."""
    if asked.type is not None and asked.type not in {str(one) for one in Step}:
        raise RefusedError(400, f"q.type is none of {', '.join(Step)}")
    step = Step(asked.type or "day")
    now_us = house.now_us()
    wanted = asked.range((now_us if asked.to_us is None else asked.to_us) - 31 * _DAY_US, now_us)
    wanted = Range(max(wanted.since, 0), max(wanted.until, 0))
    at = marks(step, wanted, zone, MOST_MARKS + 1)
    if len(at) > MOST_MARKS:
        raise RefusedError(400, f"these are more than {MOST_MARKS - 1} steps of q.type={step}; ask for less")
    return step, wanted


def _zone(house: House, consumer: str, name: str) -> str:
    return next((one.profile.zone for one in house.contracts(consumer) if one.name == name), DEFAULT_ZONE)


def _obis(asked: Asked) -> Obis:
    if len(asked.objects) > 1:
        raise RefusedError(400, "q.obis names one register here")
    return asked.objects[0] if asked.objects else _IMPORT


def _amounts(house: House, consumer: str, name: str, asked: Asked) -> Shapes:
    zone = _zone(house, consumer, name)
    obis = _obis(asked)
    step, wanted = _marked(house, asked, zone)
    for part in pieces(step, wanted, zone, MOST_MARKS):
        yield from map(shapes.amount, house.amounts(consumer, name, obis, step, part, zone))


def _closings(house: House, consumer: str, name: str, asked: Asked) -> Shapes:
    source: Source = house.source(consumer, name)
    zone = _zone(house, consumer, source.meter)
    step, wanted = _marked(house, asked, zone)
    obis, first = _obis(asked), 0
    for part in pieces(step, wanted, zone, MOST_MARKS):
        found = house.closings(consumer, source, obis, step, part, zone)
        at = marks(step, part, zone, MOST_MARKS)
        yield from (shapes.closing(*one) for one in list(zip(at, found, strict=True))[first:])
        first = 1  # the last mark of a piece is the first one of the next


def _gaps(house: House, consumer: str, name: str, asked: Asked) -> Shapes:
    obis = _obis(asked)
    step, wanted = _marked(house, asked, DEFAULT_ZONE)
    for part in pieces(step, wanted, DEFAULT_ZONE, MOST_MARKS):
        yield from map(shapes.gaps, house.gaps(consumer, name, obis, step, part))


def _periods(house: House, consumer: str, name: str, _asked: Asked) -> Shapes:
    return [shapes.period(one) for one in house.periods(consumer, name)]


def _log(house: House, consumer: str, name: str, asked: Asked) -> Shapes:
    if name != consumer:
        raise NotYoursError
    found = house.log(consumer, asked.range(0, 1 << 61))
    found = [one for one in found if asked.level is None or one.level >= asked.level]
    if asked.most is not None:
        found = found[-asked.most :] if asked.from_us is None else found[: asked.most]
    return [shapes.entry(one) for one in found]


_TIMES = ("fromtime", "totime")
RESOURCES = {
    "gateway": Resource("Gateway", _gateways, _gateway, (), "the gateway: its clock and firmware"),
    "meter": Resource("Meter", _meters, _meter, (), "a meter: devices, registers, what its profile allows"),
    "contract": Resource("Contract", _contracts, _contract, (), "a contract: its profile, and its registers now"),
    "live": Resource("Live", _meters, _live, (), "the newest telegrams of a meter, not for billing"),
    "recipient": Resource("Recipient", _both, _recipients, (), "who may have values of a meter or a contract"),
}
EXPORTS = {
    "readings": Resource("Record", _devices, _readings, (*_TIMES, "type", "obis", "count"), "stored rows of a device"),
    "amounts": Resource("Amount", _both, _amounts, (*_TIMES, "type", "obis"), "what a register counted, step by step"),
    "closings": Resource("Closing", _devices, _closings, (*_TIMES, "type", "obis"), "the value at each step"),
    "gaps": Resource("Gaps", _meters, _gaps, (*_TIMES, "type", "obis"), "registration times without a value"),
    "periods": Resource("Period", _contracts, _periods, (), "billing periods of a contract"),
    "log": Resource("Entry", _own, _log, (*_TIMES, "level", "count"), "the consumer's log book"),
}

"""The first page: what each meter shows now, and what needs attention."""

import json
from collections.abc import Mapping
from typing import Any, NamedTuple
from urllib.parse import urlencode

from smgw.cosem import ClockState, Data, DataType
from smgw.cosem.obis import Obis
from smgw.cosem.reading import Reading
from smgw.han.calendar import Step
from smgw.han.exchange import Answer, Request
from smgw.han.house import House, Meter
from smgw.han.views.pages.frame import framed
from smgw.han.views.pages.meters import Registers, condition, registers
from smgw.han.views.pages.quantity import NONE, Quantity, meaning, quantity, reading_quantity
from smgw.han.views.pages.rendering import Sight, sight
from smgw.store.ranges import Range

_MINUTE_US = 60_000_000


class _Newest(NamedTuple):
    at_us: int
    readings: Mapping[Obis, Reading]


def now(request: Request, house: House) -> Answer:
    """The page."""
    assert request.who is not None
    consumer, seen = request.who.name, sight(request, house.now_us())
    live = _newest(house, consumer)
    meters = [
        _meter(house, consumer, meter, live.get(meter.profile.name), seen, number)
        for number, meter in enumerate(house.meters(consumer), 1)
    ]
    return framed(request, seen, "now.html", "/", meters=meters, notes=_notes(house, seen))


def live_json(request: Request, house: House) -> Answer:
    """The figures of the page by their keys, for its script."""
    assert request.who is not None
    consumer, seen = request.who.name, sight(request, house.now_us())
    told: dict[str, str] = {}
    for meter in house.meters(consumer):
        newest = _newest(house, consumer).get(meter.profile.name)
        if newest is None:
            continue
        name = meter.profile.name
        for key, quantity_ in _figures(newest, registers(house, consumer, meter), seen).items():
            told[f"{name} {key}"] = quantity_.text
        at = seen.moment(newest.at_us)
        assert at is not None
        told[f"{name} time"], told[f"{name} age"] = at.local, at.ago
    body = json.dumps(told, ensure_ascii=False).encode()
    return Answer(200, body, "application/json", {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"})


def _newest(house: House, consumer: str) -> dict[str, _Newest]:
    """Of each meter the newest telegram, of the registers that may be seen."""
    found: dict[str, _Newest] = {}
    allowed = {meter.profile.name: frozenset(meter.allowed) for meter in house.meters(consumer)}
    for one in house.live(consumer):
        capture = one.capture
        own = allowed[capture.meter]
        readings = {each.obis: each for each in capture.readings if not own or each.obis in own}
        known = found.get(capture.meter)
        if known is None or known.at_us <= capture.stamp.utc_us:
            found[capture.meter] = _Newest(capture.stamp.utc_us, readings)
    for meter in house.meters(consumer):
        if meter.profile.name in found or not meter.sources:
            continue
        stored = _stored(house, consumer, meter)
        if stored is not None:
            found[meter.profile.name] = stored
    return found


def _stored(house: House, consumer: str, meter: Meter) -> _Newest | None:
    """Of a meter without a live value the last closing values: what the last registration time said that counts."""
    known = registers(house, consumer, meter)
    now_us = house.now_us()
    readings: dict[Obis, Reading] = {}
    at_us = 0
    for obis in (known.imported, known.exported):
        if obis is None:
            continue
        closing = house.closings(consumer, meter.sources[-1], obis, Step.DAY, Range(now_us, now_us + 1))[-1]
        if closing is not None:
            value = Data(DataType.LONG64, closing.value)
            readings[obis] = Reading(obis, value, closing.scaler, closing.unit)
            at_us = max(at_us, closing.time_us)
    return _Newest(at_us, readings) if readings else None


def _figures(newest: _Newest, known: Registers, seen: Sight) -> dict[str, Quantity]:
    found = {}
    for key, obis in (("power", known.power), ("import", known.imported), ("export", known.exported)):
        if obis is not None and obis in newest.readings:
            found[key] = reading_quantity(newest.readings[obis], seen.language)
    return found


def _meter(
    house: House, consumer: str, meter: Meter, newest: _Newest | None, seen: Sight, number: int
) -> dict[str, Any]:
    state, kind = condition(meter, seen.language)
    known = registers(house, consumer, meter)
    period_us = max(meter.profile.registration_period * 1_000_000, _MINUTE_US)
    told = {
        "number": number,
        "name": meter.profile.name,
        "device": ", ".join(str(source.device) for source in meter.sources[-1:]),
        "condition": state,
        "condition_kind": kind,
        "at_us": None if newest is None else newest.at_us,
        "late_us": 2 * period_us,
        "remark": next((one.note for one in meter.states if one.note), ""),
        "link": f"/energy?{urlencode({'meter': meter.profile.name})}",
        "tiles": [],
    }
    if newest is not None:
        told["tiles"] = [
            *_tiles(newest, known, seen),
            *_today(house, consumer, meter.profile.name, known, seen),
        ]
    return told


def _tiles(newest: _Newest, known: Registers, seen: Sight) -> list[dict[str, str]]:
    _ = seen.language.text
    figures = _figures(newest, known, seen)
    titles = {"power": _("Power now"), "import": _("Reading, import"), "export": _("Reading, export")}
    tiles = []
    for key, figure in figures.items():
        obis = {"power": known.power, "import": known.imported, "export": known.exported}[key]
        assert obis is not None
        note = str(obis)
        if key == "power":
            value = newest.readings[obis].value.value
            note = _("into the grid") if isinstance(value, int) and value < 0 else _("from the grid")
        kind = "" if key == "power" else key
        title = titles[key] if obis[0] == 1 else meaning(obis, seen.language) or _("Reading")
        tiles.append(
            {"key": key, "title": title, "value": figure.text, "unit": figure.unit, "note": note, "kind": kind}
        )
    return tiles


def _today(house: House, consumer: str, meter: str, known: Registers, seen: Sight) -> list[dict[str, str]]:
    """What was counted since midnight, until the last registration time."""
    _ = seen.language.text
    today = seen.zone.at(seen.now_us).date()
    begin_us = seen.zone.midnight(today)
    tiles = []
    both = ((known.imported, _("Import today"), "import"), (known.exported, _("Export today"), "export"))
    for obis, title, kind in both:
        if obis is None or obis[0] != 1:
            continue
        amount = house.amounts(consumer, meter, obis, Step.DAY, Range(begin_us, begin_us + 1), seen.zone.name)[0]
        figure = quantity(amount.value, amount.scaler, amount.unit, seen.language)
        if figure.text == NONE:
            continue
        note = _("until the last registration time")
        tiles.append(
            {
                "key": f"{kind}-today",
                "title": title,
                "value": figure.text,
                "unit": figure.unit,
                "note": note,
                "kind": kind,
            }
        )
    return tiles


def _notes(house: House, seen: Sight) -> list[dict[str, str]]:
    _ = seen.language.text
    saved = house.clock().saved
    if saved is None or saved.state is not ClockState.SYNCHRONISED:
        text = _("Values are stored with a mark, and a bill does not use them, until the gateway knows the time again.")
        return [{"title": _("The clock of the gateway is not valid"), "text": text}]
    return []

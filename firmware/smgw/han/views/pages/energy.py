"""Energy of a meter in a day, week, month or year: bars, closing values, gaps."""

import json
from collections.abc import Sequence
from datetime import timedelta
from operator import itemgetter
from typing import Any
from urllib.parse import urlencode

from smgw.cosem.obis import Obis
from smgw.cosem.units import WATT_HOUR
from smgw.han.calendar import Step, marks
from smgw.han.exchange import Answer, Request
from smgw.han.house import House, Meter
from smgw.han.rights import NotYoursError
from smgw.han.series import Amount, Closing, DayGaps
from smgw.han.views.pages.chart import Bar, chart
from smgw.han.views.pages.exports import csv_link
from smgw.han.views.pages.frame import framed
from smgw.han.views.pages.meters import Registers, closings, registers
from smgw.han.views.pages.plot_words import plot_words
from smgw.han.views.pages.quantity import NONE, digits, quantity, unit_name
from smgw.han.views.pages.rendering import Sight, sight
from smgw.han.views.pages.window import STEPS, Span, Window
from smgw.look.language import N_

_MOST_GAPS = 50
_MOST_CLOSINGS = 400
_QUARTER_S = 900
_DAY_US = 86_400_000_000


class Asked:
    """What a request of this page asks for."""

    def __init__(self, request: Request, house: House) -> None:
        assert request.who is not None
        self.house, self.consumer = house, request.who.name
        self.seen = sight(request, house.now_us())
        self.meters = house.meters(self.consumer)
        if not self.meters:
            raise NotYoursError
        name = request.query.get("meter") or self.meters[0].profile.name
        self.meter: Meter = house.meter(self.consumer, name)
        self.name = name
        self.registers: Registers = registers(house, self.consumer, self.meter)
        self.window = Window.parse(request.query, self.seen.zone.at(self.seen.now_us).date())
        self.range = self.window.range(self.seen.zone)

    def link(self, path: str = "/energy", window: Window | None = None, **changes: str) -> str:
        """A page beside this one."""
        window = window or self.window
        query = {"meter": self.name, "range": str(window.span), "day": window.first.isoformat(), **changes}
        return f"{path}?{urlencode(query)}"

    def amounts(self, obis: Obis | None, step: Step) -> list[Amount]:
        """What a register counted in each step; nothing for a register that is not there."""
        if obis is None:
            return []
        return self.house.amounts(self.consumer, self.name, obis, step, self.range, self.seen.zone.name)

    def closings(self, obis: Obis | None, step: Step) -> list[Closing | None]:
        """The closing value at the end of each step, of the device that was there."""
        if obis is None:
            return []
        return closings(self.house, self.consumer, self.meter, obis, step, self.range, self.seen.zone)


def energy(request: Request, house: House) -> Answer:
    """The page."""
    asked = Asked(request, house)
    seen, window = asked.seen, asked.window
    _, step = seen.language.text, STEPS[window.span]
    imported, exported = asked.amounts(asked.registers.imported, step), asked.amounts(asked.registers.exported, step)
    both = bool(exported)
    rows = _rows(asked, step, imported or exported, imported, exported)
    gaps = _gaps(asked)
    has_curve = window.span is Span.DAY and _unit(imported) == WATT_HOUR
    return framed(
        request,
        seen,
        "energy.html",
        "/energy",
        title=window.title(seen.language),
        meter=asked.name,
        range=str(window.span),
        day=window.first.isoformat(),
        ranges=[(asked.link(window=_shown(asked, span)), _(text), span is window.span) for span, text in _RANGES],
        meters=[
            (asked.link(meter=one.profile.name), one.profile.name, one.profile.name == asked.name)
            for one in asked.meters
        ],
        before=asked.link(window=window.before()),
        after=asked.link(window=window.after()),
        sums=_sums(asked, imported, exported),
        chart=_chart(asked, rows, imported, exported),
        both=both,
        incomplete=any(one.kind == "bad" for one in rows),
        missing=_missing(gaps, seen),
        curve=asked.link("/curve.json") if has_curve else "",
        words=json.dumps(plot_words(seen.language), ensure_ascii=False) if has_curve else "",
        values=asked.link("/values") if window.span is Span.DAY else "",
        rows=rows if any(one.kind != "plain" or one.imported != NONE or one.exported != NONE for one in rows) else [],
        first=_(_FIRST[step]),
        unit=unit_name(_unit(imported or exported)),
        csv=csv_link(asked.name, step, window.first.isoformat(), (window.end - timedelta(days=1)).isoformat()),
        gaps=_gap_rows(gaps, asked),
    )


_RANGES = ((Span.DAY, N_("Day")), (Span.WEEK, N_("Week")), (Span.MONTH, N_("Month")), (Span.YEAR, N_("Year")))
_FIRST = {Step.HOUR: N_("Hour from"), Step.DAY: N_("Day"), Step.MONTH: N_("Month")}


def _shown(asked: Asked, span: Span) -> Window:
    """Another range with the day that is shown; from a longer one to today if it has today."""
    today = asked.seen.zone.at(asked.seen.now_us).date()
    inside = asked.window.first <= today < asked.window.end
    return Window.around(span, today if inside else asked.window.first)


def _unit(amounts: Sequence[Amount]) -> int:
    return next((one.unit for one in amounts if one.value is not None), WATT_HOUR)


class Row:
    """One row of the table."""

    def __init__(self, text: str, link: str, state: str, kind: str) -> None:
        self.text, self.link, self.state, self.kind = text, link, state, kind
        self.label = self.title = ""
        self.imported = self.exported = self.closing = self.closing_export = NONE


def _rows(
    asked: Asked, step: Step, places: Sequence[Amount], imported: Sequence[Amount], exported: Sequence[Amount]
) -> list[Row]:
    seen = asked.seen
    ends = asked.closings(asked.registers.imported, step), asked.closings(asked.registers.exported, step)
    rows, unit = [], unit_name(_unit(places))
    for place, one in enumerate(places):
        pair = [amounts[place] for amounts in (imported, exported) if amounts]
        row = Row(*_named(asked, step, one.begin_us), *_state(pair, seen))
        row.label = _label(asked, step, one.begin_us)
        for name, amounts in (("imported", imported), ("exported", exported)):
            if amounts:
                own = amounts[place]
                setattr(row, name, quantity(own.value, own.scaler, own.unit, seen.language).text)
        for name, known in zip(("closing", "closing_export"), ends, strict=True):
            closing = known[place] if known else None
            if closing is not None and closing.exact:
                setattr(row, name, quantity(closing.value, closing.scaler, closing.unit, seen.language).text)
        parts = [
            row.text,
            *(f"{name} {text} {unit}" for name, text in _both(row, seen, bool(exported)) if text != NONE),
        ]
        row.title = ": ".join([parts[0], ", ".join([*parts[1:], row.state])])
        rows.append(row)
    return rows


def _both(row: Row, seen: Sight, both: bool) -> list[tuple[str, str]]:
    _ = seen.language.text
    return [(_("Import"), row.imported), *([(_("Export"), row.exported)] if both else [])]


def _state(amounts: Sequence[Amount], seen: Sight) -> tuple[str, str]:
    _ = seen.language.text
    if amounts[0].begin_us > seen.now_us:
        return _("not yet"), "plain"
    if all(one.exact and one.value is not None for one in amounts):
        return _("complete"), "good"
    if amounts[0].end_us > seen.now_us - _QUARTER_S * 1_000_000:
        return _("not over yet"), "plain"
    if all(one.value is None for one in amounts):
        return _("no value"), "bad"
    return _("an end is missing"), "bad"


def _named(asked: Asked, step: Step, begin_us: int) -> tuple[str, str]:
    """The text of a row, and where it leads."""
    language = asked.seen.language
    at = asked.seen.zone.at(begin_us)
    if step is Step.MONTH:
        return language.month(at), asked.link(window=Window.around(Span.MONTH, at.date()))
    if step is Step.DAY:
        text = f"{language.short_weekday(at)} {language.date(at)}"
        return text, asked.link(window=Window.around(Span.DAY, at.date()))
    return clock_text(asked, begin_us), ""


def clock_text(asked: Asked, at_us: int) -> str:
    """The time of day; with the name of the zone on a day whose hours are not 24, because one comes twice."""
    at = asked.seen.zone.at(at_us)
    even = asked.range.until - asked.range.since == _DAY_US or asked.window.span is not Span.DAY
    return f"{at:%H:%M}" if even else f"{at:%H:%M %Z}"


def _label(asked: Asked, step: Step, begin_us: int) -> str:
    at = asked.seen.zone.at(begin_us)
    if step is Step.MONTH:
        return asked.seen.language.month_name(at)[:3]
    if step is Step.DAY:
        return asked.seen.language.short_weekday(at) if asked.window.span is Span.WEEK else str(at.day)
    return str(at.hour)


def _sums(asked: Asked, imported: Sequence[Amount], exported: Sequence[Amount]) -> list[tuple[str, str, str]]:
    _ = asked.seen.language.text
    found = []
    for title, amounts, kind in ((_("Import"), imported, "import"), (_("Export"), exported, "export")):
        known = [one for one in amounts if one.value is not None]
        if known:
            scaler = min(one.scaler for one in known)
            whole = sum((one.value or 0) * int(10 ** (one.scaler - scaler)) for one in known)
            found.append((title, str(quantity(whole, scaler, known[0].unit, asked.seen.language)), kind))
    return found


def _chart(asked: Asked, rows: Sequence[Row], imported: Sequence[Amount], exported: Sequence[Amount]) -> str:
    scaler = min((one.scaler for one in (*imported, *exported) if one.value is not None), default=0)
    kilo = 3 if _unit(imported or exported) == WATT_HOUR else 0

    def parts(amounts: Sequence[Amount], place: int) -> int | None:
        one = amounts[place] if amounts else None
        return None if one is None or one.value is None else one.value * int(10 ** (one.scaler - low))

    low = min(scaler, kilo)
    bars = [
        Bar(row.label, row.title, parts(imported, place), parts(exported, place), row.kind == "bad")
        for place, row in enumerate(rows)
    ]
    _ = asked.seen.language.text
    name = _("Bars of %(title)s. The table below holds the same values.") % {
        "title": asked.window.title(asked.seen.language)
    }
    return chart(bars, int(10 ** (kilo - low)), name, asked.seen.language.decimal("0.0")[1])


def _gaps(asked: Asked) -> list[DayGaps]:
    obis = asked.registers.imported or asked.registers.exported
    if obis is None or asked.window.span is Span.YEAR:
        return []
    found = asked.house.gaps(asked.consumer, asked.name, obis, Step.DAY, asked.range, asked.seen.zone.name)
    return [one for one in found if one.expected]


def _missing(gaps: Sequence[DayGaps], seen: Sight) -> str:
    if not gaps:
        return ""
    told = {
        "present": seen.language.number(sum(one.present for one in gaps)),
        "expected": seen.language.number(sum(one.expected for one in gaps)),
    }
    return seen.language.text(N_("%(present)s of %(expected)s values that should be here are here.")) % told


def _gap_rows(gaps: Sequence[DayGaps], asked: Asked) -> list[dict[str, Any]]:
    _ = asked.seen.language.text
    period_us = max(1, asked.meter.profile.registration_period) * 1_000_000
    found: list[dict[str, Any]] = [
        {"since": one.since, "until": one.until, "count": (one.until - one.since) // period_us + 1, "why": why}
        for day in gaps
        for ranges, why in (
            (day.missing, _("the meter gave no value")),
            (day.unusable, _("the value does not count: its status says why")),
        )
        for one in ranges
    ]
    return sorted(found, key=itemgetter("since"))[:_MOST_GAPS]


def curve_json(request: Request, house: House) -> Answer:
    """The mean power of each quarter hour of a day, as the script of the plot takes it."""
    asked = Asked(request, house)
    window = asked.window._replace(span=Span.DAY)
    amounts = asked.amounts(asked.registers.imported, Step.QUARTER) if window.span is asked.window.span else []
    places = marks(Step.QUARTER, asked.range, asked.seen.zone.name, len(amounts) + 1) if amounts else []
    powers = [one.value * 4 if one.exact and one.value is not None else None for one in amounts]  # Wh: mean power in W
    told = {
        "from": asked.range.since // 1_000_000,
        "to": asked.range.until // 1_000_000,
        "zone": asked.seen.zone.name,
        "unit": "W",
        "as": "interval",
        "period": _QUARTER_S,
        "time": [at // 1_000_000 for at in places[:-1]],
        # Wh in a quarter of an hour, times four: the mean power in W.
        "value": [None if it is None else digits(it, one.scaler) for it, one in zip(powers, amounts, strict=True)],
        "time_valid": [True for _ in amounts],
    }
    return Answer(200, json.dumps(told).encode(), "application/json", {"Cache-Control": "no-store"})

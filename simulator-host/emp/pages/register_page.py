"""What the page of a register tells: where its curve is, its table, and where to go from there."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any
from urllib.parse import quote, urlencode

from smgw.cosem import CaptureObject
from smgw.cosem.device_id import DeviceId
from smgw.cosemxml.columns import FIXED_COLUMNS
from smgw.look.language import N_, Language
from smgw.look.times import iso

from emp.answers.curve import Curve, Kind, Point, Range, Window, curve, is_counter
from emp.answers.paths import register_name, segment
from emp.pages.page_parts import amount, heading, short
from emp.pages.plot_words import plot_words
from emp.pages.view import View
from emp.store.storage import Storage

MAX_TABLE = 3000  # a month of quarter hours


def register_page(
    storage: Storage, device: DeviceId, column: CaptureObject, query: Mapping[str, str], view: View
) -> dict[str, Any]:
    """Its variables; BadRequest for a day, a range or a kind that is none."""
    zone, now_us = view.zone, view.now_us
    window = Window.parse(query, zone, storage.span(device).last_us(now_us), column)
    found = curve(storage, device, column, window, now_us)
    here = f"/devices/{segment(device)}/registers/{register_name(column)}"
    return {
        "heading": heading(column.obis, found.unit),
        "amount": amount(column.obis),
        "here": here,
        "day": window.day,
        "range": window.range.value,
        "as": found.kind.value,
        "has_interval": is_counter(column) and found.period_us is not None,
        "period": None if found.period_us is None else view.language.period(found.period_us // 1_000_000),
        "title": _title(window, view),
        "links": {
            "before": _link(here, window, day=window.moved(-1)),
            "after": _link(here, window, day=window.moved(1)),
            **{kind.value: _link(here, window, range=kind.value) for kind in Range},
            **{kind.value: _link(here, window, **{"as": kind.value}) for kind in Kind},
            "json": _link(f"{here}.json", window),
            "csv": _link(f"{here}.csv", window),
            "xml": f"/devices/{segment(device)}.xml?{_selected(column, window)}",
        },
        "points": [_point(point, view) for point in found.points[-MAX_TABLE:]],
        "hidden": max(0, len(found.points) - MAX_TABLE),
        "piece": None if found.piece_us is None else view.language.duration(found.piece_us),
        "sums": _sums(found, view.language),
        "words": plot_words(view.language),
    }


def _title(window: Window, view: View) -> str:
    language, _ = view.language, view.language.text
    if window.range is Range.MONTH:
        return language.month(window.day)
    first = view.zone.at(window.from_us).date()
    named = {"weekday": language.weekday(first), "date": language.date(first), "week": first.isocalendar().week}
    if window.range is Range.WEEK:
        return _("Week %(week)s, from %(weekday)s, %(date)s") % named
    return _("%(weekday)s, %(date)s") % named


def _link(path: str, window: Window, **changes: object) -> str:
    return f"{path}?{urlencode({'day': window.day, 'range': window.range.value, 'as': window.kind.value, **changes})}"


def _selected(column: CaptureObject, window: Window) -> str:
    names = ",".join(
        f"{{long:{chosen.class_id},octet-string:{bytes(chosen.obis).hex()},integer:{chosen.attribute},long:0}}"
        for chosen in (*FIXED_COLUMNS, column)
    )
    times = f"q.fromtime={iso(window.from_us)}&q.totime={iso(window.to_us)}"
    return f"{times}&sa.retrievecolumns={quote(f'[{names}]', safe='[]{},:')}"


def _point(point: Point, view: View) -> dict[str, Any]:
    value = None if point.text is None else view.language.decimal(short(point.text))
    return {"at": view.moment(point.time_us), "value": value, "time_valid": point.time_valid}


def _sums(found: Curve, language: Language) -> list[tuple[str, str]]:
    def of(value: Decimal) -> str:
        return language.decimal(f"{value:f}") + (f" {found.unit}" if found.unit else "")

    values = [point.value for point in found.points if point.value is not None]
    told = [
        (N_("Values"), language.number(len(found.points) - found.gaps)),
        (N_("Gaps") if found.period_us is None else N_("Missing"), language.number(found.gaps)),
    ]
    if values:
        told += [(N_("Lowest"), of(min(values))), (N_("Highest"), of(max(values)))]
        if found.kind is Kind.INTERVAL:
            told.append((N_("Sum"), of(sum(values, start=values[0] * 0))))
    return told

"""What the page of a register tells: where its curve is, its table, and where to go from there."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, urlencode

from smgw.cosem import CaptureObject
from smgw.cosem.device_id import DeviceId
from smgw.cosem.duration import period_text
from smgw.cosemxml.columns import FIXED_COLUMNS

from emp.answers.curve import Curve, Kind, Point, Range, Window, curve, is_counter
from emp.answers.paths import register_name
from emp.pages.page_parts import heading, moment
from emp.store.storage import Storage
from emp.times import Zone, iso

MAX_TABLE = 3000  # a month of quarter hours


def register_page(
    storage: Storage, device: DeviceId, column: CaptureObject, query: Mapping[str, str], zone: Zone, now_us: int
) -> dict[str, Any]:
    """Its variables; BadRequest for a day, a range or a kind that is none."""
    span = storage.span(device)
    last_us = span.last_target_us if span.last_target_us is not None else span.last_capture_us
    window = Window.parse(query, zone, last_us, column)
    found = curve(storage, device, column, window, now_us)
    here = f"/devices/{device.uri}/registers/{register_name(column)}"
    return {
        "heading": heading(column.obis, found.unit),
        "here": here,
        "day": window.day,
        "range": window.range.value,
        "as": found.kind.value,
        "has_interval": is_counter(column) and found.period_us is not None,
        "period": None if found.period_us is None else period_text(found.period_us // 1_000_000),
        "title": _title(window, zone),
        "links": {
            "before": _link(here, window, day=window.moved(-1)),
            "after": _link(here, window, day=window.moved(1)),
            **{kind.value: _link(here, window, range=kind.value) for kind in Range},
            **{kind.value: _link(here, window, **{"as": kind.value}) for kind in Kind},
            "json": _link(f"{here}.json", window),
            "csv": _link(f"{here}.csv", window),
            "xml": f"/devices/{device.uri}.xml?{_selected(column, window)}",
        },
        "points": [_point(point, now_us, zone) for point in found.points[-MAX_TABLE:]],
        "hidden": max(0, len(found.points) - MAX_TABLE),
        "cut": found.cut,
        "sums": _sums(found),
    }


def _title(window: Window, zone: Zone) -> str:
    if window.range is Range.MONTH:
        return f"{window.day:%B %Y}"
    first = zone.at(window.from_us).date()
    if window.range is Range.WEEK:
        return f"Week {first.isocalendar().week}, from {first:%A, %Y-%m-%d}"
    return f"{first:%A, %Y-%m-%d}"


def _link(path: str, window: Window, **changes: object) -> str:
    return f"{path}?{urlencode({'day': window.day, 'range': window.range.value, 'as': window.kind.value, **changes})}"


def _selected(column: CaptureObject, window: Window) -> str:
    names = ",".join(
        f"{{long:{chosen.class_id},octet-string:{bytes(chosen.obis).hex()},integer:{chosen.attribute},long:0}}"
        for chosen in (*FIXED_COLUMNS, column)
    )
    times = f"q.fromtime={iso(window.from_us)}&q.totime={iso(window.to_us)}"
    return f"{times}&sa.retrievecolumns={quote(f'[{names}]', safe='[]{},:')}"


def _point(point: Point, now_us: int, zone: Zone) -> dict[str, Any]:
    return {"at": moment(point.time_us, now_us, zone), "value": point.text, "time_valid": point.time_valid}


def _sums(found: Curve) -> list[tuple[str, str]]:
    values = [point.value for point in found.points if point.value is not None]
    told = [
        ("Values", f"{len(found.points) - found.gaps:,}"),
        ("Gaps" if found.period_us is None else "Missing", f"{found.gaps:,}"),
    ]
    if values:
        unit = f" {found.unit}" if found.unit else ""
        told += [("Lowest", f"{min(values):f}{unit}"), ("Highest", f"{max(values):f}{unit}")]
        if found.kind is Kind.INTERVAL:
            told.append(("Sum", f"{sum(values, start=values[0] * 0):f}{unit}"))
    return told

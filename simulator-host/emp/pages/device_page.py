"""What the page of a device tells: who sends it, and how complete the days of a month are."""

from collections.abc import Mapping
from datetime import date, timedelta
from typing import Any

from smgw.cosem.device_id import DeviceId
from smgw.look.times import iso
from smgw.webservice.error import BadRequest

from emp.answers.days import Day, Gap, completeness, known_until, month_of
from emp.answers.period_bills import is_evaluation
from emp.pages.page_parts import flaws
from emp.pages.view import View, late_after
from emp.store.storage import Storage

MAX_GAPS = 200


def device_page(storage: Storage, device: DeviceId, query: Mapping[str, str], view: View) -> dict[str, Any]:
    """Its variables; `month` in the query is one of its days, by default that of the latest value."""
    zone, now_us = view.zone, view.now_us
    span = storage.span(device)
    month = month_of(_day(query.get("month"), zone.at(span.last_us(now_us) or now_us).date()))
    from_us, to_us = zone.midnight(month[0]), zone.midnight(month[-1] + timedelta(days=1))
    days: list[Day] = []
    gaps: list[Gap] = []
    if span.first_target_us is not None and span.last_target_us is not None:
        presence = storage.presence(device, from_us, to_us)
        until_us = known_until(span.last_target_us, now_us) + 1
        days, gaps = completeness(presence, zone, month, span.first_target_us, until_us)
    silent_us, _ = late_after(storage.rhythm(device))
    return {
        "count": storage.count(device),
        "is_evaluation": is_evaluation(device),
        "senders": [
            {
                "gateway": str(gateway.gateway),
                "seen": view.moment(sighting.last_seen_us, silent_us),
                "records": sighting.records,
                "time_valid": sighting.time_valid,
                "flaws": flaws(sighting.gateway_status),
            }
            for gateway in storage.gateways()
            for sighting in gateway.devices
            if sighting.device == device
        ],
        "has_grid": span.last_target_us is not None,
        "month": view.language.month(month[0]),
        "previous": (month[0] - timedelta(days=1)).replace(day=1) if month[0].year > 1970 else None,
        "next": month[-1] + timedelta(days=1) if month[-1].year < 9998 else None,
        "filter": f"q.fromtime={_filter_time(from_us)}&q.totime={_filter_time(to_us)}",
        "days": [day for day in days if day.expected],
        "present": sum(day.present for day in days),
        "expected": sum(day.expected for day in days),
        "gaps": [_gap(gap, view) for gap in gaps[:MAX_GAPS]],
        "more_gaps": max(0, len(gaps) - MAX_GAPS),
    }


def _gap(gap: Gap, view: View) -> dict[str, Any]:
    return {
        "from": view.moment(gap.from_us),
        "to": view.moment(gap.to_us),
        "lasts": view.language.span(gap.to_us - gap.from_us),
        "slots": gap.slots,
        "told": gap.told,
    }


def _filter_time(utc_us: int) -> str:
    return str(iso(utc_us))


def _day(text: str | None, default: date) -> date:
    if not text:
        return default
    try:
        day = date.fromisoformat(f"{text}-01" if len(text) == 7 else text)
    except ValueError:
        raise BadRequest(f"month={text!r:.20} is no month; 2025-03 is one") from None
    if not 1970 <= day.year <= 9998:
        raise BadRequest(f"month={text:.20}: from 1970 to 9998, please")
    return day

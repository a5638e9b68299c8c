"""All registered values of a day, with their status words in plain text."""

from typing import Any

from smgw.cosem.status_word import StatusWord
from smgw.han.exchange import Answer, Request
from smgw.han.house import House
from smgw.han.views.pages.energy import Asked, clock_text
from smgw.han.views.pages.frame import framed
from smgw.han.views.pages.quantity import NONE, quantity
from smgw.han.views.pages.status import told, verdict
from smgw.han.views.pages.window import Span, Window
from smgw.look.language import N_
from smgw.look.times import iso
from smgw.store.lmn.by_time import Sample
from smgw.store.ranges import Range


def values(request: Request, house: House) -> Answer:
    """The page."""
    asked = Asked(request, house)
    seen = asked.seen
    day = asked.window = Window.around(Span.DAY, asked.window.first)
    wanted = asked.range = day.range(seen.zone)
    objects = [one for one in (asked.registers.imported, asked.registers.exported) if one is not None]
    rows: dict[int, dict[str, Any]] = {}
    unit = "kWh"
    for source in asked.meter.sources:
        for one in house.samples(asked.consumer, source, Range(wanted.since + 1, wanted.until), objects):
            row = rows.setdefault(one.target_us, _row(one, asked))
            if one.value is not None:
                name = "imported" if one.obis == asked.registers.imported else "exported"
                row[name], unit = quantity(one.value, one.scaler, one.unit, seen.language)
    for row in rows.values():
        if row["imported"] == row["exported"] == NONE:
            row["state"], row["kind"] = seen.language.text(N_("no value")), "bad"
    return framed(
        request,
        seen,
        "values.html",
        "/energy",
        title=day.title(seen.language),
        meter=asked.name,
        both=len(objects) > 1,
        unit=unit,
        rows=[rows[at] for at in sorted(rows)],
        back=asked.link(),
        before=asked.link("/values", window=day.before()),
        after=asked.link("/values", window=day.after()),
    )


def _row(one: Sample, asked: Asked) -> dict[str, Any]:
    language = asked.seen.language
    state, kind = verdict(one.gateway_status, one.meter_status, language)
    return {
        "at": clock_text(asked, one.target_us),
        "utc": iso(one.target_us),
        "captured_us": one.captured_us,
        "imported": NONE,
        "exported": NONE,
        "state": state,
        "kind": kind,
        "told": ", ".join(told(one.gateway_status, one.meter_status, language)),
        "word": StatusWord(one.gateway_status, one.meter_status).msb0,
    }

"""What the pages of bills tell: those of one evaluation, and those of a usage point."""

from collections.abc import Mapping, Sequence
from typing import Any

from smgw.cosem.device_id import DeviceId
from smgw.webservice.error import NotFound

from emp.answers import paths
from emp.answers.period_bills import Line, PeriodBill, facts_of, is_evaluation, period_bills
from emp.answers.usage_points import ALL, Evaluation, OwnBill, OwnUnbilled, choose, period_name
from emp.pages.page_parts import heading
from emp.pages.view import View
from emp.store.storage import Storage

MAX_BILLS = 60  # five years of months


def device_bills_page(storage: Storage, device: DeviceId, view: View) -> dict[str, Any]:
    """The variables of an evaluation's page; NotFound for another device."""
    if not is_evaluation(device):
        raise NotFound(f"device {device} is a meter; only evaluations have bills (emp bill makes them of readings)")
    found = period_bills(storage, device)
    own = Evaluation(device, facts_of(storage, device))
    bills = [OwnBill(own, one) for one in found.bills]
    return {"evaluation": _evaluation(own), **_shown(bills, [OwnUnbilled(own, one) for one in found.unbilled], view)}


def bills_page(storage: Storage, query: Mapping[str, str], view: View) -> dict[str, Any]:
    """The variables of the page of all bills; `usage_point` and `period` in the query choose."""
    choice = choose(storage, query.get("usage_point"), query.get("period"))
    periods = [
        (period_name((begin, end)), f"{view.language.time(view.zone, begin)} – {view.language.time(view.zone, end)}")
        for begin, end in choice.periods
    ]
    return {
        "usage_points": choice.usage_points,
        "usage_point": choice.usage_point,
        "periods": periods,
        "period": choice.period,
        "all": ALL,
        **_shown(choice.bills, choice.unbilled, view),
    }


def _shown(bills: Sequence[OwnBill], unbilled: Sequence[OwnUnbilled], view: View) -> dict[str, Any]:
    return {
        "bills": [{**_evaluation(one.evaluation), **_bill(one.bill, view)} for one in bills[:MAX_BILLS]],
        "more": max(0, len(bills) - MAX_BILLS),
        "unbilled": [_unbilled(one, view) for one in unbilled[:MAX_BILLS]],
    }


def _evaluation(one: Evaluation) -> dict[str, Any]:
    facts = one.facts
    return {
        "device": str(one.device),
        "uri": paths.segment(one.device),
        "taf": one.device.taf,
        "name": one.name,
        "usage_point": facts.usage_point if facts else "",
    }


def _bill(bill: PeriodBill, view: View) -> dict[str, Any]:
    lines = [_line(line, bill.unit, view) for line in bill.steps]
    if bill.error is not None:
        lines.append({**_line(bill.error, bill.unit, view), "flawed": bill.error.amount != 0})
    begin_us, end_us = bill.period
    return {
        "register": str(bill.register),
        "begin": view.moment(bill.begin_us),
        "end": view.moment(bill.end_us),
        "begins_late": bill.begin_us > begin_us,
        "ends_early": bill.end_us < end_us,
        "has_steps": bill.error is not None,
        "lines": lines,
        "total": _line(bill.total, bill.unit, view),
        "unit": bill.unit,
        "agrees": bill.agrees,
    }


def _line(line: Line, unit: str, view: View) -> dict[str, Any]:
    return {
        "heading": heading(line.register, unit),
        "begin": view.language.decimal(f"{line.begin:f}"),
        "end": view.language.decimal(f"{line.end:f}"),
        "amount": view.language.decimal(f"{line.amount:f}"),
        "flawed": False,
    }


def _unbilled(one: OwnUnbilled, view: View) -> dict[str, Any]:
    gap = one.unbilled
    return {
        **_evaluation(one.evaluation),
        **_line(gap.total, gap.unit, view),
        "unit": gap.unit,
        "from": view.moment(gap.begin_us),
        "to": view.moment(gap.end_us),
    }

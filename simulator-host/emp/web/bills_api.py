"""Bills for programs. Amounts are text, so that they are exact.

GET /devices/<devid>/bills.json        the bills of an evaluation
GET /bills.json[?usage_point=DE1][&period=2026-01-01T00:00:00Z/2026-02-01T00:00:00Z|all]
                                       the bills of a usage point; by default those of its newest period
"""

from typing import Any

from smgw.cosem.device_id import DeviceId
from smgw.look.times import iso
from smgw.webservice.error import NotFound

from emp.answers.period_bills import Line, PeriodBill, Unbilled, facts_of, is_evaluation, period_bills
from emp.answers.usage_points import Choice, Evaluation, period_name
from emp.store.storage import Storage


def device_bills(storage: Storage, device: DeviceId) -> dict[str, Any]:
    """All bills of an evaluation; NotFound for another device."""
    if not is_evaluation(device):
        raise NotFound(f"device {device} is a meter; only evaluations have bills")
    found = period_bills(storage, device)
    return {
        **_evaluation(Evaluation(device, facts_of(storage, device))),
        "bills": [_bill(one) for one in found.bills],
        "unbilled": [_unbilled(one) for one in found.unbilled],
    }


def chosen_bills(choice: Choice) -> dict[str, Any]:
    """What can be chosen, and the bills of the choice."""
    return {
        "usage_points": choice.usage_points,
        "usage_point": choice.usage_point or None,
        "periods": [period_name(one) for one in choice.periods],
        "period": choice.period,
        "bills": [{**_evaluation(one.evaluation), **_bill(one.bill)} for one in choice.bills],
        "unbilled": [{**_evaluation(one.evaluation), **_unbilled(one.unbilled)} for one in choice.unbilled],
    }


def _evaluation(one: Evaluation) -> dict[str, Any]:
    facts = one.facts
    return {
        "device": str(one.device),
        "taf": one.device.taf,
        "name": one.name or None,
        "usage_point": (facts.usage_point if facts else "") or None,
    }


def _bill(bill: PeriodBill) -> dict[str, Any]:
    lines = (*bill.steps, *([bill.error] if bill.error else []), bill.total)
    return {
        "register": str(bill.register),
        "period": period_name(bill.period),
        "from": iso(bill.begin_us),
        "to": iso(bill.end_us),
        "unit": bill.unit,
        "registers": {str(line.register): _ends(line) for line in lines},
        "steps": {str(line.register): f"{line.amount:f}" for line in bill.steps},
        "error": None if bill.error is None else f"{bill.error.amount:f}",
        "total": f"{bill.total.amount:f}",
        "agrees": bill.agrees,
    }


def _unbilled(one: Unbilled) -> dict[str, Any]:
    return {
        "register": str(one.total.register),
        "from": iso(one.begin_us),
        "to": iso(one.end_us),
        "unit": one.unit,
        "total": f"{one.total.amount:f}",
    }


def _ends(line: Line) -> dict[str, str]:
    return {"begin": f"{line.begin:f}", "end": f"{line.end:f}"}

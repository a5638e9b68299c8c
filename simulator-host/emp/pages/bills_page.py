"""What the page of an evaluation's bills tells."""

from typing import Any

from smgw.cosem.device_id import DeviceId
from smgw.webservice.error import NotFound

from emp.answers.period_bills import ERROR, PeriodBill, is_evaluation, period_bills
from emp.pages.page_parts import heading
from emp.pages.view import View
from emp.store.storage import Storage

MAX_BILLS = 60  # five years of months


def bills_page(storage: Storage, device: DeviceId, view: View) -> dict[str, Any]:
    """Its variables; NotFound for a device that is no evaluation."""
    if not is_evaluation(device):
        raise NotFound(f"device {device} is a meter; only evaluations have bills (emp bill makes them of readings)")
    found = period_bills(storage, device)
    return {
        "taf": device.taf,
        "bills": [_bill(one, view) for one in found[:MAX_BILLS]],
        "more": max(0, len(found) - MAX_BILLS),
    }


def _bill(bill: PeriodBill, view: View) -> dict[str, Any]:
    def line(obis: Any, amount: Any, *, flawed: bool = False) -> dict[str, Any]:
        return {
            "heading": heading(obis, bill.unit),
            "amount": view.language.decimal(f"{amount:f}"),
            "flawed": flawed,
        }

    lines = [line(obis, amount) for obis, amount in bill.steps]
    if bill.error is not None:
        octets = bytearray(bytes(bill.register))
        octets[4] = ERROR
        lines.append(line(type(bill.register)(bytes(octets)), bill.error, flawed=bill.error != 0))
    return {
        "register": str(bill.register),
        "begin": view.moment(bill.begin_us),
        "end": view.moment(bill.end_us),
        "lines": lines,
        "total": view.language.decimal(f"{bill.total:f}"),
        "unit": bill.unit,
        "agrees": bill.agrees,
    }

"""The command `emp bill`."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from emp import DEFAULT_ZONE

if TYPE_CHECKING:
    from smgw.cosem.device_id import DeviceId
    from smgw.look.times import Zone
    from smgw.transparency.supplier import Tariff

    from emp.answers.bill import Bill
    from emp.store.sqlite_storage import SqliteView


def add_commands(commands: Any) -> None:
    """`commands`: what argparse's add_subparsers gave."""
    bill = commands.add_parser(
        "bill",
        help="compute a bill by a supplier's tariff file",
        description="Compute what each step of a supplier's tariff file (AR 2418-6) counted in its billing period. "
        "The readings are those that gateways delivered. The sum of steps and error register is checked against them.",
        epilog="Energy of a gap over a switch is in the error register. Exit status 1: no bill, or the sum is wrong.",
    )
    bill.add_argument("tariff", type=Path, metavar="FILE", help="the supplier's tariff file (XML)")
    bill.add_argument(
        "--device",
        action="append",
        default=[],
        metavar="DEVICE",
        help="the meter; twice for a meter that was exchanged. Without it: the only one that its gateway delivers",
    )
    bill.add_argument("--json", action="store_true", help="print JSON")
    bill.add_argument("--db", type=Path, default=Path("emp.db"), metavar="FILE", help="the SQLite file (emp.db)")
    bill.add_argument("--zone", default=DEFAULT_ZONE, metavar="NAME", help=f"time zone ({DEFAULT_ZONE})")
    bill.set_defaults(run=_bill)


def _bill(options: argparse.Namespace) -> int:
    import json

    from smgw.look.times import Zone
    from smgw.transparency.supplier import read

    from emp.answers.bill import bills
    from emp.store.sqlite_storage import SqliteView

    zone, tariff = Zone(options.zone), read(options.tariff.read_bytes())
    view = SqliteView(options.db)
    try:
        devices = _devices(view, tariff, options.device)
        found = bills(view, devices, tariff, zone)
    finally:
        view.close()
    if options.json:
        print(json.dumps([_as_json(one) for one in found], ensure_ascii=False, indent=1))
    else:
        print(f"tariff {tariff.name} ({tariff.identity}) of {tariff.invoicing_party}, usage point {tariff.usage_point}")
        print(f"meter {', '.join(map(str, devices))}")
        for one in found:
            _print(one, zone)
    return 0 if all(one.agrees for one in found) else 1


def _devices(view: "SqliteView", tariff: "Tariff", named: list[str]) -> "list[DeviceId]":
    from smgw.cosem.device_id import DeviceId, DeviceIdError

    from emp.answers.bill import BillError

    try:
        devices = [DeviceId.parse(text) for text in named]
        gateway = DeviceId.parse(tariff.gateway.upper())
    except DeviceIdError as error:
        raise BillError(str(error)) from None
    for device in devices:
        if not view.has(device):
            raise BillError(f"no device {device} is in this database")
    if devices:
        return devices
    found = [device for device in view.devices(gateway) if view.span(device).last_target_us is not None]
    if len(found) != 1:
        names = f": {', '.join(map(str, found))}" if found else ""
        raise BillError(f"gateway {gateway} delivers {len(found)} meters on a grid{names}; name one with --device")
    return found


def _print(bill: "Bill", zone: "Zone") -> None:
    from smgw.cosem.data import decimal
    from smgw.cosem.obis import Obis
    from smgw.cosem.units import symbol

    def amount(value: int) -> str:
        return f"{decimal(value, bill.scaler):f} {symbol(bill.unit)}"

    lines = [
        (str(Obis(bytes.fromhex(one.stage.obis))), one.stage.description, amount(one.amount)) for one in bill.steps
    ]
    error = bytearray(bytes(bill.register))
    error[4] = 63
    lines += [(str(Obis(bytes(error))), "error register", amount(bill.error)), ("", "sum", amount(bill.total))]
    wide, words, numbers = (max(len(line[place]) for line in lines) for place in range(3))
    print(f"\n{bill.register}, {bill.readings} of {bill.expected} readings")
    print(f"  begin  {zone.local(bill.begin_s * 1_000_000)}  {amount(bill.begin)}")
    print(f"  end    {zone.local(bill.end_s * 1_000_000)}  {amount(bill.end)}")
    for code, word, text in lines:
        print(f"  {code:<{wide}}  {word:<{words}}  {text:>{numbers}}")
    print(f"  steps + error = sum: {'yes' if bill.agrees else 'NO'}; end - begin: {amount(bill.end - bill.begin)}")
    for remark in bill.remarks:
        print(f"  note: {remark}")


def _as_json(bill: "Bill") -> dict[str, Any]:
    from smgw.cosem.data import decimal
    from smgw.cosem.units import symbol
    from smgw.look.times import iso

    def amount(value: int) -> str:
        return f"{decimal(value, bill.scaler):f}"

    return {
        "register": str(bill.register),
        "unit": symbol(bill.unit),
        "begin": {"time": iso(bill.begin_s * 1_000_000), "value": amount(bill.begin)},
        "end": {"time": iso(bill.end_s * 1_000_000), "value": amount(bill.end)},
        "steps": [
            {"number": one.stage.number, "obis": one.stage.obis, "value": amount(one.amount)} for one in bill.steps
        ],
        "error": amount(bill.error),
        "total": amount(bill.total),
        "agrees": bill.agrees,
        "readings": bill.readings,
        "expected": bill.expected,
        "remarks": list(bill.remarks),
    }

"""`smgw deliver`: deliver now, without waiting for the next cycle, the back-off or the end of a hold."""

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from smgw.cli.numbers import seconds
from smgw.cli.terminal import controlled
from smgw.cosem.printable import printable
from smgw.errors import SmgwError
from smgw.profiles.gateway import Configuration
from smgw.profiles.toml_importer import load
from smgw.reports.health import Report, examine
from smgw.services.process import set_up_logging
from smgw.store import paths
from smgw.store.file.lock import owner_running
from smgw.store.wan.orders import place_order
from smgw.store.wan.records import OrderKind, SetAside

_EPILOG = """\
The running WAN process carries out the order. If it does not run, this command delivers itself.
It waits for the end and prints the result. Exit code 0 if no row is left, 1 if rows are left.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """To whom, and what."""
    parser.add_argument("emp", nargs="?", metavar="EMP", help="name of an EMP (default: all)")
    parser.add_argument("--again", action="store_true", help="also quarantined rows, which the EMP refused")
    parser.add_argument(
        "--seconds", type=seconds, default=60.0, metavar="S", help="how long to wait (default %(default)s)"
    )
    parser.set_defaults(log_level="warning")
    parser.epilog = _EPILOG


def run(arguments: argparse.Namespace) -> int:
    """Order, wait, print the result."""
    set_up_logging(arguments.log_level)
    configuration = load(arguments.config)
    names = [emp.name for emp in configuration.emps]
    if arguments.emp is not None and arguments.emp not in names:
        raise SmgwError(f"{arguments.config} has no EMP {arguments.emp!r}; it has {', '.join(names) or 'none'}")
    kind = OrderKind.AGAIN if arguments.again else OrderKind.DELIVER
    return deliver(configuration, arguments.state, arguments.emp, kind, arguments.seconds)


def deliver(
    configuration: Configuration,
    state: Path,
    emp: str | None,
    kind: OrderKind,
    seconds: float,
    rows: Sequence[SetAside] = (),
) -> int:
    """Order delivery to an EMP, or to all, wait, and print the result. `rows`: see `place_order`."""
    wanted = [one.name for one in configuration.emps] if emp is None else [emp]
    service = None
    directory = paths.wan_directory(state)
    if not owner_running(paths.lock_of(directory / paths.WAN)):
        from smgw.services.wan import WanService

        service = WanService(configuration, state)
    before = _retries(examine(configuration, state), wanted)
    place_order(directory, emp, kind, rows)
    if service is not None:
        service.deliver_once(wanted, seconds)
        report = examine(configuration, state)
    else:
        report = _wait(configuration, state, wanted, seconds, before)
    return _tell(report, wanted)


def _retries(report: Report, wanted: list[str]) -> set[tuple[str, int]]:
    """EMPs that could not be delivered to, each with the time of the next try."""
    return {(emp["name"], emp["retry_at_us"]) for emp in report.emps if emp["name"] in wanted and emp["retry_at_us"]}


def _wait(
    configuration: Configuration, state: Path, wanted: list[str], seconds: float, before: set[tuple[str, int]]
) -> Report:
    """Until nothing is left, or a try not of `before` failed, or the time is over; progress on a terminal."""
    ends = time.monotonic() + seconds
    time.sleep(1.0)  # the order is noticed within half a second
    while True:
        report = examine(configuration, state)
        left = sum(emp["backlog"] for emp in report.emps if emp["name"] in wanted)
        if sys.stderr.isatty():
            print(f"\r{left} records waiting ", end="", file=controlled(sys.stderr), flush=True)
        failed = _retries(report, wanted) - before
        if not left or failed or time.monotonic() > ends:
            if sys.stderr.isatty():
                print(file=sys.stderr)
            return report
        time.sleep(0.5)


def _tell(report: Report, wanted: list[str]) -> int:
    left = 0
    for emp in report.emps:
        if emp["name"] in wanted:
            left += emp["backlog"] + emp["set_aside"]
            why = f" ({printable(emp['detail'])})" if emp["detail"] else ""
            print(
                f"EMP {emp['name']}: {emp['acknowledged']} records acknowledged, {emp['backlog']} waiting, "
                f"{emp['set_aside']} quarantined{why}"
            )
    return 1 if left else 0

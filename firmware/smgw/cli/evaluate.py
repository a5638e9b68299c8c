"""`smgw evaluate`: what a tariff would have given over stored readings."""

import argparse
import csv
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from smgw.cli.moments import moment, utc
from smgw.clock.text import utc_text
from smgw.cosem.data import plain
from smgw.cosem.units import symbol
from smgw.cosem.zone import time_zone
from smgw.errors import SmgwError
from smgw.metering.evaluation.evaluation import Row
from smgw.metering.evaluation.plan import register_name
from smgw.profiles.evaluation import EvaluationProfile
from smgw.profiles.toml_importer import load_evaluations
from smgw.reports.tried import Tried, try_evaluation
from smgw.store import paths
from smgw.store.lmn.view import LmnView
from smgw.store.ranges import Range

_SECOND = 1_000_000
_LISTS = {2: "derived", 3: "switch", 4: "daily", 5: "period"}
_EPILOG = """\
FILE has one or more sections [[evaluation]], as they stand in the configuration. Nothing is changed: neither the
database nor the running gateway. So a tariff can be tried before it is installed.

  smgw evaluate --profile tariff.toml --from 2026-01-01 --to 2026-02-01
  smgw evaluate --profile tariff.toml --from 2026-01-01 --to 2026-02-01 --csv > january.csv

Without --csv, each billing period is printed with its steps, the error register, the total and the check of the sum.
With --csv, all registers at each registration time are printed. Times without an offset are local time of
the tariff's zone. Printed times are UTC. Exit code 1 if no reading of the range takes part.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The profile, the range, and the form of the output."""
    parser.add_argument("--profile", type=Path, required=True, metavar="FILE", help="file with [[evaluation]]")
    parser.add_argument("--from", dest="begin", type=moment, required=True, metavar="TIME", help="ISO 8601")
    parser.add_argument("--to", dest="end", type=moment, metavar="TIME", help="ISO 8601 (default: now)")
    parser.add_argument("--csv", action="store_true", help="comma-separated values, all registers at all times")
    parser.epilog = _EPILOG


def run(arguments: argparse.Namespace) -> int:
    """Evaluate and print; 1 if there was nothing to evaluate."""
    if not arguments.profile.exists():
        raise SmgwError(f"{arguments.profile}: there is no such file; --profile names a file with [[evaluation]]")
    profiles = load_evaluations(arguments.profile)
    spans = {profile.name: _span(arguments, profile) for profile in profiles}
    with LmnView.open(paths.lmn_directory(arguments.state)) as view:
        tried = [
            one
            for profile in profiles
            for one in try_evaluation(view, profile, spans[profile.name], every=arguments.csv)
        ]
    if arguments.csv:
        _write_csv(tried)
    else:
        for one in tried:
            for line in _lines(one):
                print(line)
    return 0 if any(one.readings for one in tried) else 1


def _span(arguments: argparse.Namespace, profile: EvaluationProfile) -> Range:
    """The range in microseconds UTC. Times without an offset are local time of the tariff."""
    _refuse(profile)
    zone = time_zone(profile.zone)
    begin = utc(arguments.begin, zone)
    end = utc(arguments.end, zone) if arguments.end else datetime.now(UTC)
    if end <= begin:
        raise SmgwError(f"--to {end.isoformat()} is not after --from {begin.isoformat()}; exchange them")
    return Range(int(begin.timestamp()) * _SECOND, int(end.timestamp()) * _SECOND)


def _refuse(profile: EvaluationProfile) -> None:
    case = profile.use_case
    if case.live or case.originals:
        what = "telegrams as they come" if case.live else "the meter's own readings"
        raise SmgwError(f"evaluation {profile.name}: TAF {case.number} has no registers to try: it sends {what}")


def _lines(tried: Tried) -> Iterator[str]:
    profile = tried.profile
    yield f"evaluation {profile.name}: TAF {profile.taf} of {', '.join(profile.parts)}, {tried.measured}"
    if not tried.readings:
        yield "  no reading of this range has the register"
    for bill in tried.bills:
        unit = symbol(bill.unit)
        yield f"  {_time(bill.begin_s)} to {_time(bill.end_s)}"
        for step, amount in bill.steps:
            yield _amount(f"step {step}", amount, bill.scaler, unit)
        yield _amount("error register 63", bill.error, bill.scaler, unit)
        yield _amount("total", bill.total, bill.scaler, unit)
        right = sum(amount for _, amount in bill.steps) + bill.error == bill.total
        yield f"    the sum of steps and error register {'is' if right else 'IS NOT'} the total"
    if not tried.plan.billed:
        for row in tried.rows:
            ((_, amount),) = row.registers
            yield _amount(_time(row.time_s), amount, row.scaler, symbol(row.unit))
    for event in tried.events:
        yield f"  {_time(event.time_s)} {event.text}"


def _amount(name: str, amount: int, scaler: int, unit: str) -> str:
    return f"    {name:<20} {plain(amount, scaler):>16} {unit}".rstrip()


def _time(time_s: int) -> str:
    return utc_text(time_s * _SECOND)


def _write_csv(tried: list[Tried]) -> None:
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(["evaluation", "time", "list", "register", "value", "unit"])
    for one in tried:
        for row in one.rows:
            for cells in _cells(one, row):
                writer.writerow(cells)


def _cells(tried: Tried, row: Row) -> Iterator[list[str]]:
    for group_e, amount in row.registers:
        name = register_name(tried.measured, group_e) if tried.plan.billed else tried.measured
        value = plain(amount, row.scaler)
        yield [tried.profile.name, _time(row.time_s), _LISTS[row.list], str(name), value, symbol(row.unit)]

"""`smgw daily`: readings of billing days, which TAF 6 keeps for six weeks, for a person or for an EMP.

Each retrieval is logged.
"""

import argparse
import csv
import getpass
import sqlite3
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from smgw.cli.moments import here
from smgw.cli.numbers import seconds
from smgw.clock import GatewayClock
from smgw.clock.text import utc_text
from smgw.cosem.data import plain
from smgw.cosem.reading import Stamp
from smgw.cosem.units import symbol
from smgw.errors import SmgwError
from smgw.profiles.evaluation import EvaluationProfile
from smgw.profiles.feed import requested_grants
from smgw.profiles.gateway import Configuration
from smgw.profiles.toml_importer import load
from smgw.services.process import set_up_logging
from smgw.store import paths
from smgw.store.file import log_book, log_books
from smgw.store.file.log_book import Level
from smgw.store.lmn.beside import write_beside
from smgw.store.lmn.view import LmnView
from smgw.store.records import ListKind, StoredRecord
from smgw.store.wan.records import ORDERED, OrderKind, SetAside

_SECOND = 1_000_000
_AT_ONCE = 1000
_TAF = 6
_EPILOG = """\
An evaluation of TAF 6 forms a reading at the begin of each billing day, and keeps it for six weeks. It goes to no EMP
by itself. When a consumer moves or changes the supplier, this command gives the reading of that day.
With --emp the readings go to an EMP that the evaluation names. The running WAN process sends them, or else this
command does, and it waits for the end.
Each retrieval is written into the system log and into the log of the consumer, before anything is printed or sent.
Times without an offset are local time of this computer. Printed times are UTC.
Exit code 1 if there is no reading, or if rows for the EMP are left.

example:
  smgw daily move --from 2026-03-31 --to 2026-04-01 --emp utility
"""


class _Value(NamedTuple):
    time_us: int
    register: str
    value: str
    unit: str


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The evaluation, the range, and the form of the output."""
    parser.add_argument("evaluation", metavar="EVALUATION", help="name of the evaluation in the configuration")
    parser.add_argument("--from", dest="begin", type=here, metavar="TIME", help="ISO 8601 (default: all)")
    parser.add_argument("--to", dest="end", type=here, metavar="TIME", help="ISO 8601 (default: all)")
    to_whom = parser.add_mutually_exclusive_group()
    to_whom.add_argument("--csv", action="store_true", help="print comma-separated values")
    to_whom.add_argument("--emp", metavar="EMP", help="send them to this EMP, and print nothing of them")
    parser.add_argument(
        "--seconds", type=seconds, default=60.0, metavar="S", help="with --emp: how long to wait (default %(default)s)"
    )
    parser.set_defaults(log_level="warning")
    parser.epilog = _EPILOG


def run(arguments: argparse.Namespace) -> int:
    """Read, log, print or send; 1 if there is no reading."""
    configuration = load(arguments.config)
    profile = _profile(configuration, arguments.config, arguments.evaluation)
    if arguments.emp is not None:
        _require_right(configuration, profile, arguments.emp)
    directory = paths.lmn_directory(arguments.state)
    begin = int(arguments.begin.timestamp()) * _SECOND if arguments.begin else 0
    end = int(arguments.end.timestamp()) * _SECOND if arguments.end else 1 << 62
    with LmnView.open(directory) as view:
        records = [record for record in _daily(view, profile.name) if _is_within(record, begin, end)]
        store_id = view.store_id
        stamp = GatewayClock(saved=view.clock()).stamp()
    values = [value for record in records for value in _values(record)]
    if not values:
        print(f"evaluation {profile.name} has no reading of a billing day in this range")
        return 1
    _log(directory, profile, values, stamp, arguments.emp)
    if arguments.emp is not None:
        from smgw.cli.deliver import deliver  # here, because most only print

        set_up_logging(arguments.log_level)
        rows = [_ordered(arguments.emp, store_id, record, stamp) for record in records]
        return deliver(configuration, arguments.state, arguments.emp, OrderKind.DELIVER, arguments.seconds, rows)
    _show(values, as_csv=arguments.csv)
    return 0


def _profile(configuration: Configuration, file: Path, name: str) -> EvaluationProfile:
    own = [one.name for one in configuration.evaluations if one.taf == _TAF]
    if name not in own:
        raise SmgwError(f"{file} has no evaluation {name!r} with TAF {_TAF}; it has {', '.join(own) or 'none'}")
    return configuration.evaluation(name)


def _require_right(configuration: Configuration, profile: EvaluationProfile, emp: str) -> None:
    allowed = [grant.who for grant in requested_grants(configuration) if grant.meter == profile.name]
    if emp not in allowed:
        raise SmgwError(
            f"EMP {emp!r} may not have evaluation {profile.name}; {', '.join(allowed) or 'nobody'} may. Name the EMP "
            "in emps of [[evaluation]]. An EMP with pseudonyms gets no readings of billing days"
        )


def _ordered(emp: str, store_id: str, record: StoredRecord, stamp: Stamp) -> SetAside:
    """A row that is delivered out of the order of the cursors."""
    device = bytes(record.device)
    return SetAside(
        emp, store_id, record.meter, device, record.position, record.store_id, record.record_number, ORDERED,
        stamp.utc_us,
    )  # fmt: skip


def _daily(view: LmnView, name: str) -> Iterator[StoredRecord]:
    """The daily rows of all versions of an evaluation."""
    for source in view.sources():
        position = 0
        while source.meter == name and (some := view.records(source, position, _AT_ONCE)):
            position = some[-1].position
            yield from (record for record in some if record.list is ListKind.DAILY)


def _is_within(record: StoredRecord, begin: int, end: int) -> bool:
    return record.target_time_us is not None and begin <= record.target_time_us <= end


def _values(record: StoredRecord) -> Iterator[_Value]:
    time_us = record.target_time_us or 0
    for reading in record.readings:
        if isinstance(reading.value.value, int):
            value = plain(reading.value.value, reading.scaler)
            yield _Value(time_us, str(reading.obis), value, symbol(reading.unit))


def _log(directory: Path, profile: EvaluationProfile, values: Sequence[_Value], stamp: Stamp, emp: str | None) -> None:
    """Write the retrieval into the books; StoreError, and then nothing is printed or sent."""
    first, last = (utc_text(times(value.time_us for value in values)) for times in (min, max))
    whom = f"{getpass.getuser()} for EMP {emp}" if emp is not None else getpass.getuser()
    text = f"evaluation {profile.name}: {len(values)} daily values, {first} to {last}, retrieved by {whom}"
    consumers = (profile.consumer,) if profile.consumer else ()
    notes = log_books.notes("values-retrieved", Level.INFO, text, stamp, identity=profile.name, consumers=consumers)

    def body(connection: sqlite3.Connection) -> None:
        for note in notes:
            log_book.write(connection, note)

    write_beside(directory, body)


def _show(values: Sequence[_Value], *, as_csv: bool) -> None:
    if as_csv:
        writer = csv.writer(sys.stdout, lineterminator="\n")
        writer.writerow(["time", "register", "value", "unit"])
        writer.writerows([utc_text(value.time_us), *value[1:]] for value in values)
        return
    for time_us, register, value, unit in values:
        print(f"{utc_text(time_us)}  {register:<18} {value:>16} {unit}".rstrip())

"""`smgw daily`: readings of billing days, which TAF 6 keeps for six weeks. Each retrieval is logged."""

import argparse
import csv
import getpass
import sqlite3
import sys
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from smgw.clock import GatewayClock
from smgw.clock.text import utc_text
from smgw.cosem.data import plain
from smgw.cosem.reading import Stamp
from smgw.cosem.units import symbol
from smgw.errors import SmgwError
from smgw.profiles.evaluation import EvaluationProfile
from smgw.profiles.gateway import Configuration
from smgw.profiles.toml_importer import load
from smgw.store import paths
from smgw.store.file import log_book, log_books
from smgw.store.file.log_book import Level
from smgw.store.lmn.beside import write_beside
from smgw.store.lmn.view import LmnView
from smgw.store.records import ListKind, StoredRecord

_SECOND = 1_000_000
_AT_ONCE = 1000
_TAF = 6
_EPILOG = """\
An evaluation of TAF 6 forms a reading at the begin of each billing day, and keeps it for six weeks. It goes to no EMP
by itself. When a consumer moves or changes the supplier, this command gives the reading of that day.
Each retrieval is written into the system log and into the log of the consumer, before anything is printed.
Times without an offset are local time of this computer. Printed times are UTC. Exit code 1 if there is no reading.
"""


class _Value(NamedTuple):
    time_us: int
    register: str
    value: str
    unit: str


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The evaluation, the range, and the form of the output."""
    parser.add_argument("evaluation", metavar="EVALUATION", help="name of the evaluation in the configuration")
    parser.add_argument("--from", dest="begin", type=_moment, metavar="TIME", help="ISO 8601 (default: all)")
    parser.add_argument("--to", dest="end", type=_moment, metavar="TIME", help="ISO 8601 (default: all)")
    parser.add_argument("--csv", action="store_true", help="comma-separated values")
    parser.epilog = _EPILOG


def _moment(text: str) -> int:
    return int(datetime.fromisoformat(text).astimezone(UTC).timestamp()) * _SECOND


_moment.__name__ = "time, such as 2026-03-01 or 2026-03-01T12:00+01:00"  # what argparse calls it


def run(arguments: argparse.Namespace) -> int:
    """Read, log, print; 1 if there is no reading."""
    profile = _profile(load(arguments.config), arguments.config, arguments.evaluation)
    directory = paths.lmn_directory(arguments.state)
    begin, end = arguments.begin or 0, arguments.end or 1 << 62
    with LmnView.open(directory) as view:
        values = [value for record in _daily(view, profile.name) for value in _values(record, begin, end)]
        stamp = GatewayClock(saved=view.clock()).stamp()
    if not values:
        print(f"evaluation {profile.name} has no reading of a billing day in this range")
        return 1
    _log(directory, profile, values, stamp)
    _show(values, as_csv=arguments.csv)
    return 0


def _profile(configuration: Configuration, file: Path, name: str) -> EvaluationProfile:
    own = [one.name for one in configuration.evaluations if one.taf == _TAF]
    if name not in own:
        raise SmgwError(f"{file} has no evaluation {name!r} with TAF {_TAF}; it has {', '.join(own) or 'none'}")
    return configuration.evaluation(name)


def _daily(view: LmnView, name: str) -> Iterator[StoredRecord]:
    """The daily rows of all versions of an evaluation."""
    for source in view.sources():
        position = 0
        while source.meter == name and (some := view.records(source, position, _AT_ONCE)):
            position = some[-1].position
            yield from (record for record in some if record.list is ListKind.DAILY)


def _values(record: StoredRecord, begin: int, end: int) -> Iterator[_Value]:
    time_us = record.target_time_us
    if time_us is None or not begin <= time_us <= end:
        return
    for reading in record.readings:
        if isinstance(reading.value.value, int):
            value = plain(reading.value.value, reading.scaler)
            yield _Value(time_us, str(reading.obis), value, symbol(reading.unit))


def _log(directory: Path, profile: EvaluationProfile, values: Sequence[_Value], stamp: Stamp) -> None:
    """Write the retrieval into the books; StoreError, and then nothing is printed."""
    first, last = (utc_text(times(value.time_us for value in values)) for times in (min, max))
    text = f"evaluation {profile.name}: {len(values)} daily values, {first} to {last}, retrieved by {getpass.getuser()}"
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

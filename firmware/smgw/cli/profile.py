"""`smgw profile`: a meter's own load profile: stored rows from the database, missing rows from the meter."""

import argparse
import contextlib
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from smgw.cli.moments import here
from smgw.cli.profile_rows import FORMATS, Table
from smgw.cli.terminal import controlled
from smgw.clock import GatewayClock
from smgw.cosem import Obis
from smgw.cosem.obis import ObisError
from smgw.cosem.printable import printable
from smgw.errors import SmgwError
from smgw.lmn.profile_job import Places, ProfileJob
from smgw.metering.history import HistoryKeeper
from smgw.metering.registrar import Registrar
from smgw.profiles.gateway import Configuration
from smgw.profiles.meter import MeterProfile
from smgw.profiles.secrets import read_secrets
from smgw.profiles.toml_importer import load
from smgw.services.process import set_up_logging
from smgw.store import paths
from smgw.store.errors import StoreError, StoreOwned
from smgw.store.lmn.store import LmnStore
from smgw.store.lmn.view import LmnView
from smgw.store.ranges import Range

_SECOND = 1_000_000
_USUAL = "1-0:99.1.0"
_TOLD_EVERY = 5.0
_EPILOG = """\
examples:
  smgw profile house --from 2026-03-01 --to 2026-04-01 --csv > march.csv
  smgw profile house --profile 1-0:99.2.0 --json

Prints stored rows and reads missing rows from the meter. Read rows are stored, unless the gateway runs: then only
the gateway writes the database, and fetches the profiles of the key load_profile itself.
If interrupted, run it again: it resumes and creates no duplicates.
Times without an offset are local time of this computer. Printed times are UTC.
Exit code 0 if the whole range was read, 1 if not, 2 for a wrong command or configuration.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The meter, the range, and the form of the output."""
    parser.add_argument("meter", metavar="METER", help="name of the meter in the configuration")
    parser.add_argument("--from", dest="begin", type=here, metavar="TIME", help="ISO 8601 (default: a day before)")
    parser.add_argument("--to", dest="end", type=here, metavar="TIME", help="ISO 8601 (default: now)")
    parser.add_argument(
        "--profile",
        type=_obis,
        metavar="OBIS",
        help=f"load profile (default: the first of the configuration, else {_USUAL})",
    )
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--csv", dest="form", action="store_const", const="csv", help="comma-separated values")
    form.add_argument(
        "--json", dest="form", action="store_const", const="json", help="one JSON object a row, a line each"
    )
    parser.set_defaults(log_level="error", form="text")
    parser.epilog = _EPILOG


def _obis(text: str) -> Obis:
    try:
        return Obis.parse(text)
    except ObisError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def run(arguments: argparse.Namespace) -> int:
    """Fetch missing rows, print all rows."""
    set_up_logging(arguments.log_level)
    configuration = load(arguments.config)
    meter = _meter(configuration, arguments.config, arguments.meter)
    end = arguments.end or datetime.now(UTC)
    begin = arguments.begin or end - timedelta(days=1)
    if end < begin:
        raise SmgwError(f"--to {end.isoformat()} is before --from {begin.isoformat()}; exchange them")
    wanted = Range(int(begin.timestamp()) * _SECOND, int(end.timestamp()) * _SECOND)
    profile = arguments.profile or (meter.load_profile[0] if meter.load_profile else Obis.parse(_USUAL))
    progress = _Progress(f"smgw profile: {meter.name} {profile}")
    with _store(arguments.state) as places:
        job = ProfileJob(
            meter,
            lambda: read_secrets(meter, configuration.directory),
            profile,
            wanted,
            places,
            progress.say,
            paths.trust_directory(arguments.state),
        )
        whole = job.complete()
        table = Table(FORMATS[arguments.form])
        for row in job.rows():
            table.take(row)
        table.finish()
    return 0 if whole else 1


def _meter(configuration: Configuration, file: Path, name: str) -> MeterProfile:
    names = [meter.name for meter in configuration.meters]
    if name not in names:
        raise SmgwError(f"{file} has no meter {name!r}; it has {', '.join(names) or 'none'}")
    meter = configuration.meter(name)
    if not meter.polled:
        raise SmgwError(f"meter {name} pushes and is never asked, so its load profile cannot be read; see its protocol")
    return meter


@contextlib.contextmanager
def _store(state: Path) -> Iterator[Places]:
    """The database, for writing if no other process owns it. Without a state directory nothing is stored."""
    directory = paths.lmn_directory(state)
    with contextlib.ExitStack() as stack:
        if not state.is_dir():
            yield Places(None, None, None, f"there is no state directory {state}")
            return
        try:
            store = stack.enter_context(LmnStore.open(directory))
        except StoreOwned:
            yield Places(
                stack.enter_context(LmnView.open(directory)),
                None,
                None,
                "the gateway runs, and it alone writes its store",
            )
        except StoreError as error:
            yield Places(None, None, None, str(error))
        else:
            view = stack.enter_context(LmnView.open(directory))
            registrar = Registrar(store, GatewayClock(saved=store.load_clock()), {})
            yield Places(view, HistoryKeeper(registrar, store, registrar.drain), store, "")


class _Progress:
    """Lines on standard error. On a terminal one line of progress replaces the one before."""

    def __init__(self, which: str) -> None:
        self._which = which
        self._told = 0.0

    def say(self, text: str, more: bool) -> None:
        """A line; with `more` it is progress, and need not be shown."""
        terminal = sys.stderr.isatty()
        now = time.monotonic()
        if more and not terminal and now - self._told <= _TOLD_EVERY:
            return
        self._told = now
        line = printable(f"{self._which}: {text}")
        end = "" if terminal and more else "\n"
        print(f"\r\x1b[K{line}" if terminal else line, end=end, file=controlled(sys.stderr), flush=True)

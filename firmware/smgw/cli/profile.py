"""`smgw profile`: a meter's own load profile, from the store what is kept, from the meter what is not."""

import argparse
import contextlib
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

from smgw.cli.profile_rows import FORMATS, Table
from smgw.clock import GatewayClock
from smgw.cosem import Capture, DeviceId, Obis
from smgw.cosem.obis import ObisError
from smgw.errors import SmgwError
from smgw.lmn.backfill import Fetch, utc_text
from smgw.lmn.errors import AccessRefused, PollError
from smgw.lmn.load_profile import ProfileKeeper, ProfileMeter, ending
from smgw.lmn.make import make_reader
from smgw.lmn.reader import line_settings
from smgw.metering.history import HistoryKeeper
from smgw.metering.registrar import Registrar
from smgw.ports import PortError, open_port
from smgw.profiles.gateway import Configuration
from smgw.profiles.meter import MeterProfile
from smgw.profiles.secrets import Secrets
from smgw.profiles.toml_importer import load
from smgw.services.process import set_up_logging
from smgw.sml.fetch import ProfileBusy, ProfileIncomplete
from smgw.store import paths
from smgw.store.errors import StoreError, StoreOwned
from smgw.store.lmn import LmnStore
from smgw.store.lmn_view import LmnView
from smgw.store.ranges import Range, gaps
from smgw.store.records import CacheKind, MeterState, ProfileName, ProfileRow

_SECOND = 1_000_000
_USUAL = "1-0:99.1.0"
_PAGE = 1000
#: A line that breaks is tried again so often without a new piece, with pauses that double.
_TRIES, _FIRST_PAUSE = 5, 1.0
_TOLD_EVERY = 5.0
#: What may be otherwise in a second. A refusal is not: some meters lock themselves after a few wrong passwords.
_PASSING = (PortError, PollError, ProfileIncomplete, ProfileBusy)
_EPILOG = """\
examples:
  smgw profile house --from 2026-03-01 --to 2026-04-01 --csv > march.csv
  smgw profile house --profile 1-0:99.2.0 --json

Rows that the store has are not read again. What is read is kept in the store unless the gateway runs: it
alone writes there, and fetches by itself what load_profile in its configuration names. A break in the middle
costs nothing: the same command goes on where it stood.
Times without an offset are this computer's local time; what is printed is UTC.
Exit code 0 if the whole range came, 1 if not, 2 for a wrong command or configuration.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which meter, what of it, and how to print it."""
    parser.add_argument("meter", metavar="METER", help="name of the meter in the configuration")
    parser.add_argument("--from", dest="begin", type=_moment, metavar="TIME", help="ISO 8601 (default: a day before)")
    parser.add_argument("--to", dest="end", type=_moment, metavar="TIME", help="ISO 8601 (default: now)")
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


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


def _obis(text: str) -> Obis:
    try:
        return Obis.parse(text)
    except ObisError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


_moment.__name__ = "time, such as 2026-03-01 or 2026-03-01T12:00+01:00"  # what argparse calls it


class _Store(NamedTuple):
    """What there is of a store: a view of it, and a keeper if this command may write."""

    view: LmnView | None
    keeper: ProfileKeeper | None
    counters: LmnStore | None
    note: str  # why nothing is kept

    @property
    def running(self) -> bool:
        """True if the gateway runs."""
        return self.view is not None and self.keeper is None


def run(arguments: argparse.Namespace) -> int:
    """Fetch what is not kept, print the rows."""
    set_up_logging(arguments.log_level)
    configuration = load(arguments.config)
    meter = _meter(configuration, arguments.config, arguments.meter)
    end = arguments.end or datetime.now(UTC)
    begin = arguments.begin or end - timedelta(days=1)
    if end < begin:
        raise SmgwError(f"--to {end.isoformat()} is before --from {begin.isoformat()}; exchange them")
    wanted = Range(int(begin.timestamp()) * _SECOND, int(end.timestamp()) * _SECOND)
    profile = arguments.profile or (meter.load_profile[0] if meter.load_profile else Obis.parse(_USUAL))
    with _store(arguments.state) as store:
        job = _Job(configuration, meter, profile, wanted, store)
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
def _store(state: Path) -> Iterator[_Store]:
    """The store, to write if nobody else does; where there is no state directory, nothing is kept."""
    directory = paths.lmn_directory(state)
    with contextlib.ExitStack() as stack:
        if not state.is_dir():
            yield _Store(None, None, None, f"there is no state directory {state}")
            return
        try:
            store = stack.enter_context(LmnStore.open(directory))
        except StoreOwned:
            yield _Store(
                stack.enter_context(LmnView.open(directory)),
                None,
                None,
                "the gateway runs, and it alone writes its store",
            )
        except StoreError as error:
            yield _Store(None, None, None, str(error))
        else:
            view = stack.enter_context(LmnView.open(directory))
            registrar = Registrar(store, GatewayClock(saved=store.load_clock()), {})
            yield _Store(view, HistoryKeeper(registrar, store, registrar.drain), store, "")


class _Nowhere:
    """The sink of a reader of which only the load profile is wanted."""

    def capture(self, capture: Capture) -> None:
        """Never."""

    def state(self, state: MeterState) -> None:
        """Nobody looks."""

    def left(self, meter: str, device: DeviceId) -> None:
        """Nothing is registered."""

    def cache(self, kind: CacheKind, device: DeviceId, firmware: bytes, octets: bytes) -> None:
        """Asked anew the next time."""


class _Job:
    """One range of one load profile: fetched where it is not kept, then given row by row."""

    def __init__(
        self, configuration: Configuration, meter: MeterProfile, profile: Obis, wanted: Range, store: _Store
    ) -> None:
        self._meter = meter
        self._profile = profile
        self._wanted = wanted
        self._store = store
        self._directory = configuration.directory
        self._fetched: dict[int, ProfileRow] = {}  # without a store that we may write
        self._answered: list[Range] = []  # of this device, in this run
        self._device: DeviceId | None = None
        self._told = 0.0
        if store.view is not None:
            found = [state.device for state in store.view.meter_states() if state.meter == meter.name]
            kept = [device for name, device in store.view.sources() if name == meter.name]
            self._device = next(iter([*(one for one in found if one), *reversed(kept)]), None)

    def complete(self) -> bool:
        """Fetch what is missing, through breaks; False if some of it did not come, which is told."""
        if self._device is not None and not self._missing():
            return True
        secrets = Secrets.read(self._meter, self._directory)
        pause, tries = _FIRST_PAUSE, _TRIES
        while True:
            before = len(self._answered)
            try:
                self._fetch(secrets)
            except SmgwError as error:
                if isinstance(error, PortError) and self._store.running:
                    self._say(
                        f"not complete: {error}; the running gateway has the port, and fetches by itself what "
                        "load_profile in its configuration names"
                    )
                    return False
                if len(self._answered) > before:
                    pause, tries = _FIRST_PAUSE, _TRIES
                tries -= 1
                if not tries or not isinstance(error, _PASSING) or isinstance(error, AccessRefused):
                    self._say(f"not complete: {error}; the same command goes on from here")
                    return False
                self._say(f"{error}; tried again in {pause:g} s")
                time.sleep(pause)
                pause *= 2
            else:
                if self._store.note:
                    self._say(f"the rows are not kept: {self._store.note}")
                return True

    def rows(self) -> Iterator[ProfileRow]:
        """All rows of the range, oldest first."""
        if self._device is None:
            return
        name = ProfileName(self._meter.name, self._device, self._profile)
        view, wanted = self._store.view, self._wanted
        fetched = sorted(self._fetched.values())
        if view is None:
            yield from fetched
            return
        place = 0
        while True:
            page = view.profile_rows(name, wanted, _PAGE)
            for row in page:
                time_us = row.target_time_us or 0
                while place < len(fetched) and fetched[place].target_time_us <= time_us:
                    if fetched[place].target_time_us < time_us:
                        yield fetched[place]
                    place += 1
                yield ProfileRow(time_us, row.meter_time, row.readings)
            if len(page) < _PAGE:
                break
            wanted = Range((page[-1].target_time_us or 0) + 1, wanted.until)
        yield from fetched[place:]

    def _missing(self) -> list[Range]:
        assert self._device is not None
        name = ProfileName(self._meter.name, self._device, self._profile)
        kept = self._store.view.profile_ranges(name) if self._store.view is not None else []
        return gaps(self._wanted, [*kept, *self._answered])

    def _fetch(self, secrets: Secrets) -> None:
        reader = make_reader(self._meter, GatewayClock(), _Nowhere(), secrets, counters=self._store.counters)
        assert isinstance(reader, ProfileMeter)
        with open_port(self._meter.port, line_settings(self._meter)) as port, ending(reader, port):
            device = reader.identify(port)
            if device != self._device:
                self._device, self._answered, self._fetched = device, [], {}
            name = ProfileName(self._meter.name, device, self._profile)
            for gap in self._missing():
                settled = gap.until if gap.until < self._wanted.until else 0  # else what is kept begins behind it
                fetch = Fetch(name, reader.load_profile(self._profile, gap), gap, settled)
                while not fetch.source.done:
                    piece = fetch.step(port, self._store.keeper)
                    if self._store.keeper is None:
                        self._fetched.update((row.target_time_us, row) for row in piece.rows)
                    if piece.until_us >= piece.since_us:
                        self._answered.append(Range(piece.since_us, piece.until_us))
                    self._progress(fetch, last=fetch.source.done)

    def _progress(self, fetch: Fetch, *, last: bool) -> None:
        now = time.monotonic()
        if sys.stderr.isatty() or last or now - self._told > _TOLD_EVERY:
            self._told = now
            length = self._wanted.until - self._wanted.since or 1
            percent = 100 * (min(fetch.reached_us, self._wanted.until) - self._wanted.since) // length
            text = f"{fetch.rows} rows read, up to {utc_text(fetch.reached_us)}, {percent} %"
            self._say(text, over=sys.stderr.isatty() and not last)

    def _say(self, text: str, *, over: bool = False) -> None:
        which = f"smgw profile: {self._meter.name} {self._profile}: {text}"
        print(
            f"\r\x1b[K{which}" if sys.stderr.isatty() else which, end="" if over else "\n", file=sys.stderr, flush=True
        )

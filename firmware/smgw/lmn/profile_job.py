"""Reads a range of a meter's load profile for a user: missing rows are fetched, also after broken connections."""

import contextlib
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from smgw.clock import GatewayClock
from smgw.clock.text import utc_text
from smgw.cosem import DeviceId, Obis
from smgw.cosem.duration import duration_text
from smgw.errors import SmgwError
from smgw.lmn.backfill import Fetch
from smgw.lmn.contract import CounterKeeper, PolledMeter, Surroundings
from smgw.lmn.driver import line_settings, security_of
from smgw.lmn.errors import AccessRefusedError, PollError
from smgw.lmn.load_profile import ProfileKeeper
from smgw.patience import BackOff
from smgw.ports import PortError, open_port
from smgw.profiles.entries import resolve
from smgw.profiles.meter import MeterProfile
from smgw.profiles.secrets import Secrets
from smgw.sml.fetch import ProfileBusy, ProfileIncomplete
from smgw.store.lmn.view import LmnView
from smgw.store.ranges import Range, gaps
from smgw.store.records import ProfileName, ProfileRow

_PAGE = 1000
#: Number of tries without a new piece after a broken connection.
_TRIES, _FIRST_PAUSE, _LONGEST_PAUSE = 5, 1.0, 60.0
#: Errors that may pass. A refusal does not: some meters lock themselves after a few wrong passwords.
_PASSING = (PortError, PollError, ProfileIncomplete, ProfileBusy)


class Places(NamedTuple):
    """The place of rows: a view of the database, and a keeper and counters if this process may write it."""

    view: LmnView | None
    keeper: ProfileKeeper | None
    counters: CounterKeeper | None
    note: str  # the reason if nothing is stored

    @property
    def running(self) -> bool:
        """True if the gateway runs."""
        return self.view is not None and self.keeper is None


class ProfileJob:
    """One range of one load profile: missing parts are fetched, then rows are returned one by one."""

    def __init__(
        self,
        meter: MeterProfile,
        secrets: Callable[[], Secrets],
        profile: Obis,
        wanted: Range,
        places: Places,
        say: Callable[[str, bool], None],
        trust: Path | None = None,
    ) -> None:
        """`secrets` is called when the meter must be asked. `say` gets progress texts, and whether more follow."""
        self._meter = meter
        self._secrets = secrets
        self._profile = profile
        self._wanted = wanted
        self._places = places
        self._say = say
        self._trust = trust
        #: Rows without a writable database: by time, and by the place among the rows of that time.
        self._fetched: dict[tuple[int, int], ProfileRow] = {}
        self._answered: list[Range] = []  # of this device, in this run
        self._device: DeviceId | None = None
        if places.view is not None:
            found = [state.device for state in places.view.meter_states() if state.meter == meter.name]
            stored = [source.device for source in places.view.sources() if source.meter == meter.name]
            self._device = next(iter([*(one for one in found if one), *reversed(stored)]), None)

    def complete(self) -> bool:
        """Fetch missing rows, also after broken connections; False if some did not come, which is reported."""
        if self._device is not None and not self._missing():
            return True
        secrets = self._secrets()
        back_off, tries = BackOff(_FIRST_PAUSE, _LONGEST_PAUSE), _TRIES
        while True:
            before = len(self._answered)
            try:
                self._fetch(secrets)
            except SmgwError as error:
                if isinstance(error, PortError) and self._places.running:
                    self._say(
                        f"not complete: {error}; the running gateway has the port, and fetches by itself what "
                        "load_profile in its configuration names",
                        False,
                    )
                    return False
                if len(self._answered) > before:
                    tries = _TRIES
                    back_off.reset()
                tries -= 1
                if not tries or not isinstance(error, _PASSING) or isinstance(error, AccessRefusedError):
                    self._say(f"not complete: {error}; the same command goes on from here", False)
                    return False
                pause = back_off.next()
                self._say(f"{error}; tried again in {duration_text(pause)}", False)
                time.sleep(pause)
            else:
                if self._places.note:
                    self._say(f"the rows are not kept: {self._places.note}", False)
                return True

    def rows(self) -> Iterator[ProfileRow]:
        """All rows of the range, oldest first."""
        if self._device is None:
            return
        name = ProfileName(self._meter.name, self._device, self._profile)
        view, wanted = self._places.view, self._wanted
        fetched = [row for _, row in sorted(self._fetched.items())]
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
        kept = self._places.view.profile_ranges(name) if self._places.view is not None else []
        return gaps(self._wanted, [*kept, *self._answered])

    def _fetch(self, secrets: Secrets) -> None:
        surroundings = Surroundings(GatewayClock(), counters=self._places.counters, trust=self._trust)
        meter: PolledMeter = resolve(self._meter.entry.meter)(self._meter, secrets, surroundings)
        security = security_of([self._meter], surroundings)
        with contextlib.ExitStack() as stack:
            port = stack.enter_context(open_port(self._meter.port, line_settings(self._meter), security=security))
            stack.callback(meter.close, port)  # a meter in an open session accepts no other one for minutes
            device = meter.identify(port)
            if device != self._device:
                self._device, self._answered, self._fetched = device, [], {}
            name = ProfileName(self._meter.name, device, self._profile)
            for gap in self._missing():
                settled = gap.until if gap.until < self._wanted.until else 0  # else stored rows begin after it
                fetch = Fetch(name, meter.load_profile(self._profile, gap), gap, settled, self._meter.corrections)
                while not fetch.source.done:
                    piece = fetch.step(port, self._places.keeper)
                    if self._places.keeper is None:
                        self._remember(piece.rows, by_event=not fetch.source.period_s)
                    if piece.until_us >= piece.since_us:
                        self._answered.append(Range(piece.since_us, piece.until_us))
                    self._progress(fetch, last=fetch.source.done)

    def _remember(self, rows: Sequence[ProfileRow], *, by_event: bool) -> None:
        """As in the store: every row of an event log, and the first row of each time in a profile with a period."""
        times: Counter[int] = Counter()
        for row in rows:
            place = times[row.target_time_us]
            times[row.target_time_us] += 1
            if by_event or not place:
                self._fetched[row.target_time_us, place] = row

    def _progress(self, fetch: Fetch, *, last: bool) -> None:
        length = self._wanted.until - self._wanted.since or 1
        percent = 100 * (min(fetch.reached_us, self._wanted.until) - self._wanted.since) // length
        self._say(f"{fetch.rows} rows read, up to {utc_text(fetch.reached_us)}, {percent} %", not last)

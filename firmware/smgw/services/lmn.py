"""The LMN process: reads the meters, stamps, registers, keeps. No network of its own, no XML, no key of the WAN."""

import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from smgw import BUILT_S
from smgw.clock import ClockEvent, Floor, GatewayClock
from smgw.cosem import ClockState
from smgw.cosem.duration import period_text
from smgw.lmn.contract import Cache, Surroundings
from smgw.lmn.driver import Driver
from smgw.lmn.make import make_driver
from smgw.lmn.push_line import PushLine
from smgw.metering.gathering import Gathering
from smgw.metering.history import HistoryKeeper
from smgw.metering.registrar import Registrar
from smgw.profiles.gateway import Configuration
from smgw.profiles.meter import MeterProfile
from smgw.profiles.secrets import Secrets, read_secrets
from smgw.reports.running import note_running
from smgw.services.case import Case
from smgw.services.fleet import Words
from smgw.services.lines import Lines
from smgw.services.retention import RetentionKeeper
from smgw.services.sink import PulseCounts, PushCounters, ReadingSink
from smgw.services.status import clock_in_words, meters_in_words
from smgw.services.workers import Employed, Worker, stop_all
from smgw.store import paths
from smgw.store.errors import StoreError
from smgw.store.file.log_book import Level
from smgw.store.live import LiveWriter
from smgw.store.lmn.store import LmnStore
from smgw.store.run_directory import make_run_directory, remove_run_directory
from smgw.store.wan.copied import CopiedWan

if TYPE_CHECKING:
    from smgw.metering.evaluations import Evaluations

log = logging.getLogger(__name__)

_TICK = 1.0
#: A record waits so long for others: half of the second that it may take. If an EMP gets each immediately, the first
#: one does not wait, and commits are so far apart. 8 meters a second are 2 commits rather than 8.
_LINGER = 0.5
#: Ready when every reader has tried its port, and at the latest after so long: a meter on TCP may not answer.
_READY_SECONDS = 3.0
_STOP_SECONDS = 1.2
#: The registrar and the housekeeper turn once a second; a card may stall them, but not for ever.
_PATIENCE = 120.0
#: A card that stalls may hold the last commit up; systemd kills after 90 s.
_COMMIT_SECONDS = 10.0
_CLOCK_SAVED_EVERY = 300.0
_SHORTEST_PERIOD = 900  # the legally smallest registration period, which the clock's limits follow
#: Of the fleet of lines. A line is named by its meters.
_WORDS = Words("line of {}", "line of {} is new", "line of {} is read anew", "line of {} is read no more")

#: The profiles by which this process works.
_PROFILES = ("gateway", "meter")

_Line = tuple[tuple[MeterProfile, Secrets], ...]  # the meters on one port


class LmnService:
    """The part that is specific to the LMN process; see `smgw.services.daemon.Service`."""

    log = log

    def __init__(self, configuration: Configuration, state: Path) -> None:
        """Opens the store; StoreError, PasswordFileError."""
        self._began = time.monotonic()
        self._configuration = configuration
        self._state = state
        self._stopping = threading.Event()
        self._read_out = threading.Event()  # the readers have stopped: nothing more comes
        self._store = LmnStore.open(paths.lmn_directory(state))
        self._clock = GatewayClock(
            saved=self._store.load_clock(),
            registration_period_s=_SHORTEST_PERIOD,
            sources=configuration.gateway.time_sources,
            floor=Floor(BUILT_S * 1_000_000, self._store.newest_valid_us()),
        )
        self._store.use_clock(self._clock.stamp)
        self._registrar = Registrar(
            self._store, self._clock, _periods(configuration), gathering=_gathering(configuration)
        )
        make_run_directory(state)
        self._live = LiveWriter(paths.live_directory(state), _ports(configuration))
        self._sink = ReadingSink(self._registrar, self._live)
        boot_id = self._clock.stamp().boot_id
        self._pulses = PulseCounts(self._registrar, self._store, paths.pulse_directory(state), boot_id)
        self._wan = CopiedWan(paths.wan_directory(state), paths.live_directory(state))
        self._retention = RetentionKeeper(configuration, self._store, state, self._wan)
        self._wan_id = ""
        self._last_sample = 0
        self._lines: Lines[_Line] = Lines(_WORDS, self._driver, _STOP_SECONDS, _PATIENCE)
        self._lines.gather(long=not _immediate(configuration))
        self._orders = _lines(configuration)
        self._registering = Worker("registrar", self._register, self._read_out, _PATIENCE)
        self._housekeeping = Worker("housekeeping", self._keep_house, self._stopping, _PATIENCE)
        self._case = Case(self._registrar, self._store, _PATIENCE)
        self._keep_profiles(configuration)
        self._registrar.signs = _period_ends(configuration)
        self._registrar.consumers = configuration.consumers
        self._evaluations: Evaluations | None = None
        self._evaluate(configuration)
        note_running(self._store, configuration, self._clock.stamp(), _PROFILES)

    def start(self) -> None:
        """Start the registrar first, so that it can take the readers' data."""
        self._registering.start()
        self._lines.apply(self._orders)
        self._housekeeping.start()
        self._case.apply(self._configuration.board.tamper)
        self._registrar.event("lmn-started", Level.INFO, f"{len(self._configuration.meters)} meters")

    def is_ready(self) -> bool:
        """Each line has tried its port, or has had time enough to."""
        tried = all(driver.tried for driver in self._lines.members.values())
        return tried or time.monotonic() - self._began > _READY_SECONDS

    def ready_text(self) -> str:
        """Meters and store."""
        periods = [meter.registration_period for meter in self._configuration.meters]
        first = f"; the first value is stored within {period_text(max(periods))}" if any(periods) else ""
        return f"{len(periods)} meters, store {self._store.store_id}{first}"

    def workers(self) -> Sequence[Employed]:
        """Registrar, housekeeper and lines."""
        return (self._registering, self._housekeeping, *self._lines.workers, *self._case.workers)

    def status(self) -> str:
        """Meters and clock."""
        watches = {name: watch for driver in self._lines.members.values() for name, watch in driver.watches.items()}
        salvage = self._store.salvage
        copied = "" if salvage is None else f"; {salvage.text}; {salvage.order}"
        return f"{meters_in_words(watches)}; {clock_in_words(self._clock.stamp())}{copied}"

    def take(self, configuration: Configuration) -> str:
        """Unchanged lines notice nothing."""
        orders = _lines(configuration)
        changes = _changes(self._orders, orders)
        anew = frozenset(name for name, what in changes.items() if what == "read anew")
        self._keep_profiles(configuration)
        # The last captures of meters that go still find their period.
        self._registrar.configure({**_periods(self._configuration), **_periods(configuration)})
        self._live.configure(_ports(configuration))
        self._lines.apply(orders)
        self._case.apply(configuration.board.tamper)
        # A meter that is read anew may have other devices: earlier ones lose their grid and live value.
        self._registrar.configure(_periods(configuration), anew)
        self._evaluate(configuration)
        self._live.configure(_ports(configuration), anew)
        self._clock.expect(configuration.gateway.time_sources)
        self._configuration, self._orders = configuration, orders
        note_running(self._store, configuration, self._clock.stamp(), _PROFILES)
        self._registrar.signs = _period_ends(configuration)
        self._registrar.consumers = configuration.consumers
        self._registrar.gathering = _gathering(configuration)
        self._lines.gather(long=not _immediate(configuration))
        self._retention.configure(configuration)
        return "; ".join(f"meter {name} is {what}" for name, what in changes.items()) or "no meter changed"

    def taken(self, changes: str) -> None:
        """The registrar writes it, with the next commit."""
        self._registrar.event("configuration-taken", Level.INFO, changes)

    def drain(self, seconds: float) -> bool:  # noqa: ARG002 - the contract of a service
        """All is written at every stop; there is nothing else to finish."""
        return False

    def drained(self) -> bool:
        """Never asked."""
        return True

    def stop(self) -> list[str]:
        """Stop the readers first; then the registrar writes the rest."""
        self._stopping.set()
        self._registrar.hurry()
        self._wan.end()
        left = self._lines.stop() + self._case.stop(_STOP_SECONDS) + stop_all([self._housekeeping], _STOP_SECONDS)
        self._read_out.set()
        self._registrar.event("lmn-stopping", Level.INFO, "asked to stop")  # also ends the registrar's wait
        left += stop_all([self._registering], _COMMIT_SECONDS)
        if not self._registering.alive:  # else a commit hangs, and its rows must not be written a second time
            self._close()
        return left

    def _register(self) -> None:
        """Register until the readers have stopped, then the rest."""
        while not self._read_out.is_set():
            self._registering.beat()
            self._registrar.run_once(_TICK)
        taken = self._registrar.drain()
        log.info("stopping; %d captures of the last moment registered", taken, extra={"event": "stopping"})

    def _close(self) -> None:
        self._live.close()
        self._wan.close()
        remove_run_directory(self._state)
        try:
            self._registrar.drain()  # nothing, unless the registrar failed at its end
            self._store.save_clock(*self._clock.saved())
            self._store.flush(now=True)
            self._store.close()
        except StoreError as error:
            log.error("the last moment could not be written: %s", error)  # noqa: TRY400 - all there is to say
        log.info("stopped")

    def _keep_house(self) -> None:
        """Clock, every second, and retention; a full or failing card is no reason to stop either."""
        saved = time.monotonic()
        looked = saved - _TICK
        while True:
            self._housekeeping.beat()
            pause = _TICK
            try:
                if time.monotonic() - looked >= _TICK:
                    looked = time.monotonic()
                    self._discipline()
                pause = self._retention.tick(self._clock.stamp().utc_us)
                if (salvage := self._store.salvage_step()) is not None:
                    pause = min(pause, salvage)
                if time.monotonic() - saved > _CLOCK_SAVED_EVERY:
                    self._store.save_clock(*self._clock.saved())
                    saved = time.monotonic()
            except StoreError as error:
                log.error("%s", error, extra={"event": "store-trouble"})  # noqa: TRY400 - the text says all
            if self._stopping.wait(min(_TICK, pause)):
                return

    def _driver(self, line: _Line) -> Driver | PushLine:
        surroundings = Surroundings(
            self._clock,
            Cache(self._store.cached, self._sink.cache),
            counters=self._store,
            holds=self._store,
            pushes=PushCounters(self._registrar, self._store),
            pulses=self._pulses,
            trust=paths.trust_directory(self._state),
        )
        return make_driver(line, surroundings, self._sink, HistoryKeeper(self._registrar, self._store))

    def _keep_profiles(self, configuration: Configuration) -> None:
        self._store.profile_version("gateway", "gateway", configuration.gateway.content())
        for meter in configuration.meters:
            self._store.profile_version("meter", meter.name, meter.content())
        for emp in configuration.emps:
            self._store.profile_version("communication", emp.name, emp.content())

    def _evaluate(self, configuration: Configuration) -> None:
        """Evaluate by these profiles from now on. Without any, nothing of it is loaded."""
        if self._evaluations is None:
            if not configuration.evaluations and not self._store.evaluation_states():
                return
            from smgw.metering.evaluations import Evaluations  # most gateways have no tariff

            self._evaluations = Evaluations(self._store, self._clock.stamp)
        with_history = [meter.name for meter in configuration.meters if meter.load_profile]
        self._evaluations.configure(configuration.evaluations, with_history)
        self._store.evaluate_with(self._evaluations)
        self._registrar.live = self._evaluations.live

    def _discipline(self) -> None:
        """Take the WAN process's time samples; there may be none, and no WAN process."""
        if self._clock.refused and self._store.take_acceptance():
            self._clock.accept()
        event = self._clock.poll()
        self._tell(event)
        try:
            if not self._wan.changed():
                return
            with self._wan.reading() as wan:
                if wan.store_id != self._wan_id:  # a new file numbers its samples from 1 again
                    self._wan_id, self._last_sample = wan.store_id, 0
                samples = wan.time_samples(self._last_sample)
        except StoreError as error:
            log.debug("no time samples: %s", error)
            return
        for number, sample in samples:
            self._last_sample = number
            self._tell(self._clock.feed(sample))

    def _tell(self, event: ClockEvent | None) -> None:
        if event is None:
            return
        healthy = event.stamp.state is ClockState.SYNCHRONISED
        level = logging.INFO if healthy else logging.WARNING
        log.log(level, "clock: %s", event.text, extra={"event": str(event.kind)})
        self._store.save_clock(*self._clock.saved())  # written together with the entry
        self._store.log(str(event.kind), Level.INFO if healthy else Level.WARNING, event.text, event.stamp)


def _ports(configuration: Configuration) -> dict[str, str]:
    return {meter.name: meter.port for meter in configuration.meters}


def _period_ends(configuration: Configuration) -> Callable[[str, int], bool] | None:
    """Which values are signed: the readings at the end of a billing period. None without an evaluation."""
    if not configuration.evaluations:
        return None
    from smgw.metering.period_ends import PeriodEnds  # few gateways have an evaluation

    return PeriodEnds(configuration.evaluations)


def _periods(configuration: Configuration) -> dict[str, int]:
    """Meter -> registration period in seconds."""
    return {meter.name: meter.registration_period for meter in configuration.meters}


def _immediate(configuration: Configuration) -> bool:
    """True if an EMP gets each record immediately."""
    return any(emp.forward == 0 for emp in configuration.emps)


def _gathering(configuration: Configuration) -> Gathering:
    """Live-rate rows are gathered no longer than an EMP that wants them gathers them by itself."""
    forwards = [emp.forward for emp in configuration.emps]
    if _immediate(configuration):
        return Gathering(pause=_LINGER)
    return Gathering(_LINGER, float(min([configuration.gateway.power_cut_loss, *forwards])))


def _changes(before: Mapping[str, _Line], now: Mapping[str, _Line]) -> dict[str, str]:
    """Meter -> what another configuration changes for it."""
    old, new = ({profile.name: line for line in lines.values() for profile, _ in line} for lines in (before, now))
    changed = {name: "read anew" if name in old else "new" for name, line in new.items() if old.get(name) != line}
    gone = dict.fromkeys((name for name in old if name not in new), "read no more")
    return {**changed, **gone}


def _lines(configuration: Configuration) -> dict[str, _Line]:
    """By the names of their meters; PasswordFileError."""
    return {
        ", ".join(meter.name for meter in line.meters): tuple(
            (meter, read_secrets(meter, configuration.directory)) for meter in line.meters
        )
        for line in configuration.lines
    }

"""The LMN process: reads the meters, stamps, registers, keeps. No network of its own, no XML, no key of the WAN."""

import logging
import threading
import time
from collections.abc import Callable
from pathlib import Path

from smgw.board.notify import Notifier
from smgw.clock import ClockEvent, GatewayClock
from smgw.cosem import ClockState
from smgw.errors import SmgwError
from smgw.lmn.make import make_reader
from smgw.lmn.reader import Reader
from smgw.metering.history import HistoryKeeper
from smgw.metering.registrar import Registrar
from smgw.profiles.gateway import Configuration
from smgw.profiles.meter import MeterProfile
from smgw.profiles.secrets import Secrets
from smgw.services import process
from smgw.services.readers import Readers
from smgw.services.retention import RetentionKeeper
from smgw.services.supervision import Supervision
from smgw.services.workers import Worker, stop_all
from smgw.store import paths
from smgw.store.errors import StoreError
from smgw.store.lmn import LmnStore
from smgw.store.log_book import Level
from smgw.store.wan_view import WanView

log = logging.getLogger(__name__)

_TICK = 1.0
#: A record waits so long for others, unless an EMP gets each immediately: half of the second that it may take, and 8
#: meters a second are 2 commits rather than 8.
_LINGER = 0.5
_STARTING = 0.05
#: Ready when every reader has tried its port, and at the latest after so long: a meter on TCP may not answer.
_READY_SECONDS = 3.0
_STOP_SECONDS = 1.2
#: The registrar and the housekeeper turn once a second; a card may stall them, but not for ever.
_PATIENCE = 120.0
#: A card that stalls may hold the last commit up; systemd kills after 90 s.
_COMMIT_SECONDS = 10.0
_CLOCK_SAVED_EVERY = 300.0
_SHORTEST_PERIOD = 900  # the legally smallest registration period, which the clock's limits follow


class LmnService:
    """All of the LMN process; `run` returns after SIGTERM."""

    def __init__(
        self, configuration: Configuration, state: Path, load: Callable[[], Configuration] | None = None
    ) -> None:
        """`load` reads the configuration again, when somebody asks for it."""
        self._notifier = Notifier()
        self._configuration = configuration
        self._load = load
        self._state = state
        self._stopping = threading.Event()
        self._read_out = threading.Event()  # the readers have stopped: nothing more comes
        self._store = LmnStore.open(paths.lmn_directory(state))
        self._clock = GatewayClock(saved=self._store.load_clock(), registration_period_s=_SHORTEST_PERIOD)
        self._store.use_clock(self._clock.stamp)
        self._registrar = Registrar(self._store, self._clock, _periods(configuration), linger=_linger(configuration))
        self._retention = RetentionKeeper(configuration, self._store, state)
        self._wan: WanView | None = None
        self._wan_id = ""
        self._last_sample = 0
        self._in_trouble = False
        self._secrets = _secrets(configuration)
        self._readers = Readers(self._reader)
        self._keep_profiles(configuration)

    def run(self, signals: process.Signals) -> int:
        """Serve until told to stop; 0."""
        registrar = Worker("registrar", lambda: self._register(registrar), self._read_out, _PATIENCE)
        house = Worker("housekeeping", lambda: self._keep_house(house), self._stopping, _PATIENCE)
        supervision = Supervision(self._notifier, lambda: (registrar, house, *self._readers.workers), self._status)
        registrar.start()
        self._readers.apply(self._configuration.meters)
        house.start()
        started = time.monotonic()
        self._registrar.event("lmn-started", Level.INFO, f"{len(self._configuration.meters)} meters")
        while not signals.stop:
            if not supervision.ready and (self._readers.tried or time.monotonic() - started > _READY_SECONDS):
                log.info(
                    "ready: %d meters, store %s",
                    len(self._configuration.meters), self._store.store_id, extra={"event": "ready"},
                )  # fmt: skip
                supervision.become_ready()
            if signals.reload:
                signals.reload = False
                supervision.reload(self._reload)
            supervision.tick()
            signals.wait(supervision.interval if supervision.ready else _STARTING)
        self._notifier.stopping()
        self._stopping.set()
        self._registrar.hurry()
        left = self._readers.stop() + stop_all([house], _STOP_SECONDS)
        self._read_out.set()
        self._registrar.event("lmn-stopping", Level.INFO, "asked to stop")  # also ends the registrar's wait
        left += stop_all([registrar], _COMMIT_SECONDS)
        if left:
            log.warning("did not stop in time: %s", ", ".join(left))
        if not registrar.alive:  # else a commit hangs, and whatever it holds must not be written a second time
            self._close()
        return 0

    def _register(self, worker: Worker) -> None:
        """Until the readers have stopped, and then what they left."""
        while not self._read_out.is_set():
            worker.beat()
            self._registrar.run_once(_TICK)
        taken = self._registrar.drain()
        log.info("stopping; %d captures of the last moment registered", taken, extra={"event": "stopping"})

    def _close(self) -> None:
        try:
            self._registrar.drain()  # nothing, unless the registrar failed at its end
            self._store.save_clock(*self._clock.saved())
            self._store.flush(now=True)
            self._store.close()
        except StoreError as error:
            log.error("the last moment could not be written: %s", error)  # noqa: TRY400 - all there is to say
        if self._wan is not None:
            self._wan.close()
        log.info("stopped")

    def _keep_house(self, worker: Worker) -> None:
        """Clock and retention, every second; a full or failing card is no reason to stop either."""
        saved = time.monotonic()
        while True:
            worker.beat()
            try:
                self._discipline()
                self._retention.tick(self._clock.stamp().utc_us)
                if time.monotonic() - saved > _CLOCK_SAVED_EVERY:
                    self._store.save_clock(*self._clock.saved())
                    saved = time.monotonic()
            except StoreError as error:
                level = logging.DEBUG if self._in_trouble else logging.ERROR
                log.log(level, "%s", error, extra={"event": "store-trouble"})
                self._in_trouble = True
            else:
                self._in_trouble = False
            if self._stopping.wait(_TICK):
                return

    def _reader(self, meter: MeterProfile) -> Reader:
        return make_reader(
            meter,
            self._clock,
            self._registrar,
            self._secrets[meter.name],
            cached=self._store.cached,
            keeper=HistoryKeeper(self._registrar, self._store),
            counters=self._store,
        )

    def _reload(self) -> None:
        """Take the configuration as it is now; one that is wrong changes nothing."""
        if self._load is None:
            return
        try:
            configuration = self._load()
            self._secrets = _secrets(configuration)
            self._keep_profiles(configuration)
        except SmgwError as error:
            log.error(  # noqa: TRY400 - the text says all there is
                "the configuration is not taken, the one before stays: %s", error,
                extra={"event": "configuration-refused"},
            )  # fmt: skip
            return
        self._configuration = configuration
        self._registrar.configure(_periods(configuration))
        self._registrar.linger = _linger(configuration)
        self._retention.configure(configuration)
        changes = "; ".join(self._readers.apply(configuration.meters)) or "no meter changed"
        self._registrar.event("configuration-taken", Level.INFO, changes)
        log.info("the configuration is taken: %s", changes, extra={"event": "configuration-taken"})

    def _keep_profiles(self, configuration: Configuration) -> None:
        self._store.profile_version("gateway", "gateway", configuration.gateway.content())
        for meter in configuration.meters:
            self._store.profile_version("meter", meter.name, meter.content())
        for emp in configuration.emps:
            self._store.profile_version("communication", emp.name, emp.content())

    def _status(self) -> str:
        stamp = self._clock.stamp()
        known = stamp.state is ClockState.SYNCHRONISED
        clock = f"clock within {stamp.dispersion_us / 1e6:.3f} s" if known else "time not synchronised"
        return f"{self._readers.status()}; {clock}"

    def _discipline(self) -> None:
        """Take the WAN process's time samples; there may be none, and no WAN process."""
        event = self._clock.poll()
        self._tell(event)
        try:
            if self._wan is None:
                self._wan = WanView.open(paths.wan_directory(self._state))
            elif not self._wan.changed():
                return
            if self._wan.store_id != self._wan_id:  # a new file numbers its samples from 1 again
                self._wan_id, self._last_sample = self._wan.store_id, 0
            samples = self._wan.time_samples(self._last_sample)
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


def _periods(configuration: Configuration) -> dict[str, int]:
    """Meter -> registration period in seconds."""
    return {meter.name: meter.registration_period for meter in configuration.meters}


def _linger(configuration: Configuration) -> float:
    return 0.0 if any(emp.forward == 0 for emp in configuration.emps) else _LINGER


def _secrets(configuration: Configuration) -> dict[str, Secrets]:
    """By meter; PasswordFileError."""
    return {meter.name: Secrets.read(meter, configuration.directory) for meter in configuration.meters}

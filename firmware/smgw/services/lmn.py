"""The LMN process: reads the meters, stamps, registers, keeps. No network of its own, no XML, no key of the WAN."""

import logging
import threading
import time
from pathlib import Path

from smgw.clock import ClockEvent, GatewayClock
from smgw.cosem import ClockState
from smgw.lmn.poll import PollReader
from smgw.lmn.push import PushReader
from smgw.lmn.reader import Reader
from smgw.metering.registrar import Registrar
from smgw.profiles.gateway import Configuration
from smgw.profiles.meter import MeterProfile
from smgw.profiles.password import read_password
from smgw.services import process
from smgw.services.retention import RetentionKeeper
from smgw.services.workers import Worker, stop_all
from smgw.store import paths
from smgw.store.errors import StoreError
from smgw.store.lmn import LmnStore
from smgw.store.lmn_view import LmnView
from smgw.store.log_book import Level
from smgw.store.wan_view import WanView

log = logging.getLogger(__name__)

_TICK = 1.0
_IDLE = 5.0  # how soon the parent's end is noticed; signals are at once
_STOP_SECONDS = 1.2
#: A card that stalls may hold the last commit up; systemd kills after 90 s.
_COMMIT_SECONDS = 10.0
_CLOCK_SAVED_EVERY = 300.0
_SHORTEST_PERIOD = 900  # the legally smallest registration period, which the clock's limits follow


class LmnService:
    """All of the LMN process; `run` returns after SIGTERM."""

    def __init__(self, configuration: Configuration, state: Path) -> None:
        self._configuration = configuration
        self._state = state
        self._stopping = threading.Event()
        self._read_out = threading.Event()  # the readers have stopped: nothing more comes
        self._store = LmnStore.open(paths.lmn_directory(state))
        self._clock = GatewayClock(saved=self._store.load_clock(), registration_period_s=_SHORTEST_PERIOD)
        meters = configuration.meters
        periods = {meter.name: meter.registration_period for meter in meters}
        with LmnView.open(paths.lmn_directory(state)) as view:
            last = {meter.name: view.last_target_us(meter.name) for meter in meters if meter.registration_period}
        self._registrar = Registrar(self._store, self._clock, periods, last)
        self._retention = RetentionKeeper(configuration, self._store, state)
        self._wan: WanView | None = None
        self._wan_id = ""
        self._last_sample = 0
        self._in_trouble = False
        self._store.profile_version("gateway", "gateway", configuration.gateway.content())
        for meter in meters:
            self._store.profile_version("meter", meter.name, meter.content())
        for emp in configuration.emps:
            self._store.profile_version("communication", emp.name, emp.content())
        self._readers: list[Reader] = [self._reader(meter) for meter in meters]

    def run(self, signals: process.Signals) -> int:
        """Serve until told to stop; 0."""
        registrar = Worker("registrar", self._register, self._read_out)
        readers = [Worker(f"reader {reader.profile.name}", reader.run, self._stopping) for reader in self._readers]
        house = Worker("housekeeping", self._keep_house, self._stopping)
        for worker in (registrar, *readers, house):
            worker.start()
        self._registrar.event("lmn-started", Level.INFO, f"{len(self._readers)} meters")
        log.info("ready: %d meters, store %s", len(self._readers), self._store.store_id)
        while not signals.stop:
            signals.wait(_IDLE)
        self._stopping.set()
        for reader in self._readers:
            reader.stop()
        left = stop_all([*readers, house], _STOP_SECONDS)
        self._read_out.set()
        self._registrar.event("lmn-stopping", Level.INFO, "asked to stop")  # also ends the registrar's wait
        left += stop_all([registrar], _COMMIT_SECONDS)
        if left:
            log.warning("did not stop in time: %s", ", ".join(left))
        if not registrar.alive:  # else a commit hangs, and whatever it holds must not be written a second time
            self._close()
        return 0

    def _register(self) -> None:
        """Until the readers have stopped, and then what they left."""
        while not self._read_out.is_set():
            self._registrar.run_once(_TICK)
        log.info("stopping; %d captures of the last moment registered", self._registrar.drain())

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

    def _keep_house(self) -> None:
        """Clock and retention, every second; a full or failing card is no reason to stop either."""
        saved = time.monotonic()
        while True:
            try:
                self._discipline()
                self._retention.tick(self._clock.stamp().utc_us)
                if time.monotonic() - saved > _CLOCK_SAVED_EVERY:
                    self._store.save_clock(*self._clock.saved())
                    saved = time.monotonic()
            except StoreError as error:
                log.log(logging.DEBUG if self._in_trouble else logging.ERROR, "%s", error)
                self._in_trouble = True
            else:
                self._in_trouble = False
            if self._stopping.wait(_TICK):
                return

    def _reader(self, meter: MeterProfile) -> Reader:
        if not meter.polled:
            return PushReader(meter, self._clock, self._registrar)
        file = meter.password_file
        password = read_password(file, self._configuration.directory) if file else None
        return PollReader(meter, self._clock, self._registrar, password, self._store.object_list)

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
        log.log(logging.INFO if healthy else logging.WARNING, "clock: %s", event.text)
        self._store.save_clock(*self._clock.saved())  # written together with the entry
        self._store.log(str(event.kind), Level.INFO if healthy else Level.WARNING, event.text, event.stamp)

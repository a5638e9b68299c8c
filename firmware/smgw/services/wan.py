"""The WAN process: delivers to the EMPs and samples the time. It has no device and writes no reading."""

import logging
import threading
from collections.abc import Sequence
from pathlib import Path

from smgw.clock import GatewayClock, SystemSource, TimeSample
from smgw.profiles.gateway import Configuration
from smgw.services import process
from smgw.services.workers import Worker, stop_all
from smgw.store import paths
from smgw.store.errors import StoreError
from smgw.store.lmn_view import LmnView
from smgw.store.wan import WanStore
from smgw.wan.dispatcher import Dispatcher
from smgw.wan.time_samples import NtpSampler

log = logging.getLogger(__name__)

#: How long a drain may take (SIGUSR1): what is left then is delivered after the next start.
DRAIN_SECONDS = 10.0
_TICK = 0.1
_IDLE = 5.0  # how soon the parent's end is noticed; signals are at once


class WanService:
    """All of the WAN process; `run` returns after SIGTERM, or drained after SIGUSR1."""

    def __init__(self, configuration: Configuration, state: Path) -> None:
        self._state = state
        self._stopping = threading.Event()
        self._store = WanStore.open(paths.wan_directory(state))
        self._clock = GatewayClock()
        source = SystemSource()
        gateway = configuration.gateway
        self._dispatchers = {
            emp.name: Dispatcher(
                gateway.device_id, emp, configuration.meters_for(emp), self._store, self._open_view, self._clock.stamp
            )
            for emp in configuration.emps
        }
        self._workers = [
            Worker(f"delivery {name}", dispatcher.run, self._stopping) for name, dispatcher in self._dispatchers.items()
        ]
        self._sampler: list[Worker] = []
        if gateway.ntp:
            sampler = NtpSampler(gateway.ntp, source, self._sample)
            self._sampler.append(Worker("time", lambda: sampler.run(self._stopping), self._stopping))

    def run(self, signals: process.Signals) -> int:
        """Serve until told to stop; 0."""
        if not self._sampler:
            log.warning("no time server configured ([gateway] ntp): time not synchronised, values are flagged")
        for worker in self._workers + self._sampler:
            worker.start()
        log.info("ready: %d EMPs, store %s", len(self._workers), self._store.store_id)
        draining = False
        while not signals.stop:
            if signals.drain and not draining:
                draining = True
                for dispatcher in self._dispatchers.values():
                    dispatcher.drain(DRAIN_SECONDS)
            if draining and not any(worker.alive for worker in self._workers):
                break
            signals.wait(_TICK if draining else _IDLE)
        self._stopping.set()
        for dispatcher in self._dispatchers.values():
            dispatcher.stop()
        left = stop_all(self._workers + self._sampler, 1.6)
        if left:
            log.warning("did not stop in time: %s", ", ".join(left))
        self._store.close()
        log.info("stopped")
        return 0

    def deliver_once(self, emps: Sequence[str], seconds: float) -> None:
        """Deliver what there is to these EMPs, in this thread and without the daemon, for `seconds` at most each."""
        for name, dispatcher in self._dispatchers.items():
            if name in emps:
                timer = threading.Timer(seconds, dispatcher.stop)
                timer.start()
                try:
                    dispatcher.deliver_once()
                finally:
                    timer.cancel()
        self._store.close()

    def _open_view(self) -> LmnView | None:
        try:
            return LmnView.open(paths.lmn_directory(self._state))
        except StoreError as error:
            log.debug("no readings yet: %s", error)
            return None

    def _sample(self, sample: TimeSample) -> None:
        event = self._clock.feed(sample)
        self._store.add_time_sample(sample)
        if event is not None:
            log.info("clock: %s", event.text)  # the LMN process's clock says it in the log book

"""The WAN process: delivers to the EMPs and samples the time. It has no device and writes no reading."""

import logging
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

from smgw.board.notify import Notifier
from smgw.clock import GatewayClock, SystemSource, TimeSample
from smgw.cosem import ClockState
from smgw.errors import SmgwError
from smgw.profiles.gateway import Configuration
from smgw.services import process
from smgw.services.deliveries import Deliveries, Order, orders_of
from smgw.services.supervision import Supervision
from smgw.services.workers import Worker, stop_all
from smgw.store import paths
from smgw.store.errors import StoreError
from smgw.store.lmn_view import LmnView
from smgw.store.log_book import Level
from smgw.store.wan import WanStore
from smgw.wan.dispatcher import Dispatcher
from smgw.wan.time_samples import NtpSampler

log = logging.getLogger(__name__)

#: How long a drain may take (SIGUSR1): what is left then is delivered after the next start.
DRAIN_SECONDS = 10.0
_TICK = 0.1
_STOP_SECONDS = 1.6


class WanService:
    """All of the WAN process; `run` returns after SIGTERM, or drained after SIGUSR1."""

    def __init__(
        self, configuration: Configuration, state: Path, load: Callable[[], Configuration] | None = None
    ) -> None:
        """`load` reads the configuration again, when somebody asks for it."""
        self._notifier = Notifier()
        self._configuration = configuration
        self._load = load
        self._state = state
        self._store = WanStore.open(paths.wan_directory(state))
        self._clock = GatewayClock()
        self._store.use_clock(self._clock.stamp)
        self._deliveries = Deliveries(self._dispatcher)
        self._sampler: list[Worker] = []
        self._sampler_stops = threading.Event()

    def run(self, signals: process.Signals) -> int:
        """Serve until told to stop; 0."""
        supervision = Supervision(self._notifier, lambda: (*self._deliveries.workers, *self._sampler), self._status)
        self._start_sampler()
        self._deliveries.apply(self._configuration)
        log.info(
            "ready: %d EMPs, store %s",
            len(self._configuration.emps), self._store.store_id, extra={"event": "ready"},
        )  # fmt: skip
        supervision.become_ready()
        draining = False
        while not signals.stop:
            if signals.drain and not draining:
                draining = True
                self._notifier.stopping()
                self._deliveries.drain(DRAIN_SECONDS)
            if draining and not any(worker.alive for worker in self._deliveries.workers):
                break
            if signals.reload and not draining:
                signals.reload = False
                supervision.reload(self._reload)
            if not draining:  # then threads may end, and it is over before a watchdog would notice
                supervision.tick()
            signals.wait(_TICK if draining else supervision.interval)
        self._notifier.stopping()
        self._sampler_stops.set()
        left = self._deliveries.stop() + stop_all(self._sampler, _STOP_SECONDS)
        if left:
            log.warning("did not stop in time: %s", ", ".join(left))
        self._store.close()
        log.info("stopped", extra={"event": "stopping"})
        return 0

    def deliver_once(self, emps: Sequence[str], seconds: float) -> None:
        """Deliver what there is to these EMPs, in this thread and without the daemon, for `seconds` at most each."""
        for order in orders_of(self._configuration):
            if order.emp.name in emps:
                dispatcher = self._dispatcher(order)
                timer = threading.Timer(seconds, dispatcher.stop)
                timer.start()
                try:
                    dispatcher.deliver_once()
                finally:
                    timer.cancel()
        self._store.close()

    def _dispatcher(self, order: Order) -> Dispatcher:
        return Dispatcher(*order, self._store, self._open_view, self._clock.stamp)

    def _start_sampler(self) -> None:
        servers = self._configuration.gateway.ntp
        self._sampler_stops = stops = threading.Event()
        self._sampler = []
        if not servers:
            log.warning("no time server configured ([gateway] ntp): time not synchronised, values are flagged")
            return
        sampler = NtpSampler(servers, SystemSource(), self._sample)
        self._sampler.append(Worker("time", lambda: sampler.run(stops), stops))
        self._sampler[0].start()

    def _reload(self) -> None:
        """Take the configuration as it is now; one that is wrong changes nothing."""
        if self._load is None:
            return
        try:
            configuration = self._load()
        except SmgwError as error:
            log.error(  # noqa: TRY400 - the text says all there is
                "the configuration is not taken, the one before stays: %s", error,
                extra={"event": "configuration-refused"},
            )  # fmt: skip
            return
        before, self._configuration = self._configuration, configuration
        changes = self._deliveries.apply(configuration)
        if configuration.gateway.ntp != before.gateway.ntp:
            self._sampler_stops.set()
            stop_all(self._sampler, _STOP_SECONDS)
            self._start_sampler()
            changes.append("other time servers")
        said = "; ".join(changes) or "no EMP changed"
        self._store.log("configuration-taken", Level.INFO, said, self._clock.stamp())
        log.info("the configuration is taken: %s", said, extra={"event": "configuration-taken"})

    def _status(self) -> str:
        stamp = self._clock.stamp()
        known = stamp.state is ClockState.SYNCHRONISED
        clock = f"clock within {stamp.dispersion_us / 1e6:.3f} s" if known else "time not synchronised"
        return f"{self._deliveries.status()}; {clock}"

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
            # The LMN process's clock says it in the log book.
            log.info("clock: %s", event.text, extra={"event": str(event.kind)})

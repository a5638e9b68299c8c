"""The WAN process: delivers to the EMPs and samples the time. It has no device and writes no reading."""

import contextlib
import logging
import threading
import time
from collections.abc import Sequence
from pathlib import Path

from smgw import BUILT_S
from smgw.clock import Floor, GatewayClock, SystemSource, TimeSample
from smgw.cosem import ClockState
from smgw.profiles.checks import TLS_TIME
from smgw.profiles.gateway import SYSTEM_CLOCK, Configuration
from smgw.reports.handshakes import note_handshakes
from smgw.reports.running import note_running
from smgw.reports.time_servers import note_server
from smgw.services.deliveries import Order, deliveries_in_words, orders_of
from smgw.services.expiry import ExpiryWatch
from smgw.services.fleet import Fleet, Words, in_a_thread
from smgw.services.sealing import LogSealer
from smgw.services.sent_log import SentLog
from smgw.services.status import clock_in_words
from smgw.services.surroundings import surroundings
from smgw.services.workers import Employed
from smgw.store import paths
from smgw.store.errors import StoreError
from smgw.store.file.log_book import Level
from smgw.store.lmn.view import LmnView
from smgw.store.wan.store import WanStore
from smgw.store.wan.view import WanView
from smgw.wan.dispatcher import Dispatcher
from smgw.wan.outlet import Handshakes, open_outlet
from smgw.wan.system_clock import SystemClockSampler
from smgw.wan.time_polls import Sampler
from smgw.wan.time_samples import NtpSampler

log = logging.getLogger(__name__)

_STOP_SECONDS = 1.6
#: How long a command waits for the time, and how many samples of an earlier process are looked at.
_TIME_SECONDS, _RECALLED = 10.0, 32
_NO_TIME = "no time source configured ([gateway] ntp, system_clock): time not synchronised, values are flagged"
#: Of the fleet of dispatchers, and of that of time sources: time servers, each one over TLS, and the system's clock.
_DELIVERIES = Words("delivery {}", "EMP {} is new", "EMP {} is served anew", "EMP {} is served no more")
_SAMPLERS = Words("{}", "{}: a new source of time", "{}: changed", "{}: no source of time any more")
#: The profiles by which this process works.
_PROFILES = ("EMP",)
_SERVERS = "time servers"
_CERTIFICATES = "certificates"
_LOG_BOOKS = "log books"
_SENT_TO = "consumers"
_SEALING = Words("{}", "log books are signed", "", "log books are signed no more")
_SENT = Words("consumers", "consumers' log books get what is sent", "", "consumers' log books get nothing more")
_EXPIRY = Words("certificates", "ends of certificates are told", "", "ends of certificates are told no more")


class WanService:
    """What is specific to the WAN process; see `smgw.services.daemon.Service`."""

    log = log

    def __init__(self, configuration: Configuration, state: Path) -> None:
        """Opens the store; StoreError."""
        self._configuration = configuration
        self._state = state
        self._store = WanStore.open(paths.wan_directory(state))
        sources = configuration.gateway.time_sources
        self._clock = GatewayClock(sources=sources, floor=Floor(BUILT_S * 1_000_000))
        self._store.use_clock(self._clock.stamp)
        self._deliveries: Fleet[Order, Dispatcher] = Fleet(_DELIVERIES, self._dispatcher, _STOP_SECONDS, in_a_thread)
        self._samplers: Fleet[tuple[str, ...], _Sampling] = Fleet(_SAMPLERS, self._sampling, _STOP_SECONDS, in_a_thread)
        self._expiry: Fleet[Path, ExpiryWatch] = Fleet(_EXPIRY, self._expiry_watch, _STOP_SECONDS, in_a_thread)
        self._sealing: Fleet[Path, LogSealer] = Fleet(_SEALING, self._log_sealer, _STOP_SECONDS, in_a_thread)
        self._sent: Fleet[tuple[tuple[str, tuple[str, ...]], ...], SentLog] = Fleet(
            _SENT, self._sent_log, _STOP_SECONDS, in_a_thread
        )
        self._warned = False  # that there is no time source

    def start(self) -> None:
        """The time first: the first delivery should already tell it."""
        self._recall_time()
        self._sample_time(self._configuration)
        self._deliveries.apply(_by_name(self._configuration))
        self._watch_expiry(self._configuration)
        self._seal_logs()
        self._log_sent(self._configuration)
        note_running(self._store, self._configuration, self._clock.stamp(), _PROFILES)

    def is_ready(self) -> bool:
        """As soon as the dispatchers run: neither time nor network is awaited."""
        return True

    def ready_text(self) -> str:
        """EMPs and store."""
        return f"{len(self._configuration.emps)} EMPs, store {self._store.store_id}"

    def workers(self) -> Sequence[Employed]:
        """Dispatchers and time."""
        return (
            *self._deliveries.workers,
            *self._samplers.workers,
            *self._expiry.workers,
            *self._sealing.workers,
            *self._sent.workers,
        )

    def status(self) -> str:
        """EMPs and clock."""
        return f"{deliveries_in_words(self._deliveries.members)}; {clock_in_words(self._clock.stamp())}"

    def take(self, configuration: Configuration) -> str:
        """Dispatchers of unchanged EMPs notice nothing."""
        self._configuration = configuration
        self._clock.expect(configuration.gateway.time_sources)
        note_running(self._store, configuration, self._clock.stamp(), _PROFILES)
        changes = self._deliveries.apply(_by_name(configuration))
        changes += self._sample_time(configuration) + self._watch_expiry(configuration)
        if not self._sent.members:
            with contextlib.suppress(StoreError):  # what was sent until now concerns no consumer
                self._store.log_sent({}, self._clock.stamp())
        changes += self._seal_logs() + self._log_sent(configuration)
        return "; ".join(changes) or "no EMP changed"

    def taken(self, changes: str) -> None:
        """An entry of this process's own log book."""
        self._store.log("configuration-taken", Level.INFO, changes, self._clock.stamp())

    def drain(self, seconds: float) -> bool:
        """Each dispatcher delivers what there is, then ends."""
        for dispatcher in self._deliveries.members.values():
            dispatcher.drain(seconds)
        return True

    def drained(self) -> bool:
        """No dispatcher runs any more."""
        return not any(worker.alive for worker in self._deliveries.workers)

    def stop(self) -> list[str]:
        """An exchange under way is broken off, and repeated after the next start."""
        left = (
            self._deliveries.stop()
            + self._samplers.stop()
            + self._expiry.stop()
            + self._sealing.stop()
            + self._sent.stop()
        )
        self._store.close()
        log.info("stopped", extra={"event": "stopping"})
        return left

    def deliver_once(self, emps: Sequence[str], seconds: float) -> None:
        """Deliver what there is to these EMPs, in this thread and without the daemon, for `seconds` at most each."""
        orders = [order for order in orders_of(self._configuration) if order.emp.name in emps]
        self._recall_time()
        if any(order.emp.uses_certificates for order in orders):
            self._await_time(min(seconds, _TIME_SECONDS))
        for order in orders:
            dispatcher = self._dispatcher(order)
            timer = threading.Timer(seconds, dispatcher.stop)
            timer.start()
            try:
                dispatcher.deliver_once()
            finally:
                timer.cancel()
        self._store.close()

    def _dispatcher(self, order: Order) -> Dispatcher:
        def note(made: Handshakes) -> None:
            with contextlib.suppress(StoreError):  # counts are worth no failure
                note_handshakes(self._store, order.emp.name, made, self._clock.stamp())

        lent = surroundings(self._state, order.keys, order.directory, self._clock.stamp, note)
        outlet = open_outlet(order.gateway, order.emp, lent._replace(signatures=self._store))
        now = self._clock.stamp
        return Dispatcher(order.emp, order.granted, outlet, self._store, self._open_view, now, order.requested)

    def _sampling(self, servers: tuple[str, ...]) -> "_Sampling":
        source = SystemSource()
        if not servers:
            return _Sampling(SystemClockSampler(source, self._sample, tell=self._note_server))
        if servers[0].startswith(TLS_TIME):
            return _Sampling(self._tls_sampler(servers, source))
        return _Sampling(NtpSampler(servers, source, self._sample, self._note_server))

    def _tls_sampler(self, servers: tuple[str, ...], source: SystemSource) -> Sampler:
        from smgw.wan.time_over_tls import TlsServer, TlsTrust  # here, because few need it

        def passphrase() -> bytes:
            now = self._configuration
            return surroundings(self._state, now.keys, now.directory, self._clock.stamp).passphrase()

        lent = surroundings(self._state, self._configuration.keys, self._configuration.directory, self._clock.stamp)
        trust = TlsTrust(lent.trust, lent.now, passphrase)
        return Sampler([TlsServer(one, source, trust) for one in servers], source, self._sample, self._note_server)

    def _sample_time(self, configuration: Configuration) -> list[str]:
        """Write samples of all sources to wan.db, where the LMN process reads them."""
        gateway = configuration.gateway
        orders = {_SERVERS: gateway.udp_servers} if gateway.udp_servers else {}
        orders.update((server, (server,)) for server in gateway.tls_servers)
        if gateway.uses_system_clock:
            orders[SYSTEM_CLOCK] = ()
        if not orders and not self._warned:
            log.warning("%s", _NO_TIME)
        self._warned = not orders
        return self._samplers.apply(orders)

    def _recall_time(self) -> None:
        """Take the newest samples that an earlier process left in this boot, so that certificates can be judged."""
        with contextlib.suppress(StoreError), WanView.open(paths.wan_directory(self._state)) as view:
            for _, sample in view.time_samples(0)[-_RECALLED:]:
                self._clock.feed(sample)

    def _await_time(self, seconds: float) -> None:
        """Ask the sources for the time, if it is not known; give up after so many seconds."""
        ends = time.monotonic() + seconds
        if self._clock.state is not ClockState.SYNCHRONISED:
            self._sample_time(self._configuration)
        while self._clock.state is not ClockState.SYNCHRONISED and time.monotonic() < ends:
            time.sleep(0.05)
        self._samplers.stop()

    def _watch_expiry(self, configuration: Configuration) -> list[str]:
        needed = configuration.uses_certificates or configuration.has_tls_meters
        return self._expiry.apply({_CERTIFICATES: self._state} if needed else {})

    def _seal_logs(self) -> list[str]:
        """Where the gateway has certificates of its own."""
        return self._sealing.apply({_LOG_BOOKS: self._state} if paths.has_certificates(self._state) else {})

    def _log_sent(self, configuration: Configuration) -> list[str]:
        """For the consumers that evaluations name."""
        consumers = tuple(configuration.consumers.items())
        return self._sent.apply({_SENT_TO: consumers} if consumers else {})

    def _sent_log(self, consumers: tuple[tuple[str, tuple[str, ...]], ...]) -> SentLog:
        return SentLog(self._store, dict(consumers), self._clock.stamp)

    def _log_sealer(self, state: Path) -> LogSealer:
        now = self._configuration
        lent = surroundings(state, now.keys, now.directory, self._clock.stamp)
        return LogSealer(state, self._store, self._clock.stamp, lent.open_keys)

    def _expiry_watch(self, state: Path) -> ExpiryWatch:
        return ExpiryWatch(paths.trust_directory(state), self._store, self._clock.stamp)

    def _open_view(self) -> LmnView | None:
        try:
            return LmnView.open(paths.lmn_directory(self._state))
        except StoreError as error:
            log.debug("no readings yet: %s", error)
            return None

    def _note_server(self, server: str, gives: bool, text: str) -> None:
        note_server(self._store, server, gives, text, self._clock.stamp())

    def _sample(self, sample: TimeSample) -> None:
        event = self._clock.feed(sample)
        self._store.add_time_sample(sample)
        if event is not None:
            # The LMN process's clock says it in the log book.
            log.info("clock: %s", event.text, extra={"event": str(event.kind)})


class _Sampling:
    """The time samples of some servers or of the system's clock, as a member of a fleet."""

    def __init__(self, sampler: Sampler | SystemClockSampler) -> None:
        self._sampler = sampler
        self._stopping = threading.Event()

    def run(self) -> None:
        self._sampler.run(self._stopping)

    def stop(self) -> None:
        self._stopping.set()


def _by_name(configuration: Configuration) -> dict[str, Order]:
    return {order.emp.name: order for order in orders_of(configuration)}

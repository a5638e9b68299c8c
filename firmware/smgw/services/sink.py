"""The sink of all lines of the LMN process."""

import logging

from smgw.cosem import Capture, DeviceId
from smgw.metering.registrar import Registrar
from smgw.store.live import LiveWriter
from smgw.store.lmn.store import LmnStore
from smgw.store.records import CacheKind, MeterState

log = logging.getLogger(__name__)


class ReadingSink:
    """Passes all data to the registrar, and captures to the live values. Called from the lines' threads."""

    def __init__(self, registrar: Registrar, live: LiveWriter) -> None:
        self._registrar = registrar
        self._live = live

    def capture(self, capture: Capture) -> None:
        """Pass the capture to the registrar in any case, directly before its state."""
        try:
            self._live.capture(capture)
        except Exception:  # a fault of the live values must not lose a reading, or end a reader
            log.exception("meter %s: its live value could not be written", capture.meter)
        self._registrar.capture(capture)

    def state(self, state: MeterState) -> None:
        """Pass the state of a meter."""
        self._registrar.state(state)

    def left(self, meter: str, device: DeviceId) -> None:
        """Remove a device that is no longer behind the meter."""
        self._registrar.left(meter, device)
        self._live.left(meter, device)

    def cache(self, kind: CacheKind, device: DeviceId, firmware: bytes, octets: bytes) -> None:
        """Pass a constant answer of a meter to the cache."""
        self._registrar.cache(kind, device, firmware, octets)


class PushCounters:
    """The newest counters of pushes: read from the store, and written by the registrar with the capture."""

    def __init__(self, registrar: Registrar, store: LmnStore) -> None:
        self.note = registrar.pushed
        self.newest = store.newest_push

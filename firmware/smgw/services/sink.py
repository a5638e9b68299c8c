"""Where the lines of the LMN process put what they have."""

import logging

from smgw.cosem import Capture, DeviceId
from smgw.metering.registrar import Registrar
from smgw.store.live import LiveWriter
from smgw.store.records import CacheKind, MeterState

log = logging.getLogger(__name__)


class ReadingSink:
    """The registrar gets everything, the live values get captures. Called from the lines' threads."""

    def __init__(self, registrar: Registrar, live: LiveWriter) -> None:
        self._registrar = registrar
        self._live = live

    def capture(self, capture: Capture) -> None:
        """Whatever happens to the live value, the registrar gets it, right before the state that goes with it."""
        try:
            self._live.capture(capture)
        except Exception:  # a live value is never worth a reading, nor a reader
            log.exception("meter %s: its live value could not be written", capture.meter)
        self._registrar.capture(capture)

    def state(self, state: MeterState) -> None:
        """How a meter fares."""
        self._registrar.state(state)

    def left(self, meter: str, device: DeviceId) -> None:
        """This device is no longer behind the meter."""
        self._registrar.left(meter, device)
        self._live.left(meter, device)

    def cache(self, kind: CacheKind, device: DeviceId, firmware: bytes, octets: bytes) -> None:
        """A meter was asked for something that does not change."""
        self._registrar.cache(kind, device, firmware, octets)

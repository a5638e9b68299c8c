"""The sink of all lines of the LMN process."""

import logging
from pathlib import Path
from typing import TYPE_CHECKING

from smgw.cosem import Capture, DeviceId
from smgw.lmn.contract import PulseCount
from smgw.metering.registrar import Registrar
from smgw.store.file.log_book import Level
from smgw.store.live import LiveWriter
from smgw.store.lmn.store import LmnStore
from smgw.store.records import CacheKind, MeterState

if TYPE_CHECKING:
    from smgw.store.pulse_file import PulseFile

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


class PulseCounts:
    """The counts of pulses: in lmn.db by the registrar, with the captures, and at once in a file for each meter."""

    def __init__(self, registrar: Registrar, store: LmnStore, folder: Path, boot_id: str) -> None:
        self.note = registrar.pulses
        self.order = store.pulses_ordered
        self._registrar = registrar
        self._store = store
        self._folder = folder
        self._boot_id = boot_id
        self._files: dict[str, PulseFile] = {}

    def count(self, meter: str) -> PulseCount | None:
        """The file's if it is of this boot, else the one of lmn.db."""
        found = self._file(meter).read() or self._store.pulses(meter)
        return None if found is None else PulseCount(*found)

    def write(self, meter: str, count: PulseCount) -> None:
        """Into the file."""
        self._file(meter).write(*count)

    def tell(self, meter: str, text: str) -> None:
        """Into the journal and the log book."""
        log.warning("meter %s: %s", meter, text, extra={"event": "counter-set", "METER": meter})
        self._registrar.event("counter-set", Level.WARNING, f"meter {meter}: {text}")

    def _file(self, meter: str) -> "PulseFile":
        if meter not in self._files:
            from smgw.store.pulse_file import PulseFile  # few gateways count pulses

            self._files[meter] = PulseFile(self._folder / meter, self._boot_id)
        return self._files[meter]

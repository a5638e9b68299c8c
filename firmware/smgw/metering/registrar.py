"""The registrar: takes captures from the readers, decides what of them is kept, and makes it durable.

One thread owns it and the store. Readers hand over what they have (`capture`, `state`, `object_list`, `event`: from
any thread) and never wait for the card.
"""

import logging
import queue
import time
from collections.abc import Callable, Mapping
from typing import NamedTuple, Protocol

from smgw.cosem import NULL, Capture, ClockState, DeviceId, FnnStatus, GatewayStatus, Stamp, meter_status
from smgw.metering.grid import Grid, Slot
from smgw.store.lmn import LmnStore
from smgw.store.log_book import Level
from smgw.store.records import MeterState, Origin, Record

log = logging.getLogger(__name__)

#: Captures of one transaction at most; with more waiting, the next transaction follows at once.
_BATCH = 1000
#: How many captures wait in memory when the store cannot take them; beyond it the oldest go, and are counted.
INBOX_BOUND = 10_000
_TAMPERED = FnnStatus.MAGNETIC_TAMPER | FnnStatus.MECHANICAL_TAMPER


class _ObjectList(NamedTuple):
    """A reader asked a meter for its object list; kept so that it need not be asked again."""

    device: DeviceId
    firmware: bytes
    objects: bytes


class _LogEntry(NamedTuple):
    """Something for the system log."""

    event: str
    level: Level
    subject: str
    stamp: Stamp


_Item = Capture | MeterState | _ObjectList | _LogEntry


class Clock(Protocol):
    """What the registrar needs of the gateway's clock."""

    def stamp(self) -> Stamp:
        """Now."""


class Registrar:
    """`periods`: meter name -> registration period in seconds, 0 for every telegram."""

    def __init__(
        self,
        store: LmnStore,
        clock: Clock,
        periods: Mapping[str, int],
        last_targets: Mapping[str, int | None] | None = None,
        on_commit: Callable[[int], None] = lambda _: None,
    ) -> None:
        self._inbox: queue.SimpleQueue[_Item] = queue.SimpleQueue()
        self._store = store
        self._clock = clock
        last = last_targets or {}
        self._grids = {name: Grid(period, last.get(name)) for name, period in periods.items() if period}
        self._seen: dict[str, Capture] = {}
        self._on_commit = on_commit
        self.dropped = 0

    def capture(self, capture: Capture) -> None:
        """A telegram or poll was read."""
        self._inbox.put(capture)

    def state(self, state: MeterState) -> None:
        """How a meter fares."""
        self._inbox.put(state)

    def object_list(self, device: DeviceId, firmware: bytes, objects: bytes) -> None:
        """A meter was asked for its object list: keep it, so that it need not be asked again."""
        self._inbox.put(_ObjectList(device, firmware, objects))

    def event(self, event: str, level: Level, subject: str) -> None:
        """Something for the system log, now."""
        self._inbox.put(_LogEntry(event, level, subject, self._clock.stamp()))

    def run_once(self, timeout: float) -> int:
        """Wait up to `timeout` seconds for something, then register all that waits; returns the captures taken."""
        items: list[_Item] = []
        try:
            items.append(self._inbox.get(timeout=timeout))
            while len(items) < _BATCH:
                items.append(self._inbox.get_nowait())
        except queue.Empty:
            pass
        captures = [item for item in items if isinstance(item, Capture)]
        records = [record for capture in captures for record in self._register(capture)]
        for item in items:
            self._note(item)
        records += self._overdue()
        if records:
            began = time.monotonic()
            log.debug("commit begins: %d records", len(records))
            numbers = self._store.append(records)
            log.debug("commit done: %d records in %.1f ms", len(records), (time.monotonic() - began) * 1e3)
            self._on_commit(sum(number is not None for number in numbers))
        elif items:
            self._store.flush()
        self._bound_inbox()
        return len(captures)

    def drain(self) -> int:
        """Register everything that waits: the readers have stopped."""
        taken = 0
        while not self._inbox.empty():
            taken += self.run_once(0)
        return taken

    def _register(self, capture: Capture) -> list[Record]:
        self._seen[capture.meter] = capture
        grid = self._grids.get(capture.meter)
        if grid is None:
            return [Record(capture, None, gateway_status(capture))]
        return [self._slot_record(slot, capture) for slot in grid.take(capture)]

    def _overdue(self) -> list[Record]:
        if not self._grids:
            return []
        now = self._clock.stamp()
        return [
            self._slot_record(slot, self._seen[name])
            for name, grid in self._grids.items()
            if name in self._seen
            for slot in grid.tick(now.utc_us, now.state)
        ]

    def _slot_record(self, slot: Slot, seen: Capture) -> Record:
        if slot.capture is not None:
            return Record(slot.capture, slot.target_time_us, gateway_status(slot.capture))
        empty = tuple(reading._replace(value=NULL, raw=None, status=None) for reading in seen.readings)
        missing = Capture(seen.meter, seen.device, self._clock.stamp(), None, empty)
        status = gateway_status(missing) | GatewayStatus.NO_VALUE_IN_WINDOW
        return Record(missing, slot.target_time_us, status, origin=Origin.MISSING)

    def _note(self, item: _Item) -> None:
        if isinstance(item, MeterState):
            self._store.note_meter(item)
        elif isinstance(item, _ObjectList):
            self._store.save_object_list(item.device, item.firmware, item.objects)
        elif isinstance(item, _LogEntry):
            self._store.log(item.event, item.level, item.subject, item.stamp)

    def _bound_inbox(self) -> None:
        while self._inbox.qsize() > INBOX_BOUND:
            if isinstance(self._inbox.get(), Capture):
                self.dropped += 1


def gateway_status(capture: Capture) -> int:
    """The gateway's half of the status word for a capture (Detailspezifikation 2.0, ch. 15)."""
    status = GatewayStatus.FIXED
    if capture.stamp.state is not ClockState.SYNCHRONISED:
        status |= GatewayStatus.TIME_INVALID
    if meter_status(capture.readings) & _TAMPERED:
        status |= GatewayStatus.METER_TAMPER
    return status

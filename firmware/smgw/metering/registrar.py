"""The registrar: takes captures from the readers, decides what of them is kept, and makes it durable.

One thread owns it and the store. Readers hand over what they have (`capture`, `state`, `object_list`, `event`: from
any thread) and never wait for the card.
"""

import logging
import queue
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, Protocol

from smgw.cosem import NULL, Capture, ClockState, DeviceId, FnnStatus, GatewayStatus, Stamp, meter_status
from smgw.errors import LocalProtocolError
from smgw.metering.grid import Grid, Slot
from smgw.store.errors import StoreError
from smgw.store.lmn import LmnStore
from smgw.store.log_book import Level
from smgw.store.records import CacheKind, MeterState, Origin, Record
from smgw.store.rows import columns_of

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
    """`periods`: meter name -> registration period in seconds, 0 for every telegram.

    A value whose grid slot is taken already (a clock that was not synchronised was set back) is kept as a live-rate
    row: nothing that was registered is lost. `run_once` raises StoreError where the store cannot write; what it took
    waits here and is written by the next call. `linger` is how many seconds what comes first waits for what comes after
    it, so that both are one transaction: a card takes one of them in about the time of the other.
    """

    def __init__(
        self,
        store: LmnStore,
        clock: Clock,
        periods: Mapping[str, int],
        last_targets: Mapping[str, int | None] | None = None,
        on_commit: Callable[[int], None] = lambda _: None,
        *,
        linger: float = 0.0,
    ) -> None:
        self._inbox: queue.SimpleQueue[_Item] = queue.SimpleQueue()
        self._store = store
        self._clock = clock
        self._periods: Mapping[str, int] = {}
        self._grids: dict[str, Grid] = {}
        self.configure(periods, last_targets or {})
        self._seen: dict[str, Capture] = {}
        self._taken: deque[_Item] = deque()
        self._unwritten: list[Record] = []
        self._notes: list[_ObjectList | _LogEntry] = []
        self._refused = store.counts().get("refused_grid", 0)
        self._on_commit = on_commit
        self._dropping = False
        self._hurry = threading.Event()
        self.linger = linger
        self.dropped = 0

    def configure(self, periods: Mapping[str, int], last_targets: Mapping[str, int | None]) -> None:
        """From now on these periods; a meter whose period stays the same keeps its grid. From any thread."""
        self._grids = {
            name: self._grids[name] if self._periods.get(name) == period else Grid(period, last_targets.get(name))
            for name, period in periods.items()
            if period
        }
        self._periods = dict(periods)

    def capture(self, capture: Capture) -> None:
        """A telegram or poll was read."""
        self._inbox.put(capture)

    def state(self, state: MeterState) -> None:
        """How a meter fares."""
        self._inbox.put(state)

    def object_list(self, device: DeviceId, firmware: bytes, objects: bytes) -> None:
        """A meter was asked for its object list: keep it, so that it need not be asked again."""
        self._inbox.put(_ObjectList(device, firmware, objects))

    def cache(self, kind: CacheKind, device: DeviceId, firmware: bytes, octets: bytes) -> None:
        """For the cache."""
        self.object_list(device, (b"scaler_unit of " if kind is CacheKind.SCALER_UNIT else b"") + firmware, octets)

    def left(self, meter: str, device: DeviceId) -> None:
        """Not yet."""

    def event(self, event: str, level: Level, subject: str) -> None:
        """Something for the system log, now."""
        self._inbox.put(_LogEntry(event, level, subject, self._clock.stamp()))

    def run_once(self, timeout: float) -> int:
        """Wait up to `timeout` seconds for something, then register all that waits; returns the captures taken."""
        try:
            self._write()  # what could not be written before
            return self._take(timeout)
        finally:
            self._bound_inbox()

    def hurry(self) -> None:
        """From now on nothing lingers. From any thread."""
        self._hurry.set()

    def drain(self) -> int:
        """Register everything that waits: the readers have stopped."""
        taken = self.run_once(0)
        while not self._inbox.empty():
            taken += self.run_once(0)
        return taken

    def _take(self, timeout: float) -> int:
        items = self._taken  # kept from one call to the next, should one item fail
        try:
            if not items:
                items.append(self._inbox.get(timeout=timeout))
                if self.linger and timeout:
                    self._hurry.wait(self.linger)
            while len(items) < _BATCH:
                items.append(self._inbox.get_nowait())
        except queue.Empty:
            pass
        captures, full = 0, len(items) >= _BATCH
        while items:
            item = items.popleft()
            if isinstance(item, Capture):
                captures += 1
                self._unwritten += self._register(item)
            elif isinstance(item, MeterState):
                self._store.note_meter(item)
            else:
                self._notes.append(item)
        if not full:  # else a capture that still waits may be the one for a slot
            self._unwritten += self._overdue()
        wrote = bool(self._unwritten)
        self._write()
        self._write_notes()
        if not wrote:
            self._store.flush()
        return captures

    def _write(self) -> None:
        """All records that wait, in transactions of bounded size."""
        while self._unwritten:
            batch = self._unwritten[:_BATCH]
            began = time.monotonic()
            log.debug("commit begins: %d records", len(batch))
            try:
                numbers = self._store.append(batch)
            except LocalProtocolError:
                fit = [record for record in batch if _can_be_stored(record)]
                if len(fit) == len(batch):
                    raise
                self._store.count("lost_unstorable", len(batch) - len(fit))
                self._unwritten[: len(batch)] = fit
                continue
            log.debug("commit done: %d records in %.1f ms", len(batch), (time.monotonic() - began) * 1e3)
            homeless: list[Record] = []
            if None in numbers and self._slots_were_taken():
                homeless = [
                    record._replace(target_time_us=None)
                    for record, number in zip(batch, numbers, strict=True)
                    if number is None and record.target_time_us is not None and record.origin is not Origin.MISSING
                ]
            self._unwritten[: len(batch)] = homeless
            self._on_commit(sum(number is not None for number in numbers))

    def _slots_were_taken(self) -> bool:
        """False if it was the full disk that kept a record out."""
        before, self._refused = self._refused, self._store.counts().get("refused_grid", 0)
        return self._refused > before

    def _register(self, capture: Capture) -> list[Record]:
        before = self._seen.get(capture.meter, capture)  # gaps belong to the device that was there then
        self._seen[capture.meter] = capture
        grid = self._grids.get(capture.meter)
        if grid is None:
            return [Record(capture, None, gateway_status(capture))]
        return self._slot_records(grid.take(capture), before)

    def _overdue(self) -> list[Record]:
        if not self._grids:
            return []
        now = self._clock.stamp()
        return [
            record
            for name, grid in self._grids.items()
            if name in self._seen
            for record in self._slot_records(grid.tick(now.utc_us, now.state), self._seen[name])
        ]

    def _slot_records(self, slots: Sequence[Slot], seen: Capture) -> list[Record]:
        if not slots:
            return []
        empty = tuple(reading._replace(value=NULL, raw=None, status=None) for reading in seen.readings)
        missing = Capture(seen.meter, seen.device, self._clock.stamp(), None, empty)
        status = gateway_status(missing) | GatewayStatus.NO_VALUE_IN_WINDOW
        return [
            Record(missing, slot.target_time_us, status, origin=Origin.MISSING)
            if slot.capture is None
            else Record(slot.capture, slot.target_time_us, gateway_status(slot.capture))
            for slot in slots
        ]

    def _write_notes(self) -> None:
        while self._notes:
            note = self._notes.pop(0)
            if isinstance(note, _LogEntry):
                self._store.log(note.event, note.level, note.subject, note.stamp)
            else:
                try:
                    self._store.save_object_list(note.device, note.firmware, note.objects)
                except StoreError as error:
                    log.warning("the object list of %s is not kept, it will be asked again: %s", note.device, error)

    def _bound_inbox(self) -> None:
        """The store did not take anything for a long time: the oldest captures go, what else waits does not."""
        over = self._inbox.qsize() - INBOX_BOUND
        if over <= 0:
            self._dropping = self._dropping and not self._inbox.empty()
            return
        before = self.dropped
        while over > 0:
            item = self._inbox.get()
            over -= 1
            if isinstance(item, Capture):
                self.dropped += 1
            elif isinstance(item, MeterState):
                self._store.note_meter(item)
            else:
                self._notes.append(item)
        if self.dropped > before:
            self._store.count("lost_inbox", self.dropped - before)
        if self.dropped > before and not self._dropping:
            self._dropping = True
            text = f"the store takes nothing and {INBOX_BOUND} captures wait; the oldest are dropped"
            log.error("%s", text, extra={"event": "captures-dropped"})
            self.event("captures-dropped", Level.ERROR, text)


def _can_be_stored(record: Record) -> bool:
    try:
        columns_of(record.capture)
    except LocalProtocolError as error:
        log.error("meter %s: a capture cannot be stored: %s", record.capture.meter, error)  # noqa: TRY400
        return False
    return True


def gateway_status(capture: Capture) -> int:
    """The gateway's half of the status word for a capture (Detailspezifikation 2.0, ch. 15)."""
    status = GatewayStatus.FIXED
    if capture.stamp.state is not ClockState.SYNCHRONISED:
        status |= GatewayStatus.TIME_INVALID
    if meter_status(capture.readings) & _TAMPERED:
        status |= GatewayStatus.METER_TAMPER
    return status

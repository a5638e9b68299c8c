"""The registrar: the only way into the store for measured, fetched, derived and counted rows.

One thread owns it and the store. Readers pass data from any thread (`capture`, `state`, `left`, `cache`, `append`,
`event`) and never wait for the card.
"""

import logging
import queue
import threading
import time
from collections import deque
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Protocol

from smgw.cosem import Capture, DeviceId, Stamp
from smgw.errors import LocalProtocolError
from smgw.metering.gathering import Gathering, Waiting
from smgw.metering.grids import Grids
from smgw.metering.items import Cache, Item, Left, LogEntry, Periods, Pulses, Pushed, Rows
from smgw.metering.meter_events import MeterEvents
from smgw.metering.rate import RateBound
from smgw.metering.ticket import Ticket
from smgw.store.errors import StoreError
from smgw.store.file.log_book import Level
from smgw.store.lmn.rows import columns_of
from smgw.store.lmn.store import LmnStore
from smgw.store.records import CacheKind, Covered, MeterState, Origin, Outcome, OutcomeKind, Record

log = logging.getLogger(__name__)

#: Most captures in one transaction. If more wait, the next transaction follows at once.
_BATCH = 1000
#: So many live-rate rows do not wait for others any longer: a flood of many meters does not fill the memory.
GATHERED = 500
#: Most captures that wait in memory if the store cannot write. Then the oldest are dropped and counted.
INBOX_BOUND = 10_000

#: A pure function: the rows derived from a record. They are written with that record or not at all.
Derive = Callable[[Record], Sequence[Record]]


class Clock(Protocol):
    """The part of the gateway's clock that the registrar uses."""

    def stamp(self) -> Stamp:
        """Now."""


class Registrar:
    """`periods`: meter name -> registration period in seconds, 0 for every telegram.

    A value whose grid slot is taken (an unsynchronised clock was set back) is stored as a live-rate row, so no value is
    lost. `run_once` raises StoreError if the store cannot write; its items wait and are written by the next call.
    """

    def __init__(
        self,
        store: LmnStore,
        clock: Clock,
        periods: Mapping[str, int],
        on_commit: Callable[[int], None] = lambda _: None,
        *,
        gathering: Gathering = Gathering(),  # noqa: B008 - a constant
        monotonic: Callable[[], float] = time.monotonic,
        derive: Sequence[Derive] = (),
    ) -> None:
        self.clock = clock
        self.dropped = 0
        self._monotonic = monotonic
        self._waiting = Waiting(gathering, monotonic())
        self._inbox: queue.SimpleQueue[Item] = queue.SimpleQueue()
        self._store = store
        self._grids = Grids(periods, store.last_target_us, clock.stamp)
        self._rate = RateBound(self._tell_flood)
        self._derive = tuple(derive)
        self._taken: deque[Item] = deque()
        self._unwritten: list[Record] = []
        self._rows: deque[Rows] = deque()
        self._notes: list[Cache | LogEntry] = []
        self._tickets: set[Ticket] = set()  # tickets of waiting callers
        self._tickets_lock = threading.Lock()
        self._on_commit = on_commit
        self._dropping = False
        self._hurry = threading.Event()
        #: Rows that follow from each telegram at once (TAF 9, 10, 14); may be changed from any thread.
        self.live: Callable[[Capture], Sequence[Record]] | None = None
        #: Whether the gateway signs the values of a meter at a target time; may be changed from any thread.
        self.signs: Callable[[str, int], bool] | None = None
        #: Meter -> consumers, whose log books get what concerns it; may be changed from any thread.
        self.consumers: Mapping[str, Collection[str]] = {}
        self._meter_events = MeterEvents(store.newest_about, monotonic)

    @property
    def gathering(self) -> Gathering:
        """How long rows wait for others; it may be changed from any thread."""
        return self._waiting.gathering

    @gathering.setter
    def gathering(self, gathering: Gathering) -> None:
        self._waiting.gathering = gathering

    def configure(self, periods: Mapping[str, int], anew: Collection[str] = ()) -> None:
        """Use these periods from now on. Where a period stays the same, the grids do too.

        Of meters that are read `anew`, the grids begin with the next capture of each device.
        """
        self._inbox.put(Periods(dict(periods), anew))

    def capture(self, capture: Capture) -> None:
        """Take a capture, unless its meter floods."""
        if self._rate.admits(capture.meter, capture.stamp.boottime_ns):
            self._inbox.put(capture)

    def state(self, state: MeterState) -> None:
        """Take the state of a device behind a meter."""
        self._inbox.put(state)

    def left(self, meter: str, device: DeviceId) -> None:
        """This device is no longer behind the meter: its grid and its state end."""
        self._inbox.put(Left(meter, device))

    def cache(self, kind: CacheKind, device: DeviceId, firmware: bytes, octets: bytes) -> None:
        """Take an answer of a meter for the cache."""
        self._inbox.put(Cache(kind, device, firmware, octets))

    def pushed(self, scope: str, meter: str, title: bytes, counter: int) -> None:
        """Take the counter of a push, directly before its capture: both are in one commit."""
        self._inbox.put(Pushed(scope, meter, title, counter))

    def pulses(self, meter: str, count: int, ordered: int) -> None:
        """Take a count of pulses, directly before the capture that shows it: both are in one commit."""
        self._inbox.put(Pulses(meter, count, ordered))

    def append(self, records: Sequence[Record], covered: Covered | None = None) -> Ticket:
        """Take rows that are not a telegram: of a load profile, with the range that they cover, or counted ones.

        `LmnStore.append` describes the writing. The ticket is settled when the rows are durable.
        """
        ticket = Ticket()
        with self._tickets_lock:
            self._tickets.add(ticket)
        self._inbox.put(Rows(records, covered, ticket))
        return ticket

    def event(self, event: str, level: Level, subject: str, meter: str = "") -> None:
        """Take an event for the log books, with the present time. One that is about no meter concerns all consumers."""
        self._inbox.put(LogEntry(event, level, subject, self.clock.stamp(), meter))

    def run_once(self, timeout: float) -> int:
        """Wait up to `timeout` seconds for items, then register all of them; returns the number of captures.

        Live-rate rows may wait for the next call, unless `timeout` is 0.
        """
        try:
            if self._must_write():
                self._write_all()  # also what could not be written before
            return self._take(timeout)
        except Exception as error:
            self._fail_tickets(error)  # the waiting caller has a meter to read, and may call again
            raise
        finally:
            self._bound_inbox()

    def hurry(self) -> None:
        """Write without lingering from now on. From any thread."""
        self._hurry.set()

    def drain(self) -> int:
        """Register all waiting items: the readers have stopped."""
        taken = self.run_once(0)
        while not self._inbox.empty():
            taken += self.run_once(0)
        return taken

    def _take(self, timeout: float) -> int:
        items = self._taken  # kept from one call to the next, in case one item fails
        try:
            if not items:
                items.append(self._inbox.get(timeout=self._waiting.until_due(timeout, self._monotonic())))
                self._waiting.came(self._monotonic())
                if timeout and not isinstance(items[0], Rows) and (pause := self._waiting.pause(self._monotonic())) > 0:
                    self._hurry.wait(pause)
            while len(items) < _BATCH:
                items.append(self._inbox.get_nowait())
        except queue.Empty:
            pass
        captures, full = 0, len(items) >= _BATCH
        while items:
            item = items.popleft()
            if isinstance(item, Capture):
                try:
                    self._register(self._grids.take(item))
                except StoreError:
                    items.appendleft(item)
                    raise
                captures += 1
                if self.live is not None:
                    self._register(self.live(item))
            else:
                self._sort(item)
        if not full:  # else a waiting capture may be the one for a slot
            self._register(self._grids.overdue())
        for event, level, text, meter in self._meter_events.take():
            self._notes.append(LogEntry(event, level, text, self.clock.stamp(), meter))
        if refused := self._rate.take_refused():
            self._store.count("refused_rate", refused)
        if not timeout or self._must_write():
            self._write_all()
        elif not self._unwritten:
            self._store.flush()
        return captures

    def _must_write(self) -> bool:
        """True if something waits that may wait no longer."""
        if self._rows or self._notes or len(self._unwritten) >= GATHERED:
            return True
        return self._waiting.is_due(self._monotonic(), hurry=self._hurry.is_set())

    def _write_all(self) -> None:
        wrote = bool(self._unwritten or self._rows)
        self._write()
        self._write_rows()
        self._write_notes()
        if not wrote:
            self._store.flush()

    def _sort(self, item: Item) -> None:
        """Pass an item that is not a capture to its handler."""
        if isinstance(item, MeterState):
            self._store.note_meter(item)
            self._meter_events.state(item)
        elif isinstance(item, Left):
            self._register(self._grids.left(item.meter, item.device))
            self._store.drop_meter(item.meter, item.device)
        elif isinstance(item, Periods):
            self._grids.configure(item.periods, item.anew)
        elif isinstance(item, Rows):
            self._rows.append(item)
        elif isinstance(item, Pushed):
            self._store.note_push(*item)
        elif isinstance(item, Pulses):
            self._store.note_pulses(*item)
        elif not isinstance(item, Capture):
            self._notes.append(item)

    def _register(self, records: Sequence[Record]) -> None:
        if not records:
            return
        self._unwritten += map(self._with_derived, records)
        self._waiting.wait(live=all(map(_is_live, records)))

    def _with_derived(self, record: Record) -> Record:
        target_us = record.target_time_us
        if target_us is not None and self.signs is not None and self.signs(record.capture.meter, target_us):
            record = record._replace(to_sign=True)
        if not self._derive:
            return record
        derived: list[Record] = []
        for derive in self._derive:
            try:
                derived += derive(record)
            except Exception:  # the reading must not be lost with its derived rows
                log.exception("meter %s: nothing is derived from a capture", record.capture.meter)
                self._store.count("lost_derived")
        return Record(*record[:6], tuple(derived), record.to_sign) if derived else record

    def _write(self) -> None:
        """Write all waiting records, in transactions of bounded size."""
        while self._unwritten:
            batch = self._unwritten[:_BATCH]
            began = time.monotonic()
            log.debug("commit begins: %d records", len(batch))
            try:
                outcomes = self._store.append(batch)
            except LocalProtocolError:
                fit = [kept for record in batch if (kept := _storable(record)) is not None]
                if fit == batch:
                    raise
                self._store.count("lost_unstorable", sum(map(_size, batch)) - sum(map(_size, fit)))
                self._unwritten[: len(batch)] = fit
                continue
            log.debug("commit done: %d records in %.1f ms", len(batch), (time.monotonic() - began) * 1e3)
            self._unwritten[: len(batch)] = [
                self._with_derived(record._replace(target_time_us=None, derived=()))
                for record, outcome in zip(batch, outcomes, strict=True)
                if outcome.kind is OutcomeKind.SLOT_TAKEN and record.origin is not Origin.MISSING
            ]
            for record, outcome in zip(batch, outcomes, strict=True):
                if outcome.kind is OutcomeKind.WRITTEN and record.target_time_us is not None:
                    self._meter_events.written(record)
            self._committed(outcomes)
        self._waiting.written()

    def _write_rows(self) -> None:
        """Write rows with tickets, each lot in a transaction of its own."""
        while self._rows:
            rows = self._rows.popleft()
            if rows.ticket.over:  # failed in the meantime, and passed again
                continue
            try:
                outcomes = self._store.append([self._with_derived(record) for record in rows.records], rows.covered)
            except (StoreError, LocalProtocolError) as error:
                rows.ticket.fail(error)
            else:
                rows.ticket.settle(outcomes)
                self._committed(outcomes)
            with self._tickets_lock:
                self._tickets.discard(rows.ticket)

    def _committed(self, outcomes: Sequence[Outcome]) -> None:
        self._waiting.committed(self._monotonic())
        self._on_commit(sum(outcome.kind is OutcomeKind.WRITTEN for outcome in outcomes))

    def _fail_tickets(self, error: Exception) -> None:
        with self._tickets_lock:
            tickets, self._tickets = self._tickets, set()
        for ticket in tickets:
            ticket.fail(error)

    def _write_notes(self) -> None:
        while self._notes:
            note = self._notes.pop(0)
            if isinstance(note, LogEntry):
                self._log(note)
            else:
                try:
                    self._store.cache(*note)
                except StoreError as error:
                    log.warning(
                        "the %s of %s is not kept, it will be asked again: %s", note.kind.name, note.device, error
                    )

    def _log(self, note: LogEntry) -> None:
        every = self.consumers
        if note.meter:
            consumers = every.get(note.meter, ())
        else:
            consumers = tuple(dict.fromkeys(one for several in every.values() for one in several))
        good = note.level < Level.ERROR
        self._store.log(
            note.event, note.level, note.subject, note.stamp, outcome=good, identity=note.meter, consumers=consumers
        )

    def _tell_flood(self, text: str) -> None:
        log.warning("%s", text)
        self.event("meter-floods", Level.WARNING, text)

    def _bound_inbox(self) -> None:
        """The store could not write for a long time: drop the oldest captures, but no other items."""
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
            else:
                self._sort(item)
        if self.dropped > before:
            self._store.count("lost_inbox", self.dropped - before)
        if self.dropped > before and not self._dropping:
            self._dropping = True
            text = f"the store takes nothing and {INBOX_BOUND} captures wait; the oldest are dropped"
            log.error("%s", text, extra={"event": "captures-dropped"})
            self.event("captures-dropped", Level.ERROR, text)


def _storable(record: Record) -> Record | None:
    """The record, without derived rows that cannot be stored; None if it cannot be stored itself."""
    try:
        columns_of(record.capture)
    except LocalProtocolError as error:
        log.error("meter %s: a capture cannot be stored: %s", record.capture.meter, error)  # noqa: TRY400
        return None
    derived = tuple(kept for one in record.derived if (kept := _storable(one)) is not None)
    return record._replace(derived=derived)


def _is_live(record: Record) -> bool:
    return record.target_time_us is None


def _size(record: Record) -> int:
    return 1 + sum(map(_size, record.derived))

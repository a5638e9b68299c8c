"""The dispatcher: one EMP's thread. Rows go out in order, again and again until they are acknowledged.

A row is left behind only when the EMP dislikes that one row (400, 415, 422) and takes others: then it is set aside,
counted, and `smgw deliver --again` sends it once more. As long as the EMP takes nothing, nothing is set aside.
"""

import logging
import threading
import time
from collections.abc import Callable, Sequence

from smgw.cosem import DeviceId, Stamp
from smgw.patience import BackOff
from smgw.profiles.communication import CommunicationProfile
from smgw.profiles.meter import MeterProfile
from smgw.store import by_meter
from smgw.store.errors import StoreError
from smgw.store.lmn_view import LmnView
from smgw.store.records import NOBODY_WAITS, StoredRecord
from smgw.store.wan import WanStore
from smgw.store.wan_records import OrderKind
from smgw.wan.batch import Batch
from smgw.wan.channel import Channel
from smgw.wan.exchange import Answer
from smgw.wan.requeued import deliver_requeued
from smgw.wan.sender import Outcome, Sender
from smgw.wan.suspects import Suspects
from smgw.wan.verdict import Verdict

log = logging.getLogger(__name__)

#: Seconds to the next try after the first failure and after many. The jitter keeps a thousand gateways apart.
_FIRST_PAUSE, _LONGEST_PAUSE, _JITTER = 1.0, 300.0, 0.25
#: A held channel is tried this rarely: the EMP may have been put right without anyone telling the gateway.
HOLD_SECONDS = 900.0
#: How soon new rows are noticed when they are to go immediately; asking costs a few microseconds.
_NOTICE = 0.02
#: How soon an order of a person or a drain is noticed; how long a drain waits between two tries.
_ATTENTION = 0.5
_DRAIN_PAUSE = 0.5
#: After so many disliked rows and none taken, it is not the rows.
_MOST_SUSPECTS = 3
#: The answer to a row whose key the EMP has with other content.
_CONTRADICTS = 422


class _Round:
    """What happened in one round of delivery."""

    def __init__(self, suspects: Suspects) -> None:
        self.taken = 0
        self.suspects = suspects
        self.stopped_by: Verdict | None = None  # RETRY or HOLD: nothing more in this round
        self.doubted: set[str] = set()  # meters that wait until it is known whether it is their rows or the EMP
        self.reached: dict[str, int] = {}  # meter -> position, which the cursor lags behind by the suspects


class Dispatcher:
    """Delivers the rows of some meters to one EMP."""

    def __init__(
        self,
        gateway: DeviceId,
        profile: CommunicationProfile,
        meters: Sequence[MeterProfile],
        store: WanStore,
        open_view: Callable[[], LmnView | None],
        now: Callable[[], Stamp],
    ) -> None:
        self._profile = profile
        self._meters = tuple(meters)
        self._store = store
        self._open_view = open_view
        self._view: LmnView | None = None
        self._sender = Sender(gateway, profile)
        self._now = now
        self._channel = Channel(profile.name, store, now)
        self._back_off = BackOff(_FIRST_PAUSE, _LONGEST_PAUSE, _JITTER)
        self._size = profile.batch
        self._stop = threading.Event()
        self._drained = threading.Event()
        self._draining = False
        self._drain_ends: threading.Timer | None = None
        self._said = ""

    @property
    def state(self) -> str:
        """What it is doing, in a word."""
        return str(self._channel.state or "starting")

    def run(self) -> None:
        """Until `stop`, or after `drain` until nothing is left or its time is over."""
        due = time.monotonic()
        watching = False  # all is delivered and new rows go immediately: only they, or a person, end the wait
        try:
            while self._wait(due, watching=watching):
                pause = self.deliver_round()
                now = time.monotonic()
                if self._draining and pause is None:
                    break
                watching = pause is None and not self._profile.forward
                if pause is None:
                    due = self._next_beat(due, now) if self._profile.forward else now
                else:
                    due = now + (min(pause, _DRAIN_PAUSE) if self._draining else pause)
        finally:
            self._sender.close()
            self._close_view()
        if self._drain_ends is not None:  # not after a failure: then it ends the next `run` of a drain
            self._drain_ends.cancel()

    def deliver_once(self) -> None:
        """One round without `run`, with what was ordered; `stop` breaks it off."""
        try:
            self._ordered()
            self.deliver_round()
        finally:
            self._sender.close()
            self._close_view()

    def stop(self) -> None:
        """End `run` at once; an exchange under way is broken off, and repeated after the next start."""
        self._stop.set()
        self._sender.end()

    def drain(self, seconds: float) -> None:
        """Deliver what is there, now, then end `run`; at most for so long."""
        if not self._drained.is_set():
            self._drain_ends = threading.Timer(seconds, self.stop)
            self._drain_ends.daemon = True
            self._drain_ends.start()
            self._drained.set()

    def deliver_round(self) -> float | None:
        """Deliver all that waits. Returns seconds until the next try, None if all of it went."""
        try:
            view = self._opened_view()
            if view is None:
                return None
            view.changed()  # opens it anew where its owner replaced the file
            turn = _Round(Suspects(self._profile.name, view.store_id, self._store, self._now))
            self._deliver_requeued(view, turn)
            self._deliver_meters(view, turn)
            while turn.stopped_by is None and not self._stop.is_set() and (turn.doubted or turn.suspects):
                if not self._judge(view, turn):
                    break
                self._deliver_meters(view, turn)
            self._said = ""
            return self._conclude(turn)
        except StoreError as error:
            log.log(logging.DEBUG if self._said else logging.WARNING, "EMP %s: %s", self._profile.name, error)
            self._said = str(error)
            self._close_view()
            return self._back_off.next()

    def _wait(self, due: float, *, watching: bool) -> bool:
        """Sleep until it is time to deliver; False if it is time to stop."""
        while not self._stop.is_set():
            now = time.monotonic()
            if now >= due and (not watching or self._changed()):
                return True
            if self._ordered():
                return True
            if self._drained.is_set() and not self._draining:
                self._draining = True
                return True
            self._stop.wait(_NOTICE if watching else min(max(due - now, 0.0), _ATTENTION))
        return False

    def _next_beat(self, due: float, now: float) -> float:
        """The next beat of a fixed rhythm."""
        step = self._profile.forward
        return due + step * max(1, -(-(now - due) // step))

    def _changed(self) -> bool:
        try:
            new = self._view is None
            view = self._opened_view()
            return view is not None and (view.changed() or new)
        except StoreError:
            return True  # the round says what is wrong

    def _opened_view(self) -> LmnView | None:
        if self._view is None:
            self._view = self._open_view()
        return self._view

    def _close_view(self) -> None:
        if self._view is not None:
            self._view.close()
            self._view = None

    def _ordered(self) -> bool:
        """True if a person ordered something: then it is done now, whatever the back-off says."""
        try:
            orders = self._store.take_orders(self._profile.name)
        except StoreError as error:
            log.debug("EMP %s: orders cannot be read: %s", self._profile.name, error)
            return False
        if OrderKind.AGAIN in orders:
            log.info("EMP %s: what was set aside is delivered again", self._profile.name)
        if orders:
            self._back_off.reset()
        return bool(orders)

    def _deliver_meters(self, view: LmnView, turn: _Round) -> None:
        """All rows behind the cursors, oldest first; the meters take turns, so that none waits for another's backlog.

        What is recorded meanwhile is of the next round.
        """
        waiting = {meter.name: (meter, by_meter.last_position(view, meter.name)) for meter in self._meters}
        while waiting:
            for meter, last in list(waiting.values()):
                if turn.stopped_by is not None or self._stop.is_set():
                    return
                if self._deliver_piece(view, meter, turn) >= last or meter.name in turn.doubted:
                    del waiting[meter.name]

    def _deliver_piece(self, view: LmnView, meter: MeterProfile, turn: _Round) -> int:
        """One piece of a meter's rows; returns the position reached."""
        reached = turn.reached.get(meter.name)
        if reached is None:
            reached = self._store.cursor(self._profile.name, view.store_id, meter.name)
        records = by_meter.records(view, meter.name, reached, self._size)
        waiting = self._not_settled_before(view, meter, records)
        for batch in self._sender.batches(meter, waiting):
            self._deliver(view, meter, batch, turn)
        if meter.name in turn.doubted:
            return reached
        if len(waiting) < len(records) and turn.stopped_by is None and not turn.suspects:
            self._store.acknowledge(self._profile.name, view.store_id, meter.name, records[-1].position, 0)
        turn.reached[meter.name] = records[-1].position if records else NOBODY_WAITS
        return turn.reached[meter.name]

    def _not_settled_before(
        self, view: LmnView, meter: MeterProfile, records: Sequence[StoredRecord]
    ) -> list[StoredRecord]:
        """Without the salvaged rows that were acknowledged, or set aside, when their own store was still whole.

        Sent again they would only be repeats, or worse: a row that lost values by the damage contradicts what the EMP
        has under its key.
        """
        older = {record.store_id for record in records} - {view.store_id}
        cursors = {store_id: self._store.cursor(self._profile.name, store_id, meter.name) for store_id in older}
        return [record for record in records if record.record_number > cursors.get(record.store_id, 0)]

    def _deliver(self, view: LmnView, meter: MeterProfile, batch: Batch, turn: _Round) -> None:
        if turn.stopped_by is not None or meter.name in turn.doubted:
            return
        outcome = self._sender.send(batch)
        meaning = outcome.meaning
        if meaning is Verdict.ACKNOWLEDGED:
            self._acknowledge(view, meter, batch, turn)
        elif meaning in (Verdict.DISLIKED, Verdict.TOO_LARGE) and len(batch.records) > 1:
            middle = len(batch.records) // 2
            if meaning is Verdict.TOO_LARGE:
                self._size = max(1, min(self._size, middle))
            for half in (batch.records[:middle], batch.records[middle:]):
                for smaller in self._sender.batches(meter, half):
                    self._deliver(view, meter, smaller, turn)
        elif meaning in (Verdict.DISLIKED, Verdict.TOO_LARGE):
            self._suspect(view, meter, batch.records[0], outcome.answer, turn)
        else:
            self._stopped(turn, outcome)

    def _acknowledge(self, view: LmnView, meter: MeterProfile, batch: Batch, turn: _Round) -> None:
        """Cursor and what was set aside before it move in one transaction."""
        self._store.acknowledge(
            self._profile.name,
            view.store_id,
            meter.name,
            batch.records[-1].position,
            len(batch.records),
            turn.suspects.take(meter.name),
        )
        turn.taken += len(batch.records)
        turn.suspects.settle()
        self._back_off.reset()
        if self._size < self._profile.batch:  # slowly: what was too large once is so again
            self._size = min(self._profile.batch, self._size + max(1, self._size // 8))
        self._channel.acknowledged()

    def _suspect(self, view: LmnView, meter: MeterProfile, record: StoredRecord, answer: Answer, turn: _Round) -> None:
        """One row alone was disliked: set aside if others are taken, else remembered until one is."""
        turn.suspects.add(record, answer)
        if record.store_id != view.store_id and answer.status == _CONTRADICTS:
            # Salvaged, perhaps without all its values, while the EMP has it whole: that tells nothing of the others.
            # No older suspect of its meter waits: salvaged rows come before all others.
            turn.suspects.settle_newest()
        elif turn.taken:
            turn.suspects.settle()
        elif turn.suspects.blamed(meter.name) >= _MOST_SUSPECTS:
            turn.doubted.add(meter.name)

    def _judge(self, view: LmnView, turn: _Round) -> bool:
        """Every meter has had its turn and rows are doubted: is it the rows, or the EMP? True to go on delivering."""
        doubted = [meter for meter in self._meters if meter.name in turn.doubted]
        if (
            turn.taken
            or not turn.suspects.blamed()
            or any(self._newest_is_taken(view, meter, turn) for meter in doubted)
        ):
            turn.taken += 1
            turn.suspects.settle()
            for meter in doubted:
                turn.reached.pop(meter.name, None)
            turn.doubted.clear()
            return bool(doubted)
        if doubted:
            self._stopped(turn, Outcome(turn.suspects.last_answer, Verdict.HOLD))
        return False

    def _newest_is_taken(self, view: LmnView, meter: MeterProfile, turn: _Round) -> bool:
        """Send the meter's newest row out of its turn: if it is taken, it is the rows and not the EMP.

        It is sent once more in its turn, and counted then.
        """
        newest = by_meter.records(view, meter.name, by_meter.last_position(view, meter.name) - 1, 1)
        if not newest or turn.suspects.has(newest[0]):
            return False
        (batch,) = self._sender.batches(meter, newest)
        return self._sender.send(batch).meaning is Verdict.ACKNOWLEDGED

    def _deliver_requeued(self, view: LmnView, turn: _Round) -> None:
        meters = {meter.name: meter for meter in self._meters}
        taken, stopped_by = deliver_requeued(
            self._profile.name, self._sender, self._store, view, meters, self._now, self._stop.is_set
        )
        if taken:
            turn.taken += taken
            self._channel.acknowledged()
        if stopped_by is not None:
            self._stopped(turn, stopped_by)

    def _stopped(self, turn: _Round, outcome: Outcome) -> None:
        turn.stopped_by = outcome.meaning
        if not self._stop.is_set():  # else it was we who broke it off
            self._channel.failed(outcome.answer, outcome.meaning)

    def _conclude(self, turn: _Round) -> float | None:
        """What comes after this round."""
        if self._stop.is_set():
            return 0.0
        if turn.suspects and turn.stopped_by is None:
            self._channel.failed(turn.suspects.last_answer, Verdict.RETRY)
        if turn.stopped_by is Verdict.HOLD:
            self._channel.wait(HOLD_SECONDS)
            return HOLD_SECONDS
        if turn.stopped_by is Verdict.RETRY or turn.suspects:
            pause = max(self._back_off.next(), float(self._channel.retry_after or 0))  # never sooner than the EMP asked
            self._channel.wait(pause)
            return pause
        self._channel.idle()
        return None

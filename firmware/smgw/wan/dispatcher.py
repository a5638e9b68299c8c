"""The dispatcher: one EMP's thread. It decides when rows go out: at once or in a rhythm, after a failure, by order.

Rows go out in order, again and again until they are acknowledged: see `round` and `judging`.
"""

import logging
import threading
import time
from collections.abc import Callable, Iterable, Sequence

from smgw.cosem import Stamp
from smgw.patience import BackOff, Early
from smgw.profiles.communication import CommunicationProfile
from smgw.profiles.feed import Feed, Grant
from smgw.store.errors import StoreError
from smgw.store.lmn.view import LmnView
from smgw.store.wan.records import OrderKind
from smgw.store.wan.store import WanStore
from smgw.wan.channel import Channel
from smgw.wan.holds import HOLD_SECONDS, Holds
from smgw.wan.outlet import Outcome, OutcomeKind, Outlet
from smgw.wan.participant import BatchSize, Participant
from smgw.wan.round import Round

log = logging.getLogger(__name__)

#: Seconds to the next try after the first failure and after many. The jitter keeps a thousand gateways apart.
_FIRST_PAUSE, _LONGEST_PAUSE, _JITTER = 1.0, 300.0, 0.25
#: In the first hour of silence no pause is longer than a minute: most outages are short.
_EARLY = Early(longest=60.0, seconds=3600.0)
#: How soon new rows are noticed when they are to go immediately; asking costs a few microseconds.
_NOTICE = 0.02
#: How soon an order of a person or a drain is noticed; how long a drain waits between two tries.
_ATTENTION = 0.5
_DRAIN_PAUSE = 0.5


class Dispatcher:
    """Delivers the feeds of one EMP over one outlet."""

    def __init__(
        self,
        profile: CommunicationProfile,
        granted: Sequence[Grant],
        outlet: Outlet,
        store: WanStore,
        open_view: Callable[[], LmnView | None],
        now: Callable[[], Stamp],
        requested: Sequence[Grant] = (),
    ) -> None:
        """`requested`: rights on rows that go by the order of a person alone."""
        if any(grant.pseudonym_days for grant in granted):
            from smgw.wan.pseudonyms import PseudonymOutlet  # not loaded unless an EMP gets pseudonyms

            outlet = PseudonymOutlet(outlet, store)
        self._forward = profile.forward
        self._granted = tuple(granted)
        self._requested = tuple(requested)
        self._schedules = tuple({grant.send for grant in granted if grant.send is not None})
        self._asked_s = self._send_s = 0  # when it was last asked for the next send time, and that time
        self._now = now
        self._outlet = outlet
        self._store = store
        self._open_view = open_view
        self._view: LmnView | None = None
        self._channel = Channel(profile.name, store, now)
        self._back_off = BackOff(_FIRST_PAUSE, _LONGEST_PAUSE, _JITTER, early=_EARLY)
        self._noted: set[Feed] = set()
        self._stop = threading.Event()
        self._drained = threading.Event()
        self._draining = False
        self._drain_ends: threading.Timer | None = None
        self._holds = Holds(profile.name, store, now)
        self._emp = Participant(
            profile.name, outlet, store, self._channel, self._holds, BatchSize(profile.batch), now, self._stop.is_set
        )

    @property
    def state(self) -> str:
        """Its state in one word."""
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
                watching = pause is None and not self._forward
                if pause is None:
                    due = self._next_beat(due, now) if self._forward else now
                else:
                    due = now + (min(pause, _DRAIN_PAUSE) if self._draining else pause)
        finally:
            self._end()
        if self._drain_ends is not None:  # not after a failure: then it ends the next `run` of a drain
            self._drain_ends.cancel()

    def deliver_once(self) -> None:
        """One round without `run`, including orders; `stop` ends it."""
        try:
            self._ordered()
            self.deliver_round()
        finally:
            self._end()

    def stop(self) -> None:
        """End `run` at once; an exchange under way is broken off, and repeated after the next start."""
        self._stop.set()
        self._outlet.end()
        if (view := self._view) is not None:
            view.end()

    def drain(self, seconds: float) -> None:
        """Deliver waiting rows now, then end `run`, within this time."""
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
            turn = Round(self._emp, self._granted, view, self._requested)
            self._note(turn.feeds)
            kept_by = turn.run()
            return self._conclude(turn.taken, kept_by)
        except StoreError as error:
            if not self._stop.is_set():
                log.warning("EMP %s: %s", self._emp.who, error, extra={"EMP": self._emp.who})
            self._close_view()
            return self._back_off.next()

    def _end(self) -> None:
        self._settle(self._store.settle)
        self._outlet.close()
        self._close_view()

    def _settle(self, settle: Callable[[], None]) -> None:
        try:
            settle()
        except StoreError as error:  # then it waits, and after a restart the rows are delivered again
            log.warning("EMP %s: %s", self._emp.who, error, extra={"EMP": self._emp.who})

    def _wait(self, due: float, *, watching: bool) -> bool:
        """Sleep until it is time to deliver; False if it is time to stop."""
        while not self._stop.is_set():
            now = time.monotonic()
            if now >= due and (not watching or self._changed() or self._holds.due() or self._is_send_time()):
                return True
            if self._ordered():
                return True
            if self._drained.is_set() and not self._draining:
                self._draining = True
                return True
            self._settle(self._store.settle_due)
            self._stop.wait(_NOTICE if watching else min(max(due - now, 0.0), _ATTENTION))
        return False

    def _is_send_time(self) -> bool:
        """True if a send time has come since it was last asked."""
        if not self._schedules:
            return False
        now_s = self._now().utc_us // 1_000_000
        if now_s == self._asked_s:
            return False
        self._asked_s = now_s
        before, self._send_s = self._send_s, min(one.next(now_s) for one in self._schedules)
        return before != self._send_s

    def _next_beat(self, due: float, now: float) -> float:
        """The next beat of a fixed rhythm."""
        step = self._forward
        return due + step * max(1, -(-(now - due) // step))

    def _changed(self) -> bool:
        try:
            new = self._view is None
            view = self._opened_view()
            return view is not None and (view.changed() or new)
        except StoreError:
            return True  # the round reports the fault

    def _opened_view(self) -> LmnView | None:
        if self._view is None:
            self._view = self._open_view()
            if self._view is not None and self._stop.is_set():  # `stop` came before there was a view
                self._view.end()
        return self._view

    def _close_view(self) -> None:
        if self._view is not None:
            self._view.close()
            self._view = None

    def _ordered(self) -> bool:
        """True if a user gave an order: it is carried out now, regardless of the back-off."""
        try:
            orders = self._store.take_orders(self._emp.who)
        except StoreError as error:
            log.debug("EMP %s: orders cannot be read: %s", self._emp.who, error)
            return False
        if OrderKind.AGAIN in orders:
            log.info("EMP %s: quarantined rows are delivered again", self._emp.who)
        if orders:
            self._back_off.reset()
            self._holds.try_due(all_of_them=True)
        return bool(orders)

    def _note(self, feeds: Iterable[Feed]) -> None:
        """Warn once of each device that a person may expect under another name."""
        named = {grant.meter for grant in self._granted if grant.device_id is not None}
        for feed in feeds:
            meter, device = feed.source
            if meter in named and not (feed.delivered.is_din or feed.pseudonym_days or feed in self._noted):
                self._noted.add(feed)
                log.warning(
                    "EMP %s: device %s of meter %s is delivered under its own id: the device_id of the profile names "
                    "the device that the meter brought first. If the meter was replaced, give its profile a new name",
                    self._emp.who, device, meter, extra={"EMP": self._emp.who, "METER": meter},
                )  # fmt: skip

    def _conclude(self, taken: int, kept_by: Outcome | None) -> float | None:
        """The action after a round."""
        if self._stop.is_set():
            return 0.0
        if taken:
            self._back_off.reset()
        if kept_by is None:
            self._channel.idle(str(self._holds))
            return None
        held = kept_by.kind is OutcomeKind.HOLD and not kept_by.whole
        # Never sooner than the participant asked for.
        pause = max(HOLD_SECONDS if held else self._back_off.next(), float(kept_by.retry_after or 0))
        self._channel.wait(pause)
        return pause

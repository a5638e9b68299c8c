"""Drives a line on which meters are asked: one thread, all meters of the line in turn, each at its own interval.

A meter keeps a fixed rhythm; a poll that is late by more than an interval is left out. Where the rhythm could miss the
window of a target time, one more poll comes just after it. An interval about as long as the registration period, or
longer, has target times as its rhythm: more polls would only cost the meter's battery. A long line begins with them a
little early. Meters that answer come first. On a shared line a meter that does not answer gets one short try, then ever
rarer ones: they cost about a thirtieth of the line's time. Load profiles are fetched a piece at a time while no poll is
due.
"""

import logging
import math
import threading
from collections.abc import Sequence

from smgw.errors import SmgwError
from smgw.lmn.backfill import Backfill
from smgw.lmn.contract import Patience, PolledMeter, Surroundings
from smgw.lmn.driver import Driver
from smgw.lmn.errors import AccessRefusedError, NoAnswerError, PollError
from smgw.lmn.holding import LOOK_S, Hold
from smgw.lmn.load_profile import ProfileKeeper
from smgw.lmn.sink import Sink
from smgw.lmn.watch import Watch
from smgw.patience import BackOff
from smgw.ports import Port, PortError
from smgw.profiles.entries import resolve
from smgw.profiles.meter import MeterProfile
from smgw.profiles.secrets import Secrets

log = logging.getLogger(__name__)

#: A meter that does not answer is tried at the latest after so long; one that refuses us must not be provoked.
_LONGEST_SILENT, _LONGEST_REFUSED = 60.0, 300.0
#: On a shared line: the first try of a meter that has not answered yet takes so long, each later one twice as long up
#: to the profile's time-out; and the line rests from it for so many times what it cost.
_SHORT_TRY_S, _REST = 1.0, 30
#: A grid takes captures within a hundredth of its period of a target time, and 2 s at least (metering); the extra poll
#: comes just after it. So much of that time is used.
_NARROWEST_WINDOW = 2
_USED = 0.8
_PAST_TARGET = 0.05
#: Nobody keeps a shared line longer than this for a load profile while others wait for their poll.
_TURN_S = 10.0


class _Member:
    """One meter's place in the schedule. Times are monotonic seconds."""

    def __init__(
        self,
        profile: MeterProfile,
        meter: PolledMeter,
        backfill: Backfill | None,
        watch: Watch,
        hold: Hold,
        now: float,
    ) -> None:
        self.profile = profile
        self.meter = meter
        self.backfill = backfill
        self.watch = watch
        self.hold = hold
        self.rhythm = self.due = now  # the next beat; the next poll, which may be earlier or later
        self.answers = True  # until it does not
        self.known = False  # it has answered
        self.tries = _SHORT_TRY_S
        self.silent = BackOff(min(self.profile.interval, _LONGEST_SILENT), _LONGEST_SILENT)
        self.refused = BackOff(min(self.profile.interval, _LONGEST_REFUSED), _LONGEST_REFUSED)
        self.cost = 0.0  # seconds of its last failed try
        self.took = 0.0  # seconds of its last good poll


class PollingDriver(Driver):
    """A thread for one line of polled meters."""

    def __init__(
        self,
        line: Sequence[tuple[MeterProfile, Secrets]],
        surroundings: Surroundings,
        sink: Sink,
        keeper: ProfileKeeper | None,
        stop: threading.Event,
    ) -> None:
        """Without `keeper` no load profile is fetched."""
        super().__init__([profile for profile, _ in line], surroundings, sink, stop)
        surroundings = surroundings._replace(tick=self.tick)
        self._clock = surroundings.clock
        self._members = []
        for profile, secrets in line:
            meter: PolledMeter = resolve(profile.entry.meter)(profile, secrets, surroundings)
            backfill = Backfill(profile, surroundings, keeper) if keeper is not None and profile.load_profile else None
            hold = Hold(profile.name, secrets.fingerprint(profile), surroundings.holds)
            self._members.append(_Member(profile, meter, backfill, self.watches[profile.name], hold, self._now()))
        self._open: _Member | None = None  # whose session is open
        self._turn = 0  # whose load profile comes next
        self._polls = 0  # since the last piece of a load profile
        self._look = self._now()  # when to look whether a hold was ended
        for member in self._members:
            if member.hold.reason:
                self._hold(member)

    @property
    def shared(self) -> bool:
        """True if several meters are on the line."""
        return len(self._members) > 1

    def _serve(self, port: Port) -> float:
        try:
            while not self._stop.is_set():
                if port.outdated:
                    self._close_session(port)
                    port.reopen(self._settings)
                member = self._next()
                if member is not None:
                    if self._reopening.due:
                        self._close_session(port)
                        self._reopen_silent(port)
                    self._poll(port, member)
                    if member.meter.unanswered:
                        return self._until_due()
                    if self._polls >= len(self._members):  # a line that is busy with polls has time for a piece, too
                        self._fetch(port)
                elif not self._fetch(port):
                    if self._until_due() > min(one.meter.idle_s for one in self._members):
                        return self._until_due()
                    self._listen(port)
                self.tick()
        finally:
            for member in self._members:
                member.meter.close(port)
            self._open = None
        return 0.0

    # Whose turn it is.

    def _next(self) -> _Member | None:
        """Who is to be asked now: those that answer first, by what is due longest."""
        now = self._now()
        if self._look <= now:
            self._look = now + LOOK_S
            self._release()
        due = sorted((one for one in self._members if one.due <= now), key=lambda one: (not one.answers, one.due))
        if not due or due[0].answers or not self.shared or self._fits(self._try_s(due[0])):
            return due[0] if due else None
        return None

    def _until_due(self) -> float:
        """Seconds until the next poll. One that waits for a target time to pass is looked at again soon."""
        now = self._now()
        due = min(one.due if one.due > now else now + _NARROWEST_WINDOW / 4 for one in self._members)
        if any(one.hold.reason for one in self._members):
            due = min(due, self._look)
        return max(0.0, due - now)

    def _fits(self, seconds: float) -> bool:
        """True if so much time may be spent on something else: no target time of a meter that answers passes meanwhile.

        A registration period about as short as that is no reason to wait: there would never be room.
        """
        periods = [one.profile.registration_period for one in self._members if one.answers and one.known]
        return all(self._until_target(period) > seconds for period in periods if period > seconds + 1)

    def _until_target(self, period: int) -> float:
        return period - self._clock.stamp().utc_us % (period * 1_000_000) / 1e6

    def _patience(self, member: _Member) -> Patience:
        profile = member.profile
        if not self.shared or (member.known and member.answers):
            return Patience(profile.timeout, profile.retries)
        return Patience(min(profile.timeout, member.tries), 0)

    def _try_s(self, member: _Member) -> float:
        """How long a try of a meter that does not answer may take."""
        return max(member.cost, 2 * self._patience(member).timeout)

    # Polls.

    def _poll(self, port: Port, member: _Member) -> None:
        """One poll, and when the next is due."""
        self._make_room(port, member)
        began = self._now()
        member.meter.patience = self._patience(member)
        failed: SmgwError | None = None
        try:
            heard = member.meter.poll(port)
        except PortError:
            raise
        except SmgwError as error:
            if self._stop.is_set():
                return
            failed = error
            if not isinstance(error, AccessRefusedError):
                member.watch.refused(str(error))
        except Exception as error:  # ours, such as an odd answer that nobody thought of; the neighbours are read on
            log.exception("meter %s: the poll failed", member.profile.name)
            failed = PollError(f"internal error: {error!r}")
            member.watch.refused(str(failed))
        else:
            member.watch.heard(heard)
        self._open = member
        self._polls += 1
        now = self._now()
        self._beat(member, now)
        if failed is None:
            if not member.known:
                member.hold.accepted()
            self._heard()
            member.answers = member.known = True
            member.tries, member.cost, member.took = _SHORT_TRY_S, 0.0, now - began
            member.silent.reset()
            member.refused.reset()
            member.due = (
                self._by_target(member, now)
                if _by_grid(member.profile)
                else self._or_target(member, now, member.rhythm)
            )
        elif isinstance(failed, AccessRefusedError):
            self._refused(member, failed)
        else:
            self._failed(member, failed, now, now - began)

    def _beat(self, member: _Member, now: float) -> None:
        """The next beat of the rhythm; those that are late by more than an interval are passed over."""
        interval = member.profile.interval
        if now >= member.rhythm:
            member.rhythm += interval * max(1, (now - member.rhythm) // interval)

    def _or_target(self, member: _Member, now: float, due: float) -> float:
        """The next target time if it is earlier and the rhythm alone could miss its window."""
        period = member.profile.registration_period
        if not period or member.profile.interval <= _NARROWEST_WINDOW:
            return due
        return min(due, now + self._until_target(period) + _PAST_TARGET)

    def _by_target(self, member: _Member, now: float) -> float:
        """The next target time, or before it if the meters of the line would not be ready in time.

        A poll that came so early counts for the target time that follows it.
        """
        period = member.profile.registration_period
        window = max(_NARROWEST_WINDOW, period / 100)
        left = self._until_target(period)
        if left < window:
            left += period
        together = sum(one.took for one in self._members if one.answers and _by_grid(one.profile))
        early = min(max(0.0, together - _USED * window), _USED * window)
        return now + left + _PAST_TARGET - early

    def _failed(self, member: _Member, error: SmgwError, now: float, cost: float) -> None:
        pause = (member.silent if isinstance(error, NoAnswerError) else member.refused).next()
        if self.shared:
            member.due = now + min(max(pause, _REST * cost), _LONGEST_REFUSED)
            member.tries *= 2
        else:
            member.due = self._or_target(member, now, max(member.rhythm, now + pause))
        member.answers, member.cost = False, cost

    # Meters that refuse our password.

    def _refused(self, member: _Member, error: AccessRefusedError) -> None:
        member.hold.begin(str(error), error.because)
        self._hold(member)

    def _hold(self, member: _Member) -> None:
        member.answers, member.due = False, math.inf
        member.watch.held(member.hold.advice())

    def _release(self) -> None:
        """Meters whose hold a person has ended are due."""
        for member in self._members:
            if member.hold.reason and member.hold.ended():
                member.due = self._now()
                member.watch.released()

    def _make_room(self, port: Port, member: _Member) -> None:
        """On a shared line one session is open at a time, and each begins at the speed of the line."""
        if self._open is not None and self._open is not member:
            self._close_session(port)

    # Between polls.

    def _fetch(self, port: Port) -> bool:
        """Pieces of one meter's load profiles: one after each poll, more if they fit. True if any was asked for."""
        if not self._polls:
            return False
        now = self._now()
        until = min((one.due for one in self._members if one.answers), default=now)
        for _ in self._members:
            member = self._members[self._turn % len(self._members)]
            self._turn += 1
            backfill = member.backfill
            ready = member.answers and member.known and backfill is not None and backfill.due(now)
            if ready and backfill is not None and self._fits(backfill.cost):
                self._make_room(port, member)
                self._open, self._polls = member, 0
                try:
                    backfill.between_polls(port, member.meter, min(until, now + _TURN_S) if self.shared else until)
                except AccessRefusedError as error:
                    self._refused(member, error)
                return True
        return False

    def _listen(self, port: Port) -> None:
        """Until the next poll. On a shared line nobody's session stays open meanwhile."""
        if not self.shared:
            (member,) = self._members
            if member.watch.heard(member.meter.listen(port, self._now() + self._until_due())):
                self._heard()
            return
        self._close_session(port)
        port.gather(self._until_due())

    def _close_session(self, port: Port) -> None:
        if self._open is not None:
            self._open.meter.close(port)
            port.change_baud(self._settings.baudrate)  # mode E may have left another
            self._open = None


def _by_grid(profile: MeterProfile) -> bool:
    """True if target times are the rhythm: another poll between two of them would come too early for the interval."""
    return profile.interval > _NARROWEST_WINDOW and 0 < 2 * profile.registration_period < 3 * profile.interval

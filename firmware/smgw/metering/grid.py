"""Registration on the grid: which capture stands for which target time (PTB-A 50.8, TR-03109-1 4.2.4).

Target times are multiples of the registration period in UTC. The nearest capture within a hundredth of the period, or
2 s if that is longer, is registered for a target time, with its own capture time. If there is none, the gap is
registered, because tariffs need to know of it.

A clock that is not synchronised knows of gaps while it runs evenly, compared with CLOCK_BOOTTIME. It knows nothing of
time that it jumped over, or that passed before this process began. A synchronised clock registers those gaps later: at
once if it did not step, otherwise after it ran evenly for an hour. A false time would fill the slots to come with gaps.
"""

from typing import NamedTuple

from smgw.cosem import Capture, ClockState, Stamp

_SECOND = 1_000_000
#: A gap of more slots is not registered.
_MOST_MISSING = 35_136  # quarter hours of a leap year
#: A capture is stamped at its first octets and arrives after its last. A gap is decided this much later.
_LATE = 10 * _SECOND
#: A clock that stepped when it was synchronised must run so long before it tells of what it jumped over.
_CONFIRMED = 3600 * _SECOND


class Slot(NamedTuple):
    """One decided target time. Without a `capture` it is a gap."""

    target_time_us: int
    capture: Capture | None


class Grid:
    """One meter's grid. Times are microseconds UTC; `last_us` is the newest target time already registered.

    Each target time is decided once while the time does not go back, and values in order. If a clock that is not
    synchronised is set back, its target times come again.
    """

    def __init__(self, period_s: int, last_us: int | None = None) -> None:
        self._period = period_s * _SECOND
        self._tolerance = max(self._period // 100, 2 * _SECOND)
        self._last = last_us  # decided last, whatever the clock was worth
        self._known = last_us  # up to here nothing is missing, by a synchronised clock
        self._even = 0  # since this target time the clock has run evenly
        self._passed: list[range] = []  # target times that nobody decided, because the clock jumped over them
        self._sure = 0  # from this moment on a synchronised clock tells of them
        self._offset: int | None = None  # UTC minus BOOTTIME when the clock was last looked at
        self._before: Capture | None = None  # the latest capture: the candidate from before for the next target

    def take(self, capture: Capture) -> list[Slot]:
        """Take a capture; the slots that it decides, in order."""
        now = capture.stamp.utc_us
        self._look(capture.stamp)
        slots = self._decide(now - now % self._period, capture.stamp.state, capture)
        self._before = capture
        return slots

    def tick(self, now: Stamp) -> list[Slot]:
        """Notice that time passed without a capture; the slots whose window is over."""
        if self._last is None:
            return []
        self._look(now)
        over = now.utc_us - self._tolerance - _LATE
        return self._decide(over - over % self._period, now.state, None)

    def _look(self, stamp: Stamp) -> None:
        """Notice what the clock did since the last look: a step, also back, and its first synchronisation."""
        now, synchronised = stamp.utc_us, stamp.state is ClockState.SYNCHRONISED
        start = self._start(now)
        offset = now - stamp.boottime_ns // 1000
        first, before, self._offset = self._offset is None, self._offset, offset
        stepped = before is not None and abs(offset - before) > self._tolerance
        if synchronised and (self._known is None or now < self._known - self._tolerance):
            self._known = start
        if self._last is None or now < self._last - self._tolerance:
            self._last, self._before, self._passed = self._known if synchronised else start, None, []
        assert self._last is not None
        if first or stepped:
            self._even = start
            self._pass_over(start)
        if stepped and synchronised:
            self._known, self._sure = start, now + _CONFIRMED

    def _pass_over(self, start: int) -> None:
        """Remember the target times between the newest decided one and `start`."""
        assert self._last is not None
        decided = self._last if self._known is None else max(self._last, self._known)
        older = [range(times.start, min(times.stop, start + 1), self._period) for times in self._passed]
        newer = range(decided + self._period, start + 1, self._period)
        self._passed = [times for times in (*older, newer) if times]

    def _start(self, now: int) -> int:
        """The target before the first capture counts as done, unless this very capture is close enough to it."""
        previous = now - now % self._period
        return previous - self._period if now - previous <= self._tolerance else previous

    def _decide(self, target: int, state: ClockState, after: Capture | None) -> list[Slot]:
        """The slots up to `target`: all of the time that the clock knows of, and those with a value of other time."""
        assert self._last is not None
        synchronised = state is ClockState.SYNCHRONISED
        whole = self._known if synchronised else self._even
        assert whole is not None
        every = range(max(whole, self._last) + self._period, target + 1, self._period)
        times = self._in_reach(range(self._last + self._period, target + 1, self._period), after)
        for place, jumped in enumerate(self._passed):
            if decided := times.intersection(jumped):  # by the last capture before a jump
                self._passed[place] = range(max(decided) + self._period, jumped.stop, self._period)
        if len(every) <= _MOST_MISSING:
            times |= set(every)
        if synchronised:
            if target >= self._sure:
                times |= self._told(target)
            self._known = max(whole, target)
            self._last = max(self._last, target)
        else:
            self._last = max(self._last, *times) if times else self._last
        return [self._slot(time, after) for time in sorted(times)]

    def _told(self, target: int) -> set[int]:
        """What was passed over up to `target` is told now, unless it is too much."""
        found = {time for times in self._passed if len(times) <= _MOST_MISSING for time in times if time <= target}
        rest = [range(max(times.start, target + self._period), times.stop, self._period) for times in self._passed]
        self._passed = [times for times in rest if times]
        return found

    def _in_reach(self, times: range, after: Capture | None) -> set[int]:
        """Those of the target times that have a capture within the tolerance."""
        found: set[int] = set()
        for capture in (self._before, after):
            if capture is not None:
                lowest = capture.stamp.utc_us - self._tolerance
                first = lowest + -lowest % self._period
                found.update(range(first, capture.stamp.utc_us + self._tolerance + 1, self._period))
        return {time for time in found if time in times}

    def _slot(self, target: int, after: Capture | None) -> Slot:
        near = [
            capture
            for capture in (self._before, after)
            if capture is not None and abs(capture.stamp.utc_us - target) <= self._tolerance
        ]
        return Slot(target, min(near, key=lambda capture: abs(capture.stamp.utc_us - target), default=None))

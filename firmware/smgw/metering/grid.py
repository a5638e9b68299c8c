"""Registration on the grid: which capture stands for which target time (PTB-A 50.8, TR-03109-1 4.2.4).

Target times are multiples of the registration period in UTC. The capture nearest to one, within a hundredth of the
period or 2 s, whichever is longer, is registered for it with its own capture time. If there is none, that is
registered too: tariffs need to know of the gap. Only a synchronised clock knows that time has passed, so only it tells
of gaps; while the clock is not synchronised, values are registered for the target times that it believes in.
"""

from typing import NamedTuple

from smgw.cosem import Capture, ClockState

_SECOND = 1_000_000
#: A gap of more slots is not written out: what lies before it is not the grid's any more.
_MOST_MISSING = 35_136  # quarter hours of a leap year
#: A capture is stamped at its first octets and arrives after its last; so long nobody is called missing.
_LATE = 10 * _SECOND


class Slot(NamedTuple):
    """One decided target time; `capture` None means that no value was found for it."""

    target_time_us: int
    capture: Capture | None


class Grid:
    """One meter's grid. Times are microseconds UTC; `last_us` is the newest target time already registered.

    A target time is decided once, and in order, for as long as the time does not go back. Where a clock that was not
    synchronised is set back, its target times come again.
    """

    def __init__(self, period_s: int, last_us: int | None = None) -> None:
        self._period = period_s * _SECOND
        self._tolerance = max(self._period // 100, 2 * _SECOND)
        self._last = last_us  # decided last, whatever the clock was worth
        self._known = last_us  # up to here nothing is missing, by a synchronised clock
        self._before: Capture | None = None  # the latest capture: the candidate from before for the next target

    def take(self, capture: Capture) -> list[Slot]:
        """A capture arrived: the slots that it decides, in order."""
        now, synchronised = capture.stamp.utc_us, capture.stamp.state is ClockState.SYNCHRONISED
        start = self._start(now)
        if synchronised and (self._known is None or now < self._known - self._tolerance):
            self._known = start
        if self._last is None or now < self._last - self._tolerance:
            self._last, self._before = self._known if synchronised else start, None
        target = now - now % self._period
        slots = self._with_gaps(target, capture) if synchronised else self._without_gaps(target, capture)
        self._before = capture
        return slots

    def tick(self, now_us: int, state: ClockState) -> list[Slot]:
        """Time passed without a capture: slots whose window is over."""
        if state is not ClockState.SYNCHRONISED:
            return []
        over = now_us - self._tolerance - _LATE
        return self._with_gaps(over - over % self._period, None)

    def _start(self, now: int) -> int:
        """The target before the first capture counts as done, unless this very capture is close enough to it."""
        previous = now - now % self._period
        return previous - self._period if now - previous <= self._tolerance else previous

    def _with_gaps(self, target: int, after: Capture | None) -> list[Slot]:
        """Every slot up to `target`, with a value or without."""
        if self._known is None or self._last is None:
            return []
        times = range(max(self._known, self._last) + self._period, target + 1, self._period)
        slots = [
            self._slot(time, after) for time in (times if len(times) <= _MOST_MISSING else self._in_reach(times, after))
        ]
        self._known = max(self._known, target)
        self._last = max(self._last, target)
        return slots

    def _without_gaps(self, target: int, after: Capture) -> list[Slot]:
        """The slots up to `target` for which there is a value; a jump of this clock is no gap."""
        assert self._last is not None
        slots = [
            self._slot(time, after)
            for time in self._in_reach(range(self._last + self._period, target + 1, self._period), after)
        ]
        self._last = max(self._last, target)
        return slots

    def _in_reach(self, times: range, after: Capture | None) -> list[int]:
        """Those of the target times that have a capture within the tolerance."""
        found: set[int] = set()
        for capture in (self._before, after):
            if capture is not None:
                lowest = capture.stamp.utc_us - self._tolerance
                first = lowest + -lowest % self._period
                found.update(range(first, capture.stamp.utc_us + self._tolerance + 1, self._period))
        return sorted(time for time in found if time in times)

    def _slot(self, target: int, after: Capture | None) -> Slot:
        near = [
            capture
            for capture in (self._before, after)
            if capture is not None and abs(capture.stamp.utc_us - target) <= self._tolerance
        ]
        return Slot(target, min(near, key=lambda capture: abs(capture.stamp.utc_us - target), default=None))

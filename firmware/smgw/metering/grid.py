"""Registration on the grid: which capture stands for which target time (PTB-A 50.8, TR-03109-1 4.2.4).

Target times are multiples of the registration period in UTC. The capture nearest to one, within a hundredth of the
period or 2 s, whichever is longer, is registered for it with its own capture time. If there is none, that is
registered too: tariffs need to know of the gap.
"""

from typing import NamedTuple

from smgw.cosem import Capture, ClockState

_SECOND = 1_000_000
#: A gap longer than this is not written out slot by slot: what lies before it is not the grid's any more.
_MOST_MISSING = 35_136  # quarter hours of a leap year


class Slot(NamedTuple):
    """One decided target time; `capture` None means that no value was found for it."""

    target_time_us: int
    capture: Capture | None


class Grid:
    """One meter's grid. Times are microseconds UTC; `last` is the newest target time already registered."""

    def __init__(self, period_s: int, last_us: int | None = None) -> None:
        self._period = period_s * _SECOND
        self._tolerance = max(self._period // 100, 2 * _SECOND)
        self._last = last_us
        self._before: Capture | None = None  # the latest capture, if it is a candidate for the next target

    def take(self, capture: Capture) -> list[Slot]:
        """A capture arrived: the slots that it decides, in order."""
        now = capture.stamp.utc_us
        if self._went_back(now) or (self._last is None and self._before is None):
            self._last, self._before = self._start(now), None
        slots = []
        if self._last is not None and now >= self._last + self._period:
            target = now - now % self._period
            slots = self._missing_until(target, capture.stamp.state)
            slots.append(self._nearest(target, capture))
            self._last = target
        self._before = capture
        return [slot for slot in slots if slot is not None]

    def tick(self, now_us: int, state: ClockState) -> list[Slot]:
        """Time passed without a capture: slots whose window is over."""
        if self._last is None or state is not ClockState.SYNCHRONISED:
            return []
        over = now_us - self._tolerance
        target = over - over % self._period
        if target <= self._last:
            return []
        slots = self._missing_until(target, state)
        slots.append(self._nearest(target, None))
        self._last = target
        return slots

    def _start(self, now: int) -> int:
        """The target before the first capture counts as done, unless this very capture is close enough to it."""
        previous = now - now % self._period
        return previous - self._period if now - previous <= self._tolerance else previous

    def _went_back(self, now: int) -> bool:
        """An unsynchronised clock was set back by more than the grid's own width."""
        return self._last is not None and now < self._last - self._tolerance

    def _nearest(self, target: int, after: Capture | None) -> Slot:
        near = [
            capture
            for capture in (self._before, after)
            if capture is not None and abs(capture.stamp.utc_us - target) <= self._tolerance
        ]
        return Slot(target, min(near, key=lambda capture: abs(capture.stamp.utc_us - target), default=None))

    def _missing_until(self, target: int, state: ClockState) -> list[Slot]:
        """Slots between the last one and `target`; a jump of an unsynchronised clock is no gap."""
        assert self._last is not None
        slots = []
        first = self._last + self._period
        if first < target and state is ClockState.SYNCHRONISED and (target - first) // self._period <= _MOST_MISSING:
            slots.append(self._nearest(first, None))
            slots.extend(Slot(time, None) for time in range(first + self._period, target, self._period))
        return slots

"""Bounds how many captures a meter may bring, so that a flooding meter costs the others neither room nor time.

The bound is far above what meters send: SML at 9600 baud brings 6 telegrams a second at most.
"""

import threading
from collections.abc import Callable
from typing import NamedTuple

#: Captures a second of one meter in the long run, and those that may come at once.
RATE = 100
BURST = 3000
_NS = 1_000_000_000


class _Bucket(NamedTuple):
    room: int  # in capture-nanoseconds, so that no fraction is lost
    since_ns: int
    flooding: bool


_FULL = BURST * _NS


class RateBound:
    """One allowance for each meter. `tell` gets a text once for each flood. Any thread may call."""

    def __init__(self, tell: Callable[[str], None]) -> None:
        self._tell = tell
        self._buckets: dict[str, _Bucket] = {}
        self._lock = threading.Lock()
        self._refused = 0

    def admits(self, meter: str, boottime_ns: int) -> bool:
        """False if this meter has brought too many captures before this time (CLOCK_BOOTTIME)."""
        with self._lock:
            room, since_ns, flooding = self._buckets.get(meter, (_FULL, boottime_ns, False))
            room = min(_FULL, room + RATE * max(0, boottime_ns - since_ns))
            fits = room >= _NS
            self._refused += not fits
            began = not fits and not flooding
            self._buckets[meter] = _Bucket(
                room - _NS if fits else room, max(since_ns, boottime_ns), not fits or (flooding and room < _FULL // 2)
            )
        if began:
            self._tell(
                f"meter {meter} brings more than {RATE} captures a second; those beyond are not kept:"
                " look at what sends on its port"
            )
        return fits

    def take_refused(self) -> int:
        """Captures that were refused since the last call."""
        with self._lock:
            refused, self._refused = self._refused, 0
        return refused

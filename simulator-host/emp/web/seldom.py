"""Log lines that a stranger can cause: the first at once, then one a minute with the number of those left out."""

import logging
import time
from collections.abc import Callable

_EVERY_S = 60.0
_MOST_KINDS = 20  # lines in that time; those of further kinds share one
_OTHERS = "others"


class Seldom:
    """Writes one line of a kind in a minute, and a bounded number of lines in all."""

    def __init__(self, log: logging.Logger, clock: Callable[[], float] = time.monotonic) -> None:
        self._log = log
        self._clock = clock
        self._kinds: dict[str, tuple[float, int]] = {}  # until when it is silent, and how many were left out

    def say(self, level: int, kind: str, message: str, *values: object) -> None:
        """Write the line, or count it. Its first line after a pause tells the count."""
        now = self._clock()
        if kind not in self._kinds and len(self._kinds) >= _MOST_KINDS:
            self._kinds = {known: state for known, state in self._kinds.items() if state[0] > now or state[1]}
            if len(self._kinds) >= _MOST_KINDS:
                kind = _OTHERS
        until, left_out = self._kinds.get(kind, (now, 0))
        if now < until:
            self._kinds[kind] = until, left_out + 1
            return
        self._kinds[kind] = now + _EVERY_S, 0
        if left_out:
            message, values = message + " (and %d lines like this one before)", (*values, left_out)
        self._log.log(level, message, *values)

"""Repeated messages: the first few pass at once, then ever fewer, each with the number of those that were kept back.

A head that hangs by a thread must not fill a card (seen in the field: a log file of 2 GB, one line).
"""

import logging
import time
from collections import OrderedDict
from collections.abc import Callable

from smgw.board.events import FIELDS

#: So many in the first hush pass: a head that is unplugged and plugged in again while somebody watches.
PASSED_AT_FIRST = 3
#: Then a message that repeats is kept back, for the first of these, then for twice as long, up to the last. Seconds.
FIRST_HUSH, LONGEST_HUSH = 10.0, 3600.0
#: Messages remembered; a device with more than these in an hour has other worries.
_REMEMBERED = 512

_Key = tuple[str, ...]


class _Repeated:
    """One message's history."""

    __slots__ = ("hush", "kept_back", "last", "passes", "until")

    def __init__(self, now: float) -> None:
        self.hush = FIRST_HUSH
        self.until = now + FIRST_HUSH
        self.passes = PASSED_AT_FIRST - 1
        self.kept_back = 0
        self.last: logging.LogRecord | None = None

    def prolong(self, now: float) -> None:
        """It came again: be silent for twice as long."""
        self.hush = min(2 * self.hush, LONGEST_HUSH)
        self.until = now + self.hush
        self.kept_back, self.last = 0, None


class Collapse(logging.Handler):
    """Passes to another handler what is not a repetition. Debug messages pass: who asks for them wants them all.

    A message that stayed away for a whole hush is new again. Call `tick` now and then: it says what was kept back and
    did not come again.
    """

    def __init__(self, target: logging.Handler, now: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._target = target
        self._now = now
        self._seen: OrderedDict[_Key, _Repeated] = OrderedDict()

    def emit(self, record: logging.LogRecord) -> None:
        """Pass it on, or keep it back; the one that passes says for how many it stands."""
        if record.levelno < logging.INFO:
            self._target.handle(record)
            return
        now = self._now()
        key = _key(record)
        seen = self._seen.get(key)
        if seen is not None and now < seen.until:
            if seen.passes:
                seen.passes -= 1
                self._target.handle(record)
                return
            seen.kept_back += 1
            seen.last = record
            record.exc_info = None  # the first one told it, and it holds whole frames
            return
        kept_back = seen.kept_back if seen else 0
        if seen is None or now >= seen.until + seen.hush:
            self._seen[key] = _Repeated(now)
        else:
            seen.prolong(now)
        self._seen.move_to_end(key)
        while len(self._seen) > _REMEMBERED:
            self._seen.popitem(last=False)
        self._target.handle(_annotated(record, kept_back))

    def tick(self, *, ending: bool = False) -> None:
        """The last of each message whose hush is over, or of every one at the end, and of which some were kept back."""
        self.acquire()
        try:
            now = self._now()
            for seen in self._seen.values():
                if seen.last is not None and (ending or now >= seen.until):
                    self._target.handle(_annotated(seen.last, seen.kept_back - 1))
                    seen.prolong(now)
        finally:
            self.release()

    def close(self) -> None:
        """The process ends."""
        self.tick(ending=True)
        super().close()


def _annotated(record: logging.LogRecord, kept_back: int) -> logging.LogRecord:
    if kept_back > 0:
        record.msg = f"{record.getMessage()} ({kept_back} more like this were kept back)"
        record.args = ()
    return record


def _key(record: logging.LogRecord) -> _Key:
    """What tells messages apart: an event has its subject, its figures may differ; another message all of its text."""
    fields = vars(record)
    event = fields.get("event")
    if event is None:
        return (record.name, record.getMessage())
    return (str(event), *(str(fields.get(name, "")) for name in FIELDS))

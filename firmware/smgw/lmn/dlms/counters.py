"""Invocation counters of a ciphered meter: reserved in the database before use, never used twice (R10).

They are reserved in groups to spare the card. Reserved counters that were not used are skipped.
"""

import logging

from smgw.errors import SmgwError
from smgw.lmn.contract import CounterKeeper
from smgw.lmn.errors import PollError, SkippedCountersError
from smgw.lmn.replay import key_id
from smgw.store.records import CounterKind

log = logging.getLogger(__name__)

#: Number of counters that are reserved at a time.
_AT_A_TIME = 64
#: Counters end here; then the key is used up.
_END = 1 << 32
#: A larger step is logged.
_REMARKABLE_STEP = 1 << 20


class Counters:
    """The invocation counters of one meter, client and key."""

    def __init__(self, meter: str, client: int, key: bytes, keeper: CounterKeeper | None) -> None:
        self._meter = meter
        self._client = client
        self._key_id = key_id(key)
        self._keeper = keeper
        self._next = self._left = 0
        self.least = 0
        #: The last step that a person must allow.
        self.doubted: SkippedCountersError | None = None

    def __call__(self) -> int:
        """The next counter. Raises PollError if it cannot be stored."""
        if self._left and self._next < self.least:
            self._left = 0
        if not self._left:
            self._reserve()
        self._left -= 1
        self._next += 1
        return self._next - 1

    def follow(self, expected: int) -> bool:
        """Follow the counter that the meter expects; False if ours is already there.

        The answer is not authenticated, and forged answers must not use up the key. So this raises PollError and
        changes nothing if it would use more than half of the remaining counters, or if no counter can be stored. Beyond
        the daily budget of the key it raises SkippedCountersError, until a person allows the step.
        """
        if not self.least < expected:
            return False
        if not self._next:
            self._reserve()  # to know our present counter
        ours = max(self._next, self.least)
        step = expected - ours
        if step > (_END - ours) // 2:
            raise PollError(
                f"the meter is said to expect invocation counter {expected}, ours stands at {ours}: to follow it "
                "would take more than half of what is left; the key is used up or the answer forged: give the meter "
                "new keys if it stays so"
            )
        if step > 0:
            self._skip(step, expected, ours)
        if step > _REMARKABLE_STEP:
            log.warning(
                "meter %s: it is said to expect invocation counter %d, which is followed; ours stood at %d. If this "
                "comes again, somebody may forge its answers",
                self._meter,
                expected,
                ours,
            )
        self.least = expected
        return True

    def learn(self, newest: int) -> str:
        """Follow the newest counter that the meter's public client reads; returns a fault, or ""."""
        self.doubted = None
        try:
            return (
                "" if self.follow(newest + 1) else f"what the meter tells as its invocation counter, {newest}, is none"
            )
        except PollError as error:
            self.doubted = error if isinstance(error, SkippedCountersError) else None
            return str(error)

    def _skip(self, step: int, expected: int, ours: int) -> None:
        if self._keeper is None:
            return
        try:
            allowed = self._keeper.skip(self._key_id, f"{self._meter} {self._client}", step, expected)
        except SmgwError as error:
            raise PollError(f"the step of an invocation counter cannot be stored: {error}") from error
        if not allowed:
            raise SkippedCountersError(
                f"the meter is said to expect invocation counter {expected}, ours stands at {ours}: more than "
                "1048576 skipped counters a day need a person. If another head-end uses this key, or the database was "
                f"lost, allow it (smgw retry {self._meter})"
            )

    def _reserve(self) -> None:
        if self._keeper is None:
            raise PollError(
                "a ciphered meter is read with counters that are kept in the gateway's store, which this command "
                "may not write; stop the gateway, or read with the state directory at hand (--state)"
            )
        try:
            least = max(self.least, self._next)  # a salvaged store may lack some
            holder = f"{self._meter} {self._client}"
            self._next = self._keeper.reserve(CounterKind.INVOCATION, self._key_id, holder, least, _AT_A_TIME)
        except SmgwError as error:
            raise PollError(f"no invocation counter can be kept, so none is used: {error}") from error
        self._left = _AT_A_TIME

"""Invocation counters of a ciphered meter: reserved in the database before they are used, never used twice (R10).

Some are reserved at a time, to spare the card; those that were reserved and not used are lost.
"""

import logging

from smgw.errors import SmgwError
from smgw.lmn.contract import CounterKeeper
from smgw.lmn.errors import PollError
from smgw.store.digest import sha256
from smgw.store.records import CounterKind

log = logging.getLogger(__name__)

#: So many counters are reserved at a time, to spare the card.
_AT_A_TIME = 64
#: Counters end here; then the key is used up.
_END = 1 << 32
#: A forged answer can make us skip counters: a step of more is logged.
_REMARKABLE_STEP = 1 << 20


class Counters:
    """The invocation counters of one meter, client and key."""

    def __init__(self, meter: str, client: int, key: bytes, keeper: CounterKeeper | None) -> None:
        self._meter = meter
        self._client = client
        self._key_id = sha256(b"smgw key id" + key).hex()[:16]
        self._keeper = keeper
        self._next = self._left = 0
        self.least = 0

    def __call__(self) -> int:
        """The next one. Raises PollError if there is nowhere to keep it."""
        if self._left and self._next < self.least:
            self._left = 0
        if not self._left:
            self._reserve()
        self._left -= 1
        self._next += 1
        return self._next - 1

    def follow(self, expected: int) -> bool:
        """The meter says which counter it expects; False if that is no news.

        Raises PollError, and follows nothing, if it would take more than half of what is left of the key: nobody proves
        that the meter said so, and one forged answer must not use the key up. Also if no counter can be kept.
        """
        if not self.least < expected:
            return False
        if not self._next:
            self._reserve()  # to know where we stand
        step = expected - self._next
        if step > (_END - self._next) // 2:
            raise PollError(
                f"the meter is said to expect invocation counter {expected}, ours stands at {self._next}: to follow it "
                "would take more than half of what is left; the key is used up or the answer forged: give the meter "
                "new keys if it stays so"
            )
        if step > _REMARKABLE_STEP:
            log.warning(
                "meter %s: it is said to expect invocation counter %d, which is followed; ours stood at %d. If this "
                "comes again, somebody may forge its answers",
                self._meter,
                expected,
                self._next,
            )
        self.least = expected
        return True

    def learn(self, newest: int) -> str:
        """Follow the newest counter that the meter has seen, as its public client was told; what is wrong, or ""."""
        try:
            return (
                "" if self.follow(newest + 1) else f"what the meter tells as its invocation counter, {newest}, is none"
            )
        except PollError as error:
            return str(error)

    def _reserve(self) -> None:
        if self._keeper is None:
            raise PollError(
                "a ciphered meter is read with counters that are kept in the gateway's store, which this command "
                "may not write; stop the gateway, or read with the state directory at hand (--state)"
            )
        try:
            least = max(self.least, self._next)  # a store that was salvaged may have forgotten some
            holder = f"{self._meter} {self._client}"
            self._next = self._keeper.reserve(CounterKind.INVOCATION, self._key_id, holder, least, _AT_A_TIME)
        except SmgwError as error:
            raise PollError(f"no invocation counter can be kept, so none is used: {error}") from error
        self._left = _AT_A_TIME

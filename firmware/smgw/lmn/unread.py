"""Octets without a telegram on one line: for the states of its meters, and for whoever reads once."""

from collections.abc import Callable
from typing import NamedTuple

from smgw.profiles.meter import MeterProfile
from smgw.wire.unread import Unread

_FEW = 16  # octets that are no state yet: noise makes some on any line
_AGAIN_S, _RENEWED_S = 5.0, 60.0  # between two looks while nothing was found; how long the found words hold


class Finding(NamedTuple):
    """What octets without a telegram look like."""

    amount: str  # such as 480 octets/s
    look: str
    certain: bool  # no doubt: it need not be waited for a telegram

    @property
    def words(self) -> str:
        """For the state of a meter."""
        return f"{self.amount} and no telegram: {self.look}"


class UnreadLine:
    """Takes all octets of a line. `now` gives monotonic seconds."""

    def __init__(self, profile: MeterProfile, now: Callable[[], float]) -> None:
        self._own = profile.entry.reads(profile.options)
        self._now = now
        self._unread = Unread()
        self._found: Finding | None = None
        self._look_at = 0.0

    def take(self, octets: bytes) -> None:
        """Octets came."""
        self._unread.take(octets, self._now())

    def clear(self) -> None:
        """A telegram came."""
        self._unread.clear()
        self._found, self._look_at = None, 0.0

    def finding(self, within: float) -> Finding | None:
        """What came within so many seconds; None if nothing did, or what the meter itself may have sent in damage.

        The words stay for a minute, because they are written to the database.
        """
        now = self._now()
        if not self._unread.count or now - self._unread.newest > within:
            return None
        if now >= self._look_at:
            self._found = self._look()
            self._look_at = now + (_RENEWED_S if self._found else _AGAIN_S)
        return self._found

    def _look(self) -> Finding | None:
        from smgw.profiles.advice import advised  # a line that is read has no use for it
        from smgw.wire.kind import Kind

        unread = self._unread
        found = advised(unread.octets)
        if found is None and unread.count < _FEW:
            return None
        if found is not None and found.kind in self._own:
            return None
        amount = unread.amount(self._now())
        if found is None:
            return Finding(amount, "too few to tell what they are", certain=False)
        return Finding(amount, str(found), certain=found.kind not in (Kind.NOISE, Kind.TEXT))

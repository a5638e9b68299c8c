"""Octets without a telegram on one line, for the states of its meters and for a single reading."""

from collections.abc import Callable
from typing import NamedTuple

from smgw.profiles.meter import MeterProfile
from smgw.wire.unread import Unread

_FEW = 16  # fewer octets are no state: noise makes some on any line
_AGAIN_S, _RENEWED_S = 5.0, 60.0  # time between two checks without a result; validity of a result


class Finding(NamedTuple):
    """A description of octets without a telegram."""

    amount: str  # such as 480 octets/s
    look: str
    certain: bool  # certain: no need to wait for a telegram

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
        """The octets of the last seconds; None if there were none, or if they may be a damaged telegram.

        The text is the same for a minute, because it is written to the database.
        """
        now = self._now()
        if not self._unread.count or now - self._unread.newest > within:
            return None
        if now >= self._look_at:
            self._found = self._look()
            self._look_at = now + (_RENEWED_S if self._found else _AGAIN_S)
        return self._found

    def _look(self) -> Finding | None:
        from smgw.profiles.advice import advised  # a line with telegrams does not need it
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

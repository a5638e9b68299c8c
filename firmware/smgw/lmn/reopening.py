"""Schedules the reopening of a silent port: a bridge may be dead, or another program may have changed the settings."""

from collections.abc import Callable

from smgw.patience import BackOff

#: The longest pause between two openings of a port that stays silent, unless the meter's `silence` is longer.
_LONGEST_S = 900.0


class Reopening:
    """Computes when a silent port is due: after `silence` seconds, then after pauses that double. Times are monotonic.

    A telegram ends the episode. Opening the port for another reason only begins the pause again.
    """

    def __init__(self, silence: float, now: Callable[[], float]) -> None:
        self._now = now
        self._pauses = BackOff(silence, max(silence, _LONGEST_S))
        self._pause = self._pauses.next()
        self._since = now()
        self.times = 0  #: number of reopenings in this episode

    def opened(self) -> None:
        """The port was opened. A telegram must come within the pause."""
        self._since = self._now()

    def opened_again(self) -> None:
        """The port was opened again because it was due: double the pause."""
        self.times += 1
        self._pause = self._pauses.next()
        self.opened()

    def heard(self) -> None:
        """A telegram came."""
        self._pauses.reset()
        self._pause = self._pauses.next()
        self.times = 0
        self.opened()

    @property
    def due(self) -> bool:
        """True if no telegram came for the whole pause."""
        return self._now() - self._since >= self._pause

    @property
    def overdue(self) -> bool:
        """True if no telegram came for twice the pause: the octets being received are no telegram."""
        return self._now() - self._since >= 2 * self._pause

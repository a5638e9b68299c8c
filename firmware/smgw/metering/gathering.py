"""How long rows wait for others before a commit, and whether they may wait any longer."""

from typing import NamedTuple


class Gathering(NamedTuple):
    """How long rows wait for others, in seconds. Each commit costs the card about the same, whatever it holds.

    A grid value that is written takes all waiting live-rate rows along.
    """

    all: float = 0.0  # every row, from the first one that comes
    live: float = 0.0  # live-rate rows: as much of them a power cut may cost
    pause: float = 0.0  # least time between two commits of rows; only captures wait for it


class Waiting:
    """The rows that wait. Times are of one monotonic clock, in seconds."""

    def __init__(self, gathering: Gathering, now: float) -> None:
        self.gathering = gathering
        self._came = now
        self._due: float | None = None  # when they must be written; None: nothing waits
        self._committed_at = float("-inf")

    def came(self, now: float) -> None:
        """The first of the items came that are registered now."""
        self._came = now

    def wait(self, *, live: bool) -> None:
        """Rows of these items wait from now on; `live`: all of them are live-rate rows."""
        # When they are due, another wait for others may just have begun.
        wait = max(0.0, self.gathering.live - self.gathering.all) if live else 0.0
        due = self._came + wait
        self._due = due if self._due is None else min(self._due, due)

    def written(self) -> None:
        """Nothing waits any longer."""
        self._due = None

    def committed(self, now: float) -> None:
        """A commit of rows is done."""
        self._committed_at = now

    def pause(self, now: float) -> float:
        """How long the first item waits for others."""
        return max(self.gathering.all, self._committed_at + self.gathering.pause - now)

    def until_due(self, timeout: float, now: float) -> float:
        """The wait for an item, shortened to the moment when the waiting rows must be written."""
        return timeout if self._due is None else min(timeout, max(0.0, self._due - now))

    def is_due(self, now: float, *, hurry: bool) -> bool:
        """True if rows wait that must be written now."""
        return self._due is not None and (hurry or now >= self._due)

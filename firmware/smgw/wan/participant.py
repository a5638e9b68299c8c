"""The state of one EMP for a round of delivery."""

from collections.abc import Callable
from typing import NamedTuple

from smgw.cosem import Stamp
from smgw.store.wan.store import WanStore
from smgw.wan.channel import Channel
from smgw.wan.holds import Holds
from smgw.wan.outlet import Outlet

#: Rows sent at once at first, and again after a failure: a slow network must carry them within the timeout.
_FIRST = 100


class BatchSize:
    """Number of rows sent at once. It grows slowly, since a size that was too large is too large again."""

    def __init__(self, most: int) -> None:
        self._most = most
        self.rows = min(most, _FIRST)

    def restart(self) -> None:
        """Begin with few rows again: an exchange failed, perhaps because it took too long."""
        self.rows = min(self.rows, _FIRST)

    def shrink(self, rows: int) -> None:
        """Reduce the size: this number of rows was too large."""
        self.rows = max(1, min(self.rows, rows))

    def grow(self) -> None:
        """Increase the size: this number of rows was accepted."""
        self.rows = min(self._most, self.rows + max(1, self.rows // 8))


class Participant(NamedTuple):
    """State that lasts from one round to the next."""

    who: str  # name of the EMP
    outlet: Outlet
    store: WanStore
    channel: Channel
    holds: Holds
    size: BatchSize
    now: Callable[[], Stamp]
    stopping: Callable[[], bool]  # true: a failure now was caused by our own abort

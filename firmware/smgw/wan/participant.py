"""One EMP as a round of delivery sees it."""

from collections.abc import Callable
from typing import NamedTuple

from smgw.cosem import Stamp
from smgw.store.wan.store import WanStore
from smgw.wan.channel import Channel
from smgw.wan.outlet import Outlet


class BatchSize:
    """How many rows are handed over at once. It grows slowly: what was too large once is so again."""

    def __init__(self, most: int) -> None:
        self._most = most
        self.rows = most

    def shrink(self, rows: int) -> None:
        """More than so many were too large."""
        self.rows = max(1, min(self.rows, rows))

    def grow(self) -> None:
        """So many were taken."""
        self.rows = min(self._most, self.rows + max(1, self.rows // 8))


class Participant(NamedTuple):
    """What stays from one round to the next."""

    who: str  # name of the EMP
    outlet: Outlet
    store: WanStore
    channel: Channel
    size: BatchSize
    now: Callable[[], Stamp]
    stopping: Callable[[], bool]  # true: what fails now was broken off by us

"""Reading a load profile by the numbers of its entries, for meters that know no range of times.

Numbers count in the order of the buffer. Here entry 1 is always the oldest row; for a buffer with the newest row first
the numbers are reversed. A full buffer drops its oldest row at each capture, so all numbers shift. If a chunk does not
continue the last one, its place is searched again.
"""

from collections.abc import Callable
from typing import NamedTuple

from smgw.dlms.data import AxdrError
from smgw.store.records import ProfileRow


class Chunk(NamedTuple):
    """Rows, the oldest first, and the reason if the row after them could not be read."""

    rows: list[ProfileRow]
    fault: AxdrError | None


Read = Callable[[int, int], tuple[list[ProfileRow], AxdrError | None]]


class EntrySearch:
    """Finds the first row of a range by bisection, then reads on from there, at most `size` rows at once."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._following: int | None = None  # number of the row after the last chunk
        self.ended = False  # the last chunk reached the newest row

    def next(self, read: Read, count: int, since_us: int, *, newest_first: bool) -> Chunk:
        """The next rows from a time on. `read` reads entries of the buffer, which now has `count` rows."""

        def ask(first: int, last: int) -> Chunk:
            turned = (count + 1 - last, count + 1 - first) if newest_first else (first, last)
            rows, fault = read(*turned)
            return Chunk(rows[::-1] if newest_first else rows, fault)

        following = self._following
        if following is not None:
            first = max(1, following - 1)  # including the row before, which shows that the numbers have not shifted
            chunk = self._chunk(ask, first, count)
            if first == following or (chunk.rows and chunk.rows[0].target_time_us < since_us):
                return chunk
        return self._chunk(ask, self._find(ask, count, since_us), count)

    def _chunk(self, ask: Callable[[int, int], Chunk], first: int, count: int) -> Chunk:
        last = min(count, first + self._size)
        self._following, self.ended = last + 1, last >= count
        return ask(first, last) if first <= last else Chunk([], None)

    @staticmethod
    def _find(ask: Callable[[int, int], Chunk], count: int, since_us: int) -> int:
        """The first row that is not older; after the newest if all are older."""
        low, high = 1, count + 1
        while low < high:
            middle = (low + high) // 2
            rows = ask(middle, middle).rows
            if rows and rows[0].target_time_us < since_us:
                low = middle + 1
            else:
                high = middle
        return low

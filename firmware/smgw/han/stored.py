"""Rows and samples of lmn.db, some at a time, for `house`: nothing here asks who may see them."""

from collections.abc import Callable, Collection, Iterator, Sequence

from smgw.cosem.obis import Obis
from smgw.han import series
from smgw.han.one_row import one_row
from smgw.han.rights import ALWAYS, NEVER_US, Share
from smgw.store.lmn.by_time import Sample, among, between
from smgw.store.lmn.view import LmnView
from smgw.store.ranges import Range
from smgw.store.records import ListKind, Source, StoredRecord

#: Records of one read.
AT_ONCE = 1000


class Stored:
    """Reads sources from one view."""

    def __init__(self, lmn: LmnView, now_us: Callable[[], int]) -> None:
        self._lmn = lmn
        self._now_us = now_us
        self._ends: dict[Source, tuple[str, list[StoredRecord]]] = {}

    def records(
        self, source: Source, kind: ListKind, wanted: Range, objects: Collection[Obis]
    ) -> Iterator[StoredRecord]:
        """All records of a list in a range of target times."""
        while rows := self._lmn.at_times(source, kind, between(wanted), AT_ONCE, objects):
            yield from rows
            wanted = Range((rows[-1].target_time_us or 0) + 1, wanted.until)

    def samples(self, source: Source, kind: ListKind, wanted: Range, objects: Collection[Obis]) -> Iterator[Sample]:
        """All samples of a list in a range of target times."""
        while True:
            rows, last = self._lmn.samples(source, kind, between(wanted), AT_ONCE, objects)
            yield from rows
            if last is None:
                return
            wanted = Range(last + 1, wanted.until)

    def of(self, share: Share, obis: Obis) -> tuple[series.At, series.Between]:
        """The samples of one register that the consumer may see."""
        kind = ListKind.DERIVED if share.derived else ListKind.ORIGINAL

        def at(times: Sequence[int]) -> Iterator[Sample]:
            seen = [one for one in times if share.covers(one)]
            for place in range(0, len(seen), AT_ONCE):
                rows, _ = self._lmn.samples(share.source, kind, among(seen[place : place + AT_ONCE]), 1 << 30, (obis,))
                yield from rows

        def within(wanted: Range) -> Iterator[Sample]:
            for part in share.parts(wanted):
                yield from self.samples(share.source, kind, part, (obis,))

        return at, within

    def latest(self, share: Share) -> int:
        """The latest registration time of a device that may be seen."""
        newest = self._lmn.last_target_us(share.source) or 0
        return min(newest, share.spans[-1].until)

    def first(self, share: Share) -> int | None:
        """The first capture of a device, which is about its first registration time."""
        rows = self._lmn.records(share.source, 0, 1)
        if not rows:
            return None
        return rows[0].stamp.utc_us if rows[0].target_time_us is None else rows[0].target_time_us

    def is_of(self, share: Share) -> bool:
        """Whether a device has values of the times that may be seen. One that came later is another's."""
        if share.spans == (ALWAYS,):
            return True
        first, last = self.first(share), self._lmn.last_target_us(share.source)
        return first is None or any(one.until >= first and (last is None or one.since <= last) for one in share.spans)

    def before(self, source: Source, time_us: int) -> int:
        """A position before which all rows were captured earlier, provided that the clock was right."""
        low, high = 0, self._lmn.last_position(source)
        while high - low > AT_ONCE:
            middle = (low + high) // 2
            some = self._lmn.records(source, middle, 1)
            if some and some[0].stamp.utc_us < time_us:
                low = middle
            else:
                high = middle
        return low

    def period_ends(self, source: Source) -> list[StoredRecord]:
        """All of a device. What was found stays: only later ones are looked for, and some before those."""
        store_id, rows = self._ends.get(source, ("", []))
        if store_id != self._lmn.store_id:
            rows = []
        since = rows[-2].target_time_us if len(rows) > 1 else 0
        kept = [one for one in rows if (one.target_time_us or 0) < (since or 0)]
        rows = [*kept, *one_row(self.records(source, ListKind.PERIOD_END, Range(since or 0, NEVER_US), ()))]
        self._ends[source] = (self._lmn.store_id, rows)
        return rows

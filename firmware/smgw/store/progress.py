"""Feeds and their positions, for delivery, retention, status and export: which EMP gets which rows, and how far."""

from collections.abc import Iterable, Sequence
from itertools import takewhile
from typing import NamedTuple

from smgw.cosem.quantity import quantities
from smgw.cosem.source import Source
from smgw.profiles.feed import Feed, feeds, grants, unnamed
from smgw.profiles.gateway import Configuration
from smgw.profiles.use_cases import USE_CASES
from smgw.store.lmn.view import LmnView
from smgw.store.records import NOBODY_WAITS, StoredRecord
from smgw.store.wan.records import EVERY_DEVICE, Cursor


class Piece(NamedTuple):
    """Some rows of a feed."""

    records: tuple[StoredRecord, ...]  # the rows to deliver, as the EMP gets them
    read: int  # number of rows read; not all are delivered
    position: int  # position of the last row read


class Progress:
    """The position of each feed in the store with that id; positions start at 0.

    A cursor of wan.db of schema version 1 is for all devices of its meter. If a device has a cursor of its own too, the
    larger position holds: rows of all devices up to it are settled.
    """

    def __init__(
        self, feeds: Iterable[Feed], cursors: Iterable[Cursor], store_id: str, unnamed: Iterable[Source] = ()
    ) -> None:
        """`unnamed` are sources that no profile names any more."""
        self.feeds = tuple(feeds)
        self.store_id = store_id
        self._unnamed = tuple(unnamed)
        self._positions = {(row.emp, row.store_id, row.meter, row.device): row.position for row in cursors}
        self._waiting: dict[Source, list[str]] = {}
        for feed in self.feeds:
            self._waiting.setdefault(feed.source, []).append(feed.who)
        for who, source in self.orphans():
            self._waiting.setdefault(source, []).append(who)

    def position(self, who: str, source: Source, store_id: str | None = None) -> int:
        """The position up to which this EMP has all rows of the source, in this store or the one with that id."""
        key = (who, self.store_id if store_id is None else store_id, source.meter)
        return max(self._positions.get((*key, device), 0) for device in (bytes(source.device), EVERY_DEVICE))

    def backlog(self, view: LmnView, who: str, source: Source) -> int:
        """The number of rows of the source that this EMP does not have yet."""
        return view.backlog(source, self.position(who, source))

    def reached(self, source: Source) -> int:
        """The position up to which every EMP of the source has it; NOBODY_WAITS if it has no EMP.

        An EMP that had received rows of a meter still waits for the others, even if no profile names that meter now.
        """
        return min((self.position(who, source) for who in self._waiting.get(source, ())), default=NOBODY_WAITS)

    def orphans(self) -> list[tuple[str, Source]]:
        """EMPs that had received rows of a meter that no profile names now, with each source of it.

        Nobody waits for rows that go by the order of a person alone.
        """
        begun = sorted({(emp, meter) for emp, store_id, meter, _ in self._positions if store_id == self.store_id})
        return [
            (emp, source)
            for source in self._unnamed
            for emp, meter in begun
            if meter == source.meter and not _is_requested(source)
        ]

    def waits(self, view: LmnView, feed: Feed, now_us: int) -> bool:
        """True if the rows of a feed that this EMP does not have yet wait for their send time."""
        after = self.position(feed.who, feed.source)
        if feed.send is None or not view.records(feed.source, after, 1):
            return False
        return not self.piece(view, feed, after, 1, now_us).read

    def piece(self, view: LmnView, feed: Feed, after: int, limit: int, now_us: int | None = None) -> Piece:
        """The next rows of a feed after position `after`: at most `limit` are read.

        With `now_us` they end before the first row whose send time has not come.

        Salvaged rows that were settled before the damage are not delivered again. They would be repeats, and a row that
        lost values would contradict the row that the EMP has under the same key.
        """
        records = view.records(feed.source, after, limit)
        if now_us is not None and feed.send is not None:
            records = list(takewhile(lambda one: may_go(feed, one, now_us) or carried(feed, one) is None, records))
        settled = {
            store_id: self.position(feed.who, feed.source, store_id)
            for store_id in {record.store_id for record in records} - {self.store_id}
        }
        going = (record for record in records if record.record_number > settled.get(record.store_id, 0))
        return Piece(
            tuple(one for record in going if (one := carried(feed, record)) is not None),
            len(records),
            records[-1].position if records else after,
        )


def progress(
    configuration: Configuration, sources: Sequence[Source], cursors: Iterable[Cursor], store_id: str
) -> Progress:
    """The positions of all feeds of a configuration."""
    return Progress(feeds(grants(configuration), sources), cursors, store_id, unnamed(configuration, sources))


def _is_requested(source: Source) -> bool:
    use_case = USE_CASES.get(source.device.taf)
    return use_case is not None and bool(use_case.requested)


def may_go(feed: Feed, record: StoredRecord, now_us: int) -> bool:
    """Whether the send time of a record has come."""
    time_us = record.stamp.utc_us if record.target_time_us is None else record.target_time_us
    return feed.send is None or feed.send.allows(time_us, now_us)


def carried(feed: Feed, record: StoredRecord) -> StoredRecord | None:
    """The record with the registers of the feed; None if the feed has none of them, or not its list or time.

    Under a pseudonym these are only measured quantities.
    """
    if feed.lists and record.list not in feed.lists:
        return None
    if feed.series is not None and not feed.series.allows(record.target_time_us):
        return None
    readings = record.readings
    if feed.objects:
        readings = tuple([reading for reading in readings if reading.obis in feed.objects])
    if feed.pseudonym_days:
        readings = quantities(readings)
    if readings is record.readings:
        return record
    return record._replace(readings=readings) if readings else None

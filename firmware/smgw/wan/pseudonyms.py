"""Rows under a pseudonym: an outlet before an outlet, which replaces everything that names device, gateway or record.

What            Under a pseudonym
device          the pseudonym of the period in which the row's own time lies: target time, else capture time
gateway         the same pseudonym
store id        one of the pseudonym
record number   counts from 1 in the pseudonym
capture time    the target time; of a live-rate row its minute, since the second of a telegram is a fingerprint
registers       measured quantities only (`cosem.quantity`); `store.progress` leaves out the others
signatures      none
status words    as they are

The row's own time decides, not the clock: so a retry never changes the pseudonym. Periods are whole days of UTC counted
from 1970, the same for all devices and gateways, since a device that changes alone could be followed.
"""

from collections.abc import Callable, Sequence
from itertools import takewhile
from typing import NamedTuple

from smgw.cosem import DeviceId, Stamp
from smgw.cosem.source import Source
from smgw.profiles.feed import Feed
from smgw.store.records import StoredRecord
from smgw.store.wan.pseudonyms import Numbered, Pseudonym, Unnumbered
from smgw.store.wan.store import WanStore
from smgw.wan.outlet import Batch, Outcome, OutcomeKind, Outlet

_DAY_US = 86_400_000_000
_MINUTE_US = 60_000_000
#: A target time further from the capture time is not believed: a meter could otherwise make pseudonyms without end.
_OLDEST_US, _NEWEST_US = 1100 * _DAY_US, 2 * _DAY_US

#: Numbers rows of a feed; see `store.wan.pseudonyms.number`.
Number = Callable[[Feed, Sequence[Unnumbered]], Sequence[Numbered | None]]


class Masked(NamedTuple):
    """The first rows of a feed under a pseudonym, and the feed with the pseudonym in place of its names."""

    feed: Feed
    records: tuple[StoredRecord, ...]


def mask(feed: Feed, records: Sequence[StoredRecord], number: Number) -> Masked | None:
    """The first rows, up to the next change of the pseudonym; None if the first one must not go: see `number`."""
    length = feed.pseudonym_days * _DAY_US
    numbered = number(
        feed,
        [Unnumbered(record.store_id, record.record_number, _own_time_us(record) // length) for record in records],
    )
    if numbered[0] is None:
        return None
    pseudonym = numbered[0].pseudonym
    first = takewhile(lambda one: one is not None and one.pseudonym == pseudonym, numbered)
    masked = tuple([_masked(record, *one) for record, one in zip(records, first, strict=False) if one is not None])
    return Masked(feed._replace(delivered=pseudonym.name, recorder=pseudonym.name), masked)


def _own_time_us(record: StoredRecord) -> int:
    capture_us, target_us = record.stamp.utc_us, record.target_time_us
    if target_us is not None and capture_us - _OLDEST_US <= target_us <= capture_us + _NEWEST_US:
        return target_us
    return capture_us


def _masked(record: StoredRecord, pseudonym: Pseudonym, number: int) -> StoredRecord:
    position, _, _, meter, _, stamp, _, target_us, status, kind, origin, readings, _, _ = record
    boot_id, _, utc_us, dispersion_us, state = stamp
    told_us = utc_us - utc_us % _MINUTE_US if target_us is None else target_us
    told = Stamp(boot_id, 0, told_us, dispersion_us, state)
    name, store_id = pseudonym
    return StoredRecord(
        position, store_id, number, meter, name, told, None, target_us, status, kind, origin, readings
    )  # fmt: skip


class PseudonymOutlet:
    """Sends rows under pseudonyms over another outlet; see `wan.outlet.Outlet`."""

    def __init__(self, outlet: Outlet, store: WanStore) -> None:
        self._outlet = outlet
        self._store = store
        self._next: tuple[tuple[StoredRecord, ...], Masked] | None = None
        self._given: dict[Source, dict[Unnumbered, Numbered | None]] = {}  # of batches that go in several parts
        self.end = outlet.end
        self.close = outlet.close

    def send(self, batch: Batch) -> Outcome:
        """Send the first rows, up to the next change of the pseudonym. StoreError if no number can be noted."""
        ready, self._next = self._next, None
        masked = ready[1] if ready is not None and ready[0] is batch.records else self._mask(batch)
        if masked is None:
            reason = "not sent: the EMP has it under another name"
            return Outcome(OutcomeKind.UNSENDABLE, reason, rows=1)

        def following() -> Batch | None:
            coming = batch.following() if batch.following is not None else None
            ahead = None if coming is None else self._mask(coming)
            if coming is None or ahead is None:
                return None
            self._next = coming.records, ahead
            return Batch(ahead.feed, ahead.records)

        outcome = self._outlet.send(Batch(masked.feed, masked.records, following))
        rows = len(masked.records) if outcome.rows is None else outcome.rows
        return outcome._replace(rows=rows, reason=_without(outcome.reason, masked))

    def _mask(self, batch: Batch) -> Masked | None:
        masked = mask(batch.feed, batch.records, self._number)
        if masked is None or len(masked.records) == len(batch.records):
            self._given.pop(batch.feed.source, None)
        return masked

    def _number(self, feed: Feed, rows: Sequence[Unnumbered]) -> Sequence[Numbered | None]:
        """One commit numbers all rows, also those that go after a change of the pseudonym."""
        given = self._given.get(feed.source, {})
        if not given.keys() >= set(rows):
            numbered = self._store.number(feed.who, feed.source, feed.pseudonym_days, rows)
            given = self._given[feed.source] = dict(zip(rows, numbered, strict=True))
        return [given.get(row) for row in rows]


def _without(text: str, masked: Masked) -> str:
    """The words of the EMP without the pseudonym: they go into the log, where the device's own id stands."""
    name: DeviceId = masked.feed.delivered
    for one in (str(name), name.hex(), masked.records[0].store_id):
        text = text.replace(one, "(pseudonym)")
    return text

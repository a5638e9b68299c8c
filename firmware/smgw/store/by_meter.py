"""All devices of one meter profile together, as long as cursors are kept by meter name and not by source."""

from heapq import merge

from smgw.store.lmn_view import LmnView
from smgw.store.records import Source, StoredRecord


def sources(view: LmnView, meter: str) -> list[Source]:
    """The devices that this meter profile brought."""
    return [source for source in view.sources() if source.meter == meter]


def records(view: LmnView, meter: str, after: int, limit: int) -> list[StoredRecord]:
    """At most `limit` records of one meter whose position is greater than `after`, in the order of positions."""
    last = last_position(view, meter)  # what is committed while we read must not hide what has a smaller position
    found = [view.records(source, after, limit) for source in sources(view, meter)]
    ordered = merge(*found, key=lambda record: record.position)
    return [record for record in ordered if record.position <= last][:limit]


def backlog(view: LmnView, meter: str, after: int) -> int:
    """How many records of this meter stand behind position `after`."""
    return sum(view.backlog(source, after) for source in sources(view, meter))


def last_position(view: LmnView, meter: str) -> int:
    """The position of the newest record of this meter; 0 if there is none."""
    return max((view.last_position(source) for source in sources(view, meter)), default=0)


def last_target_us(view: LmnView, meter: str) -> int | None:
    """The newest target time registered for this meter; None if nothing of it is on a grid."""
    found = [view.last_target_us(source) for source in sources(view, meter)]
    return max((target for target in found if target is not None), default=None)


def newest(view: LmnView, meter: str) -> StoredRecord | None:
    """The newest record of what the gateway itself read of this meter."""
    found = [record for source in sources(view, meter) if (record := view.newest(source)) is not None]
    return max(found, key=lambda record: record.position, default=None)


def find(view: LmnView, meter: str, store_id: str, record_number: int) -> StoredRecord | None:
    """The record of this meter that was recorded under that identity."""
    found = (view.find(source, store_id, record_number) for source in sources(view, meter))
    return next((record for record in found if record is not None), None)

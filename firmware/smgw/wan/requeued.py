"""Quarantined rows that a user ordered again. They are sent one by one, outside the order of the cursors."""

import logging
from collections.abc import Sequence
from typing import NamedTuple

from smgw.cosem.source import Source
from smgw.profiles.feed import Feed
from smgw.store.lmn.view import LmnView
from smgw.store.progress import carried
from smgw.store.records import StoredRecord
from smgw.store.wan.records import EVERY_DEVICE, SetAside
from smgw.wan.outlet import Batch, Outcome, OutcomeKind
from smgw.wan.participant import Participant

log = logging.getLogger(__name__)

_AT_MOST = 1000  # rows in one round


class Requeued(NamedTuple):
    """The outcome."""

    taken: int
    stopped_by: Outcome | None  #: nothing more is sent in this round
    refused: dict[Source, tuple[Feed, Outcome]]  #: meters that the EMP refuses


def deliver_requeued(emp: Participant, feeds: Sequence[Feed], view: LmnView) -> Requeued:
    """Deliver requeued rows. A row that the EMP rejects again is quarantined with the new reason."""
    store = emp.store
    taken = 0
    held: dict[Source, tuple[Feed, Outcome]] = {}
    for aside in store.take_requeued(emp.who, view.store_id, _AT_MOST):
        if emp.stopping():
            break
        feed, record = found(aside, feeds, view)
        if feed is not None and record is None and view.salvage() is not None:
            continue  # it may still come from the damaged file
        if feed is None or record is None:
            reason = "it is no longer in the store" if feed is not None else "no profile names its meter any more"
            log.error("EMP %s: record %d is given up: %s", emp.who, aside.record_number, reason)
            store.forget_set_aside(aside, reason)
            continue
        if feed.source in held or emp.holds.waits(feed.source):
            continue
        outcome = emp.outlet.send(Batch(feed, (record,)))
        if outcome.kind is OutcomeKind.ACKNOWLEDGED:
            store.settle_requeued([aside])
            taken += 1
        elif outcome.kind is OutcomeKind.RETRY or outcome.whole:
            return Requeued(taken, outcome, held)
        elif outcome.kind is OutcomeKind.HOLD:
            held[feed.source] = feed, outcome
        else:
            store.settle_requeued([], [aside._replace(reason=outcome.reason, at_us=emp.now().utc_us)])
    return Requeued(taken, None, held)


def found(aside: SetAside, feeds: Sequence[Feed], view: LmnView) -> tuple[Feed | None, StoredRecord | None]:
    """The feed of a row and the row; None for a missing one."""
    own = [
        feed for feed in feeds
        if feed.source.meter == aside.meter and aside.device in (EVERY_DEVICE, bytes(feed.source.device))
    ]  # fmt: skip
    for feed in own:
        record = view.find(feed.source, aside.record_store_id, aside.record_number)
        if record is not None:
            return feed, carried(feed, record)
    return (own[0] if own else None), None

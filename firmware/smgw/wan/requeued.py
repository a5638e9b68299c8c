"""Rows that were set aside and that a person ordered again: sent one by one, outside the cursors' order."""

import logging
from collections.abc import Callable, Mapping
from typing import NamedTuple

from smgw.cosem import Stamp
from smgw.profiles.meter import MeterProfile
from smgw.store import by_meter
from smgw.store.lmn_view import LmnView
from smgw.store.wan import WanStore
from smgw.wan.sender import Outcome, Sender
from smgw.wan.verdict import Verdict

log = logging.getLogger(__name__)

_AT_MOST = 1000  # rows in one round


class Requeued(NamedTuple):
    """What became of them."""

    taken: int
    stopped_by: Outcome | None  #: the answer after which nothing more is sent in this round


def deliver_requeued(
    emp: str,
    sender: Sender,
    store: WanStore,
    view: LmnView,
    meters: Mapping[str, MeterProfile],
    now: Callable[[], Stamp],
    stopping: Callable[[], bool],
) -> Requeued:
    """Deliver what was ordered again. What the EMP dislikes once more is set aside once more, with its new reason."""
    taken = 0
    for aside in store.take_requeued(emp, view.store_id, _AT_MOST):
        if stopping():
            break
        record = by_meter.find(view, aside.meter, aside.record_store_id, aside.record_number)
        if record is None or aside.meter not in meters:
            reason = "it is no longer in the store" if record is None else "no profile names its meter any more"
            log.error("EMP %s: record %d is given up: %s", emp, aside.record_number, reason)
            store.forget_set_aside(aside, reason)
            continue
        (batch,) = sender.batches(meters[aside.meter], [record])
        outcome = sender.send(batch)
        answer, meaning = outcome
        if meaning is Verdict.ACKNOWLEDGED:
            store.settle_requeued([aside])
            taken += 1
        elif meaning in (Verdict.DISLIKED, Verdict.TOO_LARGE):
            refused = aside._replace(status=answer.status or 0, reason=answer.detail, at_us=now().utc_us)
            store.settle_requeued([], [refused])
        else:
            return Requeued(taken, outcome)
    return Requeued(taken, None)

"""One round of delivery to one EMP: all rows that wait when it begins."""

from collections.abc import Sequence

from smgw.cosem.source import Source
from smgw.profiles.feed import Feed, Grant, feeds
from smgw.store.lmn.view import LmnView
from smgw.store.progress import Progress, carried
from smgw.store.records import NOBODY_WAITS, StoredRecord
from smgw.wan.judging import Judging
from smgw.wan.outlet import Outcome
from smgw.wan.participant import Participant
from smgw.wan.requeued import deliver_requeued


class Round:
    """Delivers waiting rows, oldest first. The feeds take turns, so that none waits for another's backlog."""

    def __init__(self, emp: Participant, granted: Sequence[Grant], view: LmnView) -> None:
        self._emp = emp
        self._view = view
        self._judging = Judging(emp, view.store_id)
        self._reached: dict[Source, int] = {}  # the cursor is behind this by the rejected rows
        self.feeds = feeds(granted, view.sources())
        self._progress = self._read_progress()

    def run(self) -> Outcome | None:
        """HOLD or RETRY, which stops the delivery; None if all rows are settled, or the thread must stop.

        The acknowledgements of a round are one commit of wan.db. After a kill the round is repeated.
        """
        try:
            return self._run()
        finally:
            self._emp.store.settle()

    def _run(self) -> Outcome | None:
        self._emp.holds.try_due()
        self._deliver_requeued()
        self._take_turns()
        while self._judging.undecided and not self._over():
            again = self._judging.decide(self._newest)
            if not again:
                break
            self._progress = self._read_progress()
            for feed in again:
                self._reached.pop(feed.source, None)
            self._take_turns()
        if not self._over():
            self._judging.settle_refused(self.feeds, self._newest)
        return None if self._emp.stopping() else self._judging.end()

    @property
    def taken(self) -> int:
        """Number of rows that the EMP accepted."""
        return self._judging.taken

    def _read_progress(self) -> Progress:
        return Progress(self.feeds, self._emp.store.cursors(self._emp.who), self._view.store_id)

    def _over(self) -> bool:
        return self._judging.stopped or self._emp.stopping()

    def _take_turns(self) -> None:
        """Deliver piece by piece; rows recorded in the meantime belong to the next round."""
        waiting = {
            feed.source: (feed, self._view.last_position(feed.source))
            for feed in self.feeds
            if not self._judging.waits(feed)
        }
        while waiting:
            for feed, last in list(waiting.values()):
                if self._over():
                    return
                if self._deliver_piece(feed) >= last or self._judging.waits(feed):
                    del waiting[feed.source]

    def _deliver_piece(self, feed: Feed) -> int:
        """Deliver one piece of a feed; returns the position reached."""
        reached = self._reached.get(feed.source)
        if reached is None:
            reached = self._progress.position(self._emp.who, feed.source)
        piece = self._progress.piece(self._view, feed, reached, self._emp.size.rows)
        self._judging.deliver(feed, piece.records)
        if self._judging.waits(feed):
            return reached
        if len(piece.records) < piece.read:
            self._judging.passed(feed, piece.position)
        # If there is none, retention removed the rows.
        self._reached[feed.source] = reached = piece.position if piece.read else NOBODY_WAITS
        return reached

    def _newest(self, feed: Feed) -> StoredRecord | None:
        for record in self._view.records(feed.source, self._view.last_position(feed.source) - 1, 1):
            return carried(feed, record)
        return None

    def _deliver_requeued(self) -> None:
        taken, stopped_by, refused = deliver_requeued(self._emp, self.feeds, self._view)
        self._judging.took(taken)
        for feed, outcome in refused.values():
            self._judging.refuse(feed, outcome)
        if stopped_by is not None:
            self._judging.stop(stopped_by)

"""One round of delivery to one EMP: all rows that wait when it begins."""

import random
from collections.abc import Sequence
from typing import NamedTuple

from smgw.cosem.source import Source
from smgw.profiles.feed import Feed, Grant, feeds
from smgw.store.errors import StoreError
from smgw.store.lmn.view import LmnView
from smgw.store.progress import Piece, Progress, carried, may_go
from smgw.store.records import NOBODY_WAITS, StoredRecord
from smgw.wan.judging import Judging
from smgw.wan.outlet import Batch, Outcome
from smgw.wan.participant import Participant
from smgw.wan.requeued import deliver_requeued

#: How far back a row is looked for that a feed has, in positions, and how many rows are read of each stretch.
_LOOKED_BACK = (1, 1000, 100_000)
_READ_BACK = 1000


class _Ahead(NamedTuple):
    """A piece of a feed that was read while the EMP worked on another one."""

    feed: Feed
    after: int
    limit: int
    piece: Piece


def _in_any_order(found: tuple[Feed, ...]) -> tuple[Feed, ...]:
    """Feeds under pseudonyms come in another order in each round, so that their place says nothing."""
    if not any(feed.pseudonym_days for feed in found):
        return found
    return tuple(random.SystemRandom().sample(found, len(found)))


class Round:
    """Delivers waiting rows, oldest first. The feeds take turns, so that none waits for another's backlog."""

    def __init__(
        self, emp: Participant, granted: Sequence[Grant], view: LmnView, requested: Sequence[Grant] = ()
    ) -> None:
        """`requested`: rights on rows that go by the order of a person alone."""
        self._emp = emp
        self._view = view
        self._now_us = emp.now().utc_us
        self._judging = Judging(emp, view.store_id)
        self._reached: dict[Source, int] = {}  # the cursor is behind this by the rejected rows
        self._ahead: _Ahead | None = None
        sources = view.sources()
        self.feeds = _in_any_order(feeds(granted, sources))
        self._requested = feeds(requested, sources)
        self._progress = self._read_progress()

    def run(self) -> Outcome | None:
        """HOLD or RETRY, which stops the delivery; None if all rows are settled, or the thread must stop.

        The acknowledgements of a round are one commit of wan.db, and those of short rounds together. After a kill they
        are repeated.
        """
        try:
            return self._run()
        finally:
            self._emp.store.settle_due()

    def _run(self) -> Outcome | None:
        self._emp.holds.try_due()
        self._deliver_requeued()
        self._take_turns()
        while self._judging.undecided and not self._over():
            again = self._judging.decide(self._newest)
            if not again:
                break
            self._progress = self._read_progress()
            self._ahead = None
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
            turns = list(waiting.values())
            for place, (feed, last) in enumerate(turns):
                if self._over():
                    return
                self._emp.store.settle_due()
                # After the last one it is again the turn of the first one, if more of it waits.
                following = turns[(place + 1) % len(turns)] if len(waiting) > 1 else (feed, last)
                if self._deliver_piece(feed, *following) >= last or self._judging.waits(feed):
                    del waiting[feed.source]

    def _deliver_piece(self, feed: Feed, following: Feed, last: int) -> int:
        """Deliver one piece of a feed; returns the position reached.

        While the EMP works on it, the next piece of the feed `following` is read, if that has rows up to `last`.
        """
        reached = self._position(feed)
        piece = self._read(feed, reached)

        def read_ahead() -> Batch | None:
            after = piece.position if following.source == feed.source else self._position(following)
            return self._read_ahead(following, after) if after < last else None

        self._judging.deliver(feed, piece.records, read_ahead)
        if self._judging.waits(feed):
            return reached
        if len(piece.records) < piece.read:
            self._judging.passed(feed, piece.position)
        # If there is none, retention removed the rows, or they wait for their send time.
        self._reached[feed.source] = reached = piece.position if piece.read else NOBODY_WAITS
        return reached

    def _position(self, feed: Feed) -> int:
        reached = self._reached.get(feed.source)
        return self._progress.position(self._emp.who, feed.source) if reached is None else reached

    def _read(self, feed: Feed, after: int) -> Piece:
        """The next piece of a feed. A piece that was read ahead is used if it begins there and is not too large."""
        limit, ahead, self._ahead = self._emp.size.rows, self._ahead, None
        if ahead is not None and (ahead.feed, ahead.after) == (feed, after) and ahead.limit <= limit:
            return ahead.piece
        return self._piece(feed, after, limit)

    def _piece(self, feed: Feed, after: int, limit: int) -> Piece:
        """The next piece of a feed, without rows whose send time has not come."""
        if feed.send is not None and not self._progress.piece(self._view, feed, after, 1, self._now_us).read:
            return Piece((), 0, after)
        return self._progress.piece(self._view, feed, after, limit, self._now_us)

    def _read_ahead(self, feed: Feed, after: int) -> Batch | None:
        """Read the piece that is probably the next one. It is sent only when it is its turn."""
        if self._ahead is None or (self._ahead.feed, self._ahead.after) != (feed, after):
            limit = self._emp.size.rows
            try:
                self._ahead = _Ahead(feed, after, limit, self._piece(feed, after, limit))
            except StoreError:  # the next read meets the same fault, and reports it
                return None
        return Batch(feed, self._ahead.piece.records) if self._ahead.piece.records else None

    def _newest(self, feed: Feed) -> StoredRecord | None:
        """The newest row that the feed has; rows behind it may be of other lists or times."""
        last = self._view.last_position(feed.source)
        for back in _LOOKED_BACK:
            for record in reversed(self._view.records(feed.source, max(0, last - back), _READ_BACK)):
                if may_go(feed, record, self._now_us) and (one := carried(feed, record)) is not None:
                    return one
            if back >= last:
                break
        return None

    def _deliver_requeued(self) -> None:
        taken, stopped_by, refused = deliver_requeued(self._emp, (*self.feeds, *self._requested), self._view)
        self._judging.took(taken)
        for feed, outcome in refused.values():
            self._judging.refuse(feed, outcome)
        if stopped_by is not None:
            self._judging.stop(stopped_by)

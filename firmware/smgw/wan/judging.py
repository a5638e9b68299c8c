"""The actions after an outcome: the rules of ARCHITECTURE.md, "Exactly once".

They are the same for every outlet. A row is skipped only if the participant rejects that one row and accepts others of
its meter. Then it is quarantined and counted, and `smgw deliver --again` sends it once more. A meter is held if the
participant accepts none of its rows and accepts rows of others. If it accepts no row at all, all delivery is held.
"""

from collections.abc import Callable, Iterable, Sequence

from smgw.cosem.source import Source
from smgw.profiles.feed import Feed
from smgw.store.records import StoredRecord
from smgw.wan.outlet import Batch, Outcome, OutcomeKind
from smgw.wan.participant import Participant
from smgw.wan.suspects import Suspects

#: After this many rejected rows of a feed and no accepted one, the fault may not be in the rows.
_MOST_SUSPECTS = 3


class Judging:
    """The outcomes of one round. `file_id` is the store id of the file that the rows are read from."""

    def __init__(self, emp: Participant, file_id: str) -> None:
        self._emp = emp
        self._file_id = file_id
        self._suspects = Suspects(emp.who, file_id, emp.store, emp.now)
        self._doubted: dict[Source, Feed] = {}  # rejected rows, while it is not known whether rows or meter are refused
        self._refused: dict[Source, tuple[Feed, Outcome]] = {}  # meters, while it is not known whether all are refused
        self._accepted: set[Source] = set()
        self._is_well = False  # the EMP accepted a row
        self._stopped_by: Outcome | None = None
        self.taken = 0  # rows, in this round

    @property
    def stopped(self) -> bool:
        """True if nothing more is sent in this round."""
        return self._stopped_by is not None

    @property
    def undecided(self) -> bool:
        """True if there are rejected rows and the cause (rows, meter or EMP) is not known."""
        return bool(self._doubted or self._suspects)

    def waits(self, feed: Feed) -> bool:
        """True if nothing of the feed is sent now: it must wait for `decide`, or it is refused or held."""
        source = feed.source
        return source in self._doubted or source in self._refused or self._emp.holds.waits(source)

    def deliver(
        self, feed: Feed, records: Sequence[StoredRecord], following: Callable[[], Batch | None] | None = None
    ) -> None:
        """Send rows of one feed in order, and act on the outcome. `following`: see `Batch`."""
        rest = tuple(records)
        while rest and not self.stopped and not self.waits(feed):
            outcome = self._emp.outlet.send(Batch(feed, rest, following))
            about = len(rest) if outcome.rows is None else max(1, outcome.rows)
            self._act(feed, rest[:about], outcome)
            rest = rest[about:]

    def passed(self, feed: Feed, position: int) -> None:
        """Settle all rows up to here; rows after the last delivered one are not for this feed."""
        if not self.stopped and not self._suspects.of(feed.source):
            self._emp.store.gather(self._emp.who, self._file_id, feed.source, position, 0)

    def decide(self, newest: Callable[[Feed], StoredRecord | None]) -> list[Feed]:
        """After all feeds: decide whether rows or meters are refused. Returns the feeds that continue."""
        again = []
        for feed in self._doubted.values():
            if self._is_taken(feed, newest(feed)):
                again.append(feed)
            else:
                self.refuse(feed, self._suspects.drop(feed.source))
            if self.stopped:
                return []
        self._doubted.clear()
        if self._is_well or not self._suspects.blamed():
            self._suspects.settle()
        return again

    def settle_refused(self, feeds: Iterable[Feed], newest: Callable[[Feed], StoredRecord | None]) -> None:
        """Hold the refused meters if the EMP accepts rows of others, else all delivery.

        If no row of another meter waits, the newest one is sent again. The EMP recognises it.
        """
        if self.stopped or not self._refused:
            return
        last = list(self._refused.values())[-1][1]
        others = (feed for feed in feeds if not self.waits(feed))
        if not self._is_well and not any(self._is_taken(feed, newest(feed)) for feed in others):
            self.stop(last._replace(kind=OutcomeKind.HOLD))
            return
        for source, (_, outcome) in self._refused.items():
            self._emp.holds.hold(source, outcome)

    def refuse(self, feed: Feed, outcome: Outcome) -> None:
        """Send nothing more of this feed in this round; `settle_refused` decides what comes after it."""
        self._refused[feed.source] = feed, outcome

    def took(self, rows: int) -> None:
        """Note that the EMP accepted rows outside the order of the cursors."""
        if rows:
            self.taken += rows
            self._is_well = True
            self._emp.channel.acknowledged()

    def stop(self, outcome: Outcome) -> None:
        """Send nothing more in this round."""
        if self._stopped_by is None:
            self._stopped_by = outcome
            if not self._emp.stopping():
                self._emp.channel.failed(outcome)

    def end(self) -> Outcome | None:
        """HOLD or RETRY, which stops the delivery; None if all waiting rows are settled."""
        if self._stopped_by is None and self._suspects:
            self.stop(self._suspects.last_outcome._replace(kind=OutcomeKind.RETRY))
        return self._stopped_by

    def _act(self, feed: Feed, records: tuple[StoredRecord, ...], outcome: Outcome) -> None:
        if outcome.kind is OutcomeKind.ACKNOWLEDGED:
            self._acknowledge(feed, records)
        elif outcome.kind is OutcomeKind.RETRY:
            self._emp.size.restart()
            self.stop(outcome)
        elif outcome.kind is OutcomeKind.HOLD:
            if outcome.whole:
                self.stop(outcome)
            else:
                self.refuse(feed, outcome)
        elif len(records) > 1:
            middle = len(records) // 2
            if outcome.kind is OutcomeKind.TOO_LARGE:
                self._emp.size.shrink(middle)
            self.deliver(feed, records[:middle])
            self.deliver(feed, records[middle:])
        else:
            self._suspect(feed, records[0], outcome)

    def _acknowledge(self, feed: Feed, records: tuple[StoredRecord, ...]) -> None:
        """Move the cursor and quarantine rows before it in one transaction, which may be that of the whole round."""
        position, aside = records[-1].position, self._suspects.take(feed.source)
        self._emp.store.gather(self._emp.who, self._file_id, feed.source, position, len(records), aside)
        self.taken += len(records)
        self._note_accepted(feed)
        self._emp.size.grow()
        self._emp.channel.acknowledged()

    def _note_accepted(self, feed: Feed) -> None:
        self._is_well = True
        self._accepted.add(feed.source)
        self._emp.holds.end(feed.source)

    def _suspect(self, feed: Feed, record: StoredRecord, outcome: Outcome) -> None:
        """One row alone was rejected: quarantine it if others of its feed are accepted, else hold it until one is."""
        first = not self._suspects.of(feed.source)
        self._suspects.add(feed.source, record, outcome)
        if first and record.store_id != self._file_id and outcome.kind is OutcomeKind.CONTRADICTED:
            # A salvaged row may lack values that the EMP has. This says nothing about other rows. With `first` no older
            # rejected row of its source waits: salvaged rows may come after others.
            self._suspects.settle_newest()
        elif feed.source in self._accepted:
            self._suspects.settle(feed.source)
        elif self._suspects.blamed(feed.source) >= _MOST_SUSPECTS:
            self._doubted[feed.source] = feed

    def _is_taken(self, feed: Feed, newest: StoredRecord | None) -> bool:
        """Send the newest row out of order. A row that waits is sent again in order, and counted then."""
        if newest is None or self.stopped or self._suspects.has(newest):
            return False
        outcome = self._emp.outlet.send(Batch(feed, (newest,)))
        if outcome.kind is OutcomeKind.RETRY or outcome.whole:
            self.stop(outcome)
        if outcome.kind is not OutcomeKind.ACKNOWLEDGED:
            return False
        self.taken += 1
        self._note_accepted(feed)
        return True

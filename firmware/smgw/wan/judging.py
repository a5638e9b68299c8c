"""The actions after an outcome: the rules of ARCHITECTURE.md, "Exactly once".

They are the same for every outlet. A row is skipped only if the participant rejects that one row and accepts others.
Then it is quarantined and counted, and `smgw deliver --again` sends it once more. As long as the participant accepts
no row, no row is quarantined.
"""

from collections.abc import Callable, Sequence

from smgw.cosem.source import Source
from smgw.profiles.feed import Feed
from smgw.store.records import StoredRecord
from smgw.wan.outlet import Batch, Outcome, OutcomeKind
from smgw.wan.participant import Participant
from smgw.wan.suspects import Suspects

#: After this many rejected rows and no accepted one, the fault is not in the rows.
_MOST_SUSPECTS = 3


class Judging:
    """The outcomes of one round. `file_id` is the store id of the file that the rows are read from."""

    def __init__(self, emp: Participant, file_id: str) -> None:
        self._emp = emp
        self._file_id = file_id
        self._suspects = Suspects(emp.who, file_id, emp.store, emp.now)
        self._doubted: dict[Source, Feed] = {}  # rejected rows, while it is not known whether rows or EMP are at fault
        self._stopped_by: Outcome | None = None
        self.taken = 0  # rows, in this round

    @property
    def stopped(self) -> bool:
        """True if nothing more is sent in this round."""
        return self._stopped_by is not None

    @property
    def undecided(self) -> bool:
        """True if there are rejected rows and the cause (rows or EMP) is not known."""
        return bool(self._doubted or self._suspects)

    def doubts(self, feed: Feed) -> bool:
        """True if the feed must wait for `decide`."""
        return feed.source in self._doubted

    def deliver(self, feed: Feed, records: Sequence[StoredRecord]) -> None:
        """Send rows of one feed in order, and act on the outcome."""
        rest = tuple(records)
        while rest and not self.stopped and not self.doubts(feed):
            outcome = self._emp.outlet.send(Batch(feed, rest))
            about = len(rest) if outcome.rows is None else max(1, outcome.rows)
            self._act(feed, rest[:about], outcome)
            rest = rest[about:]

    def passed(self, feed: Feed, position: int) -> None:
        """Settle all rows up to here; rows after the last delivered one are not for this feed."""
        if not self.stopped and not self._suspects:
            self._emp.store.acknowledge(self._emp.who, self._file_id, feed.source, position, 0)

    def decide(self, newest: Callable[[Feed], StoredRecord | None]) -> list[Feed]:
        """After all feeds: decide whether rows or EMP are at fault. Returns the feeds that continue."""
        doubted = list(self._doubted.values())
        if (
            self.taken
            or not self._suspects.blamed()
            or any(self._is_taken(feed, record) for feed in doubted if (record := newest(feed)) is not None)
        ):
            self.taken += 1
            self._suspects.settle()
            self._doubted.clear()
            return doubted
        if doubted:
            self.stop(self._suspects.last_outcome._replace(kind=OutcomeKind.HOLD))
        return []

    def took(self, rows: int) -> None:
        """Note that the EMP accepted rows outside the order of the cursors."""
        if rows:
            self.taken += rows
            self._emp.channel.acknowledged()

    def stop(self, outcome: Outcome) -> None:
        """Send nothing more in this round."""
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
        elif outcome.kind in (OutcomeKind.RETRY, OutcomeKind.HOLD):
            self.stop(outcome)
        elif len(records) > 1:
            middle = len(records) // 2
            if outcome.kind is OutcomeKind.TOO_LARGE:
                self._emp.size.shrink(middle)
            self.deliver(feed, records[:middle])
            self.deliver(feed, records[middle:])
        else:
            self._suspect(feed, records[0], outcome)

    def _acknowledge(self, feed: Feed, records: tuple[StoredRecord, ...]) -> None:
        """Move the cursor and quarantine rows before it in one transaction."""
        position, aside = records[-1].position, self._suspects.take(feed.source)
        self._emp.store.acknowledge(self._emp.who, self._file_id, feed.source, position, len(records), aside)
        self.taken += len(records)
        self._suspects.settle()
        self._emp.size.grow()
        self._emp.channel.acknowledged()

    def _suspect(self, feed: Feed, record: StoredRecord, outcome: Outcome) -> None:
        """One row alone was rejected: quarantine it if others are accepted, else hold it until one is."""
        self._suspects.add(feed.source, record, outcome)
        if record.store_id != self._file_id and outcome.kind is OutcomeKind.CONTRADICTED:
            # A salvaged row may lack values that the EMP has. This says nothing about other rows.
            # No older rejected row of its source waits: salvaged rows come before all others.
            self._suspects.settle_newest()
        elif self.taken:
            self._suspects.settle()
        elif self._suspects.blamed(feed.source) >= _MOST_SUSPECTS:
            self._doubted[feed.source] = feed

    def _is_taken(self, feed: Feed, newest: StoredRecord) -> bool:
        """Send the newest row out of order. It is sent again in order, and counted then."""
        if self._suspects.has(newest):
            return False
        return self._emp.outlet.send(Batch(feed, (newest,))).kind is OutcomeKind.ACKNOWLEDGED

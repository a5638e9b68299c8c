"""lmn.db, written by the LMN process. Rows are durable when `append` returns; a full disk is handled."""

import contextlib
import logging
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, TypeVar

from smgw.clock.gateway_clock import GatewayClock, Saved
from smgw.cosem.device_id import DeviceId
from smgw.cosem.reading import ClockState, Stamp
from smgw.errors import LocalProtocolError
from smgw.store import paths
from smgw.store.digest import sha256
from smgw.store.errors import StoreFull
from smgw.store.file.log_book import Level, Note
from smgw.store.file.owned import Begun
from smgw.store.file.pending import count
from smgw.store.file.writer import StoreWriter
from smgw.store.lmn import beside, budget, counters, evaluating, history, holds, pulses, pushes, retention
from smgw.store.lmn.evaluating import Evaluating
from smgw.store.lmn.pending import LmnPending
from smgw.store.lmn.rows import Row, RowWriter
from smgw.store.lmn.schema import lmn_schema
from smgw.store.lmn.view import CLOCK_QUERY, NEWEST_TARGET, parameters, saved_clock
from smgw.store.ranges import Range
from smgw.store.records import (
    CacheKind,
    CounterKind,
    Covered,
    EvaluationState,
    ListKind,
    MeterState,
    Origin,
    Outcome,
    OutcomeKind,
    ProfileName,
    Record,
    Retention,
    RetentionReport,
    SalvageState,
    Source,
)

if TYPE_CHECKING:
    from smgw.store.lmn.behind import Behind

_log = logging.getLogger(__name__)
T = TypeVar("T")

BALLAST_BYTES = 2 * 1024 * 1024
#: Rows removed at a time, at least, and the free pages below which live-rate rows replace older live-rate rows.
_THINNED = 256
_FREE_PAGES = 32
#: Looks back so many records: a start must not take long on a slow card.
_NEWEST_VALID = """SELECT utc_us FROM (SELECT utc_us, clock_state FROM capture ORDER BY number DESC LIMIT 100000)
    WHERE clock_state = ? LIMIT 1"""


def _salvage(damaged: Path, target: sqlite3.Connection, store_id: str | None, aside: str) -> Begun:
    from smgw.store.lmn.salvage import begin_salvage  # not loaded unless the file is damaged

    return begin_salvage(damaged, target, store_id, aside)


class LmnStore(StoreWriter):
    """The one writer of lmn.db."""

    _REMEDY = "live-rate rows are thinned"

    def __init__(self, directory: Path, ballast_bytes: int = BALLAST_BYTES) -> None:
        self._sweep = retention.Sweep()
        self._waiting = LmnPending()
        self._behind: Behind | None = None
        self._evaluating: Evaluating | None = None
        super().__init__(
            directory / paths.LMN, lmn_schema(), _salvage, self._waiting, whole_wal=True, reserve=ballast_bytes
        )

    @classmethod
    def open(cls, directory: Path, *, ballast_bytes: int = BALLAST_BYTES) -> Self:
        """Open lmn.db in the state directory, or make it. A damaged file is moved aside and salvaged.

        Raises StoreOwned (a second writer), StoreTooNew, StoreError (no directory, no right, no space).
        """
        return cls(directory, ballast_bytes)

    def append(self, records: Sequence[Record], covered: Covered | None = None) -> list[Outcome]:
        """Write records in one durable transaction; returns the outcome of each. A number is never used twice.

        A record is stored whole, with its derived rows, or not at all. Values whose register is past a bound are left
        out. LocalProtocolError for a value that does not suit its type: then nothing was written.

        `covered` is the range of a load profile that the records complete. On a full disk StoreFull is raised and
        nothing is written, since the meter can be asked again.
        """
        batch = [Row.of(record) for record in records]
        if covered is not None and any(
            record.origin is not Origin.HISTORY or history.name_of(record) != covered.name for record in records
        ):
            raise LocalProtocolError(f"these are not rows of {covered.name}")
        with self._file.lock, self._waiting.registered():
            self._end_need()
            if covered is not None:
                return self._write(partial(self._insert, batch, covered))
            if not self._in_need:
                try:
                    return self._commit(partial(self._insert, batch, None))
                except (sqlite3.OperationalError, StoreFull):
                    self._begin_need()
            return self._append_in_need(batch)

    @contextlib.contextmanager
    def alone(self) -> Iterator[None]:
        """No other thread writes within this block."""
        with self._file.lock:
            yield

    def evaluate_with(self, maker: Evaluating | None) -> None:
        """From now on `append` also writes the rows that follow from written rows."""
        with self._file.lock:
            self._evaluating = maker

    def evaluation_states(self) -> list[EvaluationState]:
        """What evaluations remember; those that have ended, too."""
        rows = self._read(evaluating.STATES)
        return [
            EvaluationState(name, number, version, DeviceId(device), octets)
            for name, number, version, device, octets in rows
        ]

    def save_evaluations(self, states: Sequence[EvaluationState], notes: Sequence[Note] = ()) -> None:
        """Write what evaluations remember, with log entries, in one transaction."""

        def body(connection: sqlite3.Connection) -> None:
            evaluating.write(connection, states, notes)

        self._write(body)

    def note_meter(self, state: MeterState) -> None:
        """Store the newest state of a device behind a meter with the next append or flush."""
        with self._file.lock:
            self._waiting.note_meter(state)

    def drop_meter(self, meter: str, device: DeviceId) -> None:
        """Remove the state of a device that is no longer behind the meter, with the next append or flush."""
        with self._file.lock:
            self._waiting.drop_meter(meter, device)

    def count(self, name: str, amount: int = 1) -> None:
        """Add to a counter of the caller's; it is written with the next append or flush."""
        with self._file.lock:
            self._waiting.counts[name] += amount

    def save_clock(self, boot_id: str, boottime_ns: int, offset_us: int, dispersion_us: int, state: ClockState) -> None:
        """Store the clock's newest state with the next append or flush."""
        with self._file.lock:
            self._waiting.note_clock(Saved(boot_id, boottime_ns, offset_us, dispersion_us, state))

    def load_clock(self) -> Saved | None:
        """The clock as it was saved last."""
        with self._file.lock:
            if self._waiting.clock is not None:
                return self._waiting.clock
            return self._saved_clock(self._read(CLOCK_QUERY))

    def newest_valid_us(self) -> int:
        """The time of the newest record whose time was valid; 0 if there is none."""
        rows = self._read(_NEWEST_VALID, ClockState.SYNCHRONISED)
        rows += self._read("SELECT newest_valid_us FROM salvage")
        return max((int(time) for (time,) in rows), default=0)

    def take_acceptance(self) -> bool:
        """Whether a person has allowed a step of the clock; the order is over with this."""
        if not self._read(beside.ACCEPTED):
            return False
        return self._write(lambda connection: bool(connection.execute(beside.FORGET_ACCEPTED).rowcount))

    def flush(self, *, now: bool = False) -> None:
        """Write waiting data if it waits for too long, or at once. Call it when there is nothing to append.

        News wait for 5 s: a log entry, another state of a meter. What only counts on waits for 5 minutes.
        """
        with self._file.lock:
            if self._waiting and (now or self._waiting.is_due()):
                with self._waiting.wholly():
                    self._write_pending()

    def close(self) -> None:
        """Write waiting data, checkpoint, close the file. Readers can go on reading."""
        with self._file.lock, self._waiting.wholly():
            if self._behind is not None:
                self._behind.close()
            super().close()

    def cache(self, kind: CacheKind, device: DeviceId, firmware: bytes, octets: bytes) -> None:
        """Cache an answer of a meter with this firmware."""
        row = (kind, device, firmware, octets)
        self._write(lambda connection: connection.execute("INSERT OR REPLACE INTO cache VALUES (?, ?, ?, ?)", row))

    def cached(self, kind: CacheKind, device: DeviceId, firmware: bytes) -> bytes | None:
        """The cached answer of a meter with this firmware, or None."""
        query = "SELECT octets FROM cache WHERE kind = ? AND device = ? AND firmware = ?"
        rows = self._read(query, kind, device, firmware)
        return bytes(rows[0][0]) if rows else None

    def hold(self, meter: str, secret: bytes, reason: str) -> None:
        """Hold a meter that refused `secret`: whatever proves who asks. Only a salted digest of it is stored."""
        self._write(lambda connection: holds.hold(connection, meter, secret, reason))

    def held(self, meter: str, secret: bytes | None = None) -> str | None:
        """Why a meter is held; None if it is not, or if it refused another secret than this."""
        for mark, reason in self._read(holds.QUERY, meter.encode()):
            if secret is None or holds.is_of(bytes(mark), secret):
                return bytes(reason).decode(errors="replace")
        return None

    def release(self, meter: str) -> None:
        """Hold a meter no longer."""
        self._write(lambda connection: holds.release(connection, meter))

    def profile_ranges(self, name: ProfileName) -> list[Range]:
        """The stored ranges of a load profile, in order."""
        return [Range(*row) for row in self._read(history.RANGES, *name)]

    def last_target_us(self, source: Source) -> int | None:
        """The newest target time registered for this source; None if nothing of it is on a grid."""
        (newest,) = self._read(NEWEST_TARGET, *parameters(source))[0]
        return None if newest is None else int(newest)

    def reserve(self, kind: CounterKind, scope: str, holder: str, least: int, amount: int) -> int:
        """Reserve `amount` numbers durably for the caller; returns the first, which is at least `least`.

        A number of a scope is never given out twice, to any caller. The scope of an invocation counter is a digest of
        the key, because a nonce holds the system title and the counter, but not the caller. An unknown key starts far
        above 0, since a lost store may have used lower counters. Other numbers start at `least`.

        ClockPlainlyWrongError for an unknown key while the clock is before the build of the software or decades later.
        """
        now = self._stamp()
        return self._write(lambda connection: counters.reserve(connection, now, kind, scope, holder, least, amount))

    def skip(self, scope: str, holder: str, step: int, expected: int) -> bool:
        """True if a key may skip `step` invocation counters because its meter is said to expect `expected`.

        Beyond the daily budget a person must allow it: `smgw retry`.
        """
        now = self._stamp()
        return self._write(lambda connection: budget.skip(connection, now, scope, holder, step, expected))

    def note_push(self, scope: str, meter: str, title: bytes, counter: int) -> None:
        """Store the newest counter of a meter's pushes with the next append or flush, and with no other commit."""
        with self._file.lock:
            self._waiting.pushes[scope, meter + pushes.suffix(title)] = counter

    def newest_push(self, scope: str, title: bytes) -> int | None:
        """The newest counter of the pushes with this key and system title."""
        with self._file.lock:
            (newest,) = self._read(pushes.NEWEST, scope, pushes.suffix(title))[0]
            known = [] if newest is None else [int(newest)]
            return max(known + self._waiting.newest_pushes(scope, title), default=None)

    def note_pulses(self, meter: str, count: int, ordered: int) -> None:
        """Store the newest count of a meter's pulses with the next append, or within a minute by `flush`."""
        with self._file.lock:
            self._waiting.note_pulses(meter, count, ordered)

    def pulses(self, meter: str) -> tuple[int, int] | None:
        """The newest count of a meter's pulses, and the number of the last order in it; None if there is none."""
        with self._file.lock:
            if meter in self._waiting.pulses:
                return self._waiting.pulses[meter]
            return pulses.counted(self._read(pulses.COUNT, meter))

    def pulses_ordered(self, meter: str) -> tuple[int, int] | None:
        """The number of the order of a person that waits, and the count that it sets; None if there is none."""
        rows = self._read(pulses.ORDER, meter)
        return (int(rows[0][0]), int(rows[0][1])) if rows else None

    def profile_version(self, kind: str, name: str, content: str) -> int:
        """The number of this version of a profile; the same content has the same number.

        A version of kind `meter` also marks the captures of the meter with that name from now on.
        """
        digest = sha256(content.encode())

        def body(connection: sqlite3.Connection) -> int:
            connection.execute(
                "INSERT OR IGNORE INTO profile_version (kind, name, sha256, content) VALUES (?, ?, ?, ?)",
                (kind, name, digest, content),
            )
            query = "SELECT id FROM profile_version WHERE kind = ? AND name = ? AND sha256 = ?"
            return int(connection.execute(query, (kind, name, digest)).fetchone()[0])

        version = self._write(body)
        if kind in ("meter", "evaluation"):
            self._rows.use_profile(name, version)
        return version

    def profile_content(self, version: int) -> str | None:
        """The content of a version of a profile; None if there is no such version."""
        rows = self._read("SELECT content FROM profile_version WHERE id = ?", version)
        return str(rows[0][0]) if rows else None

    def retain(
        self,
        now_us: int,
        limits: Retention,
        delivered: Mapping[bytes, int],
        at_most: int = retention.REMOVED_AT_MOST,
    ) -> RetentionReport:
        """Remove rows past their age, at most so many a call. Call again while `more`.

        `delivered`: device -> position up to which every EMP has acknowledged. A missing device has delivered nothing;
        NOBODY_WAITS marks a device that no EMP receives. Undelivered rows stay until the file holds
        `limits.undelivered_bytes`. Then the oldest are removed and counted as `lost_undelivered`. A row with an invalid
        time is as old as the next one with a valid time.
        """
        run = partial(self._sweep.run, now_us=now_us, limits=limits, delivered=delivered, at_most=at_most)
        return self._write(run)

    @property
    def salvage(self) -> SalvageState | None:
        """What is still copied from a damaged file; None if nothing is."""
        return None if self._behind is None else self._behind.state

    def salvage_step(self) -> float | None:
        """Copy some captures of a damaged file; returns the seconds until the next call, None if there is nothing.

        On a full disk it waits. StoreError as for any other write.
        """
        behind = self._behind
        if behind is None:
            return None
        file = behind.state and behind.state.file
        pause = behind.step()
        with self._file.lock:
            if behind is self._behind and file != (behind.state and behind.state.file):
                self._sweep = retention.Sweep()  # it may have passed blocks that have rows now
                if behind.state is None:
                    self._behind = None
        return pause

    def _insert(self, batch: Sequence[Row], covered: Covered | None, connection: sqlite3.Connection) -> list[Outcome]:
        past = history.HistoryWriter(connection, self._rows)
        outcomes = [self._insert_row(row, past) for row in batch]
        if covered is not None:
            past.cover(covered)
        if self._evaluating is not None:
            evaluating.write(connection, self._evaluating.changed(), self._evaluating.notes())
        return outcomes

    def _insert_row(self, row: Row, past: history.HistoryWriter) -> Outcome:
        record, columns, derived = row
        outcome = past.insert(row) if record.origin is Origin.HISTORY else self._rows.insert(record, columns)
        if outcome.kind is OutcomeKind.WRITTEN:
            for one in derived:
                self._insert_row(one, past)
            if self._evaluating is not None and record.list is ListKind.ORIGINAL:
                for following in self._evaluating.written(record):
                    self._insert_row(Row.of(following), past)
        return outcome

    def _attempt(self, body: Callable[[sqlite3.Connection], T], alone: bool) -> T:
        result = super()._attempt(body, alone)
        if self._evaluating is not None:
            self._evaluating.committed()
        return result

    def _rolled_back(self) -> None:
        if self._evaluating is not None:
            self._evaluating.rolled_back()
        self._sweep = retention.Sweep()  # rows that it removed are there again
        # If this read fails too, the next call reports it.
        with contextlib.suppress(sqlite3.Error):
            self._rows.forget()

    def _take_over(self) -> None:
        self._rows = RowWriter(self._file.writer)
        self._sweep = retention.Sweep()
        self._look_at_salvage()

    def _look_at_salvage(self) -> None:
        if self._behind is not None:
            self._behind.close()
            self._behind = None
        if self._file.writer.execute("SELECT 1 FROM salvage").fetchone() is not None:
            from smgw.store.lmn.behind import Behind  # not loaded unless a file was damaged

            self._behind = Behind(self._file, self._rows, self._commit, lambda: self._in_need, self._tell)

    def _tell(self, event: str, level: Level, text: str) -> None:
        self.log(event, level, text, self._stamp())

    def _own_clock(self) -> Callable[[], Stamp]:
        return GatewayClock(saved=self._saved_clock(self._file.writer.execute(CLOCK_QUERY).fetchall())).stamp

    def _saved_clock(self, rows: Sequence[Sequence[Any]]) -> Saved | None:
        try:
            return saved_clock(rows[0]) if rows else None
        except ValueError as error:  # a flipped bit: the clock starts anew
            _log.warning("%s: the clock's state makes no sense: %s", self._file.path, error)
            return None

    # The full disk.

    def _append_in_need(self, batch: Sequence[Row]) -> list[Outcome]:
        """Write grid values first; write live-rate rows only into pages of removed live-rate rows.

        Rows of a load profile are not lost on a full disk: the meter still has them.
        """
        outcomes = [Outcome(OutcomeKind.NO_ROOM)] * len(batch)
        groups: dict[str, list[int]] = {"grid": [], "history": [], "live": []}
        for place, (record, _, _) in enumerate(batch):
            live = "live" if record.target_time_us is None else "grid"
            groups["history" if record.origin is Origin.HISTORY else live].append(place)
        for group, places in groups.items():
            if not places:
                continue
            insert = self._insert_thriftily if group == "live" else self._insert
            try:
                written = self._write(partial(insert, [batch[place] for place in places], None))
            except StoreFull:
                if group != "history":
                    self._waiting.counts[f"lost_{group}"] += len(places)
                continue
            for place, outcome in zip(places, written, strict=True):
                outcomes[place] = outcome
        return outcomes

    def _insert_thriftily(
        self, batch: Sequence[Row], covered: Covered | None, connection: sqlite3.Connection
    ) -> list[Outcome]:
        if connection.execute("PRAGMA freelist_count").fetchone()[0] < _FREE_PAGES:
            self._thin(connection, max(_THINNED, 2 * len(batch)))
        return self._insert(batch, covered, connection)

    def _write(self, body: Callable[[sqlite3.Connection], T]) -> T:
        """Commit; if there is no space, remove live-rate rows first, then the reserve."""
        return self._write_with(body, (self._checkpoint, self._thin_oldest, self._ballast.release, self._thin_oldest))

    def _thin_oldest(self) -> None:
        self._checkpoint()
        self._commit(lambda connection: self._thin(connection, _THINNED))
        self._checkpoint()

    def _thin(self, connection: sqlite3.Connection, amount: int) -> None:
        count(connection, {"lost_live": retention.thin(connection, amount)})

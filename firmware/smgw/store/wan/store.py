"""wan.db, written by the WAN process: cursors of EMPs, quarantined rows, time samples, orders."""

import sqlite3
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Self, TypeVar

from smgw.clock.sample import TimeSample
from smgw.cosem.reading import Stamp
from smgw.cosem.source import Source
from smgw.store import paths
from smgw.store.errors import StoreFull
from smgw.store.file import log_book
from smgw.store.file.log_book import Level, LogEntry, Note
from smgw.store.file.log_head import HEADS_KEPT, LOG_HEADS, Head
from smgw.store.file.owned import Begun
from smgw.store.file.pending import Pending, count, writable
from smgw.store.file.writer import StoreWriter
from smgw.store.wan import sent, signatures
from smgw.store.wan.pseudonyms import Numbered, Unnumbered, number
from smgw.store.wan.records import SET_ASIDE, ChannelState, Cursor, OrderKind, SetAside
from smgw.store.wan.schema import wan_schema
from smgw.store.wan.signatures import SignedRow, StoredSignature
from smgw.store.wan.waiting import ADVANCE, INSERT_SET_ASIDE, Waiting

T = TypeVar("T")

BALLAST_BYTES = 256 * 1024
#: Time between two tries to write data that waits in memory for disk space. Delivery does not wait for it.
_TRY_EVERY_S = 1.0
#: Acknowledgements are written at most this often, whether a round lasts longer or many rounds follow each other.
_GATHERED_S = 2.0
#: Time samples stored: more than one a minute for a day.
_SAMPLES_KEPT = 2000

_ORDER_KINDS = frozenset(kind.value for kind in OrderKind)


def _salvage(damaged: Path, target: sqlite3.Connection, _store_id: str | None, _aside: str) -> Begun:
    from smgw.store.wan.salvage import salvage_wan  # not loaded unless the file is damaged

    return Begun(salvage_wan(damaged, target))


class WanStore(StoreWriter):
    """The one writer of wan.db; its dispatchers' threads take turns. StoreFull where the disk has no room."""

    _REMEDY = "what EMPs acknowledge is written into the reserve, then kept in memory"

    def __init__(self, directory: Path) -> None:
        # A lost -wal sets cursors back: rows are delivered again, and the EMP ignores repeats.
        self._waiting = Waiting()
        self._failed = 0.0
        self._settled = float("-inf")
        super().__init__(
            directory / paths.WAN, wan_schema(), _salvage, Pending(), whole_wal=False, reserve=BALLAST_BYTES
        )

    @classmethod
    def open(cls, directory: Path) -> Self:
        """Open wan.db in the state directory, or make it. Raises StoreOwned, StoreTooNew, StoreError."""
        return cls(directory)

    def cursors(self, emp: str) -> list[Cursor]:
        """The cursors of this EMP, by store, meter and device."""
        query = "SELECT emp, store_id, meter, device, position, acknowledged FROM cursor WHERE emp = ?"
        with self._file.lock:
            return self._waiting.added_to((Cursor(*row) for row in self._read(query, emp)), emp)

    def acknowledge(
        self,
        emp: str,
        store_id: str,
        source: Source,
        position: int,
        acknowledged: int,
        set_aside: Sequence[SetAside] = (),
    ) -> None:
        """Settle the rows of a device up to `position` in one step: `acknowledged` arrived, the others are quarantined.

        As `gather`, but it writes at once. On a full disk, when even the reserve is used, the data waits in memory and
        delivery goes on.
        """
        with self._file.lock:
            self.gather(emp, store_id, source, position, acknowledged, set_aside)
            self.settle()

    def gather(
        self,
        emp: str,
        store_id: str,
        source: Source,
        position: int,
        acknowledged: int,
        set_aside: Sequence[SetAside] = (),
    ) -> None:
        """Settle the rows of a device up to `position` with the next `settle`; `settle_due` is called again and again.

        The cursor only grows. The time of the last acknowledgement is written with it. `cursors` includes what waits.
        If the process ends before it is written, rows are delivered again.
        """
        with self._file.lock:
            key = (emp, store_id, source.meter, bytes(source.device))
            self._waiting.acknowledge(key, position, acknowledged, set_aside, self._stamp().utc_us)

    def settle(self) -> None:
        """Write what was gathered."""
        with self._file.lock:
            if self._waiting:
                self._settled = time.monotonic()
                self._settle((self._checkpoint, self._ballast.release))

    def settle_due(self) -> None:
        """Write what was gathered, unless something was written just now: then the next call does it."""
        if self._waiting and time.monotonic() - self._settled >= _GATHERED_S:
            self.settle()

    def set_aside(self, emp: str) -> list[SetAside]:
        """Quarantined rows of this EMP that no order has requeued."""
        query = f"""SELECT {SET_ASIDE} FROM set_aside WHERE emp = ? AND NOT requeued
            ORDER BY store_id, position"""  # noqa: S608 - constant columns
        return [SetAside(*row) for row in self._read(query, emp)]

    def take_requeued(self, emp: str, store_id: str, limit: int) -> list[SetAside]:
        """Rows to deliver again: those of that store by position, then those of older store files.

        The latter are found by `LmnView.find` under record_store_id and record_number. All stay until
        `settle_requeued` or `forget_set_aside` settles them.
        """
        query = f"""SELECT {SET_ASIDE} FROM set_aside WHERE emp = ? AND requeued
            ORDER BY store_id != ?, store_id, position LIMIT ?"""  # noqa: S608 - constant columns
        return [SetAside(*row) for row in self._read(query, emp, store_id, limit)]

    def settle_requeued(self, arrived: Sequence[SetAside], refused: Sequence[SetAside] = ()) -> None:
        """Settle rows delivered again: those that arrived leave quarantine, the others get their new answer."""

        self._write_vital(
            lambda connection: (
                connection.executemany(
                    "DELETE FROM set_aside WHERE emp = ? AND store_id = ? AND position = ?",
                    [(row.emp, row.store_id, row.position) for row in arrived],
                ),
                connection.executemany(
                    ADVANCE, [(row.emp, row.store_id, row.meter, row.device, 0, 1) for row in arrived]
                ),
                connection.executemany(INSERT_SET_ASIDE, [writable(row) for row in refused]),
            )
        )

    def forget_set_aside(self, row: SetAside, reason: str) -> None:
        """Drop a row that can no longer be delivered. It is counted as `lost_set_aside` and logged."""
        text = f"EMP {row.emp}: record {row.record_number} of store {row.record_store_id}: {reason}"

        def body(connection: sqlite3.Connection) -> None:
            key = (row.emp, row.store_id, row.position)
            query = "DELETE FROM set_aside WHERE emp = ? AND store_id = ? AND position = ?"
            if connection.execute(query, key).rowcount:
                count(connection, {"lost_set_aside": 1})
                note = Note("system", "set-aside-lost", Level.ERROR, False, text, self._stamp())
                log_book.write(connection, writable(note))

        self._write_vital(body)

    def number(self, emp: str, source: Source, days: int, rows: Sequence[Unnumbered]) -> list[Numbered | None]:
        """The pseudonyms of rows and their durable numbers; see `pseudonyms.number`.

        StoreFull where there is no room to note a number: then the row must not be sent.
        """
        took_along = False

        def body(connection: sqlite3.Connection) -> list[Numbered | None]:
            nonlocal took_along
            before = connection.total_changes
            found = number(connection, self.store_id, emp, source, days, rows)
            took_along = connection.total_changes != before and bool(self._waiting)
            if took_along:  # there is a commit anyway
                self._waiting.write(connection)
            return found

        with self._file.lock:
            found = self._write_vital(body)
            if took_along:
                self._waiting.clear()
                self._settled = time.monotonic()
        return found

    def note_channel(self, state: ChannelState) -> None:
        """Store the state of the delivery to one EMP; in memory if the disk is full."""
        with self._file.lock:
            self._waiting.channel(state)
            self._settle((self._checkpoint,))

    def add_time_sample(self, sample: TimeSample) -> int:
        """Publish a sample for the process that owns the clock; returns its number. The oldest samples are removed."""

        def body(connection: sqlite3.Connection) -> int:
            query = """INSERT INTO time_sample (boot_id, boottime_ns, offset_us, dispersion_us, source)
                VALUES (?, ?, ?, ?, ?)"""
            number = connection.execute(query, sample).lastrowid or 0
            connection.execute("DELETE FROM time_sample WHERE id <= ?", (number - _SAMPLES_KEPT,))
            return number

        return self._write(body)

    def value_signatures(self, row: SignedRow) -> list[StoredSignature]:
        """The signatures of a row's values that were made."""
        return signatures.read(self._read(signatures.QUERY, *signatures.parameters(row)))

    def note_value_signatures(self, made: Sequence[tuple[SignedRow, Sequence[StoredSignature]]]) -> None:
        """Store signatures before their rows leave. StoreFull where there is no room: then no row must be sent."""

        def body(connection: sqlite3.Connection) -> None:
            for row, of_row in made:
                signatures.write(connection, row, of_row)

        self._write_vital(body)

    def log_sent(self, consumers: Mapping[str, Sequence[str]], stamp: Stamp) -> None:
        """Log for each consumer what EMPs have acknowledged since the last call; `consumers` by meter or evaluation.

        What concerns no consumer counts as logged.
        """
        with self._file.lock:
            found = self._read(sent.NEW)
            if found:
                self._write(lambda connection: sent.write(connection, map(sent.Sent._make, found), consumers, stamp))

    def log_heads(self) -> list[Head]:
        """All signed heads of log books."""
        return [Head(*row) for row in self._read(LOG_HEADS)]

    def newest_entries(self) -> list[LogEntry]:
        """The newest entry of each log book in this database."""
        with self._file.lock:
            self._write_pending()
            books = self._read(log_book.BOOKS)
            return [log_book.newest(self._file.writer, 1, book)[0] for book, _ in books]

    def note_heads(self, heads: Sequence[Head]) -> None:
        """Store signed heads; of each book the newest `HEADS_KEPT` stay."""

        def body(connection: sqlite3.Connection) -> None:
            for head in heads:
                connection.execute("INSERT OR REPLACE INTO log_head VALUES (?, ?, ?, ?, ?, ?, ?)", head)
                connection.execute(
                    """DELETE FROM log_head WHERE store_id = ?1 AND book = ?2 AND number <= (SELECT number FROM log_head
                    WHERE store_id = ?1 AND book = ?2 ORDER BY number DESC LIMIT 1 OFFSET ?3)""",
                    (head.store_id, head.book, HEADS_KEPT),
                )

        self._write(body)

    def take_orders(self, emp: str) -> list[OrderKind]:
        """Orders for this EMP that it has not taken yet, oldest first.

        For AGAIN, quarantined rows are requeued in the same transaction: an order is taken and done, or neither.
        """
        query = """SELECT id, kind FROM work_order WHERE (emp IS NULL OR emp = ?1)
            AND id > coalesce((SELECT last FROM order_taken WHERE emp = ?1), 0) ORDER BY id"""
        with self._file.lock:
            orders = self._read(query, emp)
            # A newer `smgw` may write other kinds; they are not for this version.
            kinds = [OrderKind(kind) for _, kind in orders if kind in _ORDER_KINDS]

            def body(connection: sqlite3.Connection) -> None:
                connection.execute("INSERT OR REPLACE INTO order_taken VALUES (?, ?)", (emp, orders[-1][0]))
                if OrderKind.AGAIN in kinds:
                    query = "UPDATE set_aside SET requeued = 1 WHERE NOT requeued AND emp = ?"
                    connection.execute(query, (emp,))

            try:
                if orders:
                    self._write_vital(body)
            except StoreFull:  # logged once an episode; the order stays until there is space
                return []
        return kinds

    def close(self) -> None:
        """Write waiting data, checkpoint, close the file. Readers can go on reading."""
        with self._file.lock:
            try:
                if self._waiting:
                    self._failed = 0.0
                    self._settle((self._checkpoint, self._ballast.release))
            finally:
                super().close()

    def _write(self, body: Callable[[sqlite3.Connection], T]) -> T:
        with self._file.lock:
            self._end_need()
            result = super()._write(body)
            if self._waiting:
                self._settle(())
            return result

    def _write_vital(self, body: Callable[[sqlite3.Connection], T]) -> T:
        """Commit; the reserve is for this."""
        with self._file.lock:
            self._end_need()
            return self._write_with(body, (self._checkpoint, self._ballast.release), alone=True)

    def _settle(self, make_room: Sequence[Callable[[], bool | None]]) -> None:
        """Write waiting data; on a full disk it goes on waiting."""
        if self._failed and time.monotonic() - self._failed < _TRY_EVERY_S:
            return
        self._end_need()
        try:
            self._write_with(self._waiting.write, make_room, alone=True)
        except StoreFull:
            self._failed = time.monotonic()
            return
        self._failed = 0.0
        self._waiting.clear()

"""wan.db, written by the WAN process: what each EMP has acknowledged, what it refused, time samples, orders."""

import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import Self

from smgw.clock.sample import TimeSample
from smgw.store import log_book, paths
from smgw.store.log_book import Level, Note
from smgw.store.pending import count, writable
from smgw.store.salvage import salvage_wan
from smgw.store.schema import wan_schema
from smgw.store.wan_records import ChannelState, OrderKind, SetAside
from smgw.store.writer import StoreWriter

#: Time samples kept: a day of one a minute, and then some.
_SAMPLES_KEPT = 2000

_ORDER_KINDS = frozenset(kind.value for kind in OrderKind)
_SET_ASIDE = "emp, store_id, meter, position, record_store_id, record_number, status, reason, at_us"


class WanStore(StoreWriter):
    """The one writer of wan.db; its dispatchers' threads take turns. StoreFull where the disk has no room."""

    def __init__(self, directory: Path) -> None:
        # A lost -wal sets cursors back: rows are delivered again, which an EMP does not mind.
        super().__init__(directory / paths.WAN, wan_schema(), salvage_wan, whole_wal=False)
        self._write_pending()

    @classmethod
    def open(cls, directory: Path) -> Self:
        """Open wan.db in the state directory, or make it. Raises StoreOwned, StoreTooNew, StoreError."""
        return cls(directory)

    def cursor(self, emp: str, store_id: str, meter: str) -> int:
        """The position up to which this EMP has all rows of this meter; 0 at first."""
        query = "SELECT position FROM cursor WHERE emp = ? AND store_id = ? AND meter = ?"
        rows = self._read(query, emp, store_id, meter)
        return int(rows[0][0]) if rows else 0

    def acknowledge(
        self,
        emp: str,
        store_id: str,
        meter: str,
        position: int,
        acknowledged: int,
        set_aside: Sequence[SetAside] = (),
    ) -> None:
        """Rows up to `position` are settled, in one durable step: `acknowledged` arrived, the others are set aside.

        The cursor only grows.
        """
        aside = [writable(row) for row in set_aside]
        self._write(
            lambda connection: (
                connection.execute(
                    """INSERT INTO cursor VALUES (?, ?, ?, ?, ?) ON CONFLICT DO UPDATE
                    SET position = max(position, excluded.position),
                    acknowledged = acknowledged + excluded.acknowledged""",
                    (emp, store_id, meter, position, acknowledged),
                ),
                connection.executemany(_INSERT_SET_ASIDE, aside),
            )
        )

    def set_aside(self, emp: str) -> list[SetAside]:
        """What this EMP refused and nobody has ordered again."""
        query = f"""SELECT {_SET_ASIDE} FROM set_aside WHERE emp = ? AND NOT requeued
            ORDER BY store_id, position"""  # noqa: S608 - constant columns
        return [SetAside(*row) for row in self._read(query, emp)]

    def requeue(self, emp: str | None = None) -> int:
        """Deliver again what was set aside, of one EMP or of all; how many rows."""
        return self._write(lambda connection: _requeue(connection, emp))

    def take_requeued(self, emp: str, store_id: str, limit: int) -> list[SetAside]:
        """Rows to deliver again: those of that store by position, then those of older store files.

        The latter are found by `LmnView.find` under record_store_id and record_number. All stay until
        `settle_requeued` or `forget_set_aside` says what became of them.
        """
        query = f"""SELECT {_SET_ASIDE} FROM set_aside WHERE emp = ? AND requeued
            ORDER BY store_id != ?, store_id, position LIMIT ?"""  # noqa: S608 - constant columns
        return [SetAside(*row) for row in self._read(query, emp, store_id, limit)]

    def settle_requeued(self, arrived: Sequence[SetAside], refused: Sequence[SetAside] = ()) -> None:
        """Rows delivered again: those that arrived are set aside no longer, the others are, with their new answer."""

        self._write(
            lambda connection: (
                connection.executemany(
                    "DELETE FROM set_aside WHERE emp = ? AND store_id = ? AND position = ?",
                    [(row.emp, row.store_id, row.position) for row in arrived],
                ),
                connection.executemany(
                    "UPDATE cursor SET acknowledged = acknowledged + 1 WHERE emp = ? AND store_id = ? AND meter = ?",
                    [(row.emp, row.store_id, row.meter) for row in arrived],
                ),
                connection.executemany(_INSERT_SET_ASIDE, [writable(row) for row in refused]),
            )
        )

    def forget_set_aside(self, row: SetAside, reason: str) -> None:
        """A row that can no longer be delivered is given up: counted as `lost_set_aside`, with a log entry."""
        text = f"EMP {row.emp}: record {row.record_number} of store {row.record_store_id}: {reason}"

        def body(connection: sqlite3.Connection) -> None:
            key = (row.emp, row.store_id, row.position)
            query = "DELETE FROM set_aside WHERE emp = ? AND store_id = ? AND position = ?"
            if connection.execute(query, key).rowcount:
                count(connection, {"lost_set_aside": 1})
                note = Note("system", "set-aside-lost", Level.ERROR, False, text, self._stamp())
                log_book.write(connection, writable(note))

        self._write(body)

    def note_channel(self, state: ChannelState) -> None:
        """Keep how the delivery to one EMP fares."""
        row = writable(state)
        self._write(
            lambda connection: connection.execute("INSERT OR REPLACE INTO channel VALUES (?, ?, ?, ?, ?, ?, ?)", row)
        )

    def add_time_sample(self, sample: TimeSample) -> int:
        """Publish a sample for the process that owns the clock; its number. The oldest samples go."""

        def body(connection: sqlite3.Connection) -> int:
            query = """INSERT INTO time_sample (boot_id, boottime_ns, offset_us, dispersion_us, source)
                VALUES (?, ?, ?, ?, ?)"""
            number = connection.execute(query, sample).lastrowid or 0
            connection.execute("DELETE FROM time_sample WHERE id <= ?", (number - _SAMPLES_KEPT,))
            return number

        return self._write(body)

    def take_orders(self, emp: str) -> list[OrderKind]:
        """Orders for this EMP that it has not taken yet, oldest first.

        For AGAIN, what was set aside is requeued in the same step: an order is taken and done, or neither.
        """
        query = """SELECT id, kind FROM work_order WHERE (emp IS NULL OR emp = ?1)
            AND id > coalesce((SELECT last FROM order_taken WHERE emp = ?1), 0) ORDER BY id"""
        with self._file.lock:
            orders = self._read(query, emp)
            # A newer `smgw` may know other kinds; that one is not for us.
            kinds = [OrderKind(kind) for _, kind in orders if kind in _ORDER_KINDS]

            def body(connection: sqlite3.Connection) -> None:
                connection.execute("INSERT OR REPLACE INTO order_taken VALUES (?, ?)", (emp, orders[-1][0]))
                if OrderKind.AGAIN in kinds:
                    _requeue(connection, emp)

            if orders:
                self._write(body)
        return kinds


def _requeue(connection: sqlite3.Connection, emp: str | None) -> int:
    query = "UPDATE set_aside SET requeued = 1 WHERE NOT requeued AND (?1 IS NULL OR emp = ?1)"
    return connection.execute(query, (emp,)).rowcount


_INSERT_SET_ASIDE = f"INSERT OR REPLACE INTO set_aside ({_SET_ASIDE}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"  # noqa: S608

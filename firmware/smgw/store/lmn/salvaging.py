"""Copies captures of a damaged lmn.db into the new one while meters are read: in pieces, each one transaction.

A piece is read outside the store's lock. Its rows and the progress are written together, so a kill costs no more than
the piece. Captures have the numbers of the damaged file. New captures have larger ones. What is delivered ends at the
frontier, below which nothing is missing any more.

SQLite reads captures by number. If it could not read some, the pages are searched: captures first, then readings and
signatures of captures that were found. At last the captures from the first unreadable number on are checked.

New captures have higher numbers, and are delivered after those of the damaged file. If the salvage waits for long, it
is released: new captures are delivered, and those of the damaged file are moved behind them when they are complete.
"""

# ruff: noqa: S608 - the names in the queries are those of our schema

import contextlib
import sqlite3
import time
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from smgw.store.errors import is_full
from smgw.store.file.connection import connect_salvage
from smgw.store.file.pending import count
from smgw.store.lmn import blocks
from smgw.store.lmn.aliases import Aliases, add_registers, add_words, settle_registers
from smgw.store.lmn.blocks import BLOCK
from smgw.store.lmn.moving import move
from smgw.store.lmn.queued import Phase, Queued
from smgw.store.lmn.readable import Readings
from smgw.store.lmn.retention import remove
from smgw.store.lmn.rows import RowWriter, Word
from smgw.store.lmn.salvage import TARGETS, row_of, table_of
from smgw.store.rescue.carve import Pages
from smgw.store.rescue.copying import Row, Table

#: A piece should take so long to write. Commits of new values wait for it.
_PIECE_S = 0.04
#: Longest search for the rows of a piece. Nothing waits for it but a stop.
_SEARCH_S = 0.1
#: Reasons why a file cannot be opened now. Anything else stays as it is.
_PASSING = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_NOMEM)
_FEWEST, _FIRST_AMOUNT = 16, 64


class Piece(NamedTuple):
    """Rows to write, and how far the job is with them."""

    job: Queued
    after: Queued
    rows: dict[str, list[Row]]
    checked: tuple[int, int] | None = None  # captures with these numbers are complete

    @property
    def finds_words(self) -> bool:
        """True if it may bring words or registers, which a writer may have cached as unknown."""
        return self.job.phase == Phase.WORDS


class Salvager:
    """Copies the captures of one damaged file."""

    def __init__(self, directory: Path, job: Queued, connection: sqlite3.Connection) -> None:
        """`connection`: to the new file."""
        self.file = job.file
        self._path = directory / job.file
        self._source: sqlite3.Connection | None = None
        self._pages: Pages | None = None
        self._amount = _FIRST_AMOUNT
        self._words: dict[int | None, int] = {}
        self._registers: set[int] = set()
        self._profiles: set[int] = set()
        self._store = self._store_of(connection)
        self._learn(connection)

    def close(self) -> None:
        """Close the damaged file."""
        if self._source is not None:
            with contextlib.suppress(sqlite3.Error):
                self._source.close()
            self._source = None
        if self._pages is not None:
            self._pages.close()
            self._pages = None

    def read(self, job: Queued) -> Piece:
        """The next piece. Takes about 0.1 s at most. Raises sqlite3.Error and OSError, which may pass."""
        if job.phase in (Phase.CHECK, Phase.MOVE):
            return self._check(job)
        if not self._path.exists():  # a person moved it: what was copied stays
            return Piece(job, job._replace(phase=Phase.CHECK, next=job.hole or job.frontier + 1), {})
        if job.phase == Phase.NUMBERS:
            if self._open():
                return self._by_number(job)
            return Piece(job, job._replace(phase=Phase.CAPTURES, next=1, hole=min(job.next, job.hole or job.next)), {})
        return self._by_page(job)

    def write(self, connection: sqlite3.Connection, piece: Piece, rows: RowWriter) -> None:
        """Write a piece and the progress inside the caller's transaction. `rows`: gives captures new numbers."""
        job, after = piece.job, piece.after
        if self._store_of(connection) != self._store:
            return  # the file was replaced meanwhile
        began = time.monotonic()
        if job.phase == Phase.WORDS:
            self._add_words(connection, piece)
        elif job.phase == Phase.MOVE:
            after = self._move(connection, piece, rows)
        else:
            after = self._copy(connection, piece)
        self._note(connection, job, after)
        if piece.checked:
            wanted = int(self._amount * _PIECE_S / max(time.monotonic() - began, 1e-3))
            self._amount = max(_FEWEST, min(BLOCK, 2 * self._amount, wanted))

    def _add_words(self, connection: sqlite3.Connection, piece: Piece) -> None:
        add_words(connection, piece.rows["word"])
        add_registers(connection, piece.rows["register"])
        Table(connection, "log").insert(piece.rows["log"])
        if piece.after.phase != Phase.WORDS:
            settle_registers(connection)
            self._learn(connection)

    def _copy(self, connection: sqlite3.Connection, piece: Piece) -> Queued:
        job, after = piece.job, piece.after
        new = Table(connection, "capture").insert(self._captures(job, piece.rows.get("capture", ())))
        existing = self._existing(connection, piece)
        readings = [row for row in piece.rows.get("reading", ()) if row[0] in existing]
        if here := self._aliases.registers:
            readings = [(*row[:2], here.get(row[2], row[2]), *row[3:]) for row in readings]
        Readings(connection, "reading").insert(
            [(*row[:9], None, row[10]) for row in readings if row[2] in self._registers]
        )
        Table(connection, "signature").insert(row for row in piece.rows.get("signature", ()) if row[0] in existing)
        captures = self._complete(connection, job, piece.checked) if piece.checked else 0
        count(connection, {"salvaged": max(0, new) - captures})
        after = after._replace(captures=after.captures + max(0, new) - captures)
        if after.phase == Phase.CHECK:
            query = "SELECT min(number) FROM capture WHERE number BETWEEN ? AND ?"
            (following,) = connection.execute(query, (after.next, job.last)).fetchone()
            if following is None:
                return after._replace(phase=Phase.MOVE, next=job.frontier + 1)
            after = after._replace(next=following, frontier=job.reached(following - 1))
        return after

    @staticmethod
    def _existing(connection: sqlite3.Connection, piece: Piece) -> set[object]:
        """The numbers of captures to which readings and signatures of the piece may be added."""
        if piece.checked:
            query = "SELECT number FROM capture WHERE number BETWEEN ? AND ?"
            return {number for (number,) in connection.execute(query, piece.checked)}
        job = piece.job
        first = job.hole if job.phase == Phase.READINGS and job.hole else 1
        numbers = {row[0] for name in ("reading", "signature") for row in piece.rows.get(name, ())}
        query = "SELECT 1 FROM capture WHERE number = ?"
        return {
            number
            for number in numbers
            if type(number) is int and first <= number <= job.last and connection.execute(query, (number,)).fetchone()
        }

    def _move(self, connection: sqlite3.Connection, piece: Piece, rows: RowWriter) -> Queued:
        """Give complete captures new numbers, if the salvage was released. A file that follows may bring more."""
        job = piece.job
        if not job.released or connection.execute("SELECT count(*) FROM salvage").fetchone()[0] > 1:
            return job._replace(phase=Phase.DONE)
        query = "SELECT number FROM capture WHERE number BETWEEN ? AND ? ORDER BY number LIMIT ?"
        numbers = [number for (number,) in connection.execute(query, (job.next, job.last, self._amount))]
        if not numbers:
            return job._replace(phase=Phase.DONE)
        move(connection, numbers, rows)
        return job._replace(next=numbers[-1] + 1)

    @staticmethod
    def _note(connection: sqlite3.Connection, job: Queued, after: Queued) -> None:
        if after.phase != Phase.DONE:
            connection.execute(
                "UPDATE salvage SET phase = ?, next = ?, hole = ?, frontier = ?, captures = ? WHERE id = ?",
                (after.phase, after.next, after.hole, after.frontier, after.captures, job.id),
            )
            return
        connection.execute("DELETE FROM salvage WHERE id = ?", (job.id,))
        if job.hole is not None:
            connection.execute("DELETE FROM profile_range")  # rows of load profiles may be lost: they are read again
        if connection.execute("SELECT 1 FROM salvage").fetchone() is None:
            connection.execute("DELETE FROM source_span WHERE span = ?", (TARGETS,))
            connection.execute("DELETE FROM salvage_alias")

    def _open(self) -> bool:
        """False if SQLite cannot read the damaged file at all."""
        if self._source is None:
            source = connect_salvage(self._path)
            try:
                source.execute("PRAGMA schema_version").fetchone()
            except sqlite3.DatabaseError as error:
                source.close()
                if is_full(error) or error.sqlite_errorcode & 0xFF in _PASSING:
                    raise
                return False
            self._source = source
        return True

    def _by_number(self, job: Queued) -> Piece:
        assert self._source is not None
        until = time.monotonic() + _SEARCH_S
        low, last = job.next, job.next - 1
        hole = job.hole
        rows: dict[str, list[Row]] = {}
        while last < job.high and time.monotonic() < until:
            low, last = last + 1, min(last + self._amount, job.high)
            for name, key, columns in _NUMBERED[: 3 if job.version >= 3 else 2]:
                query = f"SELECT {columns} FROM {name} NOT INDEXED WHERE {key} BETWEEN ? AND ?"
                rows[name] = []
                try:
                    rows[name] = self._source.execute(query, (low, last)).fetchall()
                except sqlite3.DatabaseError:  # pages that are intact are found later
                    hole = low if hole is None else min(hole, low)
            if rows["capture"]:
                break
            rows.clear()
            last = max(last, self._skipped(last, job.high))
        frontier = job.reached(last if hole is None else min(last, hole - 1))
        after = job._replace(next=last + 1, hole=hole, frontier=frontier)
        if last >= job.high:
            whole = after._replace(phase=Phase.MOVE, next=job.frontier + 1)
            after = whole if hole is None else after._replace(phase=Phase.CAPTURES, next=1)
        return Piece(job, after, rows, (low, last)) if rows.get("capture") else Piece(job, after, {})

    def _skipped(self, last: int, end: int) -> int:
        """The last number before the next capture."""
        assert self._source is not None
        query = "SELECT min(number) FROM capture NOT INDEXED WHERE number > ?"
        try:
            (found,) = self._source.execute(query, (last,)).fetchone()
        except sqlite3.DatabaseError:
            return last
        return end if found is None else min(end, int(found) - 1)

    def _by_page(self, job: Queued) -> Piece:
        if self._pages is None:
            self._pages = Pages(self._path)
        rows: dict[str, list[Row]] = {name: [] for name in _SEARCHED[Phase(job.phase)]}
        until = time.monotonic() + _PIECE_S
        number = job.next
        while number <= self._pages.last:
            for carved in self._pages.records(number):
                name = table_of(carved)
                if name not in rows:
                    break  # all records of a page are of one table
                rows[name].append(row_of(carved))
            number += 1
            if time.monotonic() >= until:
                break
        after = job._replace(next=number)
        if number > self._pages.last:
            start = job.hole if job.phase == Phase.READINGS and job.hole else 1
            after = job._replace(phase=job.phase + 1, next=start)
        return Piece(job, after, rows)

    def _check(self, job: Queued) -> Piece:
        last = min(job.next + self._amount - 1, job.last)
        return Piece(job, job._replace(next=last + 1, frontier=job.reached(last)), {}, (job.next, last))

    @staticmethod
    def _store_of(connection: sqlite3.Connection) -> bytes:
        return bytes(connection.execute("SELECT store_id FROM store").fetchone()[0])

    def _learn(self, connection: sqlite3.Connection) -> None:
        """The words, registers and profile versions that a row may name."""
        self._words = dict(connection.execute("SELECT id, kind FROM word"))
        self._registers = {key for (key,) in connection.execute("SELECT id FROM register")}
        self._profiles = {key for (key,) in connection.execute("SELECT id FROM profile_version")}
        self._aliases = Aliases(connection)

    def _captures(self, job: Queued, rows: Iterable[Row]) -> list[Row]:
        """The captures that make sense, with their older identity."""
        captures: list[Row] = []
        # Captures before the first unreadable number are there. A page may still hold some that were removed.
        first = job.hole if job.phase == Phase.CAPTURES and job.hole else 1
        here = self._aliases.words
        for row in rows:
            number, *named = row[:4]
            meter, device, boot = (here.get(one, one) for one in named)
            if (
                type(number) is not int
                or not first <= number <= job.last
                or self._words.get(meter) != Word.METER
                or self._words.get(device) != Word.DEVICE
                or self._words.get(boot) != Word.BOOT
                or row[7] not in (0, 1)
                or row[8] not in (None, 1, 2, 3, 4)
                or row[13] not in (1, 2, 3, 4)
                or row[14] not in (1, 2, 3)
            ):
                continue
            profile = row[10] if row[10] in self._profiles else None
            older: tuple[int | None, int | None] = (here.get(row[15], row[15]), row[16])
            if self._words.get(older[0]) != Word.OLDER_STORE or type(row[16]) is not int:
                older = (None, None) if job.older_store is None else (job.older_store, number)
            captures.append((number, meter, device, boot, *row[4:10], profile, *row[11:15], *older))
        return captures

    def _complete(self, connection: sqlite3.Connection, job: Queued, checked: tuple[int, int]) -> int:
        """Captures with these numbers have all that is left of them; returns how many were removed."""
        for name in ("reading", "signature"):
            connection.execute(
                f"DELETE FROM {name} WHERE capture BETWEEN ? AND ? AND capture NOT IN (SELECT number FROM capture)",
                checked,
            )
        # The meter is asked for the load profile again. A row that is there is not stored twice.
        empty = connection.execute(
            """DELETE FROM capture WHERE number BETWEEN ? AND ? AND origin = 2
            AND NOT EXISTS (SELECT 1 FROM reading WHERE capture = number)""",
            checked,
        ).rowcount
        # What was fetched again since the damage was not delivered yet, and goes. If the salvage was released, it may
        # have been delivered, and stays.
        again = connection.execute(
            """SELECT old.number, new.number
            FROM capture AS old CROSS JOIN capture AS new INDEXED BY capture_history
            ON new.profile_version = old.profile_version AND new.target_time_us = old.target_time_us AND new.origin = 2
            WHERE old.number BETWEEN ? AND ? AND old.origin = 2 AND new.number > ?""",
            (*checked, job.last),
        ).fetchall()
        remove(connection, {old if job.released else new for old, new in again})
        connection.execute(
            """INSERT OR IGNORE INTO slot SELECT target_time_us, meter, device, list, number FROM capture
            WHERE number BETWEEN ? AND ? AND target_time_us IS NOT NULL AND origin <> 2""",
            checked,
        )
        blocks.count(connection, checked[0] // BLOCK, checked[1] // BLOCK)
        return empty


#: The tables that are searched page by page.
_SEARCHED = {
    Phase.WORDS: ("word", "register", "log"), Phase.CAPTURES: ("capture",), Phase.READINGS: ("reading", "signature")
}  # fmt: skip
_NUMBERED = (
    ("capture", "number", """number, meter, device, boot, boottime_ns, utc_us, dispersion_us, clock_state,
    meter_time_kind, meter_time, profile_version, target_time_us, gateway_status, list, origin, older_store,
    older_number"""),
    ("reading", "capture", """capture, place, register, type, value, raw_type, raw, status_type, status,
    target_time_us, list"""),
    ("signature", "capture", "capture, place, octets"),
)  # fmt: skip

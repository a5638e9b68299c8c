"""Record numbers of rows that go to an EMP under a pseudonym. Everything here runs inside the caller's transaction.

A pseudonym is one of (EMP, source, period). Its rows are numbered from 1 in the order in which they are first asked
for. A number is durable before its row is sent, and stays until the row is settled. So a row has one number, whatever
happens in between: a lost answer, a kill, a salvage of either database, quarantine, a changed period.

The newest run stays for ever, because the newest row may be sent again as a question. Runs with quarantined rows stay
until those are delivered or given up.
"""

import hashlib
import os
import sqlite3
from collections.abc import Iterator, Sequence
from itertools import groupby, pairwise
from pathlib import Path
from typing import NamedTuple

from smgw.cosem.device_id import PSEUDONYM_OCTETS, DeviceId
from smgw.cosem.source import Source
from smgw.store import paths
from smgw.store.errors import StoreTooOld
from smgw.store.file.beside import write_beside
from smgw.store.file.schema import version_of
from smgw.store.wan.records import EVERY_DEVICE
from smgw.store.wan.schema import wan_schema

#: Schema version of wan.db.
_SINCE = 3

_SECRET_OCTETS, _STORE_OCTETS = 32, 16
#: Most rows of a run, which is written anew with each row that comes to it.
_MOST_ROWS = 1024
#: Most runs of salvaged rows that stay: 256 KiB.
_MOST_SALVAGED = 256

_KEY = "emp = ? AND meter = ? AND device = ?"
_OVERLAPS = f"""SELECT days, period, file, first_record, first_number, steps FROM pseudonym_run
    WHERE {_KEY} AND store_id = ? AND last_record >= ? AND first_record <= ?"""  # noqa: S608 - constant
_LAST = f"SELECT * FROM pseudonym_run WHERE {_KEY} ORDER BY run DESC LIMIT 1"  # noqa: S608 - constant
_PUT = "INSERT OR REPLACE INTO pseudonym_run VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
_NUMBERED = """INSERT INTO pseudonym_period VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE
    SET numbered = max(numbered, excluded.numbered)"""
_SETTLED = """SELECT store_id, max(position) FROM (
    SELECT store_id, position FROM cursor WHERE emp = ?1 AND meter = ?2 AND device IN (?3, ?4)
    UNION ALL SELECT store_id, settled FROM pseudonym WHERE emp = ?1 AND meter = ?2 AND device = ?3)
    GROUP BY store_id"""
_ASIDE = """SELECT record_store_id, record_number FROM set_aside
    WHERE emp = ?1 AND meter = ?2 AND device IN (?3, ?4)"""
_MARK = f"""UPDATE pseudonym SET store_id = ?, settled = CASE store_id WHEN ? THEN max(settled, ?) ELSE ? END
    WHERE {_KEY}"""  # noqa: S608 - constant
#: Cursors that were lost come back from what is known here, so that no row gets a second number.
RAISE_CURSORS = """INSERT INTO cursor SELECT emp, store_id, meter, device, settled, 0 FROM pseudonym WHERE settled > 0
    ON CONFLICT DO UPDATE SET position = max(position, excluded.position)"""


class Unnumbered(NamedTuple):
    """A row that is to go: its permanent key, and its period (counted from 1970)."""

    store_id: str
    record_number: int
    period: int


class Pseudonym(NamedTuple):
    """A name for device and gateway, and a store id."""

    name: DeviceId
    store_id: str


class Numbered(NamedTuple):
    """A row's pseudonym, and its number in it."""

    pseudonym: Pseudonym
    number: int


class _Period(NamedTuple):
    days: int
    period: int
    file: str


class _Run(NamedTuple):
    emp: str
    meter: str
    device: bytes
    run: int
    days: int
    period: int
    file: str
    store_id: str
    first_record: int
    last_record: int
    first_number: int
    steps: bytes

    @property
    def in_period(self) -> _Period:
        return _Period(self.days, self.period, self.file)


_Key = tuple[str, int]  # store id, record number


def number_beside(
    directory: Path, emp: str, source: Source, days: int, rows: Sequence[Unnumbered]
) -> list[Numbered | None]:
    """As `number`, beside the WAN process, which need not run. Raises StoreAbsent, StoreTooOld, StoreError."""
    path = directory / paths.WAN

    def body(connection: sqlite3.Connection) -> list[Numbered | None]:
        if version_of(connection) < _SINCE:
            raise StoreTooOld(path)
        file = bytes(connection.execute("SELECT store_id FROM store").fetchone()[0]).hex()
        return number(connection, file, emp, source, days, rows)

    return write_beside(path, wan_schema(), body)


def number(
    connection: sqlite3.Connection, file: str, emp: str, source: Source, days: int, rows: Sequence[Unnumbered]
) -> list[Numbered | None]:
    """Number rows; one result for each. `file` is the id of this wan.db.

    None: the row was settled and its number is forgotten, or it went under the device's own id.
    """
    return _Numbering(connection, file, emp, source).number(days, rows)


class _Numbering:
    """The numbers of one device for one EMP."""

    def __init__(self, connection: sqlite3.Connection, file: str, emp: str, source: Source) -> None:
        self._connection = connection
        self._file = file
        self._key = (emp, source.meter, bytes(source.device))

    def number(self, days: int, rows: Sequence[Unnumbered]) -> list[Numbered | None]:
        keys = [(store_id, record) for store_id, record, _ in rows]
        known = self._known(rows)
        unknown = [key for key in keys if key not in known]
        refused = self._refused(unknown)
        new: dict[int, list[_Key]] = {}
        if unknown:
            for key, row in zip(keys, rows, strict=True):
                if key not in known and key not in refused:
                    new.setdefault(row.period, []).append(key)
        secret = self._secret()
        for number, going in new.items():
            period = _Period(days, number, self._file)
            newest = self._newest(period)
            self._store(period, going, newest + len(going))
            pseudonym = _pseudonym(secret, period)
            known.update((key, Numbered(pseudonym, at)) for at, key in enumerate(going, newest + 1))
        if new:
            self._forget()
        return [known.get(key) for key in keys]

    def _known(self, rows: Sequence[Unnumbered]) -> dict[_Key, Numbered]:
        found: dict[_Key, Numbered] = {}
        pseudonyms: dict[_Period, Pseudonym] = {}
        spans: dict[str, tuple[int, int]] = {}
        for store_id, record, _ in rows:
            low, high = spans.get(store_id, (record, record))
            spans[store_id] = min(low, record), max(high, record)
        for store_id, span in spans.items():
            for *period, record, first, steps in self._connection.execute(_OVERLAPS, (*self._key, store_id, *span)):
                own = _Period(*period)
                pseudonym = pseudonyms.setdefault(own, _pseudonym(self._secret(), own))
                for at, one in enumerate(_records(record, steps), first):
                    found[store_id, one] = Numbered(pseudonym, at)
        return found

    def _refused(self, unknown: Sequence[_Key]) -> frozenset[_Key]:
        """Settled rows, unless they are in quarantine."""
        settled = self._settled() if unknown else {}
        past = frozenset(key for key in unknown if key[1] <= settled.get(key[0], 0))
        return past - frozenset(self._aside()) if past else past

    def _settled(self) -> dict[str, int]:
        return dict(self._connection.execute(_SETTLED, (*self._key, EVERY_DEVICE)))

    def _aside(self) -> list[_Key]:
        return list(self._connection.execute(_ASIDE, (*self._key, EVERY_DEVICE)))

    def _newest(self, period: _Period) -> int:
        query = f"SELECT numbered FROM pseudonym_period WHERE {_KEY} AND days = ? AND period = ? AND file = ?"  # noqa: S608
        row = self._connection.execute(query, (*self._key, *period)).fetchone()
        return int(row[0]) if row else 0

    def _secret(self) -> bytes:
        query = f"SELECT secret FROM pseudonym WHERE {_KEY}"  # noqa: S608 - constant
        row = self._connection.execute(query, self._key).fetchone()
        if row:
            return bytes(row[0])
        secret = os.urandom(_SECRET_OCTETS)
        self._connection.execute("INSERT INTO pseudonym VALUES (?, ?, ?, ?, '', 0)", (*self._key, secret))
        return secret

    def _store(self, period: _Period, rows: Sequence[_Key], newest: int) -> None:
        """Rows that got the numbers up to `newest`."""
        self._connection.execute(_NUMBERED, (*self._key, *period, newest))
        last = next((_Run(*row) for row in self._connection.execute(_LAST, self._key)), None)
        number = newest - len(rows) + 1
        for store_id, group in groupby(rows, key=lambda row: row[0]):
            for records in _ascending([record for _, record in group]):
                last = self._extended(last, period, store_id, number, records)
                number += len(records)

    def _extended(self, last: _Run | None, period: _Period, store_id: str, number: int, records: Sequence[int]) -> _Run:
        """Put rows into the newest run if they follow it, else into a new one."""
        steps = _steps(records)
        if (
            last is not None
            and (last.in_period, last.store_id) == (period, store_id)
            and last.last_record < records[0]
            and number == last.first_number + _length(last.steps)
            and _length(last.steps) + len(records) <= _MOST_ROWS
        ):
            steps = last.steps + _octets(records[0] - last.last_record) + steps
            run = last._replace(last_record=records[-1], steps=steps)
        else:
            place = 1 if last is None else last.run + 1
            run = _Run(*self._key, place, *period, store_id, records[0], records[-1], number, steps)
        self._connection.execute(_PUT, run)
        return run

    def _forget(self) -> None:
        """Remove runs of settled rows.

        Cursors do not tell it of rows that were salvaged from an older store. They come before the rows of a newer
        store, or some time after. So many runs of them stay, though later rows of another store are settled.
        """
        query = f"SELECT run, store_id, first_record, last_record FROM pseudonym_run WHERE {_KEY} ORDER BY run DESC"  # noqa: S608
        runs = self._connection.execute(query, self._key).fetchall()
        settled, aside = self._settled(), self._aside()
        passed: set[str] = set()  # stores of which later rows are settled
        salvaged = 0
        for place, (run, store_id, first, last) in enumerate(runs):
            is_settled = last <= settled.get(store_id, 0)
            if is_settled:
                passed.add(store_id)
            elif passed - {store_id}:
                salvaged += 1
            is_needed = not place or any(store == store_id and first <= record <= last for store, record in aside)
            if (is_settled or salvaged > _MOST_SALVAGED) and not is_needed:
                self._connection.execute(f"DELETE FROM pseudonym_run WHERE {_KEY} AND run = ?", (*self._key, run))  # noqa: S608
                if is_settled:
                    self._connection.execute(_MARK, (store_id, store_id, last, last, *self._key))


def _pseudonym(secret: bytes, period: _Period) -> Pseudonym:
    """Names that only the secret connects with each other."""
    text = f"{period.days} {period.period} {period.file}".encode()
    octets = hashlib.blake2b(text, key=secret, digest_size=PSEUDONYM_OCTETS + _STORE_OCTETS).digest()
    return Pseudonym(DeviceId.pseudonym(octets[:PSEUDONYM_OCTETS]), octets[PSEUDONYM_OCTETS:].hex())


def _ascending(records: Sequence[int]) -> Iterator[list[int]]:
    """Parts in which each record number is greater than the one before, none too long."""
    part: list[int] = []
    for record in records:
        if part and (record <= part[-1] or len(part) == _MOST_ROWS):
            yield part
            part = []
        part.append(record)
    yield part


def _octets(step: int) -> bytes:
    """A number of at least 1, seven bits an octet, lowest first; the high bit says that more follow."""
    octets = bytearray()
    while step > 0x7F:
        octets.append(step & 0x7F | 0x80)
        step >>= 7
    octets.append(step)
    return bytes(octets)


def _steps(records: Sequence[int]) -> bytes:
    return b"".join(_octets(after - before) for before, after in pairwise(records))


def _length(steps: bytes) -> int:
    """The number of rows of a run."""
    return 1 + sum(octet < 0x80 for octet in steps)


def _records(first: int, steps: bytes) -> Iterator[int]:
    """The record numbers of a run."""
    yield first
    step = shift = 0
    for octet in steps:
        step |= (octet & 0x7F) << shift
        shift += 7
        if octet < 0x80:
            first += step
            step = shift = 0
            yield first

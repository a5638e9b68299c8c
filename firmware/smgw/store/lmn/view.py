"""Read-only access to lmn.db for other processes."""

import re
import sqlite3
from collections.abc import Collection, Iterator, Sequence
from itertools import chain, islice
from pathlib import Path
from typing import Any, NamedTuple, Self

from smgw.clock.gateway_clock import Saved
from smgw.cosem.device_id import DeviceId
from smgw.cosem.obis import Obis
from smgw.cosem.reading import ClockState, MeterTime, MeterTimeKind, Reading, Stamp
from smgw.store import paths
from smgw.store.errors import StoreDamaged
from smgw.store.file import log_book
from smgw.store.file.checked import checked, within
from smgw.store.file.foreign import Bounds
from smgw.store.file.view import NONSENSE, View
from smgw.store.lmn import by_time, history
from smgw.store.lmn.blocks import BLOCK, FACTOR, SourceKey, Stretch, amount, stretches, stretches_back
from smgw.store.lmn.evaluating import STATES
from smgw.store.lmn.hidden import NOTHING, hidden, outside
from smgw.store.lmn.rows import TO_SIGN, WHOLE_LIST, Word
from smgw.store.lmn.schema import lmn_schema
from smgw.store.lmn.values import NO_DEVICE, from_column
from smgw.store.ranges import Range
from smgw.store.records import (
    SALVAGE_STATE,
    Condition,
    EvaluationState,
    ListKind,
    MeterState,
    Origin,
    ProfileName,
    SalvageState,
    Source,
    StoredRecord,
    salvage_state,
)

_METER = f"(SELECT id FROM word WHERE kind = {Word.METER:d} AND octets = ?1)"  # noqa: S608 - constant
_DEVICE = f"(SELECT id FROM word WHERE kind = {Word.DEVICE:d} AND octets = ?2)"  # noqa: S608 - constant
_SOURCE = f"meter = {_METER} AND device = {_DEVICE}"
_COLUMNS = """number, device, boot, boottime_ns, utc_us, dispersion_us, clock_state,
    meter_time_kind, meter_time, target_time_us, gateway_status, list, origin, older_store, older_number"""
_KEY = f"SELECT {_METER}, {_DEVICE}"
_PART = "meter = ? AND device = ? AND number BETWEEN ? AND ?"
_CAPTURES = f"SELECT {_COLUMNS} FROM capture WHERE {_PART} ORDER BY number LIMIT ?"  # noqa: S608
_VALUES = "reading.capture, register, type, value, raw_type, raw, status_type, status, place"
_READINGS = f"""SELECT {_VALUES} FROM capture CROSS JOIN reading ON reading.capture = capture.number
    WHERE {_PART} ORDER BY number, place"""  # noqa: S608
# Most meters sign nothing, so the query tests first whether there is any signature.
_ANY_SIGNED = "SELECT 1 FROM signature WHERE capture BETWEEN ? AND ? LIMIT 1"
_SIGNATURES = """SELECT signature.capture, place, octets
    FROM signature CROSS JOIN capture ON signature.capture = capture.number
    WHERE signature.capture BETWEEN ? AND ? AND meter = ? AND device = ?"""
_NEWEST = f"SELECT number FROM capture WHERE {_PART} AND {{}} ORDER BY number DESC LIMIT 1"  # noqa: S608 - constant

_NUMBERED = f"SELECT {_COLUMNS} FROM capture WHERE number {by_time.AMONG} ORDER BY number"  # noqa: S608 - constant
_NUMBERED_READINGS = f"SELECT {_VALUES} FROM reading WHERE capture {by_time.AMONG}"  # noqa: S608 - constant
# The status of any reading counts for its whole row.
_CHOSEN = "AND (register IN ({}) OR status_type IS NOT NULL)"
_NUMBERED_SIGNATURES = f"SELECT capture, place, octets FROM signature WHERE capture {by_time.AMONG}"  # noqa: S608
_PROFILE = """SELECT content FROM capture JOIN profile_version ON profile_version.id = capture.profile_version
    WHERE number = ?"""

_HISTORY = f"profile_version = ({history.VERSION}) AND origin = 2 AND target_time_us BETWEEN ? AND ?"
_HISTORY_CAPTURES = f"SELECT {_COLUMNS} FROM capture WHERE {_HISTORY} ORDER BY target_time_us, number LIMIT ?"  # noqa: S608
_HISTORY_READINGS = f"""SELECT {_VALUES} FROM capture CROSS JOIN reading ON reading.capture = capture.number
    WHERE {_HISTORY.replace("target_time_us", "capture.target_time_us")} ORDER BY number, place"""  # noqa: S608
_HISTORY_SIGNATURES = f"""SELECT signature.capture, place, octets
    FROM capture CROSS JOIN signature ON signature.capture = capture.number WHERE {_HISTORY}"""  # noqa: S608

# Of rows before schema version 4: one step down the index of slots for every register and list of the source.
_OLD_TARGET = f"""SELECT max((SELECT target_time_us FROM reading
        WHERE reading.register = register.id AND reading.list = lists.value AND target_time_us IS NOT NULL
        ORDER BY target_time_us DESC LIMIT 1)) AS target_us
    FROM register, (SELECT 1 AS value UNION SELECT 2 UNION SELECT 3 UNION SELECT 4) AS lists
    WHERE {_SOURCE}"""  # noqa: S608 - constant
_MAX_BLOCK = f"(SELECT coalesce(max(number), 0) / {BLOCK} FROM capture)"  # noqa: S608 - constant
# Of finished spans of 32 blocks, of finished blocks of the newest span, and of the newest block.
NEWEST_TARGET = f"""SELECT max(target_us) FROM ({_OLD_TARGET}
    UNION ALL SELECT max(target_us) FROM source_span WHERE {_SOURCE} AND level = 1
    UNION ALL SELECT max(target_us) FROM source_block WHERE {_SOURCE} AND block >= {_MAX_BLOCK} / {FACTOR} * {FACTOR}
    UNION ALL SELECT max(target_time_us) FROM capture
        WHERE {_SOURCE} AND origin <> 2 AND number >= {_MAX_BLOCK} * {BLOCK})"""  # noqa: S608 - constant
_OLDER = f"""SELECT number FROM capture WHERE older_number = ?2
    AND older_store = (SELECT id FROM word WHERE kind = {Word.OLDER_STORE:d} AND octets = ?1)"""  # noqa: S608 - constant


#: Octets of values in the records of one call, above which no other record is added. A thousand rows of numbers
#: have none. With long texts it bounds the memory of a reader, and the size of a document.
RECORDS_OCTETS = 1024 * 1024
_ROWS_AT_ONCE = 64
_NUMBER_OR_NONE = (int, type(None))


class _Register(NamedTuple):
    obis: Obis
    scaler: int
    unit: int
    class_id: int
    attribute: int


#: (capture, place) -> signature
_Signatures = dict[tuple[int, int], bytes]


class LmnView(View):
    """Captures by position, states of the meters, the clock. Opening needs no right to write."""

    _oldest = 6
    _bounds = Bounds(seconds=60.0, row_octets=4 * 2**20, rows=1_000_000, growth=128 * 2**20, steps=20_000)

    def __init__(self, directory: Path) -> None:
        self._words: dict[int, bytes] = {}
        self._registers: dict[int, _Register] = {}
        self._sources: list[Source] = []
        self._known_registers: Sequence[int] = (0, 0)
        super().__init__(directory / paths.LMN, lmn_schema())

    @classmethod
    def open(cls, directory: Path) -> Self:
        """Open lmn.db in the state directory; StoreAbsent, StoreDamaged, StoreTooNew."""
        return cls(directory)

    def sources(self) -> list[Source]:
        """All that were ever recorded here, in the order of their first record."""
        # A new source has new registers. A salvage may bring some with lower numbers than there are.
        known = self._typed("ii", "SELECT coalesce(max(id), 0), count(*) FROM register")[0]
        if known != self._known_registers:
            rows = self._typed(
                "oo",
                """SELECT m.octets, d.octets FROM register
                JOIN word m ON m.id = register.meter JOIN word d ON d.id = register.device
                GROUP BY register.meter, register.device ORDER BY min(register.id)""",
            )
            with self._trusting_nothing():
                self._sources = [Source(meter.decode(), DeviceId(device)) for meter, device in rows]
            self._known_registers = known
        return list(self._sources)

    def records(self, source: Source, after: int, limit: int) -> list[StoredRecord]:
        """At most `limit` records of one source whose position is greater than `after`, in the order of positions.

        Fewer come where texts or octets are long: reading ends with the record that passes `RECORDS_OCTETS`. While
        captures of a damaged file are copied, those are left out that may be incomplete: see `hidden`.
        """
        return self._some(source, after, limit, complete=True)

    def _some(self, source: Source, after: int, limit: int, *, complete: bool) -> list[StoredRecord]:
        with self._snapshot() as connection:
            key = _key(connection, source)
            unsure = hidden(connection) if complete else NOTHING
            captures: list[Sequence[Any]] = []
            parts: list[Stretch] = []
            for part in outside(stretches(connection, key, after), unsure):
                found = connection.execute(_CAPTURES, (*key, *part, limit - len(captures))).fetchall()
                if found:
                    captures += found
                    parts.append(Stretch(part.first, found[-1][0]))
                    if len(captures) >= limit:
                        break
            if not captures:
                return []
            cursors = (connection.execute(_READINGS, (*key, *part)) for part in parts)
            rows, last = _within_octets(chain.from_iterable(cursors))
            if last is not None:
                captures = [one for one in captures if one[0] <= last]
            signatures = _signatures(connection, captures, _SIGNATURES, (captures[0][0], captures[-1][0], *key))
            self._learn(captures, rows)
        return self._records(source.meter, captures, rows, signatures)

    def at_times(
        self, source: Source, kind: ListKind, times: by_time.Times, limit: int, objects: Collection[Obis] = ()
    ) -> list[StoredRecord]:
        """About `limit` records of a list at target times, in the order of these; of one time in that of positions.

        Records of one time are not torn apart. Rows of the meter's own load profiles belong to its original list.
        `objects`: only readings of these registers, and those with a status; none: all. Unlike in `records`, long texts
        do not end the reading, so `limit` is at most some thousand.
        """
        with self._snapshot() as connection:
            key = _key(connection, source)
            unsure = hidden(connection)
            found = by_time.numbers_at(connection, (*source, key), kind, times, limit, unsure)
            if not found:
                return []
            numbers = by_time.numbers_text(number for _, number in found)
            query = _NUMBERED_READINGS
            if objects:
                chosen = map(str, by_time.registers_of(connection, key, objects))
                query += _CHOSEN.format(", ".join(chosen))
            captures = connection.execute(_NUMBERED, (numbers,)).fetchall()
            rows = connection.execute(f"{query} ORDER BY capture, place", (numbers,)).fetchall()
            signatures = _signatures(connection, captures, _NUMBERED_SIGNATURES, (numbers,))
            self._learn(captures, rows)
        made = {one.position: one for one in self._records(source.meter, captures, rows, signatures)}
        return [made[number] for _, number in found if number in made]

    def samples(
        self, source: Source, kind: ListKind, times: by_time.Times, limit: int, objects: Collection[Obis] = ()
    ) -> tuple[list[by_time.Sample], int | None]:
        """As `at_times`, only the values of these registers, each by itself: in a third of the time.

        The second result is the last target time that was read; None if nothing comes after it.
        """
        with self._snapshot() as connection:
            key = _key(connection, source)
            found = by_time.numbers_at(connection, (*source, key), kind, times, limit, hidden(connection))
            registers = by_time.registers_of(connection, key, objects)
            if not found or not registers:
                return [], None
            return by_time.samples(connection, [number for _, number in found], registers), found[-1][0]

    def registers(self, source: Source) -> list[tuple[Obis, int, int]]:
        """OBIS code, scaler and unit of all values of a source, in the order of their first time."""
        with self._snapshot() as connection:
            found = by_time.registers_of(connection, _key(connection, source), ())
        return [found[number] for number in sorted(found)]

    def profile_of(self, source: Source) -> str | None:
        """The profile with which the newest record of a source was written, as canonical JSON; None: none is known."""
        number = self._newest(source, "captures > 0", "true")
        found = [] if number is None else self._typed("t", _PROFILE, number)
        return str(found[0][0]) if found else None

    def profile_rows(self, name: ProfileName, covered: Range, limit: int) -> list[StoredRecord]:
        """About `limit` rows of a load profile whose target times lie in a range (microseconds UTC), oldest first.

        Rows of one time are not torn apart: more than `limit` come where the last time has more.
        """
        label = (name.meter, history.content(name))
        with self._snapshot() as connection:
            captures = connection.execute(_HISTORY_CAPTURES, (*label, *covered, limit)).fetchall()
            if not captures:
                return []
            last = captures[-1][9]
            if len(captures) == limit:
                captures = [one for one in captures if one[9] < last]
                captures += connection.execute(_HISTORY_CAPTURES, (*label, last, last, -1)).fetchall()
            part = (*label, covered.since, last)
            rows = connection.execute(_HISTORY_READINGS, part).fetchall()
            signatures = _signatures(connection, captures, _HISTORY_SIGNATURES, part)
            self._learn(captures, rows)
        return self._records(name.meter, captures, rows, signatures)

    def profile_ranges(self, name: ProfileName) -> list[Range]:
        """The stored ranges of a load profile, in order."""
        return [Range(*row) for row in self._typed("ii", history.RANGES, *name)]

    def _records(
        self, meter: str, captures: Sequence[Sequence[Any]], rows: Sequence[Sequence[Any]], signatures: _Signatures
    ) -> list[StoredRecord]:
        readings: dict[int, list[Reading]] = {capture[0]: [] for capture in captures}
        registers = self._registers
        for row in rows:
            try:
                signature = signatures.get((row[0], row[8])) if signatures else None
                readings[row[0]].append(_reading(registers[row[1]], row, signature))
            except NONSENSE as error:  # a flipped bit that no check of SQLite sees: one value, not all
                _unreadable(self._path, row[0], error)
        try:
            return [self._record(meter, capture, tuple(readings[capture[0]]), signatures) for capture in captures]
        except NONSENSE as error:
            raise StoreDamaged(self._path, f"a record from {captures[0][0]} on is unreadable: {error!r}") from error

    def find(self, source: Source, store_id: str, record_number: int) -> StoredRecord | None:
        """The record of this source with that identity, recorded here or in a salvaged file."""
        if not re.fullmatch("[0-9a-f]{32}", store_id):
            return None
        if store_id == self.store_id:
            positions = [(record_number,)]
        else:
            positions = self._typed("i", _OLDER, bytes.fromhex(store_id), record_number)
        for (position,) in positions:
            for record in self._some(source, position - 1, 1, complete=False):
                if (record.store_id, record.record_number) == (store_id, record_number):
                    return record
        return None

    def backlog(self, source: Source, after: int) -> int:
        """The number of records of this source after position `after`."""
        with self._snapshot() as connection:
            return amount(connection, _key(connection, source), after)

    def last_target_us(self, source: Source) -> int | None:
        """The newest target time registered for this source; None if nothing of it is on a grid."""
        (newest,) = self._typed("I", NEWEST_TARGET, *parameters(source))[0]
        return None if newest is None else int(newest)

    def last_position(self, source: Source) -> int:
        """The position of the newest record of this source that `records` gives; 0 if there is none."""
        with self._snapshot() as connection:
            unsure = hidden(connection)
        return self._newest(source, "captures > 0", "true", unsure) or 0

    def newest(self, source: Source) -> StoredRecord | None:
        """The newest record of this source that the gateway itself read."""
        number = self._newest(source, "captures > history", "origin <> 2")
        return None if number is None else next(iter(self._some(source, number - 1, 1, complete=False)), None)

    def salvage(self) -> SalvageState | None:
        """How far captures of a damaged file are copied; None if there is nothing to copy."""
        for row in self._typed("tiiiiii", SALVAGE_STATE):
            return salvage_state(row)
        return None

    def _newest(self, source: Source, having: str, condition: str, unsure: Stretch = NOTHING) -> int | None:
        """The newest position of a source that fulfils a condition, which `having` says of a block."""
        with self._snapshot() as connection:
            key = _key(connection, source)
            for part in outside(stretches_back(connection, key, having), unsure, back=True):
                for (number,) in connection.execute(_NEWEST.format(condition), (*key, *part)):
                    return int(number)
        return None

    def meter_states(self) -> list[MeterState]:
        """The state of every device, by meter and device."""
        rows = self._typed("totiIiiitt", "SELECT * FROM meter_state ORDER BY meter, device")
        with self._trusting_nothing():
            return [meter_state(row) for row in rows]

    def evaluation_states(self) -> list[EvaluationState]:
        """What evaluations remember; those that have ended, too."""
        rows = self._typed("tiioo", STATES)
        with self._trusting_nothing():
            return [
                EvaluationState(name, number, version, DeviceId(device), octets)
                for name, number, version, device, octets in rows
            ]

    def last_event(self, *events: str) -> str | None:
        """The newest of these events in the log book; None if there is none."""
        return next((str(event) for (event,) in self._typed("t", log_book.newest_of(events), *events)), None)

    def clock(self) -> Saved | None:
        """The gateway clock as the LMN process last saved it."""
        rows = self._rows(CLOCK_QUERY)
        with self._trusting_nothing():
            return saved_clock(rows[0]) if rows else None

    def _record(
        self, meter: str, row: Sequence[Any], readings: tuple[Reading, ...], signatures: _Signatures
    ) -> StoredRecord:
        checked(row, "iiiiiiiIOIiiiII")
        (number, device, boot, boottime_ns, utc_us, dispersion_us, state, time_kind, time, target, status, kind, origin,
         older_store, older_number) = row  # fmt: skip
        return StoredRecord(
            number,
            self.store_id if older_store is None else self._words[older_store].hex(),
            number if older_number is None else older_number,
            meter,
            DeviceId(self._words[device]),
            Stamp(self._words[boot].decode(), boottime_ns, utc_us, dispersion_us, ClockState(state)),
            None if time_kind is None else MeterTime(MeterTimeKind(time_kind), time),
            target,
            status,
            ListKind(kind),
            Origin(origin),
            readings,
            signatures.get((number, WHOLE_LIST)),
            (number, TO_SIGN) in signatures,
        )

    def _learn(self, captures: Sequence[Sequence[Any]], readings: Sequence[Sequence[Any]]) -> None:
        """Look up interned rows that are not cached yet; they never change."""
        used = {key for row in captures for key in (row[1], row[2], row[13]) if key is not None}
        if not used <= self._words.keys():
            rows = self._connection.execute("SELECT id, octets FROM word")
            self._words = {key: octets for key, octets in rows if isinstance(octets, bytes)}
        if not {row[1] for row in readings} <= self._registers.keys():
            rows = self._connection.execute("SELECT id, obis, scaler, unit, class_id, attribute FROM register")
            self._registers = {row[0]: _register(row) for row in rows}

    def _forget(self) -> None:
        self._words.clear()
        self._registers.clear()
        self._sources.clear()
        self._known_registers = (0, 0)


def _key(connection: sqlite3.Connection, source: Source) -> SourceKey:
    """The words of a source; 0 for one that is unknown."""
    meter, device = connection.execute(_KEY, parameters(source)).fetchone()
    return SourceKey(meter or 0, device or 0)


def _register(row: Sequence[Any]) -> _Register:
    _, obis, scaler, unit, class_id, attribute = checked(row, "ioiiii")
    return _Register(
        Obis(obis),
        within(scaler, -128, 127),
        within(unit, 0, 255),
        within(class_id, 0, 0xFFFF),
        within(attribute, -128, 127),
    )


def _signatures(
    connection: sqlite3.Connection, captures: Sequence[Sequence[Any]], query: str, parameters: Sequence[Any]
) -> _Signatures:
    numbers = [capture[0] for capture in captures]
    if connection.execute(_ANY_SIGNED, (min(numbers), max(numbers))).fetchone() is None:
        return {}
    rows = (checked(row, "iio") for row in connection.execute(query, parameters))
    return {(capture, place): octets for capture, place, octets in rows}


def _within_octets(cursor: Iterator[Any]) -> tuple[list[Any], int | None]:
    """The rows of records that together hold about `RECORDS_OCTETS`, and the last such record; None: all are there."""
    rows: list[Any] = []
    octets = 0
    while some := list(islice(cursor, _ROWS_AT_ONCE)):
        rows += some
        # Most rows hold numbers only: their columns are looked through in one step.
        for _, _, _, value, _, raw, _, status, _ in some:
            if value.__class__ is not int or raw is not None or status.__class__ not in _NUMBER_OR_NONE:
                octets += sum(len(one) for one in (value, raw, status) if isinstance(one, bytes | str))
        if octets > RECORDS_OCTETS:
            last = rows[-1][0]
            for row in cursor:  # the rest of this record
                if row[0] != last:
                    return rows, int(last)
                rows.append(row)
            break
    return rows, None


def _reading(register: _Register, row: Sequence[Any], signature: bytes | None) -> Reading:
    obis, scaler, unit, class_id, attribute = register
    _, _, kind, value, raw_type, raw, status_type, status, _ = row
    data = from_column(kind, value)
    raw_data = None if raw_type is None else from_column(raw_type, raw)
    status_data = None if status_type is None else from_column(status_type, status)
    # As Reading(...) does, in a third of the time.
    return tuple.__new__(Reading, (obis, data, scaler, unit, raw_data, status_data, class_id, attribute, signature))


def parameters(source: Source) -> tuple[bytes, bytes]:
    """The parameters of a source in a query."""
    return source.meter.encode(), bytes(source.device)


CLOCK_QUERY = "SELECT boot_id, boottime_ns, offset_us, dispersion_us, state FROM clock_state"


def saved_clock(row: Sequence[Any]) -> Saved:
    """A row of clock_state."""
    boot_id, boottime_ns, offset_us, dispersion_us, state = checked(row, "tiiii")
    within(dispersion_us, 0, 2**63 - 1)
    return Saved(boot_id, boottime_ns, offset_us, dispersion_us, ClockState(state))


def meter_state(row: Sequence[Any]) -> MeterState:
    """A row of meter_state."""
    meter, device, state, since_us, last_us, clock_state, good, refused, note, remark = row
    return MeterState(
        meter,
        None if device == NO_DEVICE else DeviceId(device),
        Condition(state),
        since_us,
        last_us,
        ClockState(clock_state),
        good,
        refused,
        note,
        remark,
    )


def _unreadable(path: Path, number: int, error: Exception) -> None:
    import logging  # here: `smgw status` does without it

    logging.getLogger(__name__).warning("%s: a reading of record %s is unreadable: %r", path, number, error)

"""Turns records into rows: interned words and registers, one capture row, one narrow row a reading."""

import sqlite3
from collections.abc import Sequence
from enum import IntEnum
from operator import itemgetter
from typing import Any, NamedTuple, Self

from smgw.cosem.obis import Obis
from smgw.cosem.reading import Capture, ClockState, Reading
from smgw.errors import LocalProtocolError
from smgw.store.file import log_book
from smgw.store.file.log_book import Level, Note
from smgw.store.file.pending import count, writable
from smgw.store.lmn.blocks import BLOCK, finish, newest_block
from smgw.store.lmn.values import Column, to_column
from smgw.store.records import DEVICES_PER_METER, Origin, Outcome, OutcomeKind, Record

_signature = itemgetter(Reading._fields.index("signature"))
# A NamedTuple without its own __new__, in a third of the time.
_new = tuple.__new__

#: As `DEVICES_PER_METER`: a bound against meters that invent registers.
REGISTERS_PER_DEVICE = 1000

_INSERT_CAPTURE = """INSERT INTO capture (meter, device, boot, boottime_ns, utc_us, dispersion_us, clock_state,
    meter_time_kind, meter_time, profile_version, target_time_us, gateway_status, list, origin)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"""
_INSERT_READING = "INSERT INTO reading VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, NULL, ?)"
_INSERT_SIGNATURE = "INSERT INTO signature VALUES (?, ?, ?)"
_INSERT_SLOT = "INSERT INTO slot VALUES (?, ?, ?, ?, ?)"
#: The place of a signature over the whole list.
WHOLE_LIST = -1
#: The place of a mark without octets: the gateway signs the values of this row. Its signatures are in wan.db.
TO_SIGN = -2
# The newest capture of a source and target time that has a register holds its slot.
_HOLDERS = """SELECT register, max(slot.capture) FROM slot CROSS JOIN reading ON reading.capture = slot.capture
    WHERE slot.target_time_us = ? AND meter = ? AND device = ? AND slot.list = ? GROUP BY register"""
# Rows that were written before schema version 4.
_OLD_SLOT = "FROM reading INDEXED BY reading_slot WHERE target_time_us"
_OLDER_HOLDER = f"SELECT capture {_OLD_SLOT} = ? AND register = ? AND list = ?"
_ANY_OLDER = f"SELECT EXISTS (SELECT 1 {_OLD_SLOT} IS NOT NULL)"
_WORTH = """SELECT origin, clock_state, octets, boottime_ns, utc_us FROM capture JOIN word ON word.id = capture.boot
    WHERE number = ?"""
#: While a clock is valid it is slewed. If UTC minus BOOTTIME of two captures differs by more, the clock was stepped.
_ANOTHER_SETTING_US = 60_000_000
_HISTORY = "SELECT count(*) FROM capture WHERE origin = 2 AND profile_version = ? AND target_time_us = ?"
_INSERT_REGISTER = """INSERT INTO register (meter, device, class_id, obis, attribute, scaler, unit)
    VALUES (?, ?, ?, ?, ?, ?, ?)"""

_RegisterKey = tuple[Obis, int, int, int, int]
#: type, value, raw type, raw value, status type, status
_Columns = tuple[int, Column, int | None, Column, int | None, Column]


class Row(NamedTuple):
    """A record with the value columns of its readings, and the rows that are derived from it."""

    record: Record
    columns: Sequence[_Columns]
    derived: tuple["Row", ...]

    @classmethod
    def of(cls, record: Record) -> Self:
        """LocalProtocolError for a value that does not suit its type."""
        derived = record.derived
        return _new(
            cls, (record, columns_of(record.capture), tuple([cls.of(one) for one in derived]) if derived else ())
        )


#: The number of a register or device past the bound.
_NO_ROOM = 0
_WRITTEN = OutcomeKind.WRITTEN
_SLOT_TAKEN, _OUT_OF_BOUNDS, _KNOWN = map(
    Outcome, (OutcomeKind.SLOT_TAKEN, OutcomeKind.OUT_OF_BOUNDS, OutcomeKind.KNOWN)
)


class Word(IntEnum):
    """The kind of an interned word."""

    BOOT = 1
    METER = 2
    DEVICE = 3
    OLDER_STORE = 4


class RowWriter:
    """Writes records inside the caller's transaction. After a rollback the caller calls `forget`."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._words: dict[int, dict[bytes, int]] = {}  # by kind
        self._registers: dict[tuple[int, int], dict[_RegisterKey, int]] = {}
        self._keys: dict[_RegisterKey, _RegisterKey] = {}  # many devices have the same registers: each name once
        self._profiles: dict[str, int] = {}
        self._older_slots = False
        self._block = 0  # that of the newest capture
        self._told: set[str] = set()  # meters past a bound that were already logged
        self.forget()

    def forget(self) -> None:
        """Read the interned rows again: those made in a transaction that failed do not exist."""
        # Emptied first: if reading fails, no number that was rolled back may stay.
        self._words, self._registers, self._keys = {}, {}, {}
        execute = self._connection.execute
        for key, kind, octets in execute("SELECT id, kind, octets FROM word"):
            self._words.setdefault(kind, {})[octets] = key
        for key, meter, device, class_id, obis, attribute, scaler, unit in execute("SELECT * FROM register"):
            name = (obis, scaler, unit, class_id, attribute)
            self._registers.setdefault((meter, device), {})[self._keys.setdefault(name, name)] = key
        self._profiles = dict(
            execute(
                "SELECT name, max(id) FROM profile_version WHERE kind IN ('meter', 'evaluation') GROUP BY name"
            ).fetchall()
        )
        self._older_slots = bool(execute(_ANY_OLDER).fetchone()[0])
        self._block = newest_block(self._connection)
        self._told.clear()

    def word(self, kind: Word, octets: bytes) -> int:
        """The number of a word, new or old."""
        known = self._words.setdefault(kind, {})
        try:
            return known[octets]
        except KeyError:
            cursor = self._connection.execute("INSERT INTO word (kind, octets) VALUES (?, ?)", (kind, octets))
            return known.setdefault(bytes(octets), cursor.lastrowid or 0)

    def use_profile(self, meter: str, version: int) -> None:
        """Mark captures of this meter with this version of its profile from now on."""
        self._profiles[meter] = version

    def insert(self, record: Record, columns: Sequence[_Columns]) -> Outcome:
        """Write one record, whose values `columns_of` made, as a whole: WRITTEN, SLOT_TAKEN or OUT_OF_BOUNDS.

        A row leaves its slot to a row that is worth more. The order is: gap with an invalid time, value with an invalid
        time, gap with a valid time, value with a valid time. But a value never leaves its slot to a gap. A value with a
        valid time also leaves it to one whose time comes from another setting of the clock: the clock was wrong before.
        The row itself stays, with its target time.

        Values whose slot is taken are counted as `refused_grid`. Values whose register is past a bound are left out
        and counted as `refused_register`.
        """
        meter, device, registers = self._interned(record.capture)
        if not device or _NO_ROOM in registers:
            record, columns, registers = self._fitting(record, columns, registers)
            if not registers:
                return _OUT_OF_BOUNDS
        if record.target_time_us is not None:
            holders = self._holders(record.target_time_us, (meter, device), record.list, registers)
            if not all(self._yields(holder, record) for holder in holders):
                count(self._connection, {"refused_grid": len(registers)})
                return _SLOT_TAKEN
        outcome = self._insert(record, columns, (meter, device), registers, self._profiles.get(record.capture.meter))
        if record.target_time_us is not None:
            slot = (record.target_time_us, meter, device, record.list, outcome.number)
            self._connection.execute(_INSERT_SLOT, slot)
        return outcome

    def insert_history(self, record: Record, columns: Sequence[_Columns], version: int, before: int) -> Outcome:
        """Write one row of a meter's own load profile: WRITTEN, KNOWN or, as in `insert`, OUT_OF_BOUNDS.

        `before`: number of rows of the same time before it in the same answer. Its values take no slot. A slot is for a
        value that the gateway measured, and both can exist for the same quarter hour.
        """
        (kept,) = self._connection.execute(_HISTORY, (version, record.target_time_us)).fetchone()
        if kept > before:
            return _KNOWN
        meter, device, registers = self._interned(record.capture)
        if not device or _NO_ROOM in registers:
            record, columns, registers = self._fitting(record, columns, registers)
            if not registers:
                return _OUT_OF_BOUNDS
        return self._insert(record, columns, (meter, device), registers, version)

    def finish_blocks(self, number: int) -> None:
        """A capture with this number is new: blocks before its one are finished."""
        if number // BLOCK > self._block:
            finish(self._connection, self._block, number // BLOCK)
            self._block = number // BLOCK

    def _insert(
        self,
        record: Record,
        columns: Sequence[_Columns],
        source: tuple[int, int],
        registers: Sequence[int],
        version: int | None,
    ) -> Outcome:
        capture, target, gateway_status, kind, origin, _, _, to_sign = record
        stamp = capture.stamp
        time = capture.meter_time
        cursor = self._connection.execute(
            _INSERT_CAPTURE,
            (
                *source,
                self.word(Word.BOOT, stamp.boot_id.encode()),
                stamp.boottime_ns,
                stamp.utc_us,
                stamp.dispersion_us,
                stamp.state,
                None if time is None else time.kind,
                None if time is None else time.octets,
                version,
                target,
                int(gateway_status),
                kind,
                origin,
            ),
        )
        number = cursor.lastrowid or 0
        self.finish_blocks(number)
        self._connection.executemany(
            _INSERT_READING,
            [(number, place, register, *columns[place], kind) for place, register in enumerate(registers)],
        )
        signatures = [*map(_signature, capture.readings), capture.signature]
        if signatures.count(None) < len(signatures):
            places = (*range(len(capture.readings)), WHOLE_LIST)
            signed = [(number, place, one) for place, one in zip(places, signatures, strict=True) if one is not None]
            self._connection.executemany(_INSERT_SIGNATURE, signed)
        if to_sign:
            self._connection.execute(_INSERT_SIGNATURE, (number, TO_SIGN, b""))
        return _new(Outcome, (_WRITTEN, number))

    def _holders(self, target_us: int, source: tuple[int, int], kind: int, registers: Sequence[int]) -> set[int]:
        """The captures that hold the slots of these registers."""
        found = dict(self._connection.execute(_HOLDERS, (target_us, *source, kind)).fetchall())
        holders = {found[register] for register in registers if register in found}
        if self._older_slots:
            for register in set(registers) - found.keys():
                older = self._connection.execute(_OLDER_HOLDER, (target_us, register, kind))
                holders.update(holder for (holder,) in older)
        return holders

    def _yields(self, holder: int, record: Record) -> bool:
        """True if this record is worth more than the capture in the slot."""
        found = self._connection.execute(_WORTH, (holder,)).fetchone()
        if found is None:
            return False
        origin, state, boot, boottime_ns, utc_us = found
        stamp = record.capture.stamp
        held = (state, origin != Origin.MISSING)
        offered = (stamp.state, record.origin is not Origin.MISSING)
        if held[1] and not offered[1]:
            return False
        if held == offered == (ClockState.SYNCHRONISED, True):
            apart_us = (utc_us - stamp.utc_us) - (boottime_ns - stamp.boottime_ns) // 1000
            return bytes(boot) != stamp.boot_id.encode() or abs(apart_us) > _ANOTHER_SETTING_US
        return held < offered

    def _interned(self, capture: Capture) -> tuple[int, int, list[int]]:
        """The numbers of its meter, its device and its registers."""
        meter = self.word(Word.METER, capture.meter.encode())
        device = self._words.get(Word.DEVICE, {}).get(capture.device, _NO_ROOM)
        known = self._registers.get((meter, device))
        if known is None:
            if sum(one == meter for one, _ in self._registers) >= DEVICES_PER_METER:
                return meter, _NO_ROOM, [_NO_ROOM] * len(capture.readings)
            device = self.word(Word.DEVICE, capture.device)
            known = self._registers.setdefault((meter, device), {})
        return meter, device, [self._register(meter, device, known, reading) for reading in capture.readings]

    def _register(self, meter: int, device: int, known: dict[_RegisterKey, int], reading: Reading) -> int:
        obis, _, scaler, unit, _, _, class_id, attribute, _ = reading
        try:
            return known[(obis, scaler, unit, class_id, attribute)]
        except KeyError:
            if len(known) >= REGISTERS_PER_DEVICE:
                return _NO_ROOM
            row: tuple[Any, ...] = (meter, device, class_id, obis, attribute, scaler, unit)
            key = self._connection.execute(_INSERT_REGISTER, row).lastrowid or 0
            name = (obis, scaler, unit, class_id, attribute)
            return known.setdefault(self._keys.setdefault(name, name), key)

    def _fitting(
        self, record: Record, columns: Sequence[_Columns], registers: Sequence[int]
    ) -> tuple[Record, Sequence[_Columns], list[int]]:
        """The record without values whose register is past the bound. They are counted and logged once."""
        capture = record.capture
        places = [place for place, register in enumerate(registers) if register != _NO_ROOM]
        count(self._connection, {"refused_register": len(registers) - len(places)})
        if capture.meter not in self._told:
            import logging  # here: `smgw status` does without it

            self._told.add(capture.meter)
            text = (
                f"meter {capture.meter}: device {capture.device} brings more registers than are kept"
                f" ({DEVICES_PER_METER} devices a meter, {REGISTERS_PER_DEVICE} registers a device):"
                " new ones are left out; if they are real, give the profile another name"
            )
            logging.getLogger(__name__).warning("%s", text)
            note = Note("system", "registers-refused", Level.WARNING, False, text, capture.stamp)
            log_book.write(self._connection, writable(note))
        capture = capture._replace(readings=tuple(capture.readings[place] for place in places))
        fitting = record._replace(capture=capture)
        return fitting, [columns[place] for place in places], [registers[place] for place in places]


def columns_of(capture: Capture) -> list[_Columns]:
    """The value columns of every reading; LocalProtocolError for a value that does not suit its type.

    Also for a scaler, unit, class or attribute that COSEM has not: such numbers may be too large for a column.
    """
    columns: list[_Columns] = []
    for _, value, scaler, unit, raw, status, class_id, attribute, _ in capture.readings:
        if not (-128 <= scaler < 128 and 0 <= unit < 256 and 0 <= class_id < 65_536 and -128 <= attribute < 128):
            raise LocalProtocolError(f"no register: scaler {scaler}, unit {unit}, class {class_id}, {attribute}")
        columns.append(
            (
                value.type,
                to_column(value),
                None if raw is None else raw.type,
                None if raw is None else to_column(raw),
                None if status is None else status.type,
                None if status is None else to_column(status),
            )
        )
    return columns

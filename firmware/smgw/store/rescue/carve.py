"""Reads rows directly from the pages of a damaged SQLite file, where SQLite itself no longer finds them.

Only leaf cells are read, and the inner cells of index trees (a table WITHOUT ROWID is one); see the database file
format of SQLite, "B-tree Pages" and "Record Format". Nothing is trusted: a cell that does not parse is skipped.

page     octet 0 kind (2 inner index, 5 inner table, 10 leaf index, 13 leaf table), 3 cell count u16,
         8 (inner: 12) offset of each cell u16
cell     [child u32] [payload size] [rowid] payload [first overflow page u32]
payload  header size, one serial type a column, then the columns
"""

import contextlib
import errno
import os
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from smgw.store import paths

PAGE = 4096
_HEADER = 100
_INNER_INDEX, _LEAF_INDEX, _LEAF_TABLE = 2, 10, 13
_FRAME = struct.Struct(">II8s8s")
#: Most octets of a payload in the page itself: in a table leaf, in an index page.
_LOCAL = {_LEAF_TABLE: PAGE - 35, _LEAF_INDEX: (PAGE - 12) * 64 // 255 - 23, _INNER_INDEX: (PAGE - 12) * 64 // 255 - 23}
_LOCAL_MIN = (PAGE - 12) * 32 // 255 - 23
_INTEGERS = {1: 1, 2: 2, 3: 3, 4: 4, 5: 6, 6: 8}


#: NULL, a whole number, octets or text.
Column = int | bytes | str | None


class Carved(NamedTuple):
    """One record: of a table with row numbers, or of an index tree (then `rowid` is None). Text comes as str."""

    rowid: int | None
    columns: tuple[Column, ...]


def carve(database: Path) -> Iterator[Carved]:
    """Every record that a page of the file, or a newer one of its -wal, still holds."""
    with contextlib.closing(Pages(database)) as pages:
        for number in range(1, pages.last + 1):
            yield from pages.records(number)


class Pages:
    """The pages of a database, each in its newest version."""

    def __init__(self, database: Path) -> None:
        """OSError. A page that the card cannot read has no records."""
        self._newer = _wal_pages(paths.wal_of(database))
        self._file = database.open("rb", buffering=0)
        size = self._file.seek(0, 2)
        self.last = max(-(-size // PAGE), *self._newer, 1)

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def records(self, number: int) -> Iterator[Carved]:
        """The records of one page, as far as they parse."""
        octets = self._page(number)
        start = _HEADER if number == 1 else 0
        kind = octets[start]
        if kind not in _LOCAL:
            return
        pointers = start + (12 if kind == _INNER_INDEX else 8)
        for index in range(int.from_bytes(octets[start + 3 : start + 5], "big")):
            at = int.from_bytes(octets[pointers + 2 * index : pointers + 2 * index + 2], "big")
            try:
                if kind == _INNER_INDEX:
                    at += 4
                length, at = _varint(octets, at)
                rowid = None
                if kind == _LEAF_TABLE:
                    rowid, at = _varint(octets, at)
                local = _local(kind, length)
                payload = octets[at : at + local]
                if local < length:
                    head = int.from_bytes(octets[at + local : at + local + 4], "big")
                    payload += self._overflow(head, length - local)
                yield Carved(rowid, _record(payload))
            except (IndexError, ValueError):
                continue

    def in_wal(self) -> list[int]:
        """The numbers of pages that stand in the -wal."""
        return sorted(self._newer)

    def _page(self, number: int) -> bytes:
        if number in self._newer:
            return self._newer[number]
        try:
            return os.pread(self._file.fileno(), PAGE, (number - 1) * PAGE).ljust(PAGE, b"\0")
        except OSError as error:
            if error.errno != errno.EIO:
                raise
            return bytes(PAGE)  # a bad block of the card: it stays so

    def _overflow(self, number: int, wanted: int) -> bytes:
        parts = []
        while wanted > 0:
            if not 1 < number <= self.last:
                raise ValueError("an overflow page is missing")
            octets = self._page(number)
            parts.append(octets[4 : 4 + min(wanted, PAGE - 4)])
            wanted -= PAGE - 4
            number = int.from_bytes(octets[:4], "big")
        return b"".join(parts)


def _wal_pages(wal: Path) -> dict[int, bytes]:
    """The newest committed version of every page in the -wal."""
    if not wal.exists():
        return {}
    octets = wal.read_bytes()
    salts = octets[16:24]
    committed: dict[int, bytes] = {}
    begun: dict[int, bytes] = {}
    for at in range(32, len(octets) - _FRAME.size - PAGE + 1, _FRAME.size + PAGE):
        number, commit, frame_salts, _ = _FRAME.unpack_from(octets, at)
        if frame_salts != salts or number == 0:
            break
        begun[number] = octets[at + _FRAME.size : at + _FRAME.size + PAGE]
        if commit:
            committed.update(begun)
            begun = {}
    return committed


def _local(kind: int, length: int) -> int:
    if length <= _LOCAL[kind]:
        return length
    some = _LOCAL_MIN + (length - _LOCAL_MIN) % (PAGE - 4)
    return some if some <= _LOCAL[kind] else _LOCAL_MIN


def _varint(octets: bytes, at: int) -> tuple[int, int]:
    value = 0
    for index in range(9):
        octet = octets[at + index]
        if index == 8:
            return (value << 8) | octet, at + 9
        value = (value << 7) | (octet & 0x7F)
        if octet < 0x80:
            return value, at + index + 1
    raise ValueError("no varint")


def _record(payload: bytes) -> tuple[Column, ...]:
    size, at = _varint(payload, 0)
    if not 2 <= size <= 64:
        raise ValueError("not a header of ours")
    serials = []
    while at < size:
        serial, at = _varint(payload, at)
        serials.append(serial)
    columns: list[Column] = []
    for serial in serials:
        if serial == 0:
            columns.append(None)
        elif serial in (8, 9):
            columns.append(serial - 8)
        elif serial in _INTEGERS:
            width = _INTEGERS[serial]
            columns.append(int.from_bytes(payload[at : at + width], "big", signed=True))
            at += width
        elif serial >= 12:
            width = (serial - 12) // 2
            octets = payload[at : at + width]
            columns.append(octets if serial % 2 == 0 else octets.decode("utf-8"))
            at += width
        else:
            raise ValueError("a type that no table of ours holds")
    if at != len(payload):
        raise ValueError("the columns do not fill the payload")
    return tuple(columns)

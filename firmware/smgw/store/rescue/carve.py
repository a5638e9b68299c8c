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
from smgw.store.file.connection import PAGE_SIZE

#: Sizes of pages that our files have or had.
SIZES = (PAGE_SIZE, 4096)
_HEADER = 100
_INNER_INDEX, _LEAF_INDEX, _LEAF_TABLE = 2, 10, 13
_FRAME = struct.Struct(">II8s8s")
_KINDS = {bytes([kind]) for kind in (_INNER_INDEX, 5, _LEAF_INDEX, _LEAF_TABLE)}
#: Pages that are looked at where the headers do not tell their size.
_LOOKED_AT = 256
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
        wal = paths.wal_of(database)
        newer = wal.read_bytes() if wal.exists() else b""
        self._file = database.open("rb", buffering=0)
        octets = self._file.seek(0, 2)
        self.size = self._page_size(newer, octets)
        inner = (self.size - 12) * 64 // 255 - 23
        #: Most octets of a payload in the page itself, by the kind of the page; then the least of a longer payload.
        self._local = {_LEAF_TABLE: self.size - 35, _LEAF_INDEX: inner, _INNER_INDEX: inner}
        self._local_min = (self.size - 12) * 32 // 255 - 23
        self._newer = _wal_pages(newer, self.size)
        self.last = max(-(-octets // self.size), *self._newer, 1)

    def _page_size(self, wal: bytes, octets: int) -> int:
        """Octets of a page: as the header of file or -wal says, else the least size by which most pages have a kind."""
        found = (int.from_bytes(self._read(16, 2), "big"), int.from_bytes(wal[8:12], "big"))
        for size in found:
            if size in SIZES:
                return size

        def kinds(size: int) -> int:
            whole = octets // size
            some = range(1, whole, max(1, whole // _LOOKED_AT))
            return sum(self._read(number * size, 1)[:1] in _KINDS for number in some) * 1000 // max(1, len(some))

        counted = {size: kinds(size) for size in SIZES}
        return min(size for size, count in counted.items() if 2 * count >= max(counted.values()))

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def records(self, number: int) -> Iterator[Carved]:
        """The records of one page, as far as they parse."""
        octets = self._page(number)
        start = _HEADER if number == 1 else 0
        if len(octets) < start + 12 or (kind := octets[start]) not in self._local:
            return
        pointers = start + (12 if kind == _INNER_INDEX else 8)
        for index in range(int.from_bytes(octets[start + 3 : start + 5], "big")):
            at = int.from_bytes(octets[pointers + 2 * index : pointers + 2 * index + 2], "big")
            try:
                if at <= pointers:
                    continue
                if kind == _INNER_INDEX:
                    at += 4
                if (length := octets[at]) < 0x80:  # most often
                    at += 1
                else:
                    length, at = _varint(octets, at)
                rowid = None
                if kind == _LEAF_TABLE:
                    rowid, at = _varint(octets, at)
                local = length if length <= self._local[kind] else self._cut(kind, length)
                payload = octets[at : at + local]
                if local < length:
                    head = int.from_bytes(octets[at + local : at + local + 3], "big") << 8 | octets[at + local + 3]
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
        return self._read((number - 1) * self.size, self.size)

    def _read(self, at: int, count: int) -> bytes:
        """These octets, or fewer: what a file that was cut off lacks must not be read as zeroes of a record."""
        try:
            return os.pread(self._file.fileno(), count, at)
        except OSError as error:
            if error.errno != errno.EIO:
                raise
            return b""  # a bad block of the card: it stays so

    def _cut(self, kind: int, length: int) -> int:
        """Octets of a longer payload in the page itself."""
        some = self._local_min + (length - self._local_min) % (self.size - 4)
        return some if some <= self._local[kind] else self._local_min

    def _overflow(self, number: int, wanted: int) -> bytes:
        parts = []
        while wanted > 0:
            if not 1 < number <= self.last:
                raise ValueError("an overflow page is missing")
            octets = self._page(number)
            parts.append(octets[4 : 4 + min(wanted, self.size - 4)])
            wanted -= self.size - 4
            number = int.from_bytes(octets[:4], "big")
        return b"".join(parts)


def _wal_pages(octets: bytes, size: int) -> dict[int, bytes]:
    """The newest committed version of every page in the octets of a -wal."""
    salts = octets[16:24]
    committed: dict[int, bytes] = {}
    begun: dict[int, bytes] = {}
    for at in range(32, len(octets) - _FRAME.size - size + 1, _FRAME.size + size):
        number, commit, frame_salts, _ = _FRAME.unpack_from(octets, at)
        if frame_salts != salts or number == 0:
            break
        begun[number] = octets[at + _FRAME.size : at + _FRAME.size + size]
        if commit:
            committed.update(begun)
            begun = {}
    return committed


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
    head = payload[: payload[0]] if payload[0] < 0x80 else b""
    layout = _layouts.get(head)
    if layout is None:
        layout = _layout(payload)
        if head and len(_layouts) < _MOST_LAYOUTS:
            _layouts[head] = layout
    if layout.length != len(payload):
        raise ValueError("the columns do not fill the payload")
    columns: list[Column] = list(layout.constants)
    for place, kind, start, end in layout.others:
        octets = payload[start:end]
        if kind == _INTEGER:
            columns[place] = int.from_bytes(octets, "big", signed=True)
        else:
            columns[place] = octets if kind == _OCTETS else octets.decode("utf-8")
    return tuple(columns)


_INTEGER, _OCTETS, _TEXT = range(3)


class _Layout(NamedTuple):
    """Where the columns of a record are. Records of one table have few headers, so a layout is used again."""

    length: int  # of the payload
    constants: tuple[int | None, ...]  # of the columns that have no octets
    others: tuple[tuple[int, int, int, int], ...]  # place of a column, kind, start and end in the payload


_MOST_LAYOUTS = 4096
_layouts: dict[bytes, _Layout] = {}


def _layout(payload: bytes) -> _Layout:
    """The layout that the header of a payload says."""
    size, at = _varint(payload, 0)
    if not 2 <= size <= 64:
        raise ValueError("not a header of ours")
    constants: list[int | None] = []
    others: list[tuple[int, int, int, int]] = []
    start = size
    while at < size:
        serial, at = _varint(payload, at)
        constants.append(serial - 8 if serial in (8, 9) else None)
        if serial in (0, 8, 9):
            continue
        if serial in _INTEGERS:
            kind, width = _INTEGER, _INTEGERS[serial]
        elif serial >= 12:
            kind, width = (_OCTETS if serial % 2 == 0 else _TEXT), (serial - 12) // 2
        else:
            raise ValueError("a type that no table of ours holds")
        others.append((len(constants) - 1, kind, start, start + width))
        start += width
    if at != size:
        raise ValueError("the header has another length")
    return _Layout(start, tuple(constants), tuple(others))

"""Long values in blocks, both ways (IEC 62056-5-3, 9.4.6): the same counting for GET, SET and ACTION."""

from collections.abc import Iterable
from typing import NamedTuple

from smgw.dlms.errors import TransferError

MAX_WHOLE = 1 << 20  # octets of one value: a year of quarter hours; read as data, an octet may take eighty (R28)


class Piece(NamedTuple):
    """The content of one block."""

    last: bool
    number: int
    raw: bytes


class Outgoing:
    """A value that leaves in blocks. Its pieces are drawn when they are needed, so that a long one is never whole."""

    def __init__(self, pieces: Iterable[bytes]) -> None:
        self._pieces = iter(pieces)
        self._kept = bytearray()
        self._exhausted = False
        self._number = 0

    def whole(self, size: int) -> bytes | None:
        """All of it if it has at most `size` octets and none was given yet, else None."""
        self._fill(size)
        return bytes(self._kept) if self._exhausted and len(self._kept) <= size and not self._number else None

    def piece(self, size: int) -> Piece:
        """The next `size` octets at most."""
        self._fill(size)
        raw = bytes(self._kept[:size])
        del self._kept[:size]
        self._number += 1
        return Piece(self._exhausted and not self._kept, self._number, raw)

    def rest(self) -> bytes:
        """All that was not given yet."""
        self._kept += b"".join(self._pieces)
        self._exhausted = True
        return bytes(self._kept)

    @property
    def number(self) -> int:
        """Of the block given last; 0 before the first."""
        return self._number

    def _fill(self, size: int) -> None:
        """One octet more than asked for tells whether there is another block."""
        while not self._exhausted and len(self._kept) <= size:
            piece = next(self._pieces, None)
            if piece is None:
                self._exhausted = True
            else:
                self._kept += piece


class Incoming:
    """A value that comes in blocks, numbered from 1."""

    def __init__(self, limit: int = MAX_WHOLE) -> None:
        self._limit = limit
        self._pieces: list[bytes] = []
        self.number = 0  # of the block taken last
        self.octets = 0  # taken so far

    def add(self, number: int, raw: bytes) -> None:
        """TransferError if it is not the next block, or if all would become too long."""
        if number != self.number + 1:
            raise TransferError(f"block {number} came where block {self.number + 1} was due")
        self.number = number
        self.octets += len(raw)
        if self.octets > self._limit:
            raise TransferError(f"more than {self._limit} octets in one value")
        self._pieces.append(raw)

    def value(self) -> bytes:
        """All that came."""
        return b"".join(self._pieces)

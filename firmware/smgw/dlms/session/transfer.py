"""Long values in blocks, both ways (IEC 62056-5-3, 9.4.6): the same counting for GET, SET and ACTION."""

from collections.abc import Iterable
from typing import NamedTuple

from smgw.dlms.errors import TransferError

MAX_WHOLE = 1 << 20  # octets of one value: a year of quarter hours; decoded, an octet may take eighty in memory (R28)


class Piece(NamedTuple):
    """The content of one block."""

    last: bool
    number: int
    raw: bytes


class Outgoing:
    """A value that is sent in blocks. Its pieces are made when needed, so a long value is never whole in memory."""

    def __init__(self, pieces: Iterable[bytes]) -> None:
        self._pieces = iter(pieces)
        self._kept = bytearray()
        self._exhausted = False
        self._number = 0

    def whole(self, size: int) -> bytes | None:
        """The whole value if it has at most `size` octets and none was taken yet, else None."""
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
        """The rest of the value."""
        self._kept += b"".join(self._pieces)
        self._exhausted = True
        return bytes(self._kept)

    @property
    def number(self) -> int:
        """Number of the last block; 0 before the first."""
        return self._number

    def _fill(self, size: int) -> None:
        """Read one octet ahead, to find out whether there is another block."""
        while not self._exhausted and len(self._kept) <= size:
            piece = next(self._pieces, None)
            if piece is None:
                self._exhausted = True
            else:
                self._kept += piece


class Incoming:
    """A value that is received in blocks, numbered from 1."""

    def __init__(self, limit: int = MAX_WHOLE) -> None:
        self._limit = limit
        self._pieces: list[bytes] = []
        self.number = 0  # of the block taken last
        self.octets = 0  # taken so far

    def add(self, number: int, raw: bytes) -> None:
        """Take a block; TransferError if it is not the next one, or if the value becomes too long."""
        if number != self.number + 1:
            raise TransferError(f"block {number} came where block {self.number + 1} was due")
        self.number = number
        self.octets += len(raw)
        if self.octets > self._limit:
            raise TransferError(f"more than {self._limit} octets in one value")
        self._pieces.append(raw)

    def value(self) -> bytes:
        """The octets received so far."""
        return b"".join(self._pieces)

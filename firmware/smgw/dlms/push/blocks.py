"""Joins the general blocks of pushes to APDUs."""

from collections.abc import Hashable

from smgw.dlms.apdus.block import GeneralBlock
from smgw.errors import RemoteProtocolError

_MOST = 65_535  # octets in one APDU
_MOST_SOURCES = 64  # meters that push on one line


class BlockError(RemoteProtocolError):
    """A block that does not continue the one before it. The part of the APDU received so far is dropped."""


class PushedBlocks:
    """Joins blocks that cannot be requested again.

    They are accepted only in order. Their numbers do not name the APDU, so a block of another one would give a list of
    two moments.
    """

    def __init__(self) -> None:
        self._begun: dict[Hashable, tuple[int, bytearray]] = {}  # number of the last block, and the octets so far

    def __bool__(self) -> bool:
        """True while an APDU is unfinished."""
        return bool(self._begun)

    def add(self, block: GeneralBlock, source: Hashable) -> bytes | None:
        """The APDU after its last block; BlockError. `source` separates the senders of one line."""
        number, octets = self._begun.pop(source, (0, bytearray()))
        if block.number == 1:
            number, octets = 0, bytearray()
        if block.number != number + 1:
            raise BlockError(f"block {block.number} of an APDU where block {number + 1} was to come")
        octets += block.piece
        if len(octets) > _MOST:
            raise BlockError(f"an APDU of more than {_MOST} octets in blocks")
        if block.last:
            return bytes(octets)
        if len(self._begun) >= _MOST_SOURCES:
            self._begun.clear()
        self._begun[source] = block.number, octets
        return None

    def clear(self) -> list[int]:
        """Begin anew; returns the dropped octets of each unfinished APDU."""
        lost = [len(octets) for _, octets in self._begun.values()]
        self._begun.clear()
        return lost

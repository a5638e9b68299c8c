"""General blocks of pushes, put together to APDUs."""

from collections.abc import Hashable

from smgw.dlms.apdus.block import GeneralBlock
from smgw.errors import RemoteProtocolError

_MOST = 65_535  # octets in one APDU
_MOST_SOURCES = 64  # meters that push on one line


class BlockError(RemoteProtocolError):
    """A block that does not go on where the one before it ended. What had come of the APDU is dropped."""


class PushedBlocks:
    """Blocks that nobody asks for again, put together to APDUs.

    They are taken in their order and no other: their numbers do not say which APDU they belong to, so a block from
    another one would give a list of two moments.
    """

    def __init__(self) -> None:
        self._begun: dict[Hashable, tuple[int, bytearray]] = {}  # number of the last block, and what came so far

    def __bool__(self) -> bool:
        """True while blocks have come, and not the last."""
        return bool(self._begun)

    def add(self, block: GeneralBlock, source: Hashable) -> bytes | None:
        """The APDU once its last block is there; BlockError. `source` tells the senders of one line apart."""
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
        """Begin anew; how many octets of each unfinished APDU are dropped."""
        lost = [len(octets) for _, octets in self._begun.values()]
        self._begun.clear()
        return lost

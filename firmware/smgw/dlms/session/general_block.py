"""General block transfer: one APDU of any kind in numbered blocks, several in flight (IEC 62056-5-3, 9.4.6.13).

Each side sends blocks with the streaming bit up to the other's window, then one without it, and waits. The other side
acknowledges the last block received without a gap. Later blocks are sent again.
"""

from smgw.dlms.apdus.block import GeneralBlock
from smgw.dlms.errors import TransferError
from smgw.dlms.session.transfer import MAX_WHOLE

#: Our window in blocks. It is small, since a lost block costs the rest of its window.
WINDOW = 6
#: Octets of a general block besides its piece.
OVERHEAD = 9
_HIGHEST = 0xFFFF


class GeneralBlocks:
    """One side of a transfer in either role: an APDU out, an APDU in, or both."""

    def __init__(self, *, window: int = WINDOW, limit: int = MAX_WHOLE) -> None:
        self._window = window
        self._limit = limit
        self._number = 0  # of the newest block that we made
        self._peer_window = 1
        self._pieces: list[bytes] = []  # of the APDU that we send; block n is at n - 1 - _before
        self._before = 0  # blocks that we made before these
        self._received = 0  # newest block of the peer without a gap
        self._parts: list[bytes] = []
        self._octets = 0

    def send(self, apdu: bytes, size: int) -> list[GeneralBlock]:
        """The first blocks, of at most `size` octets in all; the others follow acknowledgements."""
        room = max(1, size - OVERHEAD)
        self._pieces = [apdu[place : place + room] for place in range(0, len(apdu), room)]
        self._before = self._number
        return self._from(self._number + 1)

    def receive(self, block: GeneralBlock) -> tuple[list[GeneralBlock], bytes | None]:
        """The blocks to send now, and the peer's APDU if this block completes it. TransferError beyond the limit."""
        self._peer_window = max(1, block.window)
        # Acknowledgements are numbered too, but some peers do not count them: their first content may be block 1 again.
        following = block.number == self._received + 1 or (block.number == 1 and not self._parts)
        if following:
            self._received = block.number
        if self._pieces and not block.piece:
            return self._acknowledged(block.acknowledged), None
        self._pieces = []  # a block with content is the answer: all our blocks arrived
        if following:
            self._parts.append(block.piece)
            self._octets += len(block.piece)
            if self._octets > self._limit:
                raise TransferError(f"more than {self._limit} octets in general blocks")
            if block.last:
                apdu = b"".join(self._parts)
                self._parts = []
                self._octets = 0
                return [], apdu
        if block.streaming:
            return [], None
        return [self._acknowledgement()], None

    def _acknowledgement(self) -> GeneralBlock:
        if self._number == _HIGHEST:
            raise TransferError(f"more than {_HIGHEST} general blocks")
        self._number += 1
        return GeneralBlock(True, False, self._window, self._number, self._received, b"")

    def _acknowledged(self, number: int) -> list[GeneralBlock]:
        first = number + 1
        if not self._before < first <= self._before + len(self._pieces) + 1:
            raise TransferError(f"general block {number} was acknowledged and is none of those under way")
        if first > self._before + len(self._pieces):
            self._pieces = []
            return []
        return self._from(first)

    def _from(self, first: int) -> list[GeneralBlock]:
        """A window of blocks, the last of them not streaming."""
        end = self._before + len(self._pieces)
        newest = min(first + self._peer_window - 1, end)
        self._number = newest
        return [
            GeneralBlock(
                number == end,
                number != newest,
                self._window,
                number,
                self._received,
                self._pieces[number - 1 - self._before],
            )
            for number in range(first, newest + 1)
        ]

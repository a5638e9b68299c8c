"""Replay: a capture of raw octets, played telegram by telegram to a port at the speed of the line."""

import asyncio
import itertools
import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

from smgw.dlms.carriers.mbus import MBusListener
from smgw.dlms.push.reader import PushReader
from smgw.errors import reason
from smgw.hdlc import Listener
from smgw.sml.transport import START, FrameDecoder
from smgw.wire import Refused

from smsim.errors import ConfigError
from smsim.line import open_line
from smsim.ports import PushPort
from smsim.sml.push import transmit

_WAIT_S = 0.05
_DRAIN_S = 2.0

log = logging.getLogger(__name__)


def cut(octets: bytes) -> list[bytes]:
    """The pieces of a capture, cut at its start escapes. Joined again they are the capture.

    Octets before the first start are a piece of their own. A capture without any start is one piece.
    """
    starts = []
    position = octets.find(START)
    while position >= 0:
        starts.append(position)
        position = octets.find(START, position + len(START))
    edges = sorted({0, *starts, len(octets)})
    return [octets[begin:end] for begin, end in itertools.pairwise(edges)]


class _Receiver(Protocol):
    """Finds whole telegrams in octets."""

    @property
    def receiving(self) -> bool:
        """True while a telegram has begun and not ended."""

    def receive(self, data: bytes) -> Sequence[object]:
        """The telegrams that these octets complete or spoil."""


class _Pushes:
    """DLMS: a telegram is a whole push, whatever number of frames and blocks carry it."""

    def __init__(self, listener: Listener | MBusListener) -> None:
        self._listener = listener
        self._blocks = PushReader()

    @property
    def receiving(self) -> bool:
        return self._listener.receiving or self._blocks.receiving

    def receive(self, data: bytes) -> Sequence[object]:
        found = self._listener.receive(data)
        for one in found:
            if not isinstance(one, Refused):
                self._blocks.receive(one.apdu, one.source)
        return found


_RECEIVERS: tuple[Callable[[], _Receiver], ...] = (
    FrameDecoder,
    lambda: _Pushes(Listener()),
    lambda: _Pushes(MBusListener()),
)


def without_cut_end(octets: bytes) -> bytes:
    """A capture without the telegram that its end cuts off, which would spoil the first one of the next round.

    SML frames, and DLMS pushes in HDLC or M-Bus. A capture without any whole telegram stays as it is.
    """
    ends = [(0, False)]
    for make in _RECEIVERS:
        receiver, last = make(), 0
        for place in range(len(octets)):
            found = receiver.receive(octets[place : place + 1])
            if found and not receiver.receiving and any(not isinstance(one, Refused) for one in found):
                last = place + 1
        ends.append((last, receiver.receiving or START.startswith(octets[last:])))
    last, begun = max(ends)
    return octets[:last] if last and begun else octets


def read_capture(path: Path) -> bytes:
    """The octets of a capture; ConfigError if there are none."""
    try:
        octets = path.read_bytes()
    except OSError as error:
        raise ConfigError(
            str(path), None, "", f"cannot be read: {reason(error)}", "name a file with a meter's octets"
        ) from None
    if not octets:
        raise ConfigError(str(path), None, "", "is empty", "name a file with the raw octets of a meter")
    return octets


class Replay:
    """Plays pieces to a port."""

    def __init__(
        self, pieces: Sequence[bytes], port: PushPort, *, baud: int = 9600, interval_s: float = 1.0, loop: bool = False
    ) -> None:
        self.telegrams = 0
        self.octets = 0
        self.lost = 0
        self._pieces = pieces
        self._port = port
        self._baud = baud
        self._interval_s = interval_s
        self._loop = loop
        self._line = open_line(port, baud)

    async def run(self) -> None:
        """Wait for a reader, play once or for ever, then wait until the reader has it all."""
        while not self._line.has_reader():
            await asyncio.sleep(_WAIT_S)
        now = asyncio.get_running_loop().time
        due = now()
        playing = True
        while playing:
            for piece in self._pieces:
                await asyncio.sleep(max(0.0, due - now()))
                due = now() + self._interval_s
                if await transmit(self._line, piece, self._baud):
                    self.telegrams += 1
                    self.octets += len(piece)
                else:
                    self.lost += 1
            playing = self._loop
        patience = now() + _DRAIN_S
        while not self._line.drained() and now() < patience:
            await asyncio.sleep(_WAIT_S)

    def close(self) -> None:
        """Close the port."""
        self._line.close()

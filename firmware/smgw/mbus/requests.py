"""What a master sends, in a stream of octets: frames with data, and frames of a fixed length without (EN 13757-2, 5.6).

octets  1    1     1     1            1
        10   C     A     check sum    16
"""

import re
from typing import NamedTuple

from smgw.mbus.frame import Frame, inside
from smgw.wire import Refused

_SHORT_START, _STOP = 0x10, 0x16
_SIZE = 5
_STARTS = re.compile(b"[\x10\x68]")


class Short(NamedTuple):
    """One intact frame without data."""

    control: int
    address: int

    def encode(self) -> bytes:
        """The frame on the wire."""
        control, address = self
        return bytes((_SHORT_START, control, address, (control + address) & 0xFF, _STOP))


class RequestDecoder:
    """Finds frames in octets that arrive in pieces of any size. The cost is linear in the octets."""

    def __init__(self) -> None:
        self._buffer = b""

    @property
    def receiving(self) -> bool:
        """True while a frame is unfinished."""
        return bool(self._buffer)

    def receive(self, data: bytes) -> list[Frame | Short | Refused]:
        """Take octets, return the frames that they complete and the octets refused, in order."""
        events: list[Frame | Short | Refused] = []
        buffer, place, lost = self._buffer + data, 0, 0
        while place < len(buffer):
            found = _STARTS.search(buffer, place)
            begin = len(buffer) if found is None else found.start()
            lost, place = lost + begin - place, begin
            if found is None:
                break
            frame = _frame(buffer, begin)
            if frame is None:
                break
            if isinstance(frame, Frame | Short):
                lost = _tell(events, lost)
                events.append(frame)
                place += _SIZE if isinstance(frame, Short) else frame.size
            else:
                lost, place = lost + 1, place + 1
        _tell(events, lost)
        self._buffer = buffer[place:]
        return events

    def finish(self) -> list[Frame | Short | Refused]:
        """End of octets, or a long silence: give up the unfinished frame, deliver frames hidden in it."""
        events: list[Frame | Short | Refused] = []
        lost = 0
        while self._buffer:
            rest, self._buffer = self._buffer[1:], b""
            lost += 1
            events += self.receive(rest)
        _tell(events, lost)
        return events


def _frame(buffer: bytes, begin: int) -> Frame | Short | bool | None:
    """The frame at this place; False if there is none; None: too few octets."""
    if buffer[begin] != _SHORT_START:
        content = inside(buffer, begin)
        return None if content is None else bool(content) and Frame.of(content)
    octets = buffer[begin : begin + _SIZE]
    if len(octets) < _SIZE:
        return None
    short = Short(octets[1], octets[2])
    return octets == short.encode() and short


def _tell(events: list[Frame | Short | Refused], lost: int) -> int:
    if lost:
        events.append(Refused("no M-Bus frame begins here, or its check sum is wrong", lost))
    return 0

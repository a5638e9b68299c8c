"""Frames with variable length in a stream of octets (EN 13757-2, 5.6.3; IEC 60870-5-2, format class FT1.2).

octets  1    1   1   1    1         1         1              n      1           1
        68   L   L   68   control   address   control        data   check sum   16
                          (C)       (A)       information
                                              (CI)

L counts from C to before the check sum, which is the sum of these octets modulo 256.

Some meters send longer frames than L can count and let L wrap at 256: the Sagemcom T210-D sends 257 octets as L = 01.
Such a frame is taken if its check sum and its stop octet agree where it ends.
"""

from typing import NamedTuple

from smgw.errors import LocalProtocolError
from smgw.wire import Refused

_START, _STOP = 0x68, 0x16
_HEAD, _TAIL, _FIELDS = 4, 2, 3  # octets before C, after the data, from C to the data
_WRAP = 256  # L is one octet
_LONGEST = 2 * _WRAP - 1  # L wraps once
_ENOUGH = 4096  # octets without a frame are reported at this number, or when a frame follows


class Frame(NamedTuple):
    """One intact frame."""

    control: int
    address: int
    control_information: int
    data: bytes

    @classmethod
    def of(cls, content: bytes) -> "Frame":
        """The frame with these octets from C to the end of its data."""
        control, address, information = content[:_FIELDS]
        return cls(control, address, information, content[_FIELDS:])

    @property
    def size(self) -> int:
        """All of its octets."""
        return _HEAD + self.length + _TAIL

    @property
    def length(self) -> int:
        """The octets from C to the end of the data. L is their number modulo 256."""
        return _FIELDS + len(self.data)

    def encode(self) -> bytes:
        """The frame on the wire; LocalProtocolError if L would wrap more than once."""
        if self.length > _LONGEST:
            raise LocalProtocolError(f"an M-Bus frame of {self.length} octets; it has {_LONGEST} at most")
        inside = bytes((self.control, self.address, self.control_information)) + self.data
        length = self.length % _WRAP
        return bytes((_START, length, length, _START)) + inside + bytes((sum(inside) & 0xFF, _STOP))


class FrameDecoder:
    """Finds frames in octets that arrive in pieces of any size. The cost is linear in the octets."""

    def __init__(self) -> None:
        self._buffer = b""
        self._lost = 0

    @property
    def receiving(self) -> bool:
        """True while a frame is unfinished."""
        return bool(self._buffer)

    def receive(self, data: bytes) -> list[Frame | Refused]:
        """Take octets, return the frames that they complete and the octets refused, in order."""
        events: list[Frame | Refused] = []
        buffer, place = self._buffer + data, 0
        while place < len(buffer):
            begin = buffer.find(_START, place)
            self._lost += (len(buffer) if begin < 0 else begin) - place
            if begin < 0:
                place = len(buffer)
                break
            place = begin
            content = inside(buffer, begin)
            if content is None:
                break
            if content:
                self._tell(events)
                events.append(Frame.of(content))
            else:
                self._lost += 1
            place = begin + (_HEAD + len(content) + _TAIL if content else 1)
        self._buffer = buffer[place:]
        if self._lost >= _ENOUGH:
            self._tell(events)
        return events

    def finish(self) -> list[Frame | Refused]:
        """End of octets, or a long silence: give up the unfinished frame, deliver frames hidden in it."""
        events: list[Frame | Refused] = []
        while self._buffer:
            rest, self._buffer = self._buffer[1:], b""
            self._lost += 1
            events += self.receive(rest)
        self._tell(events)
        return events

    def _tell(self, events: list[Frame | Refused]) -> None:
        if self._lost:
            events.append(Refused("no M-Bus frame begins here, or its check sum is wrong", self._lost))
        self._lost = 0


def inside(buffer: bytes, begin: int) -> bytes | None:
    """The octets of the frame at this place, from C to before its check sum; empty if there is none; None: too few."""
    head = buffer[begin : begin + _HEAD]
    if head[2:3] not in (b"", head[1:2]) or head[3:4] not in (b"", b"\x68"):
        return b""
    if len(head) < _HEAD:
        return None
    for length in (head[1], head[1] + _WRAP):
        if length < _FIELDS:
            continue
        content, end = begin + _HEAD, begin + _HEAD + length
        if end + _TAIL > len(buffer):
            return None
        if buffer[end + 1] == _STOP and buffer[end] == sum(buffer[content:end]) & 0xFF:
            return buffer[content:end]
    return b""

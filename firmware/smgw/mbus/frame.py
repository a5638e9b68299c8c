"""Frames with variable length in a stream of octets (EN 13757-2, 5.6.3; IEC 60870-5-2, format class FT1.2).

octets  1    1   1   1    1         1         1              n      1           1
        68   L   L   68   control   address   control        data   check sum   16
                          (C)       (A)       information
                                              (CI)

L counts from C to before the check sum, which is the sum of these octets modulo 256.
"""

from typing import NamedTuple

from smgw.wire import Refused

_START, _STOP = 0x68, 0x16
_HEAD, _TAIL, _FIELDS = 4, 2, 3  # octets before C, behind the data, from C to the data
_ENOUGH = 4096  # octets that made no frame are reported when there are so many, or when one follows


class Frame(NamedTuple):
    """One intact frame."""

    control: int
    address: int
    control_information: int
    data: bytes

    @property
    def length(self) -> int:
        """L, the octets from C to the end of the data."""
        return _FIELDS + len(self.data)


class FrameDecoder:
    """Finds frames in octets that arrive in pieces of any size. Linear in the octets, whatever they are."""

    def __init__(self) -> None:
        self._buffer = b""
        self._lost = 0

    @property
    def receiving(self) -> bool:
        """True while a frame has begun and not ended."""
        return bool(self._buffer)

    def receive(self, data: bytes) -> list[Frame | Refused]:
        """Take octets, return the frames that they completed or spoiled, in order."""
        events: list[Frame | Refused] = []
        buffer, place = self._buffer + data, 0
        while place < len(buffer):
            begin = buffer.find(_START, place)
            self._lost += (len(buffer) if begin < 0 else begin) - place
            if begin < 0:
                place = len(buffer)
                break
            place = begin
            inside = _inside(buffer, begin)
            if inside is None:
                break
            if inside:
                self._tell(events)
                control, address, information = inside[:_FIELDS]
                events.append(Frame(control, address, information, inside[_FIELDS:]))
            else:
                self._lost += 1
            place = begin + (_HEAD + len(inside) + _TAIL if inside else 1)
        self._buffer = buffer[place:]
        if self._lost >= _ENOUGH:
            self._tell(events)
        return events

    def finish(self) -> list[Frame | Refused]:
        """No more octets come, or none for long: give up the frame that has begun, deliver what is hidden in it."""
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


def _inside(buffer: bytes, begin: int) -> bytes | None:
    """The octets of the frame that begins there, from C to before its check sum; empty if none does; None: too few."""
    head = buffer[begin : begin + _HEAD]
    if len(head) > 1 and (head[1] < _FIELDS or head[2:3] not in (b"", head[1:2]) or head[3:4] not in (b"", b"\x68")):
        return b""
    if len(head) < _HEAD or begin + _HEAD + head[1] + _TAIL > len(buffer):
        return None
    inside = buffer[begin + _HEAD : begin + _HEAD + head[1]]
    check, stop = buffer[begin + _HEAD + head[1] : begin + _HEAD + head[1] + _TAIL]
    return inside if check == sum(inside) & 0xFF and stop == _STOP else b""

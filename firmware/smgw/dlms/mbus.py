"""M-Bus as the carrier of pushed DLMS (IEC 62056-7-3, EN 13757-2 and -3): the customer interface of Kaifa in Austria.

octets  1    1   1   1    1   1   1                       1        1             n         1           1
        68   L   L   68   C   A   segment: number (4      source   destination   piece     check sum   16
                                  bits), 10 the last      SAP      SAP           of APDU
                                  one

L counts from C to before the check sum, which is the sum of these octets modulo 256. Segments count from 0;
the 16 that four bits number are the most that an APDU has.
"""

from typing import NamedTuple

from smgw.wire import Refused

_START, _STOP = 0x68, 0x16
_HEAD, _TAIL, _FIELDS = 4, 2, 5  # octets before C, behind the last piece, from C to the destination
_NUMBER, _LAST = 0x0F, 0x10
_SEGMENT = 0xE0  # bits that a segment number has not
_ENOUGH = 4096  # octets that made no frame are told of when there are so many, or when one follows


class MBusPush(NamedTuple):
    """One whole APDU, and the service access points it came from and goes to."""

    apdu: bytes
    source: int
    destination: int


class MBusListener:
    """Takes the octets of an M-Bus on which a meter pushes. Linear in the octets, whatever they are."""

    def __init__(self) -> None:
        self._buffer = b""
        self._pieces: list[bytes] = []
        self._lost = 0

    @property
    def receiving(self) -> bool:
        """True while a frame, or an APDU in segments, has begun and not ended."""
        return bool(self._buffer or self._pieces)

    def receive(self, data: bytes) -> list[MBusPush | Refused]:
        """Take octets, return the APDUs that they completed."""
        events: list[MBusPush | Refused] = []
        buffer, place = self._buffer + data, 0
        while place < len(buffer):
            begin = buffer.find(_START, place)
            self._lost += (len(buffer) if begin < 0 else begin) - place
            if begin < 0:
                place = len(buffer)
                break
            place = begin
            frame = _frame(buffer, begin)
            if frame is None:
                break
            if frame:
                self._tell(events)
                self._segment(frame, events)
            else:
                self._lost += 1
            place = begin + (_HEAD + len(frame) + _TAIL if frame else 1)
        self._buffer = buffer[place:]
        if self._lost >= _ENOUGH:
            self._tell(events)
        return events

    def finish(self) -> list[MBusPush | Refused]:
        """The line has been silent for long, or has ended: give up what has begun."""
        events: list[MBusPush | Refused] = []
        while self._buffer:
            rest, self._buffer = self._buffer[1:], b""
            self._lost += 1
            events += self.receive(rest)
        self._tell(events)
        self._drop(events, "an APDU lacks its last segments")
        return events

    def _segment(self, frame: bytes, events: list[MBusPush | Refused]) -> None:
        segment, source, destination = frame[2], frame[3], frame[4]
        number = segment & _NUMBER
        if segment & _SEGMENT:
            events.append(Refused(f"M-Bus, but no DLMS: control information {segment:02x}", len(frame)))
            return
        if number == 0:
            self._drop(events, "an APDU lacks its last segments")
        if number != len(self._pieces):
            self._drop(events, f"segment {number} of an APDU where {len(self._pieces)} was to come")
            return
        self._pieces.append(frame[_FIELDS:])
        if segment & _LAST:
            apdu, self._pieces = b"".join(self._pieces), []
            events.append(MBusPush(apdu, source, destination))

    def _drop(self, events: list[MBusPush | Refused], reason: str) -> None:
        if self._pieces:
            events.append(Refused(reason, sum(map(len, self._pieces))))
        self._pieces = []

    def _tell(self, events: list[MBusPush | Refused]) -> None:
        if self._lost:
            events.append(Refused("no M-Bus frame begins here, or its check sum is wrong", self._lost))
        self._lost = 0


def _frame(buffer: bytes, begin: int) -> bytes | None:
    """The octets of the frame that begins there, from C to before its check sum; empty if none does; None: too few."""
    head = buffer[begin : begin + _HEAD]
    if len(head) > 1 and (head[1] < _FIELDS or head[2:3] not in (b"", head[1:2]) or head[3:4] not in (b"", b"\x68")):
        return b""
    if len(head) < _HEAD or begin + _HEAD + head[1] + _TAIL > len(buffer):
        return None
    inside = buffer[begin + _HEAD : begin + _HEAD + head[1]]
    check, stop = buffer[begin + _HEAD + head[1] : begin + _HEAD + head[1] + _TAIL]
    return inside if check == sum(inside) & 0xFF and stop == _STOP else b""

"""M-Bus as the carrier of pushed DLMS (IEC 62056-7-3, EN 13757-3): the customer interface of Kaifa in Austria.

In a frame (`mbus.frame`):

octets  1                        1        1             n
        control information:     source   destination   piece of the APDU
        segment: number (4       SAP      SAP
        bits), 10 the last one

Segments count from 0. An APDU has at most the 16 segments that four bits can number.
"""

from typing import NamedTuple

from smgw.errors import LocalProtocolError
from smgw.mbus import Frame, FrameDecoder
from smgw.wire import Refused

_NUMBER, _LAST = 0x0F, 0x10
_NO_SEGMENT = 0xE0  # bits that a segment number has not
_SAPS = 2  # octets
_MOST_SEGMENTS = 16
_SEND, _BROADCAST = 0x53, 0xFF  # control and address of the meters that push


class MBusPush(NamedTuple):
    """One whole APDU, with its source and destination service access points."""

    apdu: bytes
    source: int
    destination: int


def encode_push(push: MBusPush, size: int) -> bytes:
    """The frames of an APDU, with `size` octets of it in each; LocalProtocolError if they are too many or too long."""
    pieces = [push.apdu[begin : begin + size] for begin in range(0, len(push.apdu), size)]
    if len(pieces) > _MOST_SEGMENTS:
        raise LocalProtocolError(f"an APDU in {len(pieces)} segments; it has {_MOST_SEGMENTS} at most")
    saps, last = bytes((push.source, push.destination)), len(pieces) - 1
    return b"".join(
        Frame(_SEND, _BROADCAST, number | (_LAST if number == last else 0), saps + piece).encode()
        for number, piece in enumerate(pieces)
    )


class MBusListener:
    """Takes the octets of an M-Bus on which a meter pushes."""

    def __init__(self) -> None:
        self._decoder = FrameDecoder()
        self._pieces: list[bytes] = []

    @property
    def receiving(self) -> bool:
        """True while a frame, or an APDU in segments, has begun and not ended."""
        return self._decoder.receiving or bool(self._pieces)

    def receive(self, data: bytes) -> list[MBusPush | Refused]:
        """Take octets, return the APDUs that they completed."""
        return self._take(self._decoder.receive(data))

    def finish(self) -> list[MBusPush | Refused]:
        """The line was silent for long, or has ended: give up unfinished octets."""
        events = self._take(self._decoder.finish())
        self._drop(events, "an APDU lacks its last segments")
        return events

    def _take(self, found: list[Frame | Refused]) -> list[MBusPush | Refused]:
        events: list[MBusPush | Refused] = []
        for one in found:
            if isinstance(one, Refused):
                events.append(one)
            else:
                self._segment(one, events)
        return events

    def _segment(self, frame: Frame, events: list[MBusPush | Refused]) -> None:
        segment, data = frame.control_information, frame.data
        number = segment & _NUMBER
        if segment & _NO_SEGMENT or len(data) < _SAPS:
            events.append(Refused(f"M-Bus, but no DLMS: control information {segment:02x}", frame.length))
            return
        if number == 0:
            self._drop(events, "an APDU lacks its last segments")
        if number != len(self._pieces):
            self._drop(events, f"segment {number} of an APDU where {len(self._pieces)} was to come")
            return
        self._pieces.append(data[_SAPS:])
        if segment & _LAST:
            apdu, self._pieces = b"".join(self._pieces), []
            events.append(MBusPush(apdu, data[0], data[1]))

    def _drop(self, events: list[MBusPush | Refused], reason: str) -> None:
        if self._pieces:
            events.append(Refused(reason, sum(map(len, self._pieces))))
        self._pieces = []

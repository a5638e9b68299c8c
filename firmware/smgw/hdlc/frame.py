"""Frames of format type 3 in a stream of octets (IEC 62056-46, 6.4.2), both ways.

octets  1    2        1/2/4         1/2/4    1         2      n             2      1
        7E   format   destination   source   control   HCS    information   FCS    7E
             1010 S LLLLLLLLLLL

S: more segments of this APDU follow. L: octets between the flags. HCS covers all octets from the format on and exists
only if there is information. FCS covers all octets from the format on. Both are CRC-16/X.25, low octet first. One 7E
may end a frame and begin the next.

There is no octet stuffing, so 7E may occur anywhere, even as the last octet before the closing flag. A frame ends where
its length says. A candidate begins at any 7E and is checked in this order: type, addresses, HCS, flag, FCS. If it
fails, the search continues at the very next octet.
"""

from typing import NamedTuple

from smgw.hdlc.address import Address
from smgw.wire import Crc, Refused, x25_intact

FLAG = 0x7E
_FLAG = b"\x7e"
_TYPE = 0xA0
_SEGMENTED = 0x08
_ENOUGH = 4096  # octets without a frame are reported at this number, or when a frame follows
_HEADERS = 1024  # one link has some hundred combinations of numbers, poll bits and lengths
_STUFFED = (b"\x7d\x5e", b"\x7d\x5d")
_crc = Crc.X25.wire


class Frame(NamedTuple):
    """One intact frame. `control` is the octet; see `hdlc.control`."""

    destination: Address
    source: Address
    control: int
    segmented: bool = False
    information: bytes = b""


class _Header(NamedTuple):
    fields: tuple[Address, Address, int, bool]  # octets of the frame without the information
    first: int  # offset of the information from the opening flag, or of the FCS if there is none
    last: int  # offset of the FCS
    echo: bool  # we sent it


class _Failed(NamedTuple):
    rank: int  # progress of a candidate: the one that came farthest gives the reason
    reason: str


_NO_FLAG = _Failed(0, "no frame of type 3 begins here")
_ADDRESS = _Failed(1, "an address of other than 1, 2 or 4 octets")
_LENGTH = _Failed(1, "its length does not fit its header")
_HCS = _Failed(2, "wrong check sum of the header")
_END_FLAG = _Failed(3, "no flag where its length ends it")
_FCS = _Failed(4, "wrong check sum")
_STUFFING = _Failed(
    5, "octets are stuffed (7D 5E, 7D 5D), which frame type 3 does not do: not IEC 62056-46, or not a meter"
)
_CUT = "cut off before its end"


def encode_frame(
    destination: Address, source: Address, control: int, information: bytes = b"", *, segmented: bool = False
) -> bytes:
    """One frame with its own flags; `information` up to 2030 octets."""
    addresses = destination.octets + source.octets
    length = 5 + len(addresses) + (2 + len(information) if information else 0)
    body = bytes((_TYPE | segmented << 3 | length >> 8, length & 0xFF)) + addresses + bytes((control,))
    if information:
        body += _crc(body).to_bytes(2, "big") + information
    return _FLAG + body + _crc(body).to_bytes(2, "big") + _FLAG


class FrameDecoder:
    """Finds frames in octets that arrive in pieces of any size. The cost is linear in the octets.

    With `own`, our address, echoes of our own frames are dropped and counted in `echoes`: frames from us to another
    station, whole or cut after their header. If both sides have the same address (client 16, server 16), an echo is a
    frame that equals one of the frames in `sent`.
    """

    def __init__(self, own: Address | None = None) -> None:
        self._own = own
        self.echoes = 0
        self.sent = b""
        self._buffer = b""  # begins with the flag of the current candidate
        self._need = 0  # octets that the buffer needs before the next step
        self._closing = False  # its first flag ended a frame, so it does not count as lost
        self._lost = 0  # octets since the last frame that belong to no frame
        self._why = _NO_FLAG
        self._echo = 0  # octets to come of an echo
        self._known: dict[bytes, _Header] = {}  # intact headers by their octets: a link has few
        self._usual = 0  # length of the last one
        self._addresses: dict[bytes, Address] = {}

    @property
    def receiving(self) -> bool:
        """True while a frame has begun and not ended."""
        return len(self._buffer) > 1

    @property
    def lost(self) -> int:
        """Octets since the last frame that are no frame and not yet reported."""
        return self._lost

    def receive(self, data: bytes) -> list[Frame | Refused]:
        """Take octets, return the frames that they complete and the octets refused, in order."""
        buffer = self._buffer + data
        if len(buffer) < self._need:
            self._buffer = buffer
            return []
        events: list[Frame | Refused] = []
        self._buffer = buffer[self._search(buffer, events) :]
        if self._lost >= _ENOUGH:
            self._tell(events)
        return events

    def finish(self) -> list[Frame | Refused]:
        """End of octets, or a long silence: give up the unfinished frame, deliver frames hidden in it."""
        events: list[Frame | Refused] = []
        while self._buffer:
            if len(self._buffer) > 1 and self._why is _NO_FLAG:
                self._why = _Failed(0, _CUT)
            self._lose(0 if self._closing else 1)
            self._closing = False
            rest = self._buffer[1:]
            self._buffer = rest[self._search(rest, events) :]
        self._need = 0
        self._tell(events)
        self._echo = 0
        return events

    def _search(self, buffer: bytes, events: list[Frame | Refused]) -> int:
        """Find frames; return the start of an unfinished candidate, or the end of the buffer."""
        place, end = 0, len(buffer)
        while True:
            begin = buffer.find(_FLAG, place)
            if begin != place:
                self._closing = False
                self._lose((begin if begin >= 0 else end) - place)
                if begin < 0:
                    self._need = 0
                    return end
            if begin + 3 > end:
                self._need = begin + 3
                break
            high = buffer[begin + 1]
            if high & 0xF0 == _TYPE:
                header = self._known.get(buffer[begin + 1 : begin + 1 + self._usual]) or self._header(buffer, begin)
                if header is None:
                    break
                if isinstance(header, _Header):
                    place = self._candidate(buffer, begin, header, events)
                    if place < 0:
                        break
                    continue
                self._fail(header)
            elif high != FLAG:  # flags fill the time between frames
                self._fail(_NO_FLAG)
            place = begin + 1
        self._need -= begin
        return begin

    def _header(self, buffer: bytes, begin: int) -> _Header | _Failed | None:
        """The header of the candidate, if it is possible and, with information, intact; None: octets are missing."""
        addresses = []
        place = begin + 3
        for _ in range(2):
            last = place
            while last < len(buffer) and not buffer[last] & 1 and last < place + 4:
                last += 1
            if last >= len(buffer):
                self._need = last + 1
                return None
            if last - place not in (0, 1, 3):
                return _ADDRESS
            addresses.append(buffer[place : last + 1])
            place = last + 1
        length = (buffer[begin + 1] & 0x07) << 8 | buffer[begin + 2]
        information = length - (place + 1 - (begin + 1)) - 4
        if information < 0 and information != -2:
            return _LENGTH
        stop = place + 1 if information < 0 else place + 3
        if stop > len(buffer):
            self._need = stop
            return None
        octets = buffer[begin + 1 : stop]
        if information >= 0 and not x25_intact(octets):
            return _HCS
        destination, source = map(self._address, addresses)
        fields = destination, source, buffer[place], bool(octets[0] & _SEGMENTED)
        first = 1 + len(octets)
        header = _Header(fields, first, first + max(information, 0), source == self._own != destination)
        if information >= 0:
            if len(self._known) >= _HEADERS:
                self._known.clear()
            self._known[octets] = header
            self._usual = len(octets)
        return header

    def _address(self, octets: bytes) -> Address:
        """The same object for the same octets, so that a link compares peers quickly."""
        if octets not in self._addresses:
            if len(self._addresses) >= _HEADERS:
                self._addresses.clear()
            self._addresses[octets] = Address.decode(octets)
        return self._addresses[octets]

    def _candidate(self, buffer: bytes, begin: int, header: _Header, events: list[Frame | Refused]) -> int:
        """Take the frame after an intact header; return where to continue, or -1: octets are missing."""
        fields, first, last, echo = header
        first += begin
        last += begin
        if echo and first < last:
            self.echoes += 1
            self._echo = last + 3 - first
            self._closing = False
            return first  # the echo may be cut, and the answer may follow in its place
        stop = last + 2
        if stop >= len(buffer):
            self._need = stop + 1
            return -1
        if buffer[stop] == FLAG and x25_intact(buffer[begin + 1 : stop]):
            if self._lost:
                self._tell(events)
            self._echo = 0
            self._closing = True
            if echo or (self.sent and self._returned(buffer[begin : stop + 1], first < last)):
                self.echoes += 1
            else:
                events.append(Frame(*fields, buffer[first:last]))
            return stop
        if any(pair in buffer[first:stop] for pair in _STUFFED):
            self._fail(_STUFFING)
        else:
            self._fail(_END_FLAG if buffer[stop] != FLAG else _FCS)
        return begin + 1

    def _returned(self, frame: bytes, informed: bool) -> bool:
        """True if the frame is our own. Without information, both sides may send equal frames: then only with echo."""
        place = self.sent.find(frame) if informed or self.echoes else -1
        if place >= 0:
            self.sent = self.sent[place + len(frame) :]
        return place >= 0

    def _fail(self, failed: _Failed) -> None:
        """Note that the last flag begins no frame."""
        if failed.rank > self._why.rank:
            self._why = failed
        self._lose(0 if self._closing else 1)
        self._closing = False

    def _lose(self, octets: int) -> None:
        """Count octets that belong to no frame, except those of an echo."""
        if self._echo:
            octets, self._echo = max(0, octets - self._echo), max(0, self._echo - octets)
        self._lost += octets

    def _tell(self, events: list[Frame | Refused]) -> None:
        if self._lost:
            events.append(Refused(self._why.reason, self._lost))
        self._lost = 0
        self._why = _NO_FLAG

"""What carries DLMS, found out from the octets: HDLC, M-Bus, the wrapper, or APDUs alone; raw or as text in hex."""

import re
from typing import NamedTuple

from smgw.dlms.apdus.apdu import Apdu, decode_apdu
from smgw.dlms.apdus.cursor import ApduError
from smgw.dlms.apdus.get import GetResponse
from smgw.dlms.apdus.notify import DataNotification, EventNotification
from smgw.dlms.carriers.mbus import MBusListener, MBusPush
from smgw.dlms.data import AxdrError, decode_all
from smgw.errors import RemoteProtocolError
from smgw.hdlc.control import CONTROLS, Kind
from smgw.hdlc.frame import Frame, FrameDecoder
from smgw.hdlc.llc import COMMAND, RESPONSE, split
from smgw.hdlc.parameters import decode_parameters
from smgw.hdlc.segments import Assembly
from smgw.mbus import FrameDecoder as MBusDecoder
from smgw.wire import Refused

_HEX = re.compile(rb"(?:[0-9a-fA-F][0-9a-fA-F][\s:,]*)*", re.ASCII)
_DIGITS = re.compile(rb"[0-9a-fA-F\s:,]+")
_TEXT = re.compile(rb"[\t\n\r\x20-\x7e]*")
_WRAPPER = b"\x00\x01"
_WRAPPER_HEAD = 8
_HELD = 1 << 20  # octets kept while it is not known what carries them
_HINTED = 512  # octets that are enough to recognise a line
_LONGEST = 65_535  # octets of an APDU
_LOOKED_AT = 8192  # octets that are looked through for translated line ends
_MOST_STATIONS = 64
#: What APDUs begin with, also those not known here.
_TAGS = frozenset({0x01, 0x05, 0x06, 0x08, 0x0C, 0x0D, 0x0E, 0x0F, 0x16, 0x18, *range(0x21, 0x64), *range(0xC0, 0xE1)})
_ASSOCIATION = (0x60, 0x61, 0x62, 0x63)


class Item(NamedTuple):
    """One frame as text, and the APDUs that it completes. `sender` separates the stations of one line."""

    head: str
    apdus: tuple[bytes, ...]
    sender: str


Event = Item | Refused


class Stream:
    """Takes the octets of a file or a port in pieces of any size, gives frames.

    For a file, `finish` reports the fault if nothing was found. A port (`live`) may have no end.
    """

    def __init__(self, *, live: bool = False) -> None:
        self._live = live
        self._text: bool | None = False if live else None  # not known before there are octets
        self._line = b""  # of a text, begun and not ended
        self._number = 0
        self._units: list[bytes] = []  # lines of a text, or all octets: possible APDUs without frames
        self._held = 0
        self._hdlc = _Hdlc()
        self._mbus = MBusListener()
        self._wrapped = _Wrapped()
        self._found: _Hdlc | MBusListener | _Wrapped | None = None
        self._newest = b""  # raw octets
        self._refused: list[Refused] = []  # by HDLC, for as long as it may be something else

    @property
    def line_ends_translated(self) -> bool:
        """True if the newest octets hold more frames once the CR before each LF is taken out."""
        plain = self._newest.replace(b"\r\n", b"\n")
        return plain != self._newest and _frames(plain) > _frames(self._newest)

    @property
    def unframed(self) -> bytes:
        """Octets of which no frame has been made so far, some of them; empty once there was one."""
        return b"".join(self._units[:_HINTED])[-_HINTED:]

    def receive(self, data: bytes) -> list[Event]:
        """Take octets, return the frames that they completed."""
        if self._text is None and data:
            self._text = is_hex(data)
        return self._lines(data, last=False) if self._text else self._octets(data)

    def finish(self) -> list[Event]:
        """No more octets come."""
        events: list[Event] = self._lines(b"", last=True) if self._text else []
        if self._found is None and self._units and (alone := _all_alone(self._units, lines=bool(self._text))):
            return events + list[Event](alone)
        if isinstance(self._found, _Wrapped | MBusListener):
            return events + _items(self._found.finish())
        last = self._hdlc.finish()
        return events + list[Event](self._refused) + last

    def _lines(self, data: bytes, *, last: bool) -> list[Event]:
        *lines, self._line = (self._line + data).split(b"\n")
        if last and self._line:
            lines.append(self._line)
            self._line = b""
        events: list[Event] = []
        for line in lines:
            self._number += 1
            digits = line.partition(b"#")[0].strip()
            if not _HEX.fullmatch(digits):
                events.append(Refused(f"line {self._number} is not made of pairs of hex digits", len(line)))
                continue
            events += self._octets(bytes.fromhex(re.sub(rb"[\s:,]", b"", digits).decode()))
        return events

    def _octets(self, data: bytes) -> list[Event]:
        if not data:
            return []
        self._newest = (self._newest + data)[-_LOOKED_AT:]
        if self._found is not None:
            return _items(self._found.receive(data))
        self._held += len(data)
        if self._held <= _HELD:
            self._units.append(data)
        for carrier in (self._wrapped, self._hdlc, self._mbus):
            events = _items(carrier.receive(data))
            if any(isinstance(event, Item) for event in events):
                self._found = carrier
                self._units.clear()
                return events
            if carrier is self._hdlc:
                self._refused += [event for event in events if isinstance(event, Refused)]
        told, self._refused = (self._refused, []) if self._live else ([], self._refused)
        return list[Event](told)


def _frames(octets: bytes) -> int:
    """How many frames of HDLC or M-Bus these octets hold."""
    carriers: tuple[FrameDecoder | MBusDecoder, ...] = (FrameDecoder(), MBusDecoder())
    found = [[*carrier.receive(octets), *carrier.finish()] for carrier in carriers]
    return sum(not isinstance(one, Refused) for events in found for one in events)


def is_hex(data: bytes) -> bool:
    """True if these octets, all that is known of a file, are a text whose first line holds hex digits.

    Comments begin with `#`. Frames and APDUs have octets that a text does not have.
    """
    if not data.isascii() or not _TEXT.fullmatch(data):
        return False
    lines = (line.partition(b"#")[0].strip() for line in data.split(b"\n"))
    return _DIGITS.fullmatch(next((line for line in lines if line), b"")) is not None


def _items(events: "list[Event] | list[MBusPush | Refused]") -> list[Event]:
    return [
        Item(f"M-Bus from {event.source} to {event.destination}", (event.apdu,), f"{event.source}")
        if isinstance(event, MBusPush)
        else event
        for event in events
    ]


def _all_alone(units: list[bytes], *, lines: bool) -> list[Item]:
    """APDUs without a frame: one a line, each in several lines, or all octets one APDU. Empty if they are none."""
    if lines:
        found, begun = [], b""
        for unit in units:
            begun += unit
            if len(begun) > _LONGEST:
                break
            if (item := _alone(begun, whole=True)) is not None:
                found.append(item)
                begun = b""
        if not begun:
            return found
        each = [item for unit in units if (item := _alone(unit)) is not None]
        if len(each) == len(units):
            return each
    item = _alone(b"".join(units))
    return [] if item is None else [item]


def _alone(octets: bytes, *, whole: bool = False) -> Item | None:
    """An APDU without a frame, with or without an LLC header; `whole`: the data in it have to end with it."""
    header = octets[:3] if octets[:3] in (COMMAND, RESPONSE) else b""
    apdu = octets[len(header) :]
    if apdu[:1] and apdu[0] not in _ASSOCIATION:
        try:
            decoded = decode_apdu(apdu)
            if whole and (data := _data_in(decoded)) is not None:
                decode_all(data)
        except (ApduError, AxdrError):
            return None
    return Item("LLC without a frame" if header else "APDU without a frame", (apdu,), "") if apdu else None


def _data_in(apdu: Apdu) -> bytes | None:
    """The data that end with an APDU, if it carries such."""
    match apdu:
        case DataNotification():
            return apdu.body
        case EventNotification():
            return apdu.value
        case GetResponse(_, bytes(result)):
            return result
    return None


class _Hdlc:
    """Frames, and the APDUs in their segments."""

    def __init__(self) -> None:
        self._decoder = FrameDecoder()
        self._assemblies: dict[tuple[str, str], Assembly] = {}

    def receive(self, data: bytes) -> list[Event]:
        return self._take(self._decoder.receive(data))

    def finish(self) -> list[Event]:
        events = self._take(self._decoder.finish())
        for (source, _), assembly in self._assemblies.items():
            if assembly.partial:
                events.append(Refused(f"an APDU from {source} lacks its last segments", assembly.clear()))
        return events

    def _take(self, found: list[Frame | Refused]) -> list[Event]:
        events: list[Event] = []
        for frame in found:
            if isinstance(frame, Refused):
                events.append(Refused(frame.reason, frame.octets))
            else:
                events += self._frame(frame)
        return events

    def _frame(self, frame: Frame) -> list[Event]:
        source, destination = str(frame.source), str(frame.destination)
        control = CONTROLS[frame.control]
        ends = f"from {source} to {destination}"
        if control is None:
            return [Item(f"HDLC {frame.control:02x} {ends}: no kind of frame that DLMS has", (), source)]
        head = f"HDLC {control.kind.name} {ends}{_numbers(control.kind, control.sent, control.received)}"
        if control.kind in (Kind.SNRM, Kind.UA):
            return [Item(head + _agreed(frame.information), (), source)]
        if control.kind not in (Kind.I, Kind.UI) or not frame.information:
            return [Item(head, (), source)]
        head += f", {len(frame.information)} octets{', a segment' if frame.segmented else ''}"
        if len(self._assemblies) >= _MOST_STATIONS:
            self._assemblies.clear()
        assembly = self._assemblies.setdefault((source, destination), Assembly())
        try:
            whole = assembly.add(frame.information, more=frame.segmented)
        except RemoteProtocolError as error:
            return [Item(head, (), source), Refused(str(error), len(frame.information))]
        return [Item(head, tuple(split(whole or b"")), source)]


def _numbers(kind: Kind, sent: int, received: int) -> str:
    if kind is Kind.I:
        return f", number {sent}, awaits {received}"
    return f", awaits {received}" if kind in (Kind.RR, Kind.RNR) else ""


def _agreed(information: bytes) -> str:
    transmit, receive, window_transmit, window_receive = decode_parameters(information)
    return f", sends {transmit} octets and {window_transmit} frames, takes {receive} and {window_receive}"


class _Wrapped:
    """Wrappers from the first octet on, since only their version distinguishes them from other octets."""

    def __init__(self) -> None:
        self._buffer = b""
        self._wrong = False

    def receive(self, data: bytes) -> list[Event]:
        if self._wrong:
            return []
        self._buffer += data
        events: list[Event] = []
        while len(self._buffer) >= _WRAPPER_HEAD:
            end = _WRAPPER_HEAD + int.from_bytes(self._buffer[6:8], "big")
            first = self._buffer[_WRAPPER_HEAD : _WRAPPER_HEAD + 1]
            if not self._buffer.startswith(_WRAPPER) or (first and first[0] not in _TAGS) or end == _WRAPPER_HEAD:
                self._wrong = True
                self._buffer = b""
                break
            if len(self._buffer) < end:
                break
            source, destination = (int.from_bytes(self._buffer[place : place + 2], "big") for place in (2, 4))
            head = f"wrapper from {source} to {destination}, {end - _WRAPPER_HEAD} octets"
            events.append(Item(head, (self._buffer[_WRAPPER_HEAD:end],), str(source)))
            self._buffer = self._buffer[end:]
        return events

    def finish(self) -> list[Event]:
        if self._wrong or not self._buffer:
            return [Refused("no wrapper of version 1 begins here", 0)] if self._wrong else []
        return [Refused("a wrapper is cut off before its end", len(self._buffer))]

"""Receives pushes only: from any meter to any address, in UI or I-frames, without a link."""

from typing import NamedTuple

from smgw.errors import RemoteProtocolError
from smgw.hdlc.address import Address
from smgw.hdlc.control import CONTROLS, Kind
from smgw.hdlc.frame import Frame, FrameDecoder
from smgw.hdlc.llc import split
from smgw.hdlc.segments import Assembly
from smgw.wire import Refused

_MOST_SOURCES = 64  # meters that push on one line; more addresses than that are noise


class Pushed(NamedTuple):
    """One whole APDU, without LLC header."""

    apdu: bytes
    source: Address
    destination: Address


class Listener:
    """Takes the octets of a line on which meters push."""

    def __init__(self) -> None:
        self._decoder = FrameDecoder()
        self._assemblies: dict[Address, Assembly] = {}

    @property
    def receiving(self) -> bool:
        """True while a frame, or an APDU in segments, has begun and not ended."""
        return self._decoder.receiving or any(one.partial for one in self._assemblies.values())

    def receive(self, data: bytes) -> list[Pushed | Refused]:
        """Take octets, return the APDUs that they completed."""
        return self._take(self._decoder.receive(data))

    def finish(self) -> list[Pushed | Refused]:
        """The line was silent for long, or has ended: give up an unfinished frame."""
        events = self._take(self._decoder.finish())
        for source, assembly in self._assemblies.items():
            if assembly.partial:
                events.append(Refused(f"an APDU from {source} lacks its last segments", assembly.clear()))
        return events

    def _take(self, found: list[Frame | Refused]) -> list[Pushed | Refused]:
        events: list[Pushed | Refused] = []
        for frame in found:
            if isinstance(frame, Refused):
                events.append(frame)
                continue
            control = CONTROLS[frame.control]
            if control is None or control.kind not in (Kind.UI, Kind.I):
                continue
            if len(self._assemblies) >= _MOST_SOURCES:
                self._assemblies.clear()
            assembly = self._assemblies.setdefault(frame.source, Assembly())
            try:
                whole = assembly.add(frame.information, more=frame.segmented)
            except RemoteProtocolError as error:
                events.append(Refused(str(error), len(frame.information)))
                continue
            events.extend(Pushed(apdu, frame.source, frame.destination) for apdu in split(whole or b""))
        return events

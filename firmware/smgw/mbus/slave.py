"""A slave of a line, sans-IO: the other end of `master`, for the simulator and for tests.

A slave answers its primary address, 254, and 253 while it is selected. It repeats its last telegram if FCB did not
change, and gives the next one if it did. `Bus` lets several slaves answer at once: their octets overlap then.
"""

from collections.abc import Callable, Iterable, Sequence

from smgw.mbus.frame import Frame
from smgw.mbus.master import (
    ACKNOWLEDGED,
    FABRICATION,
    NORMALISE,
    REQUEST,
    RESET,
    SELECT,
    SELECTED,
    SEND,
    TEST,
    Secondary,
)  # fmt: skip
from smgw.mbus.requests import RequestDecoder, Short
from smgw.mbus.telegram import ERROR, LONG, Identity
from smgw.wire import Refused

_FCB = 0x20
_ANSWER = 0x08
_IDLE = b"\xff"
_MORE = b"\x1f"
_SELECTION = 8  # octets of a secondary address


def read_frames(octets: bytes) -> Iterable[Short | Frame]:
    """The frames of a master in whole octets of a request."""
    decoder = RequestDecoder()
    return [event for event in (*decoder.receive(octets), *decoder.finish()) if not isinstance(event, Refused)]


class Slave:
    """One meter. `telegrams` gives the records of each of its telegrams, for an application's subcode."""

    def __init__(
        self,
        address: int,
        identity: Identity,
        telegrams: Callable[[int], Sequence[bytes]],
        *,
        battery: int = 0,
        fabrication: str = "",
    ) -> None:
        """`battery`: so many read-outs are allowed, then it answers with an error; 0: any number.

        `fabrication`: eight digits by which it can be selected, too; "": it does not know this selection.
        """
        self.address = address
        self.identity = identity
        self.fabrication = fabrication
        self.error: int | None = None  #: an error of the application in place of data
        self.status = 0
        self._telegrams = telegrams
        self._battery = battery
        self._reads = 0
        self._selected = False
        self._subcode = 0
        self._access = 0
        self._fcb: bool | None = None  # of the last request; None after NKE
        self._place = -1
        self._last = b""

    def receive(self, octets: bytes) -> bytes:
        """The answer to a request; empty if it is none, or for another."""
        return b"".join(self._answer(frame) for frame in read_frames(octets))

    def _answer(self, frame: Short | Frame) -> bytes:
        if isinstance(frame, Frame) and frame.control_information == SELECT and frame.address == SELECTED:
            return self._select(frame.data)
        if frame.address not in (self.address, TEST) and not (frame.address == SELECTED and self._selected):
            return b""
        acknowledge = bytes((ACKNOWLEDGED,))
        control = frame.control & ~_FCB
        if control == NORMALISE:
            self._fcb, self._place, self._subcode = None, -1, 0
            if frame.address == SELECTED:
                self._selected = False
            return acknowledge
        if isinstance(frame, Frame):
            if control == SEND and frame.control_information == RESET:
                self._subcode, self._place = (frame.data[0] if frame.data else 0), -1
                self._fcb, self._last = bool(frame.control & _FCB), b""
                return acknowledge
            return Frame(_ANSWER, self.address, ERROR, b"\1").encode() if control == SEND else b""
        return self._data(bool(frame.control & _FCB)) if control == REQUEST else b""

    def _select(self, data: bytes) -> bytes:
        wanted = Secondary(data[3::-1].hex().upper(), data[4:6], data[6], data[7])
        self._selected = wanted.matches(self.identity.octets) and self._is_fabrication(data[_SELECTION:])
        if self._selected:
            self._fcb, self._place = None, -1
        return bytes((ACKNOWLEDGED,)) if self._selected else b""

    def _is_fabrication(self, record: bytes) -> bool:
        """True if a record with a fabrication number, behind a selection, means this meter."""
        if not record:
            return True
        wanted = record.removeprefix(FABRICATION)[::-1].hex().upper()
        if not record.startswith(FABRICATION) or len(wanted) != len(self.fabrication):
            return False
        return all(one in ("F", own) for one, own in zip(wanted, self.fabrication, strict=True))

    def _data(self, fcb: bool) -> bytes:
        if self.error is not None:
            return Frame(_ANSWER, self.address, ERROR, bytes((self.error,))).encode()
        if fcb == self._fcb and self._last:
            return self._last
        self._fcb = fcb
        telegrams = self._telegrams(self._subcode)
        self._place = (self._place + 1) % len(telegrams)
        if not self._place:
            self._reads += 1
            if self._battery and self._reads > self._battery:
                return Frame(_ANSWER, self.address, ERROR, b"\x09").encode()
        self._access = (self._access + 1) & 0xFF
        head = self.identity.octets + bytes((self._access, self.status, 0, 0))
        more = _MORE if self._place < len(telegrams) - 1 else b""
        self._last = Frame(_ANSWER, self.address, LONG, head + telegrams[self._place] + more).encode()
        return self._last


class Bus:
    """Slaves behind one converter. Several answers at once pull the line down where any of them does.

    `spread`: so many octets later than the one before each slave begins to answer; after three the delays begin anew.
    """

    _DELAYS = 3

    def __init__(self, slaves: Sequence[Slave], spread: int = 1) -> None:
        self.slaves = slaves
        self._spread = spread

    def receive(self, octets: bytes) -> bytes:
        """What the converter hears."""
        answers = [
            _IDLE * (self._spread * (place % self._DELAYS)) + answer
            for place, slave in enumerate(self.slaves)
            if (answer := slave.receive(octets))
        ]
        if len(answers) < 2:
            return answers[0].lstrip(_IDLE) if answers else b""
        size = max(map(len, answers))
        heard = size * _IDLE
        for answer in answers:
            heard = bytes(one & other for one, other in zip(heard, answer.ljust(size, _IDLE), strict=True))
        return heard

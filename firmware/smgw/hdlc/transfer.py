"""Numbered frames while a link is up: what may be sent when, and what to say to what came (IEC 62056-46, 6.4.4.3).

The same for both roles but for one thing: with nothing to say the secondary hands the turn back at once, the primary
asks again later. No octets and no clock here: `link` makes frames of what it is told, and keeps the time.
"""

from enum import Enum, auto
from typing import NamedTuple

from smgw.hdlc.control import Control, Kind
from smgw.hdlc.frame import Frame
from smgw.hdlc.parameters import LinkParameters
from smgw.hdlc.segments import Assembly, Outbox, Segment

_I, _RNR = Kind.I, Kind.RNR


class Step(Enum):
    """What is to be done after a frame."""

    NOTHING = auto()  #: more of its window is to come, or the answer is to come from above
    WINDOW = auto()  #: send what `window` gives
    READY = auto()  #: say with RR what has come: the primary polls by that
    DONE = auto()  #: everything asked is answered
    LATER = auto()  #: the peer has nothing to say yet, or is not ready: poll after a pause


class Taken(NamedTuple):
    """What a frame brought. `progress`: something new came or was acknowledged; `whole`: an APDU with its header."""

    progress: bool
    whole: bytes | None
    step: Step


# Made once: a member of an enum costs more than the test it stands in, and one is made of each frame.
_NOTHING, _WINDOW, _READY, _DONE, _LATER = Step.NOTHING, Step.WINDOW, Step.READY, Step.DONE, Step.LATER


class Transfer:
    """The numbers, windows and turns of one link. The primary begins."""

    def __init__(self, parameters: LinkParameters, *, primary: bool) -> None:
        self._primary = primary
        self._outbox = Outbox(parameters.information_transmit, parameters.window_transmit)
        self._assembly = Assembly()
        self.expected = 0  # V(R): the number of the next frame that comes
        self.turn = primary  # we may transmit
        self.answered = False  # an APDU came since the last `put`

    @property
    def waiting(self) -> bool:
        """Something is to be sent."""
        return self._outbox.waiting

    def put(self, octets: bytes) -> None:
        """One APDU with its header; it goes out with the next windows."""
        self._outbox.put(octets)
        self.answered = False

    def window(self) -> list[tuple[int, Segment]]:
        """The segments to send now, each with its control octet; with the last goes the turn."""
        window = self._outbox.window()
        last = len(window) - 1
        self.turn = False
        return [
            (Control(_I, place == last, number, self.expected).encode(), segment)
            for place, (number, segment) in enumerate(window)
        ]

    def take(self, frame: Frame, control: Control) -> Taken:
        """I, RR or RNR. RemoteProtocolError if an APDU becomes too long."""
        progress = self._outbox.acknowledge(control.received)
        whole, in_order = None, True
        if control.kind is _I:
            in_order = control.sent == self.expected
            if in_order:
                self.expected = (control.sent + 1) & 7
                progress = True
                whole = self._assembly.add(frame.information, more=frame.segmented)
                self.answered = self.answered or whole is not None
        if not control.final:
            return Taken(progress, whole, _NOTHING)
        self.turn = True
        return Taken(progress, whole, self._next(whole is not None, in_order, control.kind is not _RNR))

    def _next(self, fresh: bool, in_order: bool, ready: bool) -> Step:
        """It is our turn."""
        self._outbox.rewind()  # what the peer does not say to have is lost
        if self._outbox.waiting and ready:
            return _WINDOW
        if not self._primary:
            return _NOTHING if fresh else _READY
        if self._assembly.partial or not in_order:
            return _READY
        return _DONE if self.answered and ready else _LATER

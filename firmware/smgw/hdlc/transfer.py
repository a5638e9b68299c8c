"""Numbered frames while a link is up: which may be sent, and the answer to each (IEC 62056-46, 6.4.4.3).

Both roles are the same, with one exception. Without data the secondary returns the turn at once; the primary polls
again later. No octets and no clock here: `link` makes the frames and measures the time.
"""

from enum import Enum, auto
from typing import NamedTuple

from smgw.hdlc.control import Control, Kind
from smgw.hdlc.frame import Frame
from smgw.hdlc.parameters import LinkParameters
from smgw.hdlc.segments import Assembly, Outbox, Segment

_I, _RNR = Kind.I, Kind.RNR


class Step(Enum):
    """The action after a frame."""

    NOTHING = auto()  #: wait: more of the window follows, or the answer comes from the layer above
    WINDOW = auto()  #: send the segments of `window`
    READY = auto()  #: acknowledge with RR: this is also the primary's poll
    DONE = auto()  #: all requests are answered
    LATER = auto()  #: the peer has no answer yet, or is not ready: poll after a pause


class Taken(NamedTuple):
    """The result of a frame. `progress`: new data or acknowledgement; `whole`: an APDU with its header."""

    progress: bool
    whole: bytes | None
    step: Step


# Looked up once: a member of an enum costs more than the test itself, and each frame needs one.
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
        """True if segments wait to be sent."""
        return self._outbox.waiting

    def put(self, octets: bytes) -> None:
        """Queue one APDU with its header for the next windows."""
        self._outbox.put(octets)
        self.answered = False

    def window(self) -> list[tuple[int, Segment]]:
        """The segments to send now, each with its control octet. The last one passes the turn."""
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
        """Handle our turn."""
        self._outbox.rewind()  # frames that the peer does not acknowledge are lost
        if self._outbox.waiting and ready:
            return _WINDOW
        if not self._primary:
            return _NOTHING if fresh else _READY
        if self._assembly.partial or not in_order:
            return _READY
        return _DONE if self.answered and ready else _LATER

"""The trace of a DLMS line, for users and for a replay: each piece with time, direction, octets and meaning.

12.345678 > 7ea0210223... I 0/0 P 16 > 1/17, 24 octets        we sent this (monotonic seconds)
12.401234 < 7ea0320321... I 0/1 F 1/17 > 16, 41 octets        this came
12.501234 > 7ea0450223...ac0a8008****************...          a password is written as asterisks

Such lines go to the log at level debug. Only one message of this gateway holds a secret in the clear: the AARQ of low
level security.
"""

import logging

from smgw.hdlc.control import CONTROLS, Kind
from smgw.hdlc.frame import Frame, FrameDecoder
from smgw.hdlc.llc import COMMAND

log = logging.getLogger(__name__)

_AARQ = 0x60
_AUTHENTICATION_VALUE = b"\xac"  # with its length, then 80 and the length of the secret
_HIDDEN = "**"
_WRAPPER = b"\x00\x01"
_WRAPPER_HEAD = 8


class Trace:
    """The trace of one line. Ask `active` first: then it costs nothing unless the level is debug."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._decoders = {True: FrameDecoder(), False: FrameDecoder()}
        self._hiding = False  # more segments of a request with a password follow
        self._ours: list[Frame] = []  # sent last
        self._echoing = False  # the line echoed our octets
        self._masking = False

    @property
    def active(self) -> bool:
        """True if the log has level debug."""
        return log.isEnabledFor(logging.DEBUG)

    def sent(self, octets: bytes, now: float) -> None:
        """Trace octets that are written to the port."""
        if self.active:
            log.debug("%s: %s", self._name, self.line(octets, now, sent=True))

    def received(self, octets: bytes, now: float) -> None:
        """Trace received octets."""
        if octets and self.active:
            log.debug("%s: %s", self._name, self.line(octets, now, sent=False))

    def line(self, octets: bytes, now: float, *, sent: bool) -> str:
        """The line of one piece."""
        frames = [one for one in self._decoders[sent].receive(octets) if isinstance(one, Frame)]
        if sent:
            text = self._without_secrets(octets, frames)
            self._ours = frames or self._ours
            self._masking = self._echoing and _HIDDEN in text
        else:  # a line with echo returns the password, in pieces: masked until the meter itself sends
            text = _HIDDEN * len(octets) if self._masking else octets.hex()
            self._echoing = self._echoing or any(frame in self._ours for frame in frames)
            self._masking = self._masking and all(frame in self._ours for frame in frames)
        said = _wrapped(octets) or "; ".join(map(_described, frames))
        return f"{now:.6f} {'>' if sent else '<'} {text}{' ' if said else ''}{said}"

    def _without_secrets(self, octets: bytes, frames: list[Frame]) -> str:
        hidden: list[tuple[int, int]] = []
        if octets.startswith(_WRAPPER) and octets[_WRAPPER_HEAD : _WRAPPER_HEAD + 1] == bytes((_AARQ,)):
            hidden.append(_secret(octets, _WRAPPER_HEAD))
        place = 0
        for frame in frames:
            begin = octets.find(frame.information, place) if frame.information else -1
            place = max(place, begin + len(frame.information))
            opens = frame.information.startswith(COMMAND + bytes((_AARQ,)))
            if begin >= 0 and (opens or self._hiding):
                whole = opens and not frame.segmented
                end = begin + len(frame.information)
                hidden.append(_secret(octets[:end], begin + len(COMMAND)) if whole else (begin, end))
                self._hiding = frame.segmented
        pairs = [octets[place : place + 1].hex() for place in range(len(octets))]
        for begin, end in hidden:
            pairs[begin:end] = [_HIDDEN] * (end - begin)
        return "".join(pairs)


def _secret(octets: bytes, begin: int) -> tuple[int, int]:
    """The place of the authentication value in the AARQ at `begin`; the whole AARQ if it is not found."""
    place = octets.find(_AUTHENTICATION_VALUE, begin)
    while place >= 0:
        head = octets[place + 1 : place + 4]
        if len(head) == 3 and head[1] == 0x80 and head[0] == head[2] + 2:
            return place + 4, place + 4 + head[2]
        place = octets.find(_AUTHENTICATION_VALUE, place + 1)
    return (begin, len(octets)) if _AUTHENTICATION_VALUE in octets[begin:] else (begin, begin)


def _wrapped(octets: bytes) -> str:
    if not octets.startswith(_WRAPPER) or len(octets) < _WRAPPER_HEAD:
        return ""
    source, destination, length = (int.from_bytes(octets[place : place + 2], "big") for place in (2, 4, 6))
    return f"wrapper {source} > {destination}, {length} octets"


def _described(frame: Frame) -> str:
    control = CONTROLS[frame.control]
    if control is None:
        return f"control {frame.control:02x}"
    numbers = {
        Kind.I: f" {control.sent}/{control.received}",
        Kind.RR: f" {control.received}",
        Kind.RNR: f" {control.received}",
    }
    more = " more follows" if frame.segmented else ""
    return (
        f"{control.kind.name}{numbers.get(control.kind, '')}{' F' if control.final else ''} "
        f"{frame.source} > {frame.destination}, {len(frame.information)} octets{more}"
    )

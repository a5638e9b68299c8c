"""Faults of a DLMS meter and its line. Each can be switched on and off while it runs."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from smgw.hdlc.frame import FLAG

from smsim.asked_faults import AskedFaults

_LEAST = 9  # octets of the shortest frame, with its flags


@dataclass
class DlmsFaults(AskedFaults):
    """0, 0.0 and False mean no fault."""

    WHAT: ClassVar[str] = "DLMS"
    USUAL: ClassVar = {
        "lost-frame": 10, "wrong-crc": 10, "slow-answer": 3.0, "drop-after": 10, "wrong-deviation": True, "echo": True,
    }  # fmt: skip

    lost_frame: int = 0  #: one frame in this many does not arrive
    wrong_crc: int = 0  #: one frame in this many has a wrong bit
    slow_answer: float = 0.0  #: seconds until an answer is ready
    drop_after: int = 0  #: the meter forgets the link and its association after this many requests
    wrong_deviation: bool = False  #: its clock sends the deviation with the opposite sign
    echo: bool = False  #: the line echoes all octets

    def __post_init__(self) -> None:
        super().__post_init__()
        self._requests = 0

    def on_the_line(self, octets: bytes) -> bytes:
        """The octets of these frames that arrive."""
        if not self.lost_frame and not self.wrong_crc:
            return octets
        return b"".join(self._harmed(frame) for frame in frames(octets))

    def drops(self) -> bool:
        """True if the association is forgotten with this request."""
        self._requests += 1
        if not self.drop_after or self._requests < self.drop_after:
            return False
        self._requests = 0
        return True

    def _harmed(self, frame: bytes) -> bytes:
        if self.one_in(self.lost_frame):
            return b""
        if self.one_in(self.wrong_crc):
            return self.damaged(frame, 1, len(frame) - 1)
        return frame


def frames(octets: bytes) -> Iterator[bytes]:
    """The frames in a link's octets, each with its own flags; octets of a wrapper are not split."""
    place = 0
    while octets[place : place + 1] == bytes((FLAG,)) and len(octets) - place >= _LEAST:
        length = (octets[place + 1] & 0x07) << 8 | octets[place + 2]
        yield octets[place : place + length + 2]
        place += length + 2
    if place < len(octets):
        yield octets[place:]

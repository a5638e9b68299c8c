"""Faults of a DLMS meter and its line. Each can be switched on and off while it runs."""

import random
from collections.abc import Iterator
from dataclasses import dataclass, fields

from smgw.hdlc.frame import FLAG

_LEAST = 9  # octets of the shortest frame, with its flags


@dataclass
class DlmsFaults:
    """0, 0.0 and False mean no fault. Random numbers come from `seed`, so a run can be repeated."""

    lost_frame: int = 0  #: one frame in this many does not arrive
    wrong_crc: int = 0  #: one frame in this many has a wrong bit
    slow_answer: float = 0.0  #: seconds until an answer is ready
    drop_after: int = 0  #: the meter forgets the link and its association after this many requests
    wrong_deviation: bool = False  #: its clock sends the deviation with the opposite sign
    echo: bool = False  #: the line echoes all octets

    def __post_init__(self) -> None:
        self._random = random.Random(1)  # noqa: S311 - to be repeated
        self._requests = 0

    def begin(self, seed: str) -> None:
        """Start the random numbers again."""
        self._random = random.Random(seed)  # noqa: S311

    def names(self) -> list[str]:
        """The faults that are on, as text."""
        return [field.name.replace("_", "-") for field in fields(self) if getattr(self, field.name)]

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
        draw = self._random
        if self.lost_frame and not draw.randrange(self.lost_frame):
            return b""
        if self.wrong_crc and not draw.randrange(self.wrong_crc):
            place = draw.randrange(1, len(frame) - 1)
            return frame[:place] + bytes((frame[place] ^ 1 << draw.randrange(8),)) + frame[place + 1 :]
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

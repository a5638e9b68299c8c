"""A meter that sends read-outs of D0 by itself."""

from collections.abc import Sequence

from smgw.cosem import Stamp
from smgw.iec62056.d0.read_out import ReadOut, ReadOutReader
from smgw.lmn.contract import Heard, Surroundings
from smgw.lmn.d0.found import Found
from smgw.profiles.meter import MeterProfile
from smgw.profiles.secrets import Secrets
from smgw.wire import Refused


class D0Push:
    """Read-outs in, values out."""

    #: Longest time between two characters (IEC 62056-21, 6.5), and some for bridges.
    pause_s = 2.5

    def __init__(self, profile: MeterProfile, _secrets: Secrets, surroundings: Surroundings) -> None:
        self._found = Found(profile)
        self._reader = ReadOutReader()
        self._began = surroundings.clock.stamp()
        self._expected = self._received = 0

    @property
    def receiving(self) -> bool:
        """True while a read-out is unfinished."""
        return self._reader.receiving

    @property
    def lacks(self) -> int:
        """Missing octets until the read-out is as long as the one before."""
        return max(0, self._expected - self._received) if self.receiving else 0

    def receive(self, octets: bytes, stamp: Stamp) -> Sequence[Heard]:
        """Take octets; the values of the read-outs that they completed."""
        if not self._reader.receiving:
            self._began, self._received = stamp, 0
        self._received += len(octets)
        heard: list[Heard] = []
        for event in self._reader.receive(octets):
            heard += self._heard(event)
            if isinstance(event, ReadOut):
                self._expected = self._received
            self._began, self._received = stamp, 0
        return heard

    def finish(self) -> Sequence[Heard]:
        """End an unfinished read-out: some meters send nothing behind the exclamation mark."""
        return [one for event in self._reader.finish() for one in self._heard(event)]

    def _heard(self, event: ReadOut | Refused) -> list[Heard]:
        if isinstance(event, Refused):
            return [event]
        found = self._found.of(event, self._began)
        return [(found,)] if found.readings else []

"""The tries of `smgw scan` for D0."""

from smgw.iec62056.codes import ELECTRICITY
from smgw.iec62056.d0.check import Check
from smgw.iec62056.d0.read_out import ReadOut, ReadOutReader
from smgw.iec62056.d0.values import values
from smgw.lmn.scan import Found, Listen, device_text
from smgw.profiles.meter import MeterProfile

_UNCHECKED = "without check value and parity"


def found_in(profile: MeterProfile, one: ReadOut) -> Found:
    """The meter of a read-out."""
    told = values(one.sets, ELECTRICITY)
    remark = _UNCHECKED if one.check is Check.NONE else ""
    return Found(profile, device_text(told.id), remark, objects=tuple(reading.obis for reading in told.readings))


class _Ear:
    def __init__(self, profile: MeterProfile) -> None:
        self._profile = profile
        self._reader = ReadOutReader()

    def hear(self, octets: bytes) -> Found | None:
        for event in self._reader.receive(octets):
            # P1 before version 4 has the same form. Its codes have no group F.
            if isinstance(event, ReadOut) and any("*" in one.code for one in event.sets):
                return found_in(self._profile, event)
        return None


PUSH = Listen(4, ((9600, "N"), (2400, "N")), _Ear)

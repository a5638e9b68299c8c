"""The tries of `smgw scan` for D0."""

import logging
from collections.abc import Iterator

from smgw.iec62056.codes import ELECTRICITY
from smgw.iec62056.d0.check import Check
from smgw.iec62056.d0.read_out import ReadOut, ReadOutReader
from smgw.iec62056.d0.values import values
from smgw.lmn.d0.session import D0Session
from smgw.lmn.errors import NoAnswerError, PollError
from smgw.lmn.scan import Ask, Found, Listen, Scan, device_text
from smgw.profiles.d0 import D0Profile
from smgw.profiles.meter import MeterProfile
from smgw.profiles.secrets import Secrets

log = logging.getLogger(__name__)

#: Speed of the request, and what wakes the meter up first.
_WAYS = ((300, ""), (300, "nul"), (2400, ""))
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


def _asked(scan: Scan) -> Iterator[Found]:
    """A meter that answers a sign-on."""
    for initial, wake_up in _WAYS:
        options = D0Profile(initial_baudrate=initial, wake_up=wake_up)
        tried = scan.candidate("d0", options=options)
        how = ", after waking it up" if wake_up else ""
        scan.say(f"D0 at {initial} Bd, asked for a read-out{how}")
        session = D0Session(tried, Secrets(), scan.surroundings)
        with scan.open(tried) as port:
            try:
                yield found_in(tried, session.read_out(port))
            except NoAnswerError as error:
                log.debug("%s", error)
                continue
            except PollError as error:
                yield Found(tried, "", f"{session.identification}: {error}")
            return


POLL = Ask(3, _asked)

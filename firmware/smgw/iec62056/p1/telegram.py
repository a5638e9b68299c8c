r"""Telegrams of P1: octets in, telegrams out.

/XXXZ identification CR LF     the first three letters name the maker
CR LF
data sets, one a line
!CCCC CR LF                    the check sum (CRC-16/ARC) of all from / to !; versions 2.2 and 3 have none

The check sum is four hex digits; a leading zero may be missing. Only where there is none, the parity of each octet is
the check: on a port with eight data bits it is in bit 7. If bit 7 is always 0, nothing protects the telegram.
"""

import re
from enum import Enum
from typing import NamedTuple

from smgw.iec62056.data_sets import DataSet, DataSetError, data_sets
from smgw.iec62056.seven_bit import with_parity, without_parity
from smgw.wire import Refused
from smgw.wire.crc_arc import crc_arc

#: Most octets of a telegram: one with two text messages of 2048 digits has less than half of it.
MAX_OCTETS = 16_384
_BEGIN = re.compile(rb"/[A-Za-z]{3}[!-~]")
_BEGIN_OCTETS = 5
_END = re.compile(rb"\n!(?:([0-9A-Fa-f]{4})|([0-9A-Fa-f]{0,3})\r)")
_END_OCTETS = 6  # an end that is not complete
_HEAD = re.compile(rb"/([^\r\n]{4,96})[\r\n]+")
#: Data sets of telegrams with a check sum: the version of DSMR 4 and 5, and of e-MUCS.
_VERSIONS = ("1-3:0.2.8", "0-0:96.1.4")


class Check(Enum):
    """What showed that a telegram is as the meter sent it."""

    CRC = "crc"
    PARITY = "parity"
    NONE = "none"


class Telegram(NamedTuple):
    """One telegram."""

    identification: str  # without the slash
    sets: tuple[DataSet, ...]
    check: Check
    octets: int

    @property
    def version(self) -> str:
        """The version as the meter says it, such as 50 or 50217; "" if it says none."""
        return next((one.text for one in self.sets if one.code in _VERSIONS), "")


class TelegramReader:
    """Finds telegrams in the octets of a line."""

    def __init__(self) -> None:
        self._buffer = b""
        self._began = False  # the buffer begins with a telegram
        self._seen = 0  # octets of it that hold no end
        self._crc = False  # a telegram of this line had a check sum

    @property
    def receiving(self) -> bool:
        """True while a telegram is unfinished, or may have begun."""
        return bool(self._buffer)

    def receive(self, octets: bytes) -> list[Telegram | Refused]:
        """Take octets; the telegrams that they complete, and what was refused."""
        self._buffer += octets
        events: list[Telegram | Refused] = []
        while self._begin():
            text = without_parity(self._buffer)
            end = _END.search(text, self._seen)
            again = 0  # the last begin before the end
            for match in _BEGIN.finditer(text, 1, len(text) if end is None else end.start()):
                again = match.start()
            if again:
                self._drop(again, "a telegram without end; another begins in it", events)
            elif end is not None:
                found = self._whole(self._buffer[: end.end()], text[: end.end()], end)
                self._buffer, self._began, self._seen = self._buffer[end.end() :], False, 0
                events.append(found)
            elif len(text) > MAX_OCTETS:
                self._drop(len(text), f"a telegram of more than {MAX_OCTETS} octets", events)
            else:
                self._seen = max(0, len(text) - _END_OCTETS)
                break
        return events

    def finish(self) -> list[Telegram | Refused]:
        """Refuse an unfinished telegram."""
        events: list[Telegram | Refused] = []
        if self._began:
            self._drop(len(self._buffer), "a telegram without end", events)
        self._buffer = b""
        return events

    def _begin(self) -> bool:
        """True if the buffer begins with a telegram. What stands before it is dropped: the rest of one, or noise."""
        if self._began:
            return True
        text = without_parity(self._buffer)
        match = _BEGIN.search(text)
        if match is None:
            slash = text.rfind(b"/", max(0, len(text) - _BEGIN_OCTETS + 1))
            self._buffer = self._buffer[slash:] if slash >= 0 else b""
            return False
        self._buffer = self._buffer[match.start() :]
        self._began, self._seen = True, 0
        return True

    def _drop(self, count: int, reason: str, events: list[Telegram | Refused]) -> None:
        events.append(Refused(reason, count))
        self._buffer, self._began, self._seen = self._buffer[count:], False, 0

    def _whole(self, octets: bytes, text: bytes, end: re.Match[bytes]) -> Telegram | Refused:
        digits = end[1] or end[2]
        if octets == text:
            check = Check.NONE
        elif octets == with_parity(text):
            check = Check.PARITY
        else:
            return Refused("an octet with wrong parity; look at the cable and its supply", len(octets))
        if digits:
            if crc_arc(text[: end.start() + 2]) != int(digits, 16):
                return Refused(f"its check sum is not {digits.decode()}; look at the cable and its supply", len(octets))
            check, self._crc = Check.CRC, True
        elif self._crc:
            return Refused("a telegram without check sum, while others of this line have one", len(octets))
        head = _HEAD.match(text)
        try:
            sets = data_sets(text[head.end() : end.start()]) if head else []
        except DataSetError as error:
            return Refused(str(error), len(octets))
        if not head or not sets or not all(one.code for one in sets):
            return Refused("a telegram without data sets, or with one without a code", len(octets))
        return Telegram(head[1].decode("ascii"), tuple(sets), check, len(octets))

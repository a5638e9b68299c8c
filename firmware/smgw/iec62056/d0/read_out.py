r"""Read-outs of D0: octets in, read-outs out.

asked    /XXXZ identification CR LF  STX  data sets  ! CR LF  ETX BCC
pushed   /XXXZ identification CR LF  CR LF  data sets  ! CR LF                 mode D, and some meters that are asked

Some meters send `?` or NULs before STX, and octets behind the end: all this is dropped. A read-out without a check
value is protected by its parity alone, also one whose last octets did not come. If a read-out of this line had a check
value, each must have one.
"""

import re
from typing import NamedTuple

from smgw.iec62056.d0.check import ETX, STX, Check, bcc, parity_of
from smgw.iec62056.data_sets import DataSet, DataSetError, data_sets
from smgw.iec62056.seven_bit import without_parity
from smgw.wire import Refused

#: Most octets: a meter that sends the values of 15 months has about 16,000.
MAX_OCTETS = 65_536
_BEGIN = re.compile(rb"/[A-Za-z]{3}[!-~]")
_BEGIN_OCTETS = 5
_END = re.compile(rb"(\x03)|!([^\r\n]{0,8})[\r\n]")
_END_OCTETS = 10
_ENDED = re.compile(rb"[\n)]![\r\n]*\x03?\Z")
_HEAD = re.compile(rb"/([^\r\n\x02]{4,96})[\r\n]+")
_P1_SUM = re.compile(rb"[0-9A-Fa-f]{3,4}")


class ReadOut(NamedTuple):
    """One read-out."""

    identification: str  # without the slash
    sets: tuple[DataSet, ...]
    check: Check
    octets: int
    wrong_bcc: bool = False  # only where the reader was told to accept it


class ReadOutReader:
    """Finds read-outs in the octets of a line. `ignore_bcc`: a meter whose check value is always wrong.

    `had_bcc`: a read-out of this line had a right one.
    """

    def __init__(self, *, ignore_bcc: bool = False, had_bcc: bool = False) -> None:
        self._ignore_bcc = ignore_bcc
        self._raw = bytearray()
        self._text = bytearray()
        self._began = False  # both begin with a read-out
        self._seen = 0  # octets that hold no end
        self._had_bcc = had_bcc

    @property
    def receiving(self) -> bool:
        """True while a read-out is unfinished, or may have begun."""
        return bool(self._raw)

    def receive(self, octets: bytes) -> list[ReadOut | Refused]:
        """Take octets; the read-outs that they complete, and what was refused."""
        self._raw += octets
        self._text += without_parity(octets)
        events: list[ReadOut | Refused] = []
        while self._begin():
            end = self._end()
            stop = len(self._text) if end is None else end
            if again := max((one.start() for one in _BEGIN.finditer(self._text, 1, stop)), default=0):
                self._refuse(again, "a read-out without end; another begins in it", events)
            elif end is not None:
                events.append(self._whole(end))
                self._drop(end)
            elif len(self._text) > MAX_OCTETS:
                self._refuse(len(self._text), f"a read-out of more than {MAX_OCTETS} octets", events)
            else:
                break
        return events

    def finish(self) -> list[ReadOut | Refused]:
        """The line is silent: end an unfinished read-out."""
        events: list[ReadOut | Refused] = []
        if self._began:
            if _ENDED.search(self._text):
                events.append(self._whole(len(self._text)))
            else:
                events.append(Refused("a read-out without end", len(self._text)))
        self._drop(len(self._text))
        return events

    def _begin(self) -> bool:
        if self._began:
            return True
        match = _BEGIN.search(self._text)
        if match is None:
            slash = self._text.rfind(b"/", max(0, len(self._text) - _BEGIN_OCTETS + 1))
            self._drop(slash if slash >= 0 else len(self._text))
            return False
        self._drop(match.start())
        self._began = True
        return True

    def _end(self) -> int | None:
        """Where the read-out ends; None if more octets must come."""
        text = self._text
        for match in _END.finditer(text, self._seen):
            if match[1]:
                return match.end() + 1 if len(text) > match.end() else None
            if text.find(STX, 0, match.start()) < 0:
                return match.end()
        self._seen = max(0, len(text) - _END_OCTETS)
        return None

    def _refuse(self, count: int, reason: str, events: list[ReadOut | Refused]) -> None:
        events.append(Refused(reason, count))
        self._drop(count)

    def _drop(self, count: int) -> None:
        del self._raw[:count]
        del self._text[:count]
        self._began, self._seen = False, 0

    def _whole(self, end: int) -> ReadOut | Refused:
        raw, text = bytes(self._raw[:end]), bytes(self._text[:end])
        head = _HEAD.match(text)
        if head is None:
            return Refused("a read-out without an identification", end)
        start = text.find(STX)
        wrong = False
        if start >= 0 and text[-2] == ETX and len(text) > start + 2:
            check: Check | None = parity_of(raw[start:])
            body = text[start + 1 : -2]
            wrong = bcc(text[start + 1 : -1]) != text[-1]
            if wrong and not self._ignore_bcc:
                return Refused("its check value (BCC) is wrong; look at the head, or set a lower baudrate", end)
            self._had_bcc = self._had_bcc or not wrong
            told: Check | None = Check.NONE if wrong else Check.BCC
        else:
            check = told = parity_of(raw)  # after STX, the end with the check value is missing
            body = text[head.end() :].rstrip(b"\x03") if start < 0 else text[start + 1 :].rstrip(b"\x03")
            if self._had_bcc:
                return Refused("a read-out without check value, while others of this line have one", end)
            if start < 0 and self._text[end : end + 3].lstrip(b"\r\n")[:1] == b"\x03":
                return Refused("a read-out with an end (ETX) and without a start (STX)", end)
        if check is None or told is None:
            return Refused("an octet with wrong parity; look at the head or the cable", end)
        return self._sets(head[1], body, told, wrong=wrong, size=end)

    @staticmethod
    def _sets(head: bytes, body: bytes, check: Check, *, wrong: bool, size: int) -> ReadOut | Refused:
        body, mark, rest = body.rpartition(b"!")
        if not mark or rest.strip(b"\0 \r\n"):
            is_p1 = _P1_SUM.fullmatch(rest.strip())
            more = ' with a check sum as DSMR P1 has; write protocol = "dsmr-p1"' if is_p1 else ""
            return Refused(f"a read-out does not end by an exclamation mark{more}", size)
        try:
            sets = data_sets(body)
        except DataSetError as error:
            return Refused(str(error), size)
        if not sets or not all(one.code for one in sets):
            return Refused("a read-out without data sets, or with one without a code", size)
        return ReadOut(head.decode("ascii", "replace"), tuple(sets), check, size, wrong)

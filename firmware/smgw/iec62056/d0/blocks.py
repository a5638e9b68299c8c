"""Messages of programming mode (IEC 62056-21, 6.3.3).

ACK  NAK                                      accepted, repeat it
SOH C D STX data ETX BCC                      a command: P0 P1 P2 password, R1 R2 R5 R6 read, B0 end
STX data ETX BCC                              data
STX data EOT BCC                              data, and more after an ACK (R6)
"""

import re
from enum import IntEnum
from typing import NamedTuple

from smgw.iec62056.d0.check import EOT, ETX, SOH, STX, bcc, parity_of
from smgw.iec62056.seven_bit import with_parity, without_parity
from smgw.wire import Refused

#: Most octets of a message: a day of a load profile with eight values has about 6,000.
MAX_OCTETS = 65_536
_BEGIN = re.compile(rb"[\x01\x02\x06\x15]")
_END = re.compile(rb"[\x03\x04]")
_COMMAND = re.compile(rb"\x01([ -~]{2})(?:\x02(.*))?[\x03\x04].", re.DOTALL)


class Control(IntEnum):
    """A message of one octet."""

    ACK = 0x06
    NAK = 0x15


class Message(NamedTuple):
    """A command, or data (`command` is empty)."""

    command: str
    text: bytes
    more: bool = False  # ends with EOT

    def encode(self) -> bytes:
        """The message with its check value, as a 7E1 line carries it."""
        end = bytes((EOT if self.more else ETX,))
        if not self.command:
            body = self.text + end
            return with_parity(bytes((STX,)) + body + bytes((bcc(body),)))
        body = self.command.encode("ascii") + (b"\x02" + self.text if self.text else b"") + end
        return with_parity(bytes((SOH,)) + body + bytes((bcc(body),)))


class BlockReader:
    """Finds messages in octets of a line."""

    def __init__(self) -> None:
        self._raw = bytearray()
        self._text = bytearray()  # the same without parity
        self._seen = 0  # octets of an unfinished message that hold no end

    @property
    def receiving(self) -> bool:
        """True while a message is unfinished."""
        return bool(self._raw)

    def receive(self, octets: bytes) -> list[Message | Control | Refused]:
        """Take octets; the messages that they complete, and what was refused. Octets between messages are dropped."""
        self._raw += octets
        self._text += without_parity(octets)
        raw, text = self._raw, self._text
        events: list[Message | Control | Refused] = []
        place, seen = 0, self._seen
        while (begin := _BEGIN.search(text, place)) is not None:
            place = begin.start()
            if text[place] in (Control.ACK, Control.NAK):
                events.append(Control(text[place]))
                place += 1
                continue
            end = _END.search(text, max(place + 1, seen))
            if end is None or len(text) <= end.end():
                seen = len(text) if end is None else end.start()
                break
            stop = end.end() + 1
            events.append(_message(bytes(raw[place:stop]), bytes(text[place:stop])))
            place = stop
        else:
            place = len(text)
        self._seen = max(0, seen - place)
        del raw[:place], text[:place]
        if len(raw) > MAX_OCTETS:
            events.append(Refused(f"a message of more than {MAX_OCTETS} octets", len(raw)))
            raw.clear()
            text.clear()
            self._seen = 0
        return events


def _message(raw: bytes, text: bytes) -> Message | Refused:
    if parity_of(raw) is None:
        return Refused("an octet with wrong parity", len(raw))
    if bcc(text[1:-1]) != text[-1]:
        return Refused("its check value (BCC) is wrong", len(raw))
    more = text[-2] == EOT
    if text[0] == STX:
        return Message("", text[1:-2], more)
    match = _COMMAND.fullmatch(text)
    if match is None:
        return Refused("a command of unknown form", len(raw))
    return Message(match[1].decode("ascii"), match[2] or b"", more)

"""Telegrams of P1, in the clear or encrypted (Luxembourg, Austria, parts of Poland).

DB 08 title(8)  82 length(2)  30 counter(4)  telegram, encrypted  tag(12)

Encrypted ones are general-glo-ciphering of DLMS with a telegram inside, which has a check sum of its own.
"""

import re
from typing import TYPE_CHECKING, Protocol

from smgw.errors import RemoteProtocolError
from smgw.iec62056.p1.telegram import MAX_OCTETS, Telegram, TelegramReader
from smgw.wire import Refused

if TYPE_CHECKING:
    from smgw.dlms.apdus.envelope import Ciphered

#: The begin, or as much of it as may be there; the length has one to three octets.
_BEGIN = re.compile(rb"\xdb(?:\x08|\Z)", re.DOTALL)
_TITLE_END = 10
_HEADER_AND_TAG = 17
_CONTROL = 0x30  # authenticated and encrypted
#: Why an encrypted telegram is refused where there is no key.
NO_KEY = "an encrypted telegram, and the profile has no key; write p1 = { encryption_key_file = ... }"
_CLEAR = "a telegram in the clear, while the profile's encryption_key_file says that all are encrypted"


class Sealing(Protocol):
    """Opens what is encrypted."""

    def open(self, sealed: "Ciphered", /) -> bytes:
        """The text inside; RemoteProtocolError if the keys do not fit, or if it is an old one."""

    def believe(self, sealed: "Ciphered", /) -> None:
        """A telegram was inside."""


class P1Reader:
    """Finds telegrams in the octets of a line. With `sealing`, only what was encrypted counts."""

    def __init__(self, sealing: Sealing | None = None) -> None:
        self._sealing = sealing
        self._text = TelegramReader()
        self._buffer = b""  # begins with an encrypted telegram, or may

    @property
    def receiving(self) -> bool:
        """True while a telegram is unfinished."""
        return bool(self._buffer) or self._text.receiving

    def receive(self, octets: bytes) -> list[Telegram | Refused]:
        """Take octets; the telegrams that they complete, and what was refused."""
        if not self._buffer and b"\xdb" not in octets:
            return self._clear(octets)
        self._buffer += octets
        events: list[Telegram | Refused] = []
        place, refused = 0, False  # after a refusal, what is left is most likely the rest of it
        while (match := _BEGIN.search(self._buffer, place)) is not None:
            begin = match.start()
            if not refused:
                events += self._clear(self._buffer[place:begin])
            end = _end(self._buffer, begin)
            if end is None:
                self._buffer = self._buffer[begin:]
                return events
            if end > begin:
                event = self._opened(self._buffer[begin:end], events)
                refused = not event
                place = end if event else begin + 1
            else:
                place = begin + 1
        rest, self._buffer = self._buffer[place:], b""
        return events if refused else events + self._clear(rest)

    def finish(self) -> list[Telegram | Refused]:
        """Refuse an unfinished telegram."""
        unfinished, self._buffer = self._buffer, b""
        events = self._text.finish()
        if len(unfinished) > 1:
            events.append(Refused("an encrypted telegram without end", len(unfinished)))
        return events

    def _clear(self, octets: bytes) -> list[Telegram | Refused]:
        events = self._text.receive(octets) if octets else []
        if self._sealing is None:
            return events
        return [Refused(_CLEAR, one.octets) if isinstance(one, Telegram) else one for one in events]

    def _opened(self, octets: bytes, events: list[Telegram | Refused]) -> bool:
        """Add what is inside, or why it is refused; false if it may not begin here."""
        length = octets[_TITLE_END]
        start = _TITLE_END + 1 + (length & 0x7F if length & 0x80 else 0)
        try:
            if self._sealing is None:
                raise RemoteProtocolError(NO_KEY)
            from smgw.dlms.apdus.envelope import GENERAL_GLO, Ciphered  # few meters encrypt

            sealed = Ciphered(GENERAL_GLO, octets[start:], octets[2:_TITLE_END])
            text = self._sealing.open(sealed)
        except RemoteProtocolError as error:
            events.append(Refused(str(error), len(octets)))
            return False
        inside = TelegramReader()
        found = [*inside.receive(text), *inside.finish()]
        if any(isinstance(one, Telegram) for one in found):
            self._sealing.believe(sealed)
        events += found or [Refused("no telegram is inside what was decrypted; is the key right?", len(octets))]
        return True


def _end(octets: bytes, begin: int) -> int | None:
    """Where the encrypted telegram ends that begins there; None if more octets must come, `begin` if it is none."""
    at = begin + _TITLE_END
    if len(octets) <= at:
        return None
    length, start = octets[at], at + 1
    if length & 0x80:
        start += length & 0x7F
        if length not in (0x81, 0x82):
            return begin
        if len(octets) < start:
            return None
        length = int.from_bytes(octets[at + 1 : start], "big")
    if not _HEADER_AND_TAG < length <= MAX_OCTETS:
        return begin
    if len(octets) <= start:
        return None
    if octets[start] != _CONTROL:
        return begin
    return start + length if len(octets) >= start + length else None

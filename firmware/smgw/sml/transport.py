"""SML transport protocol, version 1: frames in a stream of octets, both ways.

octets  8                  n             0..3    4          1    1    2
        1B1B1B1B 01010101  messages      00 ..   1B1B1B1B   1A   nn   check sum over all before it
        start              1B1B1B1B in   fill    end             number of fill octets (a DZG meter sends 4)
                           it is sent
                           twice

A stream of octets is cut by its runs of 1B alone. Every 1B1B1B1B of the messages is doubled, so a run of 8q+m octets
(m < 4) is data. A run of 8q+m+4 ends in an escape, and the next four octets give its kind. Alignment is not used, since
meters do not keep it. After a lost or added octet a start can look like data (a run of 8 before 01010101). Such a place
is stored and tried as a start; the check sum decides.
"""

import re
from typing import NamedTuple

from smgw.wire import Crc, Refused, x25_intact

ESCAPE = b"\x1b\x1b\x1b\x1b"
START = ESCAPE + b"\x01\x01\x01\x01"
START_V2 = ESCAPE + b"\x02\x02\x02\x02"
_DOUBLED = ESCAPE * 2
_END = 0x1A
_X25 = Crc.X25  # a member of an enum costs as much as the check sum itself
_new = tuple.__new__  # makes a NamedTuple in half the time that its constructor takes
_RUN = re.compile(rb"\x1b+")

#: A longer frame is refused. Real telegrams have 200 to 1,000 octets; a day of a load profile has some 10,000.
MAX_FRAME = 65_536
_MOST_DOUBTFUL = 4  # bounds the check sums computed at one end


class Frame(NamedTuple):
    """One intact frame: the messages' octets (escapes undone, fill removed) and the CRC family of its check sum."""

    payload: bytes
    crc: Crc


def encode_frame(payload: bytes, crc: Crc = Crc.X25) -> bytes:
    """Wrap the octets of one SML file into a frame."""
    fill = -len(payload) % 4
    body = START + payload.replace(ESCAPE, ESCAPE * 2) + bytes(fill) + ESCAPE + bytes((_END, fill))
    return body + crc.wire(body).to_bytes(2, "big")


class FrameDecoder:
    """Finds frames in octets that arrive in pieces of any size. The cost is linear in the octets."""

    def __init__(self, max_frame: int = MAX_FRAME) -> None:
        self._max_frame = max_frame
        self._buffer = bytearray()
        self._starts: list[int] = []  # begin of the present frame, then the doubtful starts after it
        self._searched = 0  # all runs of 1B before this are handled
        self._run_end = 0  # end of the examined part of the run of 1B at _searched

    @property
    def receiving(self) -> bool:
        """True while a frame is unfinished."""
        return bool(self._starts)

    def receive(self, data: bytes) -> list[Frame | Refused]:
        """Take octets, return the frames that they complete and the octets refused, in order."""
        if not self._buffer and data.startswith(START) and len(data) <= self._max_frame:
            frame = _whole(data)
            if frame is not None:
                return [frame]
        self._buffer += data
        events: list[Frame | Refused] = []
        while self._step(events):
            pass
        if self._starts:
            self._expire(events, len(self._buffer))
        self._forget()
        return events

    def finish(self) -> list[Frame | Refused]:
        """The stream has ended: report an unfinished frame."""
        events: list[Frame | Refused] = []
        self._refuse(events, "cut off before its end", len(self._buffer))
        self._buffer.clear()
        self._searched = self._run_end = 0
        return events

    def _step(self, events: list[Frame | Refused]) -> bool:
        """Handle the next run of four or more 1B and the octets after it; False if they are not complete."""
        first = self._buffer.find(ESCAPE, self._searched)
        if first < 0:
            self._searched = max(self._searched, len(self._buffer) - 3)
            return False
        run_end = max(first + 4, self._run_end)
        match = _RUN.match(self._buffer, run_end)
        if match:
            run_end = match.end()
        self._searched, self._run_end = first, run_end
        if len(self._buffer) < run_end + 4:
            return False
        self._searched = run_end
        if self._starts:
            self._expire(events, run_end + 4)
        escaped = (run_end - first) % 8 >= 4
        follow = bytes(self._buffer[run_end : run_end + 4])
        if follow == START[4:]:
            self._at_start(events, run_end - 4, certain=escaped)
        elif not escaped:
            pass  # doubled 1B1B1B1B of the messages
        elif follow[0] == _END:
            self._at_end(events, run_end)
        else:
            version_2 = follow == START_V2[4:]
            reason = "transport version 2, which no known meter uses" if version_2 else f"escape {follow.hex()} unknown"
            if version_2 and not self._starts:
                events.append(Refused(reason, 8))
            self._refuse(events, reason, run_end)
        return True

    def _at_start(self, events: list[Frame | Refused], begin: int, *, certain: bool) -> None:
        if certain:
            self._refuse(events, "another frame began before its end", begin)
        if len(self._starts) > _MOST_DOUBTFUL:
            self._starts.pop()  # of many doubtful starts, the oldest and the newest are the most likely
        self._starts.append(begin)

    def _at_end(self, events: list[Frame | Refused], run_end: int) -> None:
        end = run_end + 4
        wire = int.from_bytes(self._buffer[end - 2 : end], "big")
        for begin in self._starts:
            covered = bytes(self._buffer[begin : end - 2])
            crc = Crc.matching(covered, wire)
            if crc is None:
                continue
            if begin != self._starts[0]:
                events.append(Refused("another frame began before its end", begin - self._starts[0]))
            self._starts.clear()
            self._searched = end
            events.append(Frame(_messages(covered[8:-6], covered[-1]), crc))
            return
        self._refuse(events, "wrong check sum (neither X-25 nor Kermit)", end)
        # The end itself may be cut, with the next frame's start in place of its check sum.
        self._searched = run_end + 1

    def _refuse(self, events: list[Frame | Refused], reason: str, end: int) -> None:
        if self._starts:
            events.append(Refused(reason, end - self._starts[0]))
            self._starts.clear()

    def _expire(self, events: list[Frame | Refused], arrived: int) -> None:
        """Give up a frame that is too long after `arrived` octets: at the same octet, however they were cut."""
        while self._starts and arrived - self._starts[0] > self._max_frame:
            begin = self._starts.pop(0)
            octets = self._starts[0] - begin if self._starts else self._max_frame
            events.append(Refused(f"no end within {self._max_frame} octets", octets))

    def _forget(self) -> None:
        """Release octets that no frame can need."""
        if not self._starts and self._run_end > self._searched + 16:  # of an endless run of 1B, its length modulo 8
            self._searched += (self._run_end - self._searched - 8) // 8 * 8
        keep = self._starts[0] if self._starts else self._searched
        if keep > 4096 or not self._starts:
            del self._buffer[:keep]
            self._searched -= keep
            self._run_end = max(self._run_end - keep, 0)
            self._starts = [begin - keep for begin in self._starts]


def _whole(data: bytes) -> Frame | None:
    """The frame in octets that are exactly one frame, as most bursts of meters; None: examine them in detail.

    The run of 1B at its end is the only one of four or more behind its start, and has just four.
    """
    end = len(data) - 8
    if data.find(ESCAPE, 8) != end or data[end + 4] != _END:
        return None
    crc = _X25 if x25_intact(data) else Crc.matching(data[:-2], data[-2] << 8 | data[-1])
    return None if crc is None else _new(Frame, (_messages(data[8:end], data[-3]), crc))


def _messages(body: bytes, fill: int) -> bytes:
    """Remove the fill (unless it is not all zeros: the messages have their own end), undo escapes."""
    if 0 < fill <= len(body) and not any(body[-fill:]):
        body = body[:-fill]
    return body.replace(_DOUBLED, ESCAPE)

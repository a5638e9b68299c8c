"""What radio sticks send to their host, as telegrams of the link layer without check sums.

IMST iM871A   A5  flags+endpoint  message  length  payload [time 4] [signal 1] [crc 2, low first]
              The payload begins with C. The check sum is X.25 from the octet behind A5 on.
Amber, WE     FF  command  length  payload  xor    or, by a stored setting, the telegram alone from L on.
              The payload begins with C. An octet for the signal may end both; length and L count it.
CUL           lines of text: b and hex digits of format A, bY and those of format B, with check sums.
              Two octets may follow: quality and signal.

The signal is in dBm, by the makers' formulas.
"""

from typing import NamedTuple, Protocol

from smgw.mbus.radio.link import HEAD, length_a, strip_a, strip_b
from smgw.mbus.telegram import maker_name
from smgw.wire import Refused
from smgw.wire.crc import x25_intact

_ENOUGH = 4096  # octets without a telegram are reported at this number
_LONGEST_LINE = 1200


class Radio(NamedTuple):
    """One telegram: L C M A CI .. without check sums, and the signal in dBm if the stick tells it."""

    telegram: bytes
    signal: int | None = None


class Stick(Protocol):
    """Octets of a stick in, telegrams out."""

    @property
    def receiving(self) -> bool:
        """True while a telegram is unfinished."""

    def receive(self, data: bytes) -> list[Radio | Refused]:
        """Take octets; the telegrams that they complete, and what was refused."""

    def finish(self) -> list[Radio | Refused]:
        """The line is silent: end an unfinished telegram."""


class _Frame(NamedTuple):
    """What begins at a place of the octets: nothing (0 octets), an unfinished frame (-1), or a whole one."""

    octets: int
    radio: Radio | None = None


_NONE, _MORE = _Frame(0), _Frame(-1)


class _Binary:
    """A stick whose frames are found by their first octets. The cost is linear in the octets."""

    _WHY = ""

    def __init__(self) -> None:
        self._buffer = b""
        self._lost = 0

    @property
    def receiving(self) -> bool:
        return bool(self._buffer or self._lost)  # what is lost is told when the line is silent

    def receive(self, data: bytes) -> list[Radio | Refused]:
        events: list[Radio | Refused] = []
        buffer, place = self._buffer + data, 0
        while place < len(buffer):
            frame = self._frame(buffer, place)
            if frame.octets < 0:
                break
            if not frame.octets:
                self._lost += 1
                place += 1
                continue
            self._tell(events)
            place += frame.octets
            if frame.radio is not None:
                events.append(frame.radio)
        self._buffer = buffer[place:]
        if self._lost >= _ENOUGH:
            self._tell(events)
        return events

    def finish(self) -> list[Radio | Refused]:
        events: list[Radio | Refused] = []
        while self._buffer:
            rest, self._buffer = self._buffer[1:], b""
            self._lost += 1
            events += self.receive(rest)
        self._tell(events)
        return events

    def _frame(self, octets: bytes, at: int) -> _Frame:
        raise NotImplementedError

    def _tell(self, events: list[Radio | Refused]) -> None:
        if self._lost:
            events.append(Refused(self._WHY, self._lost))
        self._lost = 0


class Imst(_Binary):
    """IMST iM871A, and iU891A where it sends the same."""

    _WHY = "no frame of an iM871A begins here, or its check sum is wrong"
    _START, _RADIO, _TELEGRAM = 0xA5, 2, 3
    _TIME, _SIGNAL, _CHECK = 0x20, 0x40, 0x80
    _checked = False  # it sends check sums: a frame without one is damaged

    def _frame(self, octets: bytes, at: int) -> _Frame:
        if octets[at] != self._START:
            return _NONE
        if len(octets) < at + 4:
            return _MORE
        flags, message, length = octets[at + 1 : at + 4]
        endpoint = flags & 0x0F
        if not 0 < endpoint < 4 or flags & 0x10 or (self._checked and not flags & self._CHECK):
            return _NONE
        content = at + 4 + length
        signal = content + 4 * bool(flags & self._TIME)
        end = signal + bool(flags & self._SIGNAL) + 2 * bool(flags & self._CHECK)
        if len(octets) < end:
            return _MORE
        if flags & self._CHECK:
            if not x25_intact(octets[at + 1 : end]):
                return _NONE
            self._checked = True
        if endpoint != self._RADIO or message != self._TELEGRAM:
            return _Frame(end - at)
        telegram = bytes((length,)) + octets[at + 4 : content]
        return _Frame(end - at, Radio(telegram, imst_dbm(octets[signal]) if flags & self._SIGNAL else None))


class Amber(_Binary):
    """Sticks of Amber, today Würth Elektronik. `signal`: they add an octet for the signal.

    `sure`: a telegram alone counts only if a maker and a number are in it, for who does not know the stick.
    """

    _WHY = "no telegram of an Amber stick begins here, or its check sum is wrong"
    _START, _TELEGRAM = 0xFF, 0x03
    #: C of what meters send. A telegram alone has no check sum of the stick's, so this is what tells it from noise.
    _CONTROLS = frozenset((0x44, 0x46, 0x47, 0x48, 0x08, 0x18, 0x28, 0x38))

    def __init__(self, *, signal: bool = True, sure: bool = False) -> None:
        super().__init__()
        self._signal = signal
        self._sure = sure

    def _frame(self, octets: bytes, at: int) -> _Frame:
        first = octets[at]
        if first != self._START:
            return self._alone(octets, at, first)
        if len(octets) < at + 3:
            return _MORE
        command, length = octets[at + 1 : at + 3]
        end = at + 3 + length + 1
        if len(octets) < end:
            return _MORE
        check = 0
        for octet in octets[at:end]:
            check ^= octet
        if check:
            return _NONE
        if command != self._TELEGRAM:
            return _Frame(end - at)
        return _Frame(end - at, self._radio(octets[at + 3 : end - 1]))

    def _alone(self, octets: bytes, at: int, length: int) -> _Frame:
        if length < HEAD:
            return _NONE
        if len(octets) < at + 2:
            return _MORE
        if octets[at + 1] not in self._CONTROLS:
            return _NONE
        if self._sure:
            if len(octets) < at + 1 + HEAD:
                return _MORE
            address = octets[at + 2 : at + HEAD]
            text = all(0x20 <= octet < 0x7F for octet in address)
            if text or not (maker_name(address[:2]).isalpha() and address[2:6].hex().isdigit()):
                return _NONE
        end = at + 1 + length
        return _Frame(end - at, self._radio(octets[at + 1 : end])) if len(octets) >= end else _MORE

    def _radio(self, content: bytes) -> Radio | None:
        if not content:
            return None
        telegram = content[:-1] if self._signal else content
        return Radio(bytes((len(telegram),)) + telegram, cc1101_dbm(content[-1]) if self._signal else None)


class Lines:
    """CUL and its like; also telegrams as other programs write them: hex digits in lines."""

    _HEX = frozenset("0123456789abcdefABCDEF")
    _BETWEEN = str.maketrans("", "", " \t|_,:-")

    def __init__(self) -> None:
        self._buffer = b""
        self._dropping = False

    @property
    def receiving(self) -> bool:
        return bool(self._buffer)

    def receive(self, data: bytes) -> list[Radio | Refused]:
        *lines, self._buffer = (self._buffer + data).replace(b"\r", b"\n").split(b"\n")
        events = [event for line in lines if (event := self._line(line)) is not None]
        if len(self._buffer) > _LONGEST_LINE:
            if not self._dropping:
                events.append(Refused("a line without end", len(self._buffer)))
            self._buffer, self._dropping = b"", True
        return events

    def finish(self) -> list[Radio | Refused]:
        line, self._buffer = self._buffer, b""
        event = self._line(line)
        return [] if event is None else [event]

    def _line(self, line: bytes) -> Radio | Refused | None:
        if self._dropping:
            self._dropping = False
            return None
        if len(line) > _LONGEST_LINE:
            return Refused("a line without end", len(line))
        text = line.decode("latin-1").translate(self._BETWEEN)
        prefix = next((one for one in ("bY", "b", "0x") if text.startswith(one)), "")
        digits = text.removeprefix(prefix)
        if not digits or len(digits) % 2 or not self._HEX.issuperset(digits):
            if prefix.startswith("b") and len(digits) >= 2 * HEAD and self._HEX.issuperset(digits[:4]):
                return Refused("a line of a CUL is cut off or holds other than hex digits", len(line))
            return None  # an answer of the stick, or a remark
        octets = bytes.fromhex(digits)
        if octets[0] < HEAD - 1:
            return Refused(f"the length of a telegram is {octets[0]}; it is 9 at least", len(octets))
        if prefix == "bY":
            return _of_cul(octets, octets[0] + 1, strip_b)
        if prefix == "b":
            return _of_cul(octets, length_a(octets[0]), strip_a)
        return _of_hex(octets)


class AnyStick:
    """Finds out by the first telegrams which stick sends, for who knows it no better."""

    def __init__(self) -> None:
        self.found: Stick | None = None  #: once it is known
        self._tried = _all()
        self._count = 0

    @property
    def receiving(self) -> bool:
        return self.found.receiving if self.found else self._count > 0

    def receive(self, data: bytes) -> list[Radio | Refused]:
        if self.found is not None:
            return self.found.receive(data)
        self._count += len(data)
        for place, (stick, events) in enumerate(self._tried):
            events.extend(stick.receive(data))
            # A telegram alone is found in the frames of others too, but theirs end first.
            if sum(isinstance(event, Radio) for event in events) > (place == len(self._tried) - 1):
                self.found = stick
                return events
        return self._refused() if self._count >= _ENOUGH else []

    def finish(self) -> list[Radio | Refused]:
        if self.found is not None:
            return self.found.finish()
        for stick, events in self._tried:
            events.extend(stick.finish())
            if any(isinstance(event, Radio) for event in events):
                self.found = stick
                return events
        return self._refused() if self._count else []

    def _refused(self) -> list[Radio | Refused]:
        """What the stick with lines refused says why; else nobody knows these octets."""
        lines, count = self._tried[0][1], self._count
        self._tried, self._count = _all(), 0
        return lines or [Refused("no stick that is known sends this", count)]


def _all() -> list[tuple[Stick, list[Radio | Refused]]]:
    return [(Lines(), []), (Imst(), []), (Amber(sure=True), [])]


def _of_cul(octets: bytes, size: int, strip: "_Strip") -> Radio | Refused:
    """A telegram with check sums of one format, and perhaps the two octets of quality and signal."""
    if len(octets) < size:
        return Refused("the CUL cut the telegram off; a newer firmware passes longer ones", len(octets))
    telegram = strip(octets[:size])
    if telegram is None:
        return Refused("a check sum of the link layer is wrong: the telegram is damaged", len(octets))
    return Radio(telegram, cc1101_dbm(octets[size + 1]) if len(octets) == size + 2 else None)


def _of_hex(octets: bytes) -> Radio | Refused:
    """A telegram in format A or B, or without check sums and perhaps with an octet for the signal behind it."""
    whole = octets[0] + 1
    if len(octets) == length_a(octets[0]):
        telegram = strip_a(octets)
    elif len(octets) in (whole, whole + 1):
        telegram = strip_b(octets[:whole]) or octets[:whole]
    else:
        return Refused(f"{len(octets)} octets, while the first of them promises {whole}", len(octets))
    if telegram is None:
        return Refused("a check sum of the link layer is wrong: the telegram is damaged", len(octets))
    return Radio(telegram)


class _Strip(Protocol):
    def __call__(self, octets: bytes, /) -> bytes | None: ...


def imst_dbm(octet: int) -> int:
    """The signal of an iM871A in dBm."""
    return round((octet * 80 - 19_000) / 150)


def cc1101_dbm(octet: int) -> int:
    """The signal of sticks with a CC1101 in dBm."""
    return round((octet - 256 * (octet > 127)) / 2) - 74

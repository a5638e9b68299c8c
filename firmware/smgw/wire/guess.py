"""What octets without a telegram look like: a guess for the person who set the line.

The sample is what came in with eight data bits, some hundred octets of it at best. A protocol with check sums is
certain, all else is likely.
"""

import re
from typing import NamedTuple

from smgw.wire.crc import x25_intact
from smgw.wire.kind import Kind

_ENOUGH = 32  # fewer octets say nothing
_MOST = 0.9  # a guess needs this share: some octets are damaged
_ODD_PARITY = bytes(octet for octet in range(256) if octet.bit_count() % 2)
_EVEN_PARITY = bytes(octet for octet in range(256) if not octet.bit_count() % 2)
_HIGH = bytes(range(128, 256))
_TEXT = bytes(range(32, 127)) + b"\r\n\x01\x02\x03\x04\x06"
_MASK = bytes(octet & 0x7F for octet in range(256))
_INVERTED = bytes(octet ^ 0xFF for octet in range(256))
_LONG_RUNS = b"\x00\x80\xc0\xe0\xf0\xf8\xfc\xfe\xff"
_SML = re.compile(rb"\x1b{4}\x01{4}|\x1b{4}\x1a[\x00-\x03]..\x1b{4}|\x62.\x62\x00\x72[\x63\x65]", re.DOTALL)
#: Version 1, two ports below 256, a length below 4096, and the tag of an APDU.
_WRAPPER = re.compile(rb"\x00\x01\x00.\x00.[\x00-\x0f].[\x0f\x60-\x63\xc0-\xc7\xc8-\xcf\xd8-\xdf\xe0]", re.DOTALL)
#: IAC with a negotiation (its option), or a subnegotiation of the com port option.
_TELNET = re.compile(rb"\xff[\xfb-\xfe][\x00-\x31]|\xff\xfa\x2c[\x00-\x80]")
_P1 = re.compile(rb"\r\n![0-9A-F]{4}\r\n|1-3:0\.2\.8|0-[0-9]:1\.0\.0\([0-9]{12}|0-[1-4]:24\.[12]\.[0-9]\(")
_D0 = re.compile(rb"/[A-Za-z]{3}[0-9A-Z][^\r\n]{0,24}\r\n|[0-9FC]\.[0-9]{1,2}(\.[0-9]{1,2})?(\*[0-9]+)?\([^()\r\n]*\)")
_CI, _RECORDS = 2, b"\x5b\x70\x72\x73\x78\x7a"  # place of the control information; of it, what is no DLMS
_NKE, _NKE_OCTETS = re.compile(rb"\x10\x40(.)(.)\x16", re.DOTALL), 5
_CUL = re.compile(rb"(?:^|\n)bY?[0-9A-F]{24,}\r?\n")  # a line of a CUL
_DOUBLED = 8  # runs of FF that all have an even length: Telnet sends each data octet FF twice
_FEEDS = 3  # LF octets that are enough; binary octets hold one in 256


class Guess(NamedTuple):
    """What octets look like, in words, and what to try; "" where that depends on who asks."""

    kind: Kind
    words: str
    advice: str = ""
    line: str = ""  # data bits, parity and stop bits that the octets show, such as 7E1

    def __str__(self) -> str:
        return "; ".join(filter(None, (self.words, self.advice)))


LINE_ENDS_TRANSLATED = Guess(
    Kind.LINE_ENDS,
    "a CR (0D) stands before each LF (0A): a bridge translates line ends, which damages binary octets",
    "switch the bridge to raw mode",
)


def guess(octets: bytes) -> Guess | None:
    """What these octets look like; None if they are too few."""
    if telnet := _telnet(octets):
        return telnet
    if len(octets) < _ENOUGH:
        return None
    for look in (_text, _protocol, _line_ends, _polarity, _speed, _cut, _parity):
        if found := look(octets):
            return found
    return Guess(
        Kind.NOISE,
        "no pattern is in them: another speed, or noise",
        "try a higher baudrate, then the parity; noise comes from light on an optical head or from an open bus",
    )


def _share(octets: bytes, those: bytes) -> float:
    return 1 - len(octets.translate(None, those)) / len(octets)


def _telnet(octets: bytes) -> Guess | None:
    """Negotiations (three octets each at least), or data in which each octet FF comes twice."""
    count = len(_TELNET.findall(octets))
    starts = _TELNET.match(octets) is not None
    runs = [len(run) for run in re.findall(rb"\xff+", octets)]
    doubled = len(runs) >= _DOUBLED and not any(length % 2 for length in runs)
    if not doubled and not (starts and (count > 1 or len(octets) < _ENOUGH)) and count * 40 < max(len(octets), 80):
        return None
    return Guess(
        Kind.TELNET,
        "this is Telnet or RFC 2217" if doubled else "this is a negotiation of Telnet or RFC 2217",
        'write the port as "rfc2217://host:port", or set the bridge to raw TCP',
    )


def _text(octets: bytes) -> Guess | None:
    line = ""
    plain = octets
    if _share(octets, _TEXT) < _MOST:
        plain = octets.translate(_MASK)
        if _share(plain, _TEXT) < _MOST:
            return None
        line = next(
            (
                name
                for name, those in (("7E1", _EVEN_PARITY), ("7O1", _ODD_PARITY), ("7M1", _HIGH))
                if _share(octets, those) >= _MOST
            ),
            "",
        )
        if not line:
            return None
    told = f", with seven data bits ({line})" if line else ""
    if _P1.search(plain):
        return Guess(Kind.P1, f"this is text of DSMR P1{told}", line=line)
    if _CUL.search(plain):
        return Guess(Kind.RADIO, "these are telegrams of M-Bus by radio, from a CUL")
    if _D0.search(plain):
        return Guess(Kind.D0, f"this is text of IEC 62056-21 (D0){told}", line=line)
    return Guess(Kind.TEXT, f"this is text{told}", "is this the port of a meter?", line)


def _cut(octets: bytes) -> Guess | None:
    if not _seven_bits(octets):
        return None
    return Guess(
        Kind.SEVEN_BITS,
        "bit 7 is never set: the line or a bridge cuts octets to seven bits",
        'write bytesize = 8 and parity = "N", and set a bridge to 8N1',
    )


def _seven_bits(octets: bytes) -> bool:
    """Bit 7 is clear in all of many octets."""
    return len(octets) >= 4 * _ENOUGH and not _share(octets, _HIGH)


def _protocol(octets: bytes) -> Guess | None:
    if _seven_bits(octets):  # what is left of SML still begins like SML
        return None
    if _SML.search(octets):
        return Guess(Kind.SML, "this is SML")
    if _hdlc(octets):
        return Guess(Kind.HDLC, "these are HDLC frames (DLMS)")
    if _calls(octets):
        return Guess(Kind.MBUS_CALLS, "a meter calls on an M-Bus and waits for an acknowledgement")
    if (information := _mbus(octets)) is not None:
        if information in _RECORDS:
            return Guess(Kind.MBUS_RECORDS, "these are M-Bus frames with records")
        return Guess(Kind.MBUS, "these are M-Bus frames")
    if _imst(octets):
        return Guess(Kind.RADIO, "these are telegrams of M-Bus by radio, from an iM871A")
    if _WRAPPER.search(octets):
        return Guess(Kind.WRAPPER, "these are DLMS messages in the wrapper of TCP")
    return None


def _hdlc(octets: bytes) -> bool:
    """One frame with a right check sum, or three that end where their length says."""
    shaped = 0
    for found in re.finditer(rb"\x7e(?=[\xa0-\xaf])", octets):
        start = found.end()
        length = int.from_bytes(octets[start : start + 2], "big") & 0x7FF
        body = octets[start : start + length]
        if len(body) == length and octets[start + length : start + length + 1] == b"\x7e":
            if x25_intact(body):
                return True
            shaped += 1
    return shaped >= 3


def _imst(octets: bytes) -> bool:
    """A radio telegram (endpoint 2, message 3) as a stick of IMST passes it on, with a right check sum."""
    for found in re.finditer(rb"\xa5([\x82\xa2\xc2\xe2])\x03(.)", octets, re.DOTALL):
        flags = found[1][0]
        end = found.end() + found[2][0] + 4 * bool(flags & 0x20) + bool(flags & 0x40) + 2
        if len(octets) >= end and x25_intact(octets[found.start() + 1 : end]):
            return True
    return False


def _mbus(octets: bytes) -> int | None:
    """The control information (CI) of the first frame; None if there is none."""
    for found in re.finditer(rb"\x68(.)\1\x68", octets, re.DOTALL):
        length = found[1][0] or 256  # some meters let the length wrap
        body = octets[found.end() : found.end() + length + 2]
        if len(body) == length + 2 and body[-1] == 0x16 and sum(body[:-2]) & 0xFF == body[-2]:
            return body[_CI]
    return None


def _calls(octets: bytes) -> bool:
    """Most octets are NKE, which a meter repeats until it is acknowledged."""
    found = [one for one in _NKE.finditer(octets) if (0x40 + one[1][0]) & 0xFF == one[2][0]]
    return len(found) * _NKE_OCTETS >= _MOST * len(octets)


def _line_ends(octets: bytes) -> Guess | None:
    feeds = octets.count(b"\n")
    return LINE_ENDS_TRANSLATED if feeds >= _FEEDS and octets.count(b"\r\n") == feeds else None


def _polarity(octets: bytes) -> Guess | None:
    if _hdlc(octets.translate(_INVERTED)):
        return Guess(Kind.INVERTED, "HDLC frames come inverted", "turn the polarity of the line or the head")
    return None


def _speed(octets: bytes) -> Guess | None:
    """A port that is too fast reads each bit several times: from the start bit on, bits come in equal groups."""
    for factor in sorted(_REPEATED, reverse=True):
        if _share(octets, _REPEATED[factor]) >= _MOST:
            return Guess(
                Kind.WRONG_SPEED,
                f"each bit comes {factor} times{' or more' if factor > 4 else ''}: the port is faster than the line",
                f"divide baudrate by {factor}" if factor <= 4 else "try a much lower baudrate",
            )
    if _share(octets, _LONG_RUNS) >= _MOST:
        return Guess(
            Kind.WRONG_SPEED,
            "long runs of equal bits: the port is faster than the line, or the line is inverted",
            "try a lower baudrate",
        )
    return None


def _repeated(factor: int) -> bytes:
    """The octets that a port reads which is faster by this factor. Bits go out from bit 0 on, behind a start bit."""
    return bytes(
        octet
        for octet in range(256)
        if all(
            (octet >> place & 1) == (octet >> (place - 1) & 1 if place else 0)
            for place in range(8)
            if (place + 1) % factor
        )
    )


_REPEATED = {factor: _repeated(factor) for factor in (2, 3, 4, 6, 8)}


def _parity(octets: bytes) -> Guess | None:
    for name, those, line in (("even", _EVEN_PARITY, "7E1"), ("odd", _ODD_PARITY, "7O1")):
        if _share(octets, those) >= _MOST:
            return Guess(
                Kind.SEVEN_BITS,
                f"each octet has {name} parity: the line has seven data bits ({line})",
                f'write bytesize = 7 and parity = "{line[1]}", or set the meter to eight data bits',
                line,
            )
    if _share(octets, _HIGH) >= _MOST:
        return Guess(Kind.SEVEN_BITS, "bit 7 is always set: parity is mark, or the speed is wrong", "try other speeds")
    return None

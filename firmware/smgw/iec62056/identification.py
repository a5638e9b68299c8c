"""The identification of a meter at sign-on, and its acknowledgement (IEC 62056-21, 6.3.2 and 6.3.3).

octets  /  XXX  Z  [\\W ..]  identification  CR LF      the meter
        ACK  V  Z  Y  CR LF                             acknowledgement with option select

XXX   the maker (FLAG id); its third letter in lower case: the meter reacts within 20 ms instead of 200 ms
Z     its baud rate: 0..6 in modes C and E, A..F in mode B, anything else is mode A
\\W   further abilities; \\2 is binary mode, HDLC (mode E): missing on some that have it, present on some that have not
V     0 normal, 2 HDLC          Y     0 read-out, 1 programming, 2 binary mode
"""

import re
from typing import NamedTuple

#: Z of modes C and E.
BAUD_RATES = {"0": 300, "1": 600, "2": 1200, "3": 2400, "4": 4800, "5": 9600, "6": 19200}
#: Z of mode B.
BAUD_RATES_B = {"A": 600, "B": 1200, "C": 2400, "D": 4800, "E": 9600, "F": 19200}
INITIAL_BAUD_RATE = 300
#: Longest identification message that is accepted; the standard has 16 characters of text.
MAX_LENGTH = 64
#: Y.
READ_OUT, PROGRAMMING, HDLC = "0", "1", "2"
_PATTERN = re.compile(rb"/([A-Za-z]{3})([ -~])((?:\\[ -~])*)([ -\[\]-~]{0,32})\r?\n")
_ACK = b"\x06"
_SIGN_ON = re.compile(rb"/\?([ -~]{0,32})!\r\n")
_OPTION_SELECT = re.compile(rb"\x06([ -~])([ -~])([ -~])\r\n")
BREAK = b"\x01B0\x03\x71"


class Identification(NamedTuple):
    """One identification message."""

    maker: str
    baud_code: str
    abilities: str  # the characters W
    text: str

    @property
    def mode(self) -> str:
        """A, B, or C, which includes E: a meter does not always say which."""
        if self.baud_code in BAUD_RATES:
            return "C"
        return "B" if self.baud_code in BAUD_RATES_B else "A"

    def encode(self) -> bytes:
        """The message."""
        abilities = "".join(f"\\{ability}" for ability in self.abilities)
        return f"/{self.maker}{self.baud_code}{abilities}{self.text}\r\n".encode("ascii")


class OptionSelect(NamedTuple):
    """One acknowledgement."""

    protocol: str
    baud_code: str
    option: str

    def encode(self) -> bytes:
        """The message."""
        return _ACK + f"{self.protocol}{self.baud_code}{self.option}\r\n".encode("ascii")

    @property
    def is_d0(self) -> bool:
        """It asks for a read-out or for programming mode."""
        return self.protocol == "0" and self.option in (READ_OUT, PROGRAMMING)

    @property
    def is_hdlc(self) -> bool:
        """It asks for mode E."""
        return self.protocol == "2" and self.option == "2"


def sign_on(device_address: str = "") -> bytes:
    """The request for identification; all meters answer it without an address."""
    return f"/?{device_address}!\r\n".encode("ascii")


def find_identification(text: bytes) -> Identification | None:
    """The first identification message in octets without parity. An echo of the request, or noise, does not count."""
    match = _PATTERN.search(text)
    return Identification(*(part.decode("ascii") for part in _fields(match))) if match else None


def identification_begin(text: bytes) -> int:
    """Where the first identification message begins; -1 if there is none."""
    match = _PATTERN.search(text)
    return match.start() if match else -1


def find_sign_on(text: bytes) -> tuple[str, int] | None:
    """The device address of a sign-on, and where it ends."""
    match = _SIGN_ON.search(text)
    return (match[1].decode("ascii"), match.end()) if match else None


def find_option_select(text: bytes) -> tuple[OptionSelect, int] | None:
    """An acknowledgement, and where it ends."""
    match = _OPTION_SELECT.search(text)
    return (OptionSelect(*(part.decode("ascii") for part in match.groups())), match.end()) if match else None


def _fields(match: re.Match[bytes]) -> tuple[bytes, bytes, bytes, bytes]:
    maker, baud_code, abilities, text = match.groups()
    return maker, baud_code, abilities.replace(b"\\", b""), text

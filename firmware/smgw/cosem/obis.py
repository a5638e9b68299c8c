"""OBIS codes (IEC 62056-61): the six octets A-B:C.D.E*F that name what a meter measures."""

import re
from typing import Self

from smgw.errors import SmgwError

# A-B:C.D.E*F, where A-B: and *F may be left out; '&' is the old separator before F.
_TEXT = re.compile(r"(?:(\d{1,3})-(\d{1,3}):)?(\d{1,3})\.(\d{1,3})\.(\d{1,3})(?:[*&.](\d{1,3}))?", re.ASCII)
_DOTTED = re.compile(r"(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})(?:\.(\d{1,3}))?", re.ASCII)
_HEX = re.compile(r"[0-9a-fA-F]{12}")


class ObisError(SmgwError, ValueError):
    """This text or octet string is not an OBIS code."""

    def __init__(self, given: str) -> None:
        super().__init__(
            f"{given!r} is no OBIS code; write it as 1-0:1.8.0*255, 1.0.1.8.0.255, 1.8.0 or 12 hex digits,"
            " each group 0 to 255"
        )
        self.given = given


class Obis(bytes):
    """One OBIS code: six octets that compare and hash as octets, so that wire values look up directly.

    octet   0   1   2   3   4   5
    group   A   B   C   D   E   F      medium, channel, quantity, processing, tariff, storage
    """

    __slots__ = ()

    def __new__(cls, octets: bytes) -> Self:
        if len(octets) != 6:
            raise ObisError(octets.hex())
        return super().__new__(cls, octets)

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `1-0:1.8.0*255`, `1.0.1.8.0.255`, `1.8.0` (electricity) or 12 hex digits; F defaults to 255."""
        text = text.strip()
        if _HEX.fullmatch(text):
            return cls(bytes.fromhex(text))
        if match := _DOTTED.fullmatch(text):
            groups = [255 if group is None else int(group) for group in match.groups()]
        elif match := _TEXT.fullmatch(text):
            a, b, *rest = match.groups()
            groups = [int(a or 1), int(b or 0), *(255 if group is None else int(group) for group in rest)]
        else:
            raise ObisError(text)
        if max(groups) > 255:
            raise ObisError(text)
        return cls(bytes(groups))

    def __str__(self) -> str:
        a, b, c, d, e, f = self
        return f"{a}-{b}:{c}.{d}.{e}*{f}"

    def __repr__(self) -> str:
        return f"Obis.parse({str(self)!r})"

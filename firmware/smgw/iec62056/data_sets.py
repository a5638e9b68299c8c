r"""The data sets of IEC 62056-21: one grammar for read-outs (D0), DSMR P1 and load profiles (P.01).

    data set    code  ( group )  [ ( group ) .. ]        between sets and between groups: nothing, or line ends
    code        1-0:1.8.0*255   1.8.0   6.8*01   F.F     see `codes`
    group       text, or a number [ * unit ]

Read-outs have one set a line or thirty, so sets end at a `)` that no `(` follows. The code may be missing (the answer
to a question for one register). Control octets are dropped, except line ends: within a code or a group they are damage.

A number becomes its digits without the point, and a scaler: `00032549.5061662*kWh` is 325495061662 and -7.
"""

import re
from typing import NamedTuple

from smgw.errors import RemoteProtocolError

#: Most characters of a group: text messages of P1 have 2048.
MAX_GROUP = 4096
_MAX_CODE = 40
#: More digits fit no COSEM number.
_MAX_DIGITS = 18
_MAX_UNIT = 16
_CONTROLS = bytes(octet for octet in (*range(32), 127) if octet not in b"\r\n")
_SET = re.compile(r"[\r\n]*+([0-9A-Za-z.:*&-]*+)\(([ \x22-'*-~]*+)\)((?:[\r\n]*+\([ \x22-'*-~]*+\))*+)[ \r\n]*+")
_GROUP = re.compile(r"\(([^)]*)\)")
_new = tuple.__new__  # makes a NamedTuple in half the time that its constructor takes


class DataSetError(RemoteProtocolError):
    """Text that is no data set. `place` is the octet where it begins."""

    def __init__(self, place: int, reason: str) -> None:
        super().__init__(f"octet {place}: {reason}")
        self.place = place


class Number(NamedTuple):
    """digits · 10^scaler, with the unit as it stands in the text; "" is none."""

    digits: int
    scaler: int
    unit: str


class DataSet(NamedTuple):
    """A code and its groups as text: a value first, then qualifiers such as its time, or what the code defines."""

    code: str
    groups: tuple[str, ...]

    @property
    def text(self) -> str:
        """The first group."""
        return self.groups[0]

    def number(self, *, comma: bool = False) -> Number | None:
        """The first group as a number."""
        return number(self.groups[0], comma=comma)


def data_sets(octets: bytes) -> list[DataSet]:
    """All data sets of a text without parity bits. DataSetError if anything else stands between them."""
    try:
        text = octets.translate(None, _CONTROLS).decode("ascii")
    except UnicodeDecodeError as error:
        raise DataSetError(error.start, "an octet with eight bits") from None
    found: list[DataSet] = []
    place, end = 0, len(text)
    while place < end:
        match = _SET.match(text, place)
        if match is None:
            rest = text[place:].lstrip()
            if not rest:
                break
            raise DataSetError(place, f"no data set: {rest[:24]!r}")
        code, first, more = match.groups()
        made = (first, *_GROUP.findall(more)) if more else (first,)
        if len(code) > _MAX_CODE:
            raise DataSetError(place, f"a code of {len(code)} characters; the longest has {_MAX_CODE}")
        if len(first) + len(more) > MAX_GROUP and max(map(len, made)) > MAX_GROUP:
            raise DataSetError(place, f"a group of more than {MAX_GROUP} characters")
        found.append(_new(DataSet, (code, made)))
        place = match.end()
    return found


def number(text: str, *, comma: bool = False) -> Number | None:
    """The number that the whole text is, else None. `comma`: its decimal separator may be a comma (Kamstrup)."""
    value, star, unit = text.partition("*")
    whole, point, decimals = value.partition(".")
    if comma and not point:
        whole, point, decimals = value.partition(",")
    digits = whole + decimals
    if not whole[-1:].isdigit() or not digits.isascii() or not digits.removeprefix("-").isdigit():
        return None
    if (point and not decimals) or len(digits) > _MAX_DIGITS:
        return None
    if star and (not unit or len(unit) > _MAX_UNIT or "*" in unit or "&" in unit):
        return None
    return _new(Number, (int(digits), -len(decimals), unit))

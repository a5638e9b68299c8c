"""The codes of data sets as OBIS names.

code              name             register
1-0:1.8.0*255     1-0:1.8.0*255    live
1.8.0             1-0:1.8.0*255    live; the medium is the configured one, the channel 0
32.7  6.8         1-0:32.7.0*255   group E left out is 0
1.8.0*01  &01     1-0:1.8.0*255    history: value 01 of the billing periods; `&`: that period was ended by hand
C.1.0  F.F        0-0:96.1.0*255   letters stand for numbers: C 96, F 97, L 98, P 99
0:96.7.19         0-0:96.7.19*255  some meters leave out group A
"""

import re
from typing import NamedTuple

from smgw.cosem.obis import Obis

ELECTRICITY, HEAT, GAS, WATER, HOT_WATER = 1, 6, 7, 8, 9
#: Group C or D as a letter. Those of the first two belong to no medium.
_LETTERS = {"C": 96, "F": 97, "L": 98, "P": 99}
_ABSTRACT = "CF"
_NONE = 255  # F of a live register
_GROUP = r"(\d{1,3}|[CFLP])"
_CODE = re.compile(
    rf"(?:(?:(\d{{1,3}})-)?(\d{{1,3}}):)?{_GROUP}(?:\.|\.{_GROUP}(?:\.(\d{{1,3}}))?)?(?:([*&])(\d{{1,3}}))?", re.ASCII
)


class Code(NamedTuple):
    """A code: the name of its register, and which value of its history; -1 is the live one."""

    obis: Obis
    history: int = -1
    by_hand: bool = False  # the billing period was ended by a person

    @property
    def live(self) -> bool:
        """True for the register itself."""
        return self.history < 0


def read_code(text: str, medium: int = ELECTRICITY) -> Code | None:
    """The code; None if it is none, or if a number is above 255."""
    match = _CODE.fullmatch(text)
    if match is None:
        return None
    a, b, c, d, e, separator, f = match.groups("")
    first = (0 if c in _ABSTRACT else medium) if not b else int(a or 0)
    groups = [first, int(b or 0), _group(c), _group(d or "0"), int(e or 0), _NONE]
    if max(groups) > 255:
        return None
    obis = Obis(bytes(groups))
    if not separator or (separator == "*" and int(f) == _NONE):
        return Code(obis)
    return Code(obis, int(f), separator == "&") if int(f) < _NONE else None


def write_code(obis: Obis, *, long: bool = False) -> str:
    """The code of a request: 1.8.0, C.1.0, 1.8.0*01, P.01; `long`: 1-0:1.8.0*255."""
    a, b, c, d, e, f = obis
    if long:
        return f"{a}-{b}:{c}.{d}.{e}*{f}"
    history = "" if f == _NONE else f"*{f:02d}"
    letter = next((letter for letter, value in _LETTERS.items() if value == c), str(c))
    if letter == "P":
        return f"P.{d:02d}{history}"
    return f"F.F{history}" if (letter, d) == ("F", 97) else f"{letter}.{d}.{e}{history}"


def _group(text: str) -> int:
    return _LETTERS[text] if text in _LETTERS else int(text)

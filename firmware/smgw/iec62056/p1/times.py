"""Times of P1, YYMMDDhhmmssX, as twelve octets of COSEM (see `cosem.date_time`).

X is S (daylight saving time) or W of the meter's country. Versions 2.2 and 3 leave it out: their offset is unknown.
"""

import re
from functools import lru_cache

_TIME = re.compile(r"(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)([SW]?)", re.ASCII)
_INVALID, _DAYLIGHT_SAVING = 0x01, 0x80
_UNSET = 2000  # a clock that was never set begins in this year


def is_time(text: str) -> bool:
    """True for a text of this form, whether it names a moment or not."""
    return _TIME.fullmatch(text) is not None


@lru_cache(32)
def date_time(text: str, normal_time: int) -> bytes | None:
    """The octets; None if the text names no moment, as with dead channels (month 25)."""
    match = _TIME.fullmatch(text)
    if match is None:
        return None
    year, month, day, hour, minute, second = map(int, match.groups()[:6])
    if not (1 <= month <= 12 and 1 <= day <= 31 and hour < 24 and minute < 60 and second < 60):
        return None
    year += 2000
    status = _INVALID if year == _UNSET else 0
    deviation = 0x8000
    if match[7]:
        summer = match[7] == "S"
        status |= _DAYLIGHT_SAVING if summer else 0
        deviation = -(normal_time + 60 * summer) & 0xFFFF
    return (
        year.to_bytes(2, "big")
        + bytes((month, day, 0xFF, hour, minute, second, 0))
        + deviation.to_bytes(2, "big")
        + bytes((status,))
    )

"""The twelve octets of a COSEM date_time, as our documents use them: UTC, hundredths (IEC 62056-62, 4.1.6.1).

octet   0-1    2      3    4             5     6       7       8           9-10           11
        year   month  day  day of week   hour  minute  second  hundredths  deviation = 0  clock status, bit 0 = invalid
"""

from datetime import UTC, datetime, timedelta
from typing import NamedTuple

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_INVALID = 0x01
_UNSPECIFIED = 0xFF
#: What the last moment of year 9999 is; no later one can be written.
MAX_US = 253_402_300_799_990_000


class Moment(NamedTuple):
    """A moment in UTC and whether the clock that told it was right."""

    utc_us: int
    valid: bool


def encode(utc_us: int, *, valid: bool = True) -> bytes:
    """Microseconds since 1970-01-01 UTC as twelve octets; what is finer than 10 ms is cut off.

    Raises ValueError outside the years 1970 to 9999.
    """
    if not 0 <= utc_us < MAX_US + 10_000:
        raise ValueError(f"{utc_us} us is outside the years 1970 to 9999")
    seconds, microseconds = divmod(utc_us, 1_000_000)
    moment = datetime.fromtimestamp(seconds, UTC)
    return moment.year.to_bytes(2, "big") + bytes(
        (
            moment.month,
            moment.day,
            moment.isoweekday(),
            moment.hour,
            moment.minute,
            moment.second,
            microseconds // 10_000,
            0,
            0,
            0 if valid else _INVALID,
        )
    )


def decode(octets: bytes) -> Moment:
    """Read twelve octets; ValueError if they are not a complete UTC date and time (deviation 0) from 1970 on."""
    if len(octets) != 12:
        raise ValueError(f"a date_time has 12 octets, not {len(octets)}")
    if octets[9] or octets[10]:
        raise ValueError("the deviation is not 0; times travel as UTC")
    hundredths = 0 if octets[8] == _UNSPECIFIED else octets[8]
    if hundredths > 99:
        raise ValueError(f"{hundredths} hundredths")
    moment = datetime(
        int.from_bytes(octets[:2], "big"), octets[2], octets[3], octets[5], octets[6], octets[7], tzinfo=UTC
    )
    seconds = (moment - _EPOCH) // timedelta(seconds=1)
    if seconds < 0:
        raise ValueError(f"the year {moment.year} is before 1970")
    return Moment(seconds * 1_000_000 + hundredths * 10_000, not octets[11] & _INVALID)

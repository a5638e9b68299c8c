"""The answer of an NTP server (RFC 5905, 7.3), as 48 octets.

 0 leap 2, version 3, mode 3 bits     1 stratum     2 poll     3 precision, signed
 4 root delay, 16.16 s                8 root dispersion, 16.16 s
12 reference id                      16 reference timestamp
24 origin: the request's transmit timestamp
32 receive                           40 transmit; timestamps are 32.32 s since 1900
"""

import struct
from typing import Final, NamedTuple

OCTETS: Final = 48
_FORM: Final = struct.Struct("!BBBbII4sQQQQ")
_CLIENT, _SERVER = 4 << 3 | 3, 4 << 3 | 4  # version 4
_NO_LEAP_KNOWN: Final = 3 << 6
_EPOCH_NS: Final = 2_208_988_800 * 1_000_000_000
_MOST: Final = (1 << 32) - 1
_UNSYNCHRONISED: Final = 16  # the stratum of a server that does not know the time


class ServerClock(NamedTuple):
    """A clock as its own server sees it."""

    stratum: int
    error_us: int  # how far it may be off


def is_request(octets: bytes) -> bool:
    """True for 48 octets of version 4 in mode 3, and for nothing else."""
    return len(octets) == OCTETS and octets[0] & 0x3F == _CLIENT


def answer(request: bytes, clock: ServerClock | None, received_ns: int, now_ns: int) -> bytes:
    """The answer by a clock; None: it is not synchronised. Times are Unix nanoseconds."""
    received, now = (((ns + _EPOCH_NS) << 32) // 1_000_000_000 & (1 << 64) - 1 for ns in (received_ns, now_ns))
    origin = int.from_bytes(request[40:48], "big")
    if clock is None:
        return _FORM.pack(_NO_LEAP_KNOWN | _SERVER, _UNSYNCHRONISED, 6, -20, 0, 0, b"", 0, origin, received, now)
    error = min(_MOST, (clock.error_us << 16) // 1_000_000 + 1)
    return _FORM.pack(_SERVER, clock.stratum, 6, -20, 0, error, b"LOCL", received, origin, received, now)


def passed_on(request: bytes, answered: bytes, delay_us: int) -> bytes | None:
    """The answer of another server, from one stratum further on; `delay_us` is added to its delay. None: it is none."""
    if len(answered) < OCTETS or answered[24:32] != request[40:48] or answered[0] & 0x3F != _SERVER:
        return None
    fields = list(_FORM.unpack(answered[:OCTETS]))
    fields[1] = min(fields[1] + 1, _UNSYNCHRONISED) if fields[1] else _UNSYNCHRONISED
    if fields[1] == _UNSYNCHRONISED:
        fields[0] |= _NO_LEAP_KNOWN
    fields[4] = min(_MOST, fields[4] + (delay_us << 16) // 1_000_000 + 1)
    return _FORM.pack(*fields)

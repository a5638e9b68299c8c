"""Answers of NTP servers, octet by octet, and a board's clocks that are put forward at will."""

import struct
import time

from smgw.clock.source import SystemSource

SECOND_NS = 1_000_000_000
NTP_DELTA_S = 2_208_988_800
UTC_S = 1_800_000_000
TRANSMIT = bytes(range(8))


def ntp_time(unix_s: float) -> bytes:
    """RFC 5905, 6: 32 bits of seconds, 32 of fraction."""
    whole, fraction = divmod(unix_s + NTP_DELTA_S, 1)
    return struct.pack("!II", int(whole) % (1 << 32), int(fraction * (1 << 32)))


def answer(
    origin: bytes = TRANSMIT,
    *,
    received_s: float = UTC_S,
    held_s: float = 0.002,
    leap: int = 0,
    version: int = 4,
    mode: int = 4,
    stratum: int = 2,
    precision: int = -20,
    root_delay_s: float = 0.010,
    root_dispersion_s: float = 0.003,
    reference: bytes = b"\x7f\x00\x00\x01",
    set_s: float = UTC_S - 60,
) -> bytes:
    """A server's 48 octets, good unless told otherwise."""
    head = struct.pack(
        "!BBbbII",
        leap << 6 | version << 3 | mode,
        stratum,
        6,
        precision,
        int(root_delay_s * 65536),
        int(root_dispersion_s * 65536),
    )
    return head + reference + ntp_time(set_s) + origin + ntp_time(received_s) + ntp_time(received_s + held_s)


def good(request: bytes, **changes: object) -> bytes:
    now = time.time()
    return answer(request[40:48], received_s=now, held_s=0, set_s=now - 1, **changes)  # type: ignore[arg-type]


class Ticking(SystemSource):
    """The system's clocks, put forward at will; REALTIME must not be asked."""

    ahead_ns = 0

    def boottime_ns(self) -> int:
        return super().boottime_ns() + self.ahead_ns

    def realtime_ns(self) -> int:
        raise AssertionError("a sample has nothing to do with the system's clock")

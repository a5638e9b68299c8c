"""CRC-16/ARC: polynomial x^16 + x^15 + x^2 + 1 with bits reversed, start 0, not inverted (DSMR P1).

`binascii` has no check sum with this polynomial, so a table serves, two octets at a time. It takes 128 KiB and 20 ms,
and is made when it is first used.
"""

import struct
from array import array
from functools import cache

_POLYNOMIAL = 0xA001


def _entry(octet: int) -> int:
    for _ in range(8):
        octet = octet >> 1 ^ (_POLYNOMIAL if octet & 1 else 0)
    return octet


_ONE = tuple(map(_entry, range(256)))


@cache
def _two() -> "array[int]":
    halves = [entry >> 8 ^ _ONE[entry & 0xFF] for entry in _ONE]
    return array("H", (halves[low] ^ _ONE[high] for high in range(256) for low in range(256)))  # no list beside it


def crc_arc(octets: bytes) -> int:
    """The check sum of these octets."""
    crc, table, even = 0, _two(), len(octets) & ~1
    for pair in struct.unpack(f"<{even // 2}H", octets[:even]):
        crc = table[crc ^ pair]
    return crc if even == len(octets) else crc >> 8 ^ _ONE[(crc ^ octets[-1]) & 0xFF]

"""CRC-16/ARC: polynomial x^16 + x^15 + x^2 + 1 with bits reversed, start 0, not inverted (DSMR P1).

`binascii` has no check sum with this polynomial, so a table serves.
"""

_POLYNOMIAL = 0xA001


def _entry(octet: int) -> int:
    for _ in range(8):
        octet = octet >> 1 ^ (_POLYNOMIAL if octet & 1 else 0)
    return octet


_TABLE = tuple(map(_entry, range(256)))


def crc_arc(octets: bytes) -> int:
    """The check sum of these octets."""
    crc, table = 0, _TABLE
    for octet in octets:
        crc = crc >> 8 ^ table[(crc ^ octet) & 0xFF]
    return crc

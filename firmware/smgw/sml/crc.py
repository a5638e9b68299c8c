"""The two check sums that SML meters use, for transport frames and for messages.

Both divide by the CCITT polynomial with the octets' bits reversed, so both run on `binascii.crc_hqx` (C) over
reversed octets: no loop in Python.
"""

import binascii
from enum import Enum

_REVERSED = bytes(int(f"{octet:08b}"[::-1], 2) for octet in range(256))


def _reflected_crc(octets: bytes, start: int) -> int:
    crc = binascii.crc_hqx(octets.translate(_REVERSED), start)
    return _REVERSED[crc & 0xFF] << 8 | _REVERSED[crc >> 8]


class Crc(Enum):
    """A CRC family. One frame uses one family, for its transport and for every message in it."""

    X25 = "x25"  #: SML transport version 1: init FFFF, inverted, low octet first
    KERMIT = "kermit"  #: Holley DTZ541 on RS-485: init 0, not inverted, high octet first (seen on the wire)

    def wire(self, octets: bytes) -> int:
        """The check sum of these octets as the big-endian number that its two octets on the wire make."""
        if self is Crc.KERMIT:
            return _reflected_crc(octets, 0)
        crc = _reflected_crc(octets, 0xFFFF) ^ 0xFFFF
        return (crc & 0xFF) << 8 | crc >> 8

    @staticmethod
    def matching(octets: bytes, wire: int) -> "Crc | None":
        """The family whose check sum of these octets is `wire`, or None."""
        for family in Crc:
            if family.wire(octets) == wire:
                return family
        return None

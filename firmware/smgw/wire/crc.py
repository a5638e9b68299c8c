"""The check sums of 16 bits on meters' wires: CRC-16/X.25 (HDLC, SML) and its variant of one maker.

Both divide by the CCITT polynomial with the octets' bits reversed. So both run on `binascii.crc_hqx` (C) over
reversed octets, without a loop in Python.
"""

import binascii
from enum import Enum

_REVERSED = bytes(int(f"{octet:08b}"[::-1], 2) for octet in range(256))
_X25_REST = 0x1D0F  # remainder of octets with their check sum, bits reversed


class Crc(Enum):
    """A CRC family. One SML frame uses one family, for its transport and for every message in it."""

    X25 = "x25"  #: HDLC, SML transport version 1: init FFFF, inverted, low octet first
    KERMIT = "kermit"  #: Holley DTZ541 on RS-485: init 0, not inverted, high octet first (seen on the wire)

    def wire(self, octets: bytes) -> int:
        """The check sum of these octets, as the big-endian number of its two octets on the wire."""
        if self is _KERMIT:
            crc = binascii.crc_hqx(octets.translate(_REVERSED), 0)
            return _REVERSED[crc & 0xFF] << 8 | _REVERSED[crc >> 8]
        crc = binascii.crc_hqx(octets.translate(_REVERSED), 0xFFFF) ^ 0xFFFF
        return _REVERSED[crc >> 8] << 8 | _REVERSED[crc & 0xFF]

    @staticmethod
    def matching(octets: bytes, wire: int) -> "Crc | None":
        """The family whose check sum of these octets is `wire`, or None."""
        for family in _FAMILIES:
            if family.wire(octets) == wire:
                return family
        return None


# Looked up once: a member of an enum costs as much as the check sum itself.
_KERMIT = Crc.KERMIT
_FAMILIES = tuple(Crc)


def x25_intact(octets: bytes) -> bool:
    """True if the last two octets are the X.25 check sum, low octet first, of those before them."""
    return binascii.crc_hqx(octets.translate(_REVERSED), 0xFFFF) == _X25_REST

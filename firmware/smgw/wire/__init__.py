"""Shared by the meter protocols: check sums, octets to send, refused octets."""

from smgw.wire.crc import Crc, x25_intact
from smgw.wire.events import Refused, Transmit

__all__ = ["Crc", "Refused", "Transmit", "x25_intact"]

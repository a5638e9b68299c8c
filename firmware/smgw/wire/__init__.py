"""What the protocols of meters share: check sums, the octets that go out, and octets that were refused."""

from smgw.wire.crc import Crc, x25_intact
from smgw.wire.events import Refused, Transmit

__all__ = ["Crc", "Refused", "Transmit", "x25_intact"]

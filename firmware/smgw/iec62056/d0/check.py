"""The check value of D0: the XOR of seven-bit octets behind the first STX or SOH, up to and with ETX or EOT."""

from enum import Enum

from smgw.iec62056.seven_bit import with_parity, without_parity

SOH, STX, ETX, EOT = 1, 2, 3, 4
_SET = bytes(octet | 0x80 for octet in range(256))


class Check(Enum):
    """What showed that octets are as the meter sent them."""

    BCC = "bcc"
    PARITY = "parity"
    NONE = "none"


def bcc(text: bytes) -> int:
    """The check value of octets without parity: the halves of one large number are combined again and again."""
    value = int.from_bytes(text, "big")
    half = 1 << max(0, len(text) - 1).bit_length()
    while half > 1:
        half //= 2
        value = (value >> 8 * half) ^ (value & (1 << 8 * half) - 1)
    return value


def parity_of(octets: bytes) -> Check | None:
    """PARITY if bit 7 of every octet is its even parity, NONE if a bridge cleared or set it in all, None if damaged."""
    if octets == with_parity(octets):
        return Check.PARITY
    if octets in (without_parity(octets), octets.translate(_SET)):
        return Check.NONE
    return None

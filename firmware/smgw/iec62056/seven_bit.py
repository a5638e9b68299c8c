"""7E1 on a port that is 8N1: each octet carries seven bits and their even parity in bit 7.

A pty and the mini-UART of a Raspberry Pi have no parity. On other ports changing it while open fails, and HDLC needs
8N1 within milliseconds. So the line stays 8N1, and this module computes the parity. Received parity is masked and not
checked, since bridges pass it, strip it or set it.
"""

_WITH_PARITY = bytes(octet & 0x7F | (octet & 0x7F).bit_count() % 2 << 7 for octet in range(256))
_WITHOUT = bytes(octet & 0x7F for octet in range(256))


def with_parity(text: bytes) -> bytes:
    """Octets as a 7E1 line carries them."""
    return text.translate(_WITH_PARITY)


def without_parity(octets: bytes) -> bytes:
    """The seven bits of each."""
    return octets.translate(_WITHOUT)

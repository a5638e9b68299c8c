"""The check sum of EN 13757-4: polynomial 3D65, start 0, inverted, high octet first on the air."""


def _entry(octet: int) -> int:
    value = octet << 8
    for _ in range(8):
        value = (value << 1 ^ 0x3D65 if value & 0x8000 else value << 1) & 0xFFFF
    return value


_TABLE = tuple(map(_entry, range(256)))


def crc(octets: bytes) -> int:
    """The check sum of these octets."""
    value, table = 0, _TABLE
    for octet in octets:
        value = (value << 8 & 0xFF00) ^ table[value >> 8 ^ octet]
    return value ^ 0xFFFF


def crc_octets(octets: bytes) -> bytes:
    """The same as its two octets on the air."""
    return crc(octets).to_bytes(2, "big")

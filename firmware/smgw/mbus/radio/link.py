"""Check sums of the link layer, which some sticks pass on (EN 13757-4, formats A and B).

format A  L C M M A(6)  crc crc  16 octets  crc crc  ..      L does not count check sums
format B  L C M M A(6)  up to 116 octets  crc crc            L counts them; from the 129th octet on
          up to 126 octets  crc crc                          there is a second block

Behind this module a telegram is L C M M A(6) CI .. without check sums, and L counts what follows it.
"""

from collections.abc import Iterator

from smgw.mbus.radio.crc import crc_octets

HEAD = 10  # L, C, M, A
_BLOCK, _CRC = 16, 2
_BLOCK_B = 128  # with its check sum


def length_a(count: int) -> int:
    """All octets of a telegram in format A, by its L."""
    return count + 1 + _CRC * (1 + -(-max(0, count + 1 - HEAD) // _BLOCK))


def strip_a(octets: bytes) -> bytes | None:
    """A whole telegram in format A without its check sums; None if one of them is wrong."""
    found, at = b"", 0
    for size in _sizes_a(octets[0] + 1):
        block = octets[at : at + size]
        at += size + _CRC
        if len(block) < size or octets[at - _CRC : at] != crc_octets(block):
            return None
        found += block
    return found


def strip_b(octets: bytes) -> bytes | None:
    """A whole telegram in format B without its check sums; None if one of them is wrong."""
    found, whole = b"", octets[0] + 1
    if len(octets) < whole:
        return None
    for at in range(0, whole, _BLOCK_B):
        block = octets[at : min(at + _BLOCK_B, whole)]
        if len(block) <= _CRC or block[-_CRC:] != crc_octets(block[:-_CRC]):
            return None
        found += block[:-_CRC]
    return bytes((len(found) - 1,)) + found[1:]


def add_a(telegram: bytes) -> bytes:
    """A telegram with the check sums of format A."""
    found, at = b"", 0
    for size in _sizes_a(len(telegram)):
        block = telegram[at : at + size]
        found += block + crc_octets(block)
        at += size
    return found


def add_b(telegram: bytes) -> bytes:
    """A telegram with the check sums of format B."""
    size = _BLOCK_B - _CRC
    count = len(telegram) - 1 + _CRC * (1 + (len(telegram) > size))
    telegram = bytes((count,)) + telegram[1:]
    blocks = [telegram[at : at + size] for at in range(0, len(telegram), size)]
    return b"".join(block + crc_octets(block) for block in blocks)


def _sizes_a(count: int) -> Iterator[int]:
    """The octets of each block, by those of a whole telegram."""
    yield min(HEAD, count)
    for at in range(HEAD, count, _BLOCK):
        yield min(_BLOCK, count - at)

"""CRC-16/ARC, against the published check value and a loop over bits."""

from hypothesis import given
from hypothesis import strategies as some
from smgw.wire.crc_arc import crc_arc


def by_bits(octets: bytes) -> int:
    crc = 0
    for octet in octets:
        crc ^= octet
        for _ in range(8):
            crc = crc >> 1 ^ (0xA001 if crc & 1 else 0)
    return crc


def test_the_check_value_is_the_published_one() -> None:
    assert crc_arc(b"123456789") == 0xBB3D


@given(some.binary(max_size=40))
def test_any_octets_have_the_check_sum_of_a_loop_over_bits(octets: bytes) -> None:
    assert crc_arc(octets) == by_bits(octets)

"""Protected octets: the Green Book's own numbers, all suites and protections, and what must be refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from smgw.dlms.errors import SecurityError
from smgw.dlms.security.secret import Secret
from smgw.dlms.security.suites import (
    MAX_COUNTER,
    Keys,
    Protection,
    Suite,
    gmac,
    reserved,
    same_gmac,
    seal,
    unseal,
)
from smgw.errors import LocalProtocolError

# Green Book 9.2.7.2.4.6 and 9.2.7.4: keys, titles, counters and what comes of them.
KEYS = Keys.of(Suite.AES_GCM_128, bytes(range(16)), bytes(range(0xD0, 0xE0)))
TITLE = bytes.fromhex("4D4D4D0000BC614E")
OTHER_TITLE = bytes.fromhex("4D4D4D0000000001")
COUNTER = 0x01234567
GET = bytes.fromhex("C0010000080000010000FF0200")
PROTECTED = {
    Protection.AUTHENTICATED: "1001234567C0010000080000010000FF020006725D910F9221D263877516",
    Protection.ENCRYPTED: "2001234567411312FF935A47566827C467BC",
    Protection.BOTH: "3001234567411312FF935A47566827C467BC7D825C3BE4A77C3FCC056B6B",
}


def some_keys(suite: Suite) -> Keys:
    size = suite.key_length
    return Keys.of(suite, bytes(range(size)), bytes(range(100, 100 + size)), bytes(range(200, 200 + size)))


@pytest.mark.parametrize("protection", PROTECTED)
def test_the_octets_of_the_green_book_come_out(protection: Protection) -> None:
    assert seal(KEYS, protection, TITLE, COUNTER, GET) == bytes.fromhex(PROTECTED[protection])


@pytest.mark.parametrize("protection", PROTECTED)
def test_the_octets_of_the_green_book_are_opened(protection: Protection) -> None:
    opened = unseal(KEYS, TITLE, bytes.fromhex(PROTECTED[protection]))
    assert opened == (GET, protection, COUNTER, False)


def test_the_gmac_of_the_green_book_comes_out_both_ways() -> None:
    assert gmac(KEYS, OTHER_TITLE, 1, b"P6wRJ21F").hex() == "10000000011a52fe7dd3e72748973c1e28"
    assert gmac(KEYS, TITLE, COUNTER, b"K56iVagY").hex() == "1001234567fe1466afb3dbcd4f9389e2b7"
    assert same_gmac(KEYS, OTHER_TITLE, b"P6wRJ21F", bytes.fromhex("10000000011a52fe7dd3e72748973c1e28"))


@given(
    suite=st.sampled_from(list(Suite)),
    protection=st.sampled_from(list(PROTECTED)),
    title=st.binary(min_size=8, max_size=8),
    counter=st.integers(0, MAX_COUNTER),
    text=st.binary(max_size=300),
)
def test_what_is_sealed_is_opened(
    suite: Suite, protection: Protection, title: bytes, counter: int, text: bytes
) -> None:
    keys = some_keys(suite)
    assert unseal(keys, title, seal(keys, protection, title, counter, text)) == (text, protection, counter, False)


@pytest.mark.parametrize("suite", list(Suite))
@pytest.mark.parametrize("protection", [Protection.AUTHENTICATED, Protection.BOTH])
def test_any_flipped_bit_is_refused(suite: Suite, protection: Protection) -> None:
    keys = some_keys(suite)
    sealed = seal(keys, protection, TITLE, COUNTER, GET)
    for bit in range(8 * len(sealed)):
        octets = bytearray(sealed)
        octets[bit // 8] ^= 1 << bit % 8
        if octets[0] & 0x30 == Protection.ENCRYPTED:
            continue  # without a tag nothing can be told; who asked for authentication refuses it: see Ciphering
        with pytest.raises(SecurityError):
            unseal(keys, TITLE, bytes(octets))


@given(st.binary(max_size=60))
def test_no_octets_raise_anything_but_a_security_error(octets: bytes) -> None:
    try:
        unseal(KEYS, TITLE, octets)
    except SecurityError:
        return
    assert octets[0] & 0x30 == Protection.ENCRYPTED


def test_the_broadcast_key_is_chosen_by_its_bit() -> None:
    keys = some_keys(Suite.AES_GCM_128)
    assert keys.broadcast is not None
    sealed = bytearray(seal(keys._replace(encryption=keys.broadcast), Protection.ENCRYPTED, TITLE, 7, GET))
    sealed[0] |= 0x40
    assert unseal(keys, TITLE, bytes(sealed)) == (GET, Protection.ENCRYPTED, 7, True)
    with pytest.raises(SecurityError, match="broadcast key, which is not configured"):
        unseal(KEYS, TITLE, bytes(sealed))


@pytest.mark.parametrize(
    ("octets", "reason"),
    [
        ("30000000", "too few"),
        ("3100000001" + 13 * "00", "suite 1"),
        ("b000000001" + 13 * "00", "compressed"),
        ("0000000001" + 13 * "00", "neither"),
        ("3000000001" + 11 * "00", "too short"),
        ("3000000001" + 13 * "00", "tag is wrong"),
    ],
)
def test_a_refusal_says_why(octets: str, reason: str) -> None:
    with pytest.raises(SecurityError, match=reason):
        unseal(KEYS, TITLE, bytes.fromhex(octets))


def test_a_key_of_the_wrong_length_is_refused_without_showing_it() -> None:
    with pytest.raises(LocalProtocolError) as caught:
        Keys.of(Suite.ECDH_ECDSA_AES_GCM_256_SHA_384, b"k" * 16, b"a" * 32)
    assert str(caught.value) == "the encryption key has 16 octets; security suite 2 wants 32"


def test_keys_do_not_show() -> None:
    """R27."""
    keys = Keys.of(Suite.AES_GCM_128, b"topsecrettopsecr", b"alsosecretalsose", b"verysecretverysec"[:16])
    for text in (repr(keys), str(keys), f"{keys}", f"{keys.encryption}", f"{keys.encryption!r:>20}", str(Secret(b"x"))):
        assert "secret" in text
        assert "topsecret" not in text
        assert "746f70" not in text


@pytest.mark.parametrize("counter", [-1, MAX_COUNTER + 1])
def test_a_counter_beyond_32_bits_means_a_new_key_is_due(counter: int) -> None:
    with pytest.raises(LocalProtocolError, match="used up"):
        reserved(lambda: counter)

"""Damaged messages: only documented errors leave the decoder, no payload is a wrong one, and the work is bounded."""

import contextlib
from pathlib import Path

import pytest
import trust_targets
from fuzz_input import CORPUS
from hypothesis import given
from hypothesis import strategies as st
from sealing import Peers
from smgw.trust import oids
from smgw.trust.cms import der
from smgw.trust.cms.compressed import compress, decompress
from smgw.trust.cms.enveloped import envelop, unwrap
from smgw.trust.cms.message import open_sealed, seal
from smgw.trust.cms.profile import Profile, Suite
from smgw.trust.cms.signed import sign
from smgw.trust.errors import MalformedError, TooLargeError, TrustError
from work import work

PEERS = Peers.on()
PAYLOAD = b"<object>4711</object>" * 4
MESSAGES = [
    seal(PAYLOAD, PEERS.gateway.keys, PEERS.gateway.certificate, PEERS.emp.certificate, suite, compress=compress)
    for suite in Suite
    for compress in (False, True)
]
ENVELOPES = [
    envelop(PAYLOAD, oids.DATA, PEERS.gateway.keys, PEERS.emp.certificate, suite, Profile.BSI) for suite in Suite
]


def opened(octets: bytes) -> bytes:
    return open_sealed(octets, PEERS.emp.keys, PEERS.emp.certificate, [PEERS.gateway.certificate]).payload


def signed(envelope: bytes) -> bytes:
    return sign(envelope, oids.AUTH_ENVELOPED_DATA, PEERS.gateway.keys, PEERS.gateway.certificate)


@st.composite
def damaged(draw: st.DrawFn, originals: list[bytes]) -> bytes:
    """One of the originals with some octets changed, removed, put in, or with its end cut off."""
    octets = bytearray(draw(st.sampled_from(originals)))
    for _ in range(draw(st.integers(1, 4))):
        place = draw(st.integers(0, len(octets) - 1)) if octets else 0
        size = draw(st.sampled_from((0, 1, 1, 1, 4, 40)))
        octets[place : place + size] = draw(st.binary(max_size=4))
    return bytes(octets)


@given(damaged(MESSAGES))
def test_a_damaged_message_gives_its_payload_or_a_documented_error(octets: bytes) -> None:
    with contextlib.suppress(TrustError):
        assert opened(octets) == PAYLOAD


@pytest.mark.parametrize("file", sorted((CORPUS / "cms-open").glob("made-*")), ids=lambda file: file.name)
def test_the_fuzzer_begins_with_messages_that_open(file: Path) -> None:
    gateway, emp = trust_targets.peers()
    found = set()
    for profile in Profile:
        with contextlib.suppress(MalformedError):
            keys, own = emp.keys, emp.certificate
            found.add(open_sealed(file.read_bytes(), keys, own, [gateway.certificate], profile=profile).payload)
    assert found == {trust_targets.PAYLOAD}


@given(damaged(ENVELOPES))
def test_a_damaged_envelope_of_a_known_signer_gives_its_payload_or_a_documented_error(octets: bytes) -> None:
    with contextlib.suppress(TrustError):
        assert opened(signed(octets)) == PAYLOAD


@given(damaged([compress(PAYLOAD)]))
def test_damaged_compressed_data_gives_bounded_octets_or_a_documented_error(octets: bytes) -> None:
    with contextlib.suppress(TrustError):
        assert len(decompress(octets, 1000)) <= 1000


@given(st.binary(max_size=200))
def test_any_octets_are_refused_in_words(octets: bytes) -> None:
    for read in (opened, lambda given: decompress(given, 1000), lambda given: opened(signed(given))):
        with pytest.raises(TrustError) as caught:
            read(octets)
        assert len(str(caught.value)) < 600


@pytest.mark.parametrize("place", range(8))
def test_each_bit_of_a_message_counts(place: int) -> None:
    """Every changed bit is refused: nothing in the message is free."""
    octets = MESSAGES[1]
    for number in range(len(octets)):
        changed = bytearray(octets)
        changed[number] ^= 1 << place
        with pytest.raises(TrustError):
            opened(bytes(changed))


@pytest.mark.parametrize("place", range(0, 8, 3))
def test_each_bit_of_an_envelope_counts_although_its_signature_is_right(place: int) -> None:
    for octets in ENVELOPES:
        for number in range(len(octets)):
            changed = bytearray(octets)
            changed[number] ^= 1 << place
            with pytest.raises(TrustError):
                unwrap(bytes(changed), PEERS.emp.keys, PEERS.emp.certificate, Profile.BSI)


@given(damaged(MESSAGES))
def test_a_damaged_message_costs_a_bounded_number_of_lines(octets: bytes) -> None:
    def attempt() -> None:
        with contextlib.suppress(TrustError):
            opened(octets)

    work(attempt, 5_000)


def test_the_work_does_not_grow_with_the_nesting() -> None:
    octets = b""
    for _ in range(2_000):
        octets = der.element(0x30, octets)
    with pytest.raises(MalformedError):
        opened(octets)


@given(st.lists(st.binary(max_size=300), max_size=4), st.sampled_from([0x04, 0x30, 0x31, 0xA0, 0xA1, 0x80]))
def test_what_is_written_is_read_again(parts: list[bytes], tag: int) -> None:
    octets = b"".join(der.element(tag, part) for part in parts)
    reader = der.Reader(octets)
    assert [reader.content(tag, "part") for _ in parts] == parts
    reader.finish("list")


@given(st.binary(max_size=60))
def test_an_object_identifier_of_any_octets_can_be_printed(octets: bytes) -> None:
    assert len(der.printed(der.element(6, octets))) < 200


@pytest.mark.parametrize("oid", [oids.DATA, oids.ECKA_EG_X963KDF_SHA256, oids.AES128_WRAP, "2.999.3"])
def test_an_object_identifier_is_printed_as_it_was_written(oid: str) -> None:
    assert der.printed(der.identifier(oid)) == oid


def test_a_limit_of_nothing_lets_an_empty_payload_through() -> None:
    assert decompress(compress(b""), 0) == b""
    with pytest.raises(TooLargeError):
        decompress(compress(b"x"), 0)

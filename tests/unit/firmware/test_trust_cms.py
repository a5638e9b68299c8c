"""Sealed messages by the BSI's profile: what is sealed is opened, and a second decoder reads the same."""

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given
from hypothesis import strategies as st
from sealing import EMP, GATEWAY, OTHER_GATEWAY, Peers, party
from second_decoder import AES_128_CBC_CMAC, AES_128_GCM, decode
from smgw.trust.certificate import Purpose
from smgw.trust.cms.message import open_sealed, seal
from smgw.trust.cms.profile import Profile, Suite

PEERS = Peers.on()
PAYLOAD = b"<object>" + b"4711;" * 200 + b"</object>"
BOTH = pytest.mark.parametrize("suite", Suite)
EITHER = pytest.mark.parametrize("compress", [False, True])


def sealed(payload: bytes = PAYLOAD, peers: Peers = PEERS, suite: Suite = Suite.AES_128_GCM, **more: object) -> bytes:
    return seal(payload, peers.gateway.keys, peers.gateway.certificate, peers.emp.certificate, suite, **more)  # type: ignore[arg-type]


def opened(octets: bytes, peers: Peers = PEERS, **more: object) -> bytes:
    signers = [peers.gateway.certificate]
    return open_sealed(octets, peers.emp.keys, peers.emp.certificate, signers, **more).payload  # type: ignore[arg-type]


@BOTH
@EITHER
@pytest.mark.parametrize("profile", Profile)
def test_what_is_sealed_is_opened(suite: Suite, compress: bool, profile: Profile) -> None:
    octets = sealed(suite=suite, compress=compress, profile=profile)
    assert opened(octets, profile=profile) == PAYLOAD


@BOTH
@EITHER
def test_a_second_decoder_reads_it(suite: Suite, compress: bool) -> None:
    found = decode(sealed(suite=suite, compress=compress), PEERS.emp.key, PEERS.gateway.key.public_key())
    assert found.payload == PAYLOAD
    assert found.compressed is compress
    assert found.suite == {Suite.AES_128_GCM: AES_128_GCM, Suite.AES_128_CBC_CMAC: AES_128_CBC_CMAC}[suite]
    assert (found.signer, found.recipient) == (PEERS.gateway.certificate.ski, PEERS.emp.certificate.ski)


@pytest.mark.parametrize("size", [0, 1, 15, 16, 17, 127, 128, 65_536])
@BOTH
def test_payloads_of_any_size_are_padded_as_the_second_decoder_expects(suite: Suite, size: int) -> None:
    octets = sealed(bytes(size), suite=suite)
    assert decode(octets, PEERS.emp.key, PEERS.gateway.key.public_key()).payload == opened(octets) == bytes(size)


@given(st.binary(max_size=300), st.sampled_from(Suite), st.booleans())
def test_any_payload_comes_out_as_it_went_in(payload: bytes, suite: Suite, compress: bool) -> None:
    octets = sealed(payload, suite=suite, compress=compress)
    assert opened(octets) == payload
    assert decode(octets, PEERS.emp.key, PEERS.gateway.key.public_key()).payload == payload


def test_p_256_is_the_choice_of_a_trial() -> None:
    peers = Peers.on(ec.SECP256R1())
    octets = sealed(peers=peers)
    assert opened(octets, peers) == decode(octets, peers.emp.key, peers.gateway.key.public_key()).payload == PAYLOAD


def test_signer_and_recipient_may_be_on_different_curves() -> None:
    peers = Peers(party(GATEWAY, Purpose.SIGNATURE), party(EMP, Purpose.ENCRYPTION, ec.SECP256R1()))
    assert opened(sealed(peers=peers), peers) == PAYLOAD


def test_every_message_has_an_ephemeral_key_of_its_own() -> None:
    points = {decode(sealed(), PEERS.emp.key, PEERS.gateway.key.public_key()).point for _ in range(4)}
    assert len(points) == 4


def test_the_signer_is_the_one_of_many_whose_key_signed() -> None:
    others = [party(OTHER_GATEWAY, Purpose.SIGNATURE).certificate for _ in range(3)]
    signers = [*others, PEERS.gateway.certificate]
    found = open_sealed(sealed(), PEERS.emp.keys, PEERS.emp.certificate, signers)
    assert found.signer is PEERS.gateway.certificate


def test_a_message_may_carry_its_signers_certificate() -> None:
    peers = PEERS
    octets = with_certificates(sealed(), peers.gateway.certificate.der)
    assert opened(octets) == PAYLOAD


def test_the_digest_of_a_message_does_not_depend_on_certificates_in_it() -> None:
    octets = sealed()
    more = with_certificates(octets, PEERS.emp.certificate.der)
    signers = [PEERS.gateway.certificate]
    first, second = (open_sealed(one, PEERS.emp.keys, PEERS.emp.certificate, signers) for one in (octets, more))
    assert first.digest == second.digest


def with_certificates(octets: bytes, certificate: bytes) -> bytes:
    """The message with a certificate in its SignedData."""
    from second_decoder import parse
    from smgw.trust.cms import der

    kind, explicit = parse(octets)[0].parts
    version, digests, content, infos = explicit.parts[0].parts
    certificates = der.element(0xA0, certificate)
    signed = der.element(0x30, version.whole, digests.whole, content.whole, certificates, infos.whole)
    return der.element(0x30, kind.whole, der.element(0xA0, signed))

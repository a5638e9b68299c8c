"""Messages for other recipients, and with other algorithms or curves, are refused, each with its own error."""

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from forging import (
    AGREEMENT,
    CONTENT,
    ENCRYPTED,
    EPHEMERAL,
    RECIPIENT,
    RECIPIENTS,
    SIGNER,
    WRAPPED,
    at,
    edited,
    twice,
)
from refusing import NEIGHBOUR, PAYLOAD, PEERS, STRANGER, enveloped, opened, refused, sealed
from sealing import EMP, GATEWAY, party
from smgw.trust import oids
from smgw.trust.certificate import Purpose
from smgw.trust.cms import der
from smgw.trust.cms.message import open_sealed, seal
from smgw.trust.cms.profile import Profile
from smgw.trust.errors import (
    IntegrityError,
    KeyMismatchError,
    MalformedError,
    SignatureError,
    WrongCurveError,
    WrongPurposeError,
    WrongRecipientError,
)


def test_a_message_for_another_recipient() -> None:
    octets = seal(PAYLOAD, PEERS.gateway.keys, PEERS.gateway.certificate, NEIGHBOUR.certificate)
    refused(octets, WrongRecipientError)


def test_a_swapped_recipient_breaks_the_signature() -> None:
    octets = seal(PAYLOAD, PEERS.gateway.keys, PEERS.gateway.certificate, NEIGHBOUR.certificate)
    ours = der.element(4, PEERS.emp.certificate.ski or b"")
    envelope = edited(at(octets, CONTENT).content, (*WRAPPED, 0, 0, 0), lambda _: ours)
    refused(edited(octets, CONTENT, lambda _: der.element(4, envelope)), SignatureError)


def test_a_swapped_recipient_under_a_right_signature() -> None:
    octets = seal(PAYLOAD, PEERS.gateway.keys, PEERS.gateway.certificate, NEIGHBOUR.certificate)
    ours = der.element(4, PEERS.emp.certificate.ski or b"")
    refused(enveloped(lambda _: ours, (*WRAPPED, 0, 0, 0), octets), IntegrityError)


def test_two_recipients() -> None:
    refused(enveloped(twice, RECIPIENTS), MalformedError)


def test_two_wrapped_keys() -> None:
    refused(enveloped(twice, WRAPPED), MalformedError)


def test_a_recipient_by_key_transport() -> None:
    refused(enveloped(lambda node: der.element(0x30, node.content), RECIPIENT), MalformedError)


def test_without_the_private_key_of_its_certificate_nothing_opens() -> None:
    gateway, emp = PEERS
    with pytest.raises(KeyMismatchError):
        open_sealed(sealed(), NEIGHBOUR.keys, emp.certificate, [gateway.certificate])


def test_without_the_private_key_of_its_certificate_nothing_is_sealed() -> None:
    with pytest.raises(KeyMismatchError):
        seal(PAYLOAD, STRANGER.keys, PEERS.gateway.certificate, PEERS.emp.certificate)


# Algorithms and curves


@pytest.mark.parametrize("curve", [oids.SECP256R1, oids.BRAINPOOL_P384R1])
def test_an_ephemeral_key_that_names_another_curve(curve: str) -> None:
    named = der.element(0x30, der.identifier(oids.EC_PUBLIC_KEY), der.identifier(curve))
    refused(enveloped(lambda _: named, (*EPHEMERAL, 0)), WrongCurveError)


def test_an_ephemeral_key_that_names_the_own_curve_is_accepted() -> None:
    named = der.element(0x30, der.identifier(oids.EC_PUBLIC_KEY), der.identifier(oids.BRAINPOOL_P256R1))
    assert opened(enveloped(lambda _: named, (*EPHEMERAL, 0))).payload == PAYLOAD


@pytest.mark.parametrize("curve", [ec.SECP256R1(), ec.SECP384R1(), ec.BrainpoolP384R1()], ids=lambda one: one.name)
def test_an_ephemeral_key_on_another_curve(curve: ec.EllipticCurve) -> None:
    other = ec.generate_private_key(curve).public_key()
    point = other.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    refused(enveloped(lambda _: der.element(3, b"\x00", point), (*EPHEMERAL, 1)), WrongCurveError)


@pytest.mark.parametrize("point", [b"", b"\x00", b"\x04" + bytes(64), b"\x02" + b"\x01" * 32], ids=len)
def test_an_ephemeral_key_that_is_no_point(point: bytes) -> None:
    refused(enveloped(lambda _: der.element(3, b"\x00", point), (*EPHEMERAL, 1)), WrongCurveError)


def test_the_key_agreement_of_the_other_profile() -> None:
    gateway, emp = PEERS
    octets = seal(PAYLOAD, gateway.keys, gateway.certificate, emp.certificate, profile=Profile.RFC5753)
    refused(octets, MalformedError)


def test_the_key_agreement_of_the_other_profile_under_the_name_of_ours() -> None:
    gateway, emp = PEERS
    octets = seal(PAYLOAD, gateway.keys, gateway.certificate, emp.certificate, profile=Profile.RFC5753)
    ours = der.identifier(Profile.BSI.value)
    refused(enveloped(lambda _: ours, (*AGREEMENT, 0), octets), IntegrityError)


def test_a_key_wrap_of_another_length() -> None:
    other = der.element(0x30, der.identifier(oids.AES256_WRAP))
    refused(enveloped(lambda _: other, (*AGREEMENT, 1)), MalformedError)


@pytest.mark.parametrize("suite", [oids.AES256_GCM, oids.AES256_CBC_CMAC, "2.16.840.1.101.3.4.1.2"])
def test_another_content_encryption(suite: str) -> None:
    refused(enveloped(lambda _: der.identifier(suite), (*ENCRYPTED, 1, 0)), MalformedError)


@pytest.mark.parametrize("icv", [4, 12, 15])
def test_a_shorter_mac_of_gcm(icv: int) -> None:
    refused(enveloped(lambda _: der.element(2, bytes((icv,))), (*ENCRYPTED, 1, 1, 1)), MalformedError)


@pytest.mark.parametrize("size", [0, 8, 16])
def test_a_nonce_of_another_length(size: int) -> None:
    refused(enveloped(lambda _: der.element(4, bytes(size)), (*ENCRYPTED, 1, 1, 0)), MalformedError)


def test_a_signature_algorithm_with_sha_384() -> None:
    other = der.element(0x30, der.identifier(oids.ECDSA_WITH_SHA384))
    refused(edited(sealed(), (*SIGNER, 4), lambda _: other), MalformedError)


def test_a_digest_algorithm_other_than_sha_256() -> None:
    other = der.element(0x30, der.identifier(oids.SHA384))
    refused(edited(sealed(), (*SIGNER, 2), lambda _: other), MalformedError)


def test_a_certificate_on_a_curve_that_messages_do_not_use() -> None:
    signer = party(GATEWAY, Purpose.SIGNATURE, ec.SECP384R1())
    with pytest.raises(WrongCurveError):
        seal(PAYLOAD, signer.keys, signer.certificate, PEERS.emp.certificate)


def test_a_recipient_on_a_curve_that_messages_do_not_use() -> None:
    recipient = party(EMP, Purpose.ENCRYPTION, ec.BrainpoolP384R1())
    with pytest.raises(WrongCurveError):
        seal(PAYLOAD, PEERS.gateway.keys, PEERS.gateway.certificate, recipient.certificate)


def test_a_signature_certificate_seals_for_nobody() -> None:
    with pytest.raises(WrongPurposeError):
        seal(PAYLOAD, PEERS.gateway.keys, PEERS.gateway.certificate, STRANGER.certificate)


def test_an_encryption_certificate_signs_nothing() -> None:
    with pytest.raises(WrongPurposeError):
        seal(PAYLOAD, NEIGHBOUR.keys, NEIGHBOUR.certificate, PEERS.emp.certificate)


def test_a_certificate_without_key_identifier_cannot_sign() -> None:
    nameless = party(GATEWAY, Purpose.SIGNATURE, identified=False)
    with pytest.raises(MalformedError, match="SubjectKeyIdentifier"):
        seal(PAYLOAD, nameless.keys, nameless.certificate, PEERS.emp.certificate)

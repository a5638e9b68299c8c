"""Messages with a wrong MAC or a wrong signature are refused, each with its own error."""

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from forging import (
    CONTENT,
    ENCRYPTED,
    EPHEMERAL,
    MAC,
    SIGNATURE,
    SIGNED,
    SIGNED_ATTRIBUTES,
    SIGNER,
    WRAPPED,
    at,
    edited,
    flipped,
    signed_by,
    twice,
)
from refusing import BOTH, CBC, PEERS, STRANGER, enveloped, refused, sealed
from second_decoder import Node
from smgw.trust import oids
from smgw.trust.cms import content, der
from smgw.trust.cms.profile import Suite
from smgw.trust.errors import IntegrityError, MalformedError, SignatureError, TrustError, WrongSignerError


@BOTH
def test_a_wrong_mac(suite: Suite) -> None:
    refused(enveloped(flipped, MAC, sealed(suite)), IntegrityError)


@BOTH
def test_changed_ciphertext(suite: Suite) -> None:
    refused(enveloped(flipped, (*ENCRYPTED, 2), sealed(suite)), IntegrityError)


@BOTH
@pytest.mark.parametrize("size", [0, 4, 12, 15, 17])
def test_a_mac_of_another_length(suite: Suite, size: int) -> None:
    changed = enveloped(lambda node: der.element(4, (node.content * 2)[:size]), MAC, sealed(suite))
    refused(changed, IntegrityError)


def test_a_changed_wrapped_key() -> None:
    refused(enveloped(flipped, (*WRAPPED, 0, 1)), IntegrityError)


def test_another_ephemeral_key_of_the_same_curve() -> None:
    other = ec.generate_private_key(ec.BrainpoolP256R1()).public_key()
    point = other.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    refused(enveloped(lambda _: der.element(3, b"\x00", point), (*EPHEMERAL, 1)), IntegrityError)


def test_with_a_wrong_mac_the_padding_plays_no_part() -> None:
    """All 256 ends of the ciphertext are refused with the same text: a sender learns nothing about the padding."""
    octets = sealed(Suite.AES_128_CBC_CMAC)

    def ending(octet: int) -> bytes:
        return enveloped(
            lambda node: der.element(node.tag, node.content[:-1], bytes((octet,))), (*ENCRYPTED, 2), octets
        )

    ends = [at(at(octets, CONTENT).content, (*ENCRYPTED, 2)).content[-1]]
    texts = {str(refused(ending(octet), IntegrityError)) for octet in range(256) if octet not in ends}
    assert len(texts) == 1


@pytest.mark.parametrize("cut", [1, 16])
def test_nothing_is_decrypted_before_the_mac_is_right(monkeypatch: pytest.MonkeyPatch, cut: int) -> None:
    octets = enveloped(lambda node: der.element(node.tag, node.content[:-cut]), (*ENCRYPTED, 2), sealed(CBC))

    def never(*_: object) -> None:
        raise AssertionError("decrypted before the MAC was checked")

    monkeypatch.setattr(content, "CBC", never)
    refused(octets, IntegrityError)


@pytest.mark.parametrize("end", [b"\x00", b"\x11", b"\xff", b"\x01\x02"])
def test_wrong_padding_under_a_right_mac(monkeypatch: pytest.MonkeyPatch, end: bytes) -> None:
    def padded_wrongly(suite: Suite, key: bytes, plain: bytes, attributes: bytes, _: object) -> content.Sealed:
        encryptor = content.Cipher(content.AES(key[:16]), content.CBC(bytes(16))).encryptor()
        text = encryptor.update(plain[: 32 - len(end)] + end) + encryptor.finalize()
        algorithm = der.element(0x30, der.identifier(suite.value))
        return content.Sealed(algorithm, text, content._cmac(key[16:], text, attributes))

    monkeypatch.setattr(content, "encrypt", padded_wrongly)
    refused(sealed(CBC), MalformedError)


def test_the_wrapped_key_of_the_other_suite() -> None:
    other = at(at(sealed(CBC), CONTENT).content, WRAPPED)
    refused(enveloped(lambda _: other.whole, WRAPPED), MalformedError)


def test_an_authenticated_attribute_that_was_changed() -> None:
    octets = enveloped(flipped, (0, 3, 0, 1, 0), sealed(compress=True))
    refused(octets, MalformedError)


def test_compressed_content_called_data() -> None:
    octets = sealed(compress=True)
    data = der.identifier(oids.DATA)
    changed = enveloped(lambda _: data, (*ENCRYPTED, 0), octets)
    refused(changed, MalformedError)


def test_compressed_content_called_data_without_its_attribute() -> None:
    octets = enveloped(lambda _: der.identifier(oids.DATA), (*ENCRYPTED, 0), sealed(compress=True))
    refused(enveloped(lambda _: b"", (0, 3), octets), IntegrityError)


def test_compressed_content_without_authenticated_attribute() -> None:
    refused(enveloped(lambda _: b"", (0, 3), sealed(compress=True)), MalformedError)


# Signer


def test_a_signer_who_is_not_expected() -> None:
    octets = signed_by(STRANGER, at(sealed(), CONTENT).content)
    error = refused(octets, WrongSignerError)
    assert STRANGER.certificate.ski
    assert STRANGER.certificate.ski.hex() in str(error)


def test_a_signer_who_claims_to_be_another() -> None:
    octets = signed_by(STRANGER, at(sealed(), CONTENT).content)
    ours = der.element(0x80, PEERS.gateway.certificate.ski or b"")
    refused(edited(octets, (*SIGNER, 1), lambda _: ours), SignatureError)


def test_a_changed_signature() -> None:
    refused(edited(sealed(), SIGNATURE, flipped), SignatureError)


@pytest.mark.parametrize("value", [b"", b"\x30\x00", bytes(64), bytes.fromhex("3006020100020100")])
def test_a_signature_that_is_none(value: bytes) -> None:
    refused(edited(sealed(), SIGNATURE, lambda _: der.element(4, value)), SignatureError)


def test_a_plain_signature_of_r_and_s() -> None:
    """The profile wants DER (X9.62), not R | S."""
    from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

    def plain(node: Node) -> bytes:
        return der.element(4, *(part.to_bytes(32, "big") for part in decode_dss_signature(node.content)))

    refused(edited(sealed(), SIGNATURE, plain), SignatureError)


def test_signed_content_that_was_changed() -> None:
    refused(edited(sealed(), CONTENT, flipped), SignatureError)


def test_two_signers() -> None:
    refused(edited(sealed(), (*SIGNED, 3), twice), MalformedError)


def test_no_signer() -> None:
    refused(edited(sealed(), (*SIGNED, 3), lambda _: der.element(0x31)), MalformedError)


def test_an_unsigned_attribute() -> None:
    unsigned = der.element(0xA1, der.element(0x30, der.identifier(oids.SIGNING_TIME), der.element(0x31)))
    refused(edited(sealed(), SIGNATURE, lambda node: node.whole + unsigned), MalformedError)


def test_a_revocation_list_in_the_message() -> None:
    crl = der.element(0xA1, der.element(0x30))
    refused(edited(sealed(), (*SIGNED, 2), lambda node: node.whole + crl), MalformedError)


def _with_attributes(*attributes: bytes) -> bytes:
    """A message with these signed attributes, rightly signed."""
    octets = b"".join(attributes)
    signature = PEERS.gateway.key.sign(der.element(0x31, octets), ec.ECDSA(content_digest()))
    message = edited(sealed(), SIGNED_ATTRIBUTES, lambda _: der.element(0xA0, octets))
    return edited(message, SIGNATURE, lambda _: der.element(4, signature))


def content_digest() -> object:
    from cryptography.hazmat.primitives.hashes import SHA256

    return SHA256()


_TYPE = der.element(
    0x30, der.identifier(oids.CONTENT_TYPE), der.element(0x31, der.identifier(oids.AUTH_ENVELOPED_DATA))
)
_OTHER_TYPE = der.element(0x30, der.identifier(oids.CONTENT_TYPE), der.element(0x31, der.identifier(oids.DATA)))
_DIGEST = der.element(0x30, der.identifier(oids.MESSAGE_DIGEST), der.element(0x31, der.element(4, bytes(32))))
_TIME = der.element(0x30, der.identifier(oids.SIGNING_TIME), der.element(0x31, der.element(0x17, b"261129000000Z")))


@pytest.mark.parametrize(
    ("attributes", "error"),
    [
        ((_TYPE,), MalformedError),
        ((_DIGEST,), MalformedError),
        ((), MalformedError),
        ((_OTHER_TYPE, _DIGEST), MalformedError),
        ((_TYPE, _TIME, _DIGEST), MalformedError),
        ((_TYPE, _TYPE, _DIGEST), MalformedError),
        ((_TYPE, _DIGEST, _DIGEST), MalformedError),
        ((_TYPE, _DIGEST), SignatureError),  # the attributes are right, and the digest is of another content
    ],
    ids=["no digest", "no type", "none", "other type", "signing time", "type twice", "digest twice", "other digest"],
)
def test_wrong_attributes_under_a_right_signature(attributes: tuple[bytes, ...], error: type[TrustError]) -> None:
    refused(_with_attributes(*attributes), error)


def test_attributes_that_are_absent() -> None:
    refused(edited(sealed(), SIGNED_ATTRIBUTES, lambda _: b""), MalformedError)

"""What a receiver of sealed messages refuses, each with its own error."""

import tracemalloc
import zlib

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from forging import (
    AGREEMENT,
    CONTENT,
    ENCRYPTED,
    EPHEMERAL,
    MAC,
    RECIPIENT,
    RECIPIENTS,
    SIGNATURE,
    SIGNED,
    SIGNED_ATTRIBUTES,
    SIGNER,
    WRAPPED,
    at,
    edited,
    flipped,
    resigned,
    signed_by,
    twice,
)
from sealing import EMP, GATEWAY, OTHER_EMP, OTHER_GATEWAY, Party, Peers, party
from second_decoder import Node
from smgw.trust import oids
from smgw.trust.certificate import Purpose
from smgw.trust.cms import content, der
from smgw.trust.cms.enveloped import envelop
from smgw.trust.cms.message import Opened, open_sealed, seal
from smgw.trust.cms.profile import Profile, Suite
from smgw.trust.cms.replays import Replays
from smgw.trust.errors import (
    IntegrityError,
    KeyMismatchError,
    MalformedError,
    ReplayedError,
    SignatureError,
    TooLargeError,
    TrustError,
    WrongCurveError,
    WrongPurposeError,
    WrongRecipientError,
    WrongSignerError,
)

PEERS = Peers.on()
STRANGER = party(OTHER_GATEWAY, Purpose.SIGNATURE)
NEIGHBOUR = party(OTHER_EMP, Purpose.ENCRYPTION)
PAYLOAD = b"<object>" + b"4711;" * 200 + b"</object>"
BOTH = pytest.mark.parametrize("suite", Suite)


def sealed(suite: Suite = Suite.AES_128_GCM, *, payload: bytes = PAYLOAD, compress: bool = False) -> bytes:
    gateway, emp = PEERS
    return seal(payload, gateway.keys, gateway.certificate, emp.certificate, suite, compress=compress)


def opened(octets: bytes, emp: Party = PEERS.emp, gateway: Party = PEERS.gateway) -> Opened:
    return open_sealed(octets, emp.keys, emp.certificate, [gateway.certificate])


def refused(octets: bytes, error: type[TrustError]) -> TrustError:
    with pytest.raises(error) as caught:
        opened(octets)
    assert type(caught.value) is error
    return caught.value


def enveloped(change: object, path: tuple[int, ...], octets: bytes | None = None) -> bytes:
    """A message whose envelope the gateway itself made wrong."""
    return resigned(octets or sealed(), PEERS.gateway, path, change)  # type: ignore[arg-type]


# MAC and keys


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
    octets = enveloped(lambda node: der.element(node.tag, node.content[:-cut]), (*ENCRYPTED, 2), sealed(_CBC))

    def never(*_: object) -> None:
        raise AssertionError("decrypted before the MAC was checked")

    monkeypatch.setattr(content, "CBC", never)
    refused(octets, IntegrityError)


_CBC = Suite.AES_128_CBC_CMAC


@pytest.mark.parametrize("end", [b"\x00", b"\x11", b"\xff", b"\x01\x02"])
def test_wrong_padding_under_a_right_mac(monkeypatch: pytest.MonkeyPatch, end: bytes) -> None:
    def padded_wrongly(suite: Suite, key: bytes, plain: bytes, attributes: bytes, _: object) -> content.Sealed:
        encryptor = content.Cipher(content.AES(key[:16]), content.CBC(bytes(16))).encryptor()
        text = encryptor.update(plain[: 32 - len(end)] + end) + encryptor.finalize()
        algorithm = der.element(0x30, der.identifier(suite.value))
        return content.Sealed(algorithm, text, content._cmac(key[16:], text, attributes))

    monkeypatch.setattr(content, "encrypt", padded_wrongly)
    refused(sealed(_CBC), MalformedError)


def test_the_wrapped_key_of_the_other_suite() -> None:
    other = at(at(sealed(_CBC), CONTENT).content, WRAPPED)
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


# Recipient


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


# Structure


@BOTH
def test_a_message_cut_off_anywhere(suite: Suite) -> None:
    octets = sealed(suite)
    for size in range(len(octets)):
        refused(octets[:size], MalformedError)


def test_something_behind_the_message() -> None:
    refused(sealed() + b"\x00", MalformedError)


def test_the_indefinite_length_of_ber() -> None:
    octets = sealed()
    refused(b"\x30\x80" + octets[4:] + bytes(2), MalformedError)


def test_a_length_with_more_octets_than_needed() -> None:
    octets = sealed()
    refused(b"\x30\x83\x00" + octets[2:], MalformedError)


def test_a_message_that_is_only_sealed_and_not_signed() -> None:
    envelope = at(sealed(), CONTENT).content
    octets = der.element(0x30, der.identifier(oids.AUTH_ENVELOPED_DATA), der.element(0xA0, envelope))
    refused(octets, MalformedError)


def test_a_message_that_is_only_signed_and_not_sealed() -> None:
    from smgw.trust.cms.signed import sign

    refused(sign(PAYLOAD, oids.DATA, PEERS.gateway.keys, PEERS.gateway.certificate), MalformedError)


# Size


def _bomb(size: int) -> bytes:
    """A message of some kilobytes whose content inflates to `size` octets."""
    packer = zlib.compressobj(9)
    packed = b"".join(packer.compress(bytes(1 << 20)) for _ in range(size >> 20)) + packer.flush()
    algorithm = der.element(0x30, der.identifier(oids.ZLIB_COMPRESSION))
    inside = der.element(0x30, der.identifier(oids.DATA), der.element(0xA0, der.element(4, packed)))
    compressed = der.element(0x30, der.element(2, b"\x00"), algorithm, inside)
    gateway, emp = PEERS
    envelope = envelop(compressed, oids.COMPRESSED_DATA, gateway.keys, emp.certificate, Suite.AES_128_GCM, Profile.BSI)
    return signed_by(gateway, envelope)


def test_a_bomb_of_50_mb_is_refused_in_bounded_memory() -> None:
    octets = _bomb(50 << 20)
    assert len(octets) < 100_000
    tracemalloc.start()
    try:
        refused(octets, TooLargeError)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 12 << 20  # the limit is 4 MiB, and zlib doubles its buffer


def test_content_just_as_large_as_the_limit_is_opened() -> None:
    gateway, emp = PEERS
    for compress in (False, True):
        octets = sealed(payload=bytes(1000), compress=compress)
        found = open_sealed(octets, emp.keys, emp.certificate, [gateway.certificate], largest=1000)
        assert len(found.payload) == 1000
        with pytest.raises(TooLargeError):
            open_sealed(octets, emp.keys, emp.certificate, [gateway.certificate], largest=999)


def test_a_message_far_beyond_the_limit_is_not_even_read() -> None:
    refused(bytes(5 << 20), TooLargeError)


@pytest.mark.parametrize(
    "change",
    [flipped, lambda node: der.element(4, node.content[:-3]), lambda node: der.element(4, node.content, b"more")],
)
def test_a_damaged_compressed_stream_under_a_right_mac(monkeypatch: pytest.MonkeyPatch, change: object) -> None:
    from smgw.trust.cms import message

    real = message.compressed
    monkeypatch.setattr(message, "compressed", lambda payload: edited(real(payload), (0, 2, 1, 0), change))  # type: ignore[arg-type]
    refused(sealed(compress=True), MalformedError)


# Replay


def test_a_message_that_comes_again() -> None:
    replays, octets = Replays(), sealed()
    replays.admit(opened(octets))
    with pytest.raises(ReplayedError):
        replays.admit(opened(octets))


def test_a_message_that_comes_again_with_a_new_signature() -> None:
    """The holder of a key can always sign the same envelope again; it is the same message."""
    replays, octets = Replays(), sealed()
    replays.admit(opened(octets))
    with pytest.raises(ReplayedError):
        replays.admit(opened(signed_by(PEERS.gateway, at(octets, CONTENT).content)))


def test_the_same_payload_sealed_anew_is_no_replay() -> None:
    replays = Replays()
    assert replays.admit(opened(sealed())).payload == replays.admit(opened(sealed())).payload


def test_the_memory_of_replays_is_bounded() -> None:
    replays, messages = Replays(2), [opened(sealed()) for _ in range(3)]
    for one in messages:
        replays.admit(one)
    replays.admit(messages[0])  # forgotten
    with pytest.raises(ReplayedError):
        replays.admit(messages[2])


# What an error holds


@pytest.mark.parametrize("path", [MAC, (*ENCRYPTED, 2), (*WRAPPED, 0, 1)])
def test_an_error_holds_nothing_of_the_content(path: tuple[int, ...]) -> None:
    error = refused(enveloped(flipped, path), IntegrityError)
    assert "4711" not in repr(vars(error)) + str(error)
    assert error.__cause__ is None
    assert error.subject == "CMS message"

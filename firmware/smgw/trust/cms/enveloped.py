"""AuthEnvelopedData for one recipient by key agreement (RFC 5083; TR-03109-1; RFC 5753 as a switch)."""

from typing import Final

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.x963kdf import X963KDF
from cryptography.hazmat.primitives.keywrap import InvalidUnwrap, aes_key_unwrap, aes_key_wrap
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from smgw.trust import oids
from smgw.trust.certificate import Certificate
from smgw.trust.cms import content, der
from smgw.trust.cms.identity import key_identifier
from smgw.trust.cms.profile import COORDINATE, Profile, Suite
from smgw.trust.errors import WrongCurveError, WrongRecipientError
from smgw.trust.keys import Keys, key_name

_VERSION: Final = 0
_RECIPIENT_VERSION: Final = 3
_WRAP_KEY_LENGTH: Final = 16
_WRAP_EXCESS: Final = 8  # octets that wrapping adds (RFC 3394)
_WRAP: Final = der.element(der.SEQUENCE, der.identifier(oids.AES128_WRAP))
_CONTENT_TYPE: Final = der.identifier(oids.CONTENT_TYPE)
_CURVES: Final = {oids.BRAINPOOL_P256R1: "brainpoolP256r1", oids.SECP256R1: "secp256r1"}


def envelop(
    plain: bytes, content_type: str, keys: Keys, recipient: Certificate, suite: Suite, profile: Profile
) -> bytes:
    """The DER of AuthEnvelopedData (without ContentInfo), with an ephemeral key and content keys of its own.

    The ephemeral key pair is made here and forgotten. `keys` gives only random octets: the sender needs no secret.
    """
    key = keys.random(content.KEY_LENGTH[suite])
    attributes = b"" if content_type == oids.DATA else _attributes(content_type)
    sealed = content.encrypt(suite, key, plain, attributes, keys.random)
    return der.element(
        der.SEQUENCE,
        der.element(der.INTEGER, bytes((_VERSION,))),
        der.element(der.SET, _recipient_info(key, recipient, profile)),
        der.element(
            der.SEQUENCE,
            der.identifier(content_type),
            sealed.algorithm,
            der.element(der.context_primitive(0), sealed.text),
        ),
        bytes((der.context(1),)) + attributes[1:] if attributes else b"",
        der.element(der.OCTET_STRING, sealed.mac),
    )


def _recipient_info(key: bytes, recipient: Certificate, profile: Profile) -> bytes:
    ephemeral = ec.generate_private_key(recipient.public_key.curve)
    point = ephemeral.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    kek = _derive(ephemeral.exchange(ec.ECDH(), recipient.public_key), _WRAP, profile)
    originator = der.element(
        der.context(1),
        der.element(der.SEQUENCE, der.identifier(oids.EC_PUBLIC_KEY)),
        der.element(der.BIT_STRING, b"\x00", point),
    )
    rid = der.element(der.context(0), der.element(der.OCTET_STRING, key_identifier(recipient)))
    wrapped = der.element(der.OCTET_STRING, aes_key_wrap(kek, key))
    return der.element(
        der.context(1),  # KeyAgreeRecipientInfo
        der.element(der.INTEGER, bytes((_RECIPIENT_VERSION,))),
        der.element(der.context(0), originator),
        der.element(der.SEQUENCE, der.identifier(profile.value), _WRAP),
        der.element(der.SEQUENCE, der.element(der.SEQUENCE, rid, wrapped)),
    )


def unwrap(octets: bytes, keys: Keys, own: Certificate, profile: Profile) -> tuple[str, bytes]:
    """The type of the content (`oids.DATA` or `oids.COMPRESSED_DATA`) and the content. Check the signature first.

    :raises WrongRecipientError: it is sealed for another key.
    :raises WrongCurveError: the ephemeral key is on another curve than the own key.
    :raises IntegrityError: the MAC, or the wrapped key, is wrong.
    :raises MalformedError: the structure breaks the profile.
    """
    outside = der.Reader(octets)
    reader = outside.inside(der.SEQUENCE, "AuthEnvelopedData")
    outside.finish("AuthEnvelopedData")
    reader.version(_VERSION, "AuthEnvelopedData")
    recipients = reader.inside(der.SET, "recipients")
    point, wrap, wrapped = _read_recipient_info(recipients, own, profile)
    recipients.finish("list of recipients")

    encrypted = reader.inside(der.SEQUENCE, "encrypted content")
    type_octets = encrypted.whole(der.OBJECT_IDENTIFIER, "type of the content")
    content_type = _TYPES.get(type_octets)
    if content_type is None:
        raise der.malformed(f"the content has the type {der.printed(type_octets)}, neither data nor compressedData")
    algorithm = content.Algorithm.read(encrypted)
    text = encrypted.content(der.context_primitive(0), "encrypted content")
    encrypted.finish("encrypted content")
    attributes = _read_attributes(reader, content_type)
    mac = reader.content(der.OCTET_STRING, "MAC")
    reader.finish("AuthEnvelopedData")

    if len(wrapped) != content.KEY_LENGTH[algorithm.suite] + _WRAP_EXCESS:
        raise der.malformed(f"the wrapped key has {len(wrapped)} octets, which does not fit the suite")
    kek = _derive(keys.agree(key_name(own.public_key), point), wrap, profile)
    try:
        key = aes_key_unwrap(kek, wrapped)
    except InvalidUnwrap:
        raise content.wrong_mac() from None
    return content_type, content.decrypt(algorithm, key, text, attributes, mac)


_TYPES: Final = {der.identifier(name): name for name in (oids.DATA, oids.COMPRESSED_DATA)}


def _read_recipient_info(recipients: der.Reader, own: Certificate, profile: Profile) -> tuple[bytes, bytes, bytes]:
    """The ephemeral point, the AlgorithmIdentifier of the wrapping, and the wrapped key."""
    info = recipients.inside(der.context(1), "recipient by key agreement")
    info.version(_RECIPIENT_VERSION, "recipient")
    point = _read_originator(info.inside(der.context(0), "originator"), own)
    agreement = info.inside(der.SEQUENCE, "key agreement algorithm")
    info_keys = info.inside(der.SEQUENCE, "wrapped keys")
    info.finish("recipient")

    algorithm = agreement.whole(der.OBJECT_IDENTIFIER, "key agreement algorithm")
    if algorithm != der.identifier(profile.value):
        raise der.malformed(f"key agreement {der.printed(algorithm)} is not the configured {profile.value}")
    wrap = agreement.whole(der.SEQUENCE, "key wrap algorithm")
    if wrap not in (_WRAP, der.element(der.SEQUENCE, der.identifier(oids.AES128_WRAP), der.NULL)):
        raise der.malformed("the key wrap algorithm is not AES-128")
    agreement.finish("key agreement algorithm")

    one = info_keys.inside(der.SEQUENCE, "wrapped key")
    info_keys.finish("list of wrapped keys")
    rid = one.inside(der.context(0), "recipient's key identifier")
    identifier = rid.content(der.OCTET_STRING, "recipient's key identifier")
    rid.finish("recipient's key identifier")
    wrapped = one.content(der.OCTET_STRING, "wrapped key")
    one.finish("wrapped key")
    if identifier != key_identifier(own):
        raise WrongRecipientError(
            f"it is sealed for the key {identifier.hex():.80}, and the own certificate has {key_identifier(own).hex()}",
            "The sender must have the current encryption certificate of this recipient.",
            subject="CMS message",
        )
    return point, wrap, wrapped


def _read_originator(originator: der.Reader, own: Certificate) -> bytes:
    public = originator.inside(der.context(1), "ephemeral key")
    originator.finish("originator")
    algorithm = public.inside(der.SEQUENCE, "algorithm of the ephemeral key")
    if algorithm.whole(der.OBJECT_IDENTIFIER, "algorithm of the ephemeral key") != der.identifier(oids.EC_PUBLIC_KEY):
        raise der.malformed("the ephemeral key is not on an elliptic curve")
    if algorithm.next_tag == der.NULL[0]:
        algorithm.content(der.NULL[0], "curve of the ephemeral key")
    elif algorithm.next_tag is not None:
        curve = algorithm.whole(der.OBJECT_IDENTIFIER, "curve of the ephemeral key")
        if curve != der.identifier(next(oid for oid, name in _CURVES.items() if name == own.curve)):
            raise _wrong_curve(own, f"is on the curve {der.printed(curve)}")
    algorithm.finish("algorithm of the ephemeral key")
    point = public.content(der.BIT_STRING, "ephemeral key")
    public.finish("ephemeral key")
    if len(point) != 2 + 2 * COORDINATE or point[:2] != b"\x00\x04":
        raise _wrong_curve(own, f"is no uncompressed point of 2 x {COORDINATE} octets")
    return point[1:]


def _wrong_curve(own: Certificate, fault: str) -> WrongCurveError:
    return WrongCurveError(
        f"its ephemeral key {fault}",
        f"The sender must use the curve of the recipient's certificate, {own.curve}.",
        subject="CMS message",
    )


def _attributes(content_type: str) -> bytes:
    """The authenticated attributes as the MAC covers them: a SET (RFC 5083, 2.2)."""
    values = der.element(der.SET, der.identifier(content_type))
    return der.element(der.SET, der.element(der.SEQUENCE, _CONTENT_TYPE, values))


def _read_attributes(reader: der.Reader, content_type: str) -> bytes:
    """Their octets as the MAC covers them. Only the content type may stand there, and must unless it is data."""
    if reader.next_tag != der.context(1):
        if content_type != oids.DATA:
            raise der.malformed("the authenticated attribute content type is missing")
        return b""
    octets = bytes((der.SET,)) + reader.whole(der.context(1), "authenticated attributes")[1:]
    if octets != _attributes(content_type):
        raise der.malformed("the authenticated attributes are not the content type alone, or another content type")
    return octets


def _derive(secret: bytes, wrap: bytes, profile: Profile) -> bytes:
    """The key that wraps: X9.63 KDF with SHA-256. `wrap`: the AlgorithmIdentifier, a part of RFC 5753's SharedInfo."""
    shared_info = None
    if profile is Profile.RFC5753:
        bits = der.element(der.OCTET_STRING, (8 * _WRAP_KEY_LENGTH).to_bytes(4, "big"))
        shared_info = der.element(der.SEQUENCE, wrap, der.element(der.context(2), bits))
    return X963KDF(SHA256(), _WRAP_KEY_LENGTH, shared_info).derive(secret)

"""SignedData with one signer, ECDSA with SHA-256 (RFC 5652, 5; TR-03109-1)."""

import hmac
from collections.abc import Iterable
from hashlib import sha256
from typing import Final, NamedTuple

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from cryptography.hazmat.primitives.hashes import SHA256

from smgw.trust import oids
from smgw.trust.certificate import Certificate
from smgw.trust.cms import der
from smgw.trust.cms.identity import key_identifier
from smgw.trust.cms.profile import Profile
from smgw.trust.errors import SignatureError, WrongSignerError
from smgw.trust.keys import Keys, key_name

_VERSION: Final = 3
_SHA256: Final = der.element(der.SEQUENCE, der.identifier(oids.SHA256))
_SHA256_FORMS: Final = (_SHA256, der.element(der.SEQUENCE, der.identifier(oids.SHA256), der.NULL))  # RFC 5754, 2
_ECDSA: Final = der.element(der.SEQUENCE, der.identifier(oids.ECDSA_WITH_SHA256))
_CONTENT_TYPE: Final = der.identifier(oids.CONTENT_TYPE)
_MESSAGE_DIGEST: Final = der.identifier(oids.MESSAGE_DIGEST)
_SIGNING_TIME: Final = der.identifier(oids.SIGNING_TIME)
_CONTENT_HINTS: Final = der.identifier(oids.CONTENT_HINTS)
_TO_THE_HOUSE: Final = b"smgw: answer to the house"
_CONTENT_TYPES: Final = {der.identifier(name): name for name in (oids.AUTH_ENVELOPED_DATA, oids.DATA)}


class Verified(NamedTuple):
    """Content with a good signature."""

    content_type: str
    content: bytes
    signer: Certificate
    digest: bytes


def sign(content: bytes, content_type: str, keys: Keys, signer: Certificate) -> bytes:
    """The DER of a ContentInfo with SignedData around `content`. It carries no certificate.

    :raises KeyMismatchError: `keys` does not have the private key of this certificate.
    """
    kind = der.identifier(content_type)
    attributes = _attributes(kind, sha256(content).digest())
    encapsulated = der.element(der.context(0), der.element(der.OCTET_STRING, content))
    return signed_data(der.element(der.SEQUENCE, kind, encapsulated), attributes, keys, signer)


def sign_answer(digest: bytes, keys: Keys, signer: Certificate) -> bytes:
    """SignedData without its content, of which this is the SHA-256: for an answer to the house.

    It has a third signed attribute, content hints, which says what it is for. `verify` refuses that attribute. So
    whoever can have answers signed cannot make a message for an EMP, or an entry of a log book, out of one.

    :raises KeyMismatchError: `keys` does not have the private key of this certificate.
    """
    kind = der.identifier(oids.DATA)
    hints = der.element(der.SEQUENCE, der.element(der.UTF8_STRING, _TO_THE_HOUSE), kind)
    attributes = _attributes(kind, digest) + der.element(der.SEQUENCE, _CONTENT_HINTS, der.element(der.SET, hints))
    return signed_data(der.element(der.SEQUENCE, kind), attributes, keys, signer)


def signed_data(encapsulated: bytes, attributes: bytes, keys: Keys, signer: Certificate) -> bytes:
    """The DER of a ContentInfo with SignedData of one signer. The attributes are in the order of DER."""
    signature = keys.sign(key_name(signer.public_key), sha256(der.element(der.SET, attributes)).digest())
    version = der.element(der.INTEGER, bytes((_VERSION,)))
    signer_info = der.element(
        der.SEQUENCE,
        version,
        der.element(der.context_primitive(0), key_identifier(signer)),
        _SHA256,
        der.element(der.context(0), attributes),
        _ECDSA,
        der.element(der.OCTET_STRING, signature),
    )
    whole = der.element(
        der.SEQUENCE,
        version,
        der.element(der.SET, _SHA256),
        encapsulated,
        der.element(der.SET, signer_info),
    )
    return der.element(der.SEQUENCE, der.identifier(oids.SIGNED_DATA), der.element(der.context(0), whole))


def _attributes(kind: bytes, digest: bytes) -> bytes:
    """Content type and message digest, in the order of DER."""
    value = der.element(der.OCTET_STRING, digest)
    return der.element(der.SEQUENCE, _CONTENT_TYPE, der.element(der.SET, kind)) + der.element(
        der.SEQUENCE, _MESSAGE_DIGEST, der.element(der.SET, value)
    )


def verify(octets: bytes, signers: Iterable[Certificate], profile: Profile) -> Verified:
    """The signed content and who of `signers` signed it. Certificates inside the message are not looked at.

    :raises WrongSignerError: none of `signers` has the key identifier of the message.
    :raises SignatureError: the signature, or the digest of the content, is wrong.
    :raises MalformedError: the structure breaks the profile.
    """
    outside = der.Reader(octets)
    info = outside.inside(der.SEQUENCE, "ContentInfo")
    outside.finish("message")
    kind = info.whole(der.OBJECT_IDENTIFIER, "type of the message")
    if kind != der.identifier(oids.SIGNED_DATA):
        raise der.malformed(f"the message has the type {der.printed(kind)}, not signedData")
    wrapped = info.inside(der.context(0), "SignedData")
    info.finish("ContentInfo")
    reader = wrapped.inside(der.SEQUENCE, "SignedData")
    wrapped.finish("SignedData")

    reader.version(_VERSION, "SignedData")
    digests = reader.inside(der.SET, "digest algorithms")
    _read_sha256(digests)
    digests.finish("list of digest algorithms")
    encapsulated = reader.inside(der.SEQUENCE, "signed content")
    kind = encapsulated.whole(der.OBJECT_IDENTIFIER, "type of the signed content")
    content_type = _CONTENT_TYPES.get(kind)
    if content_type is None:
        raise der.malformed(f"the signed content has the type {der.printed(kind)}, not authEnvelopedData")
    explicit = encapsulated.inside(der.context(0), "signed content")
    encapsulated.finish("signed content")
    content = explicit.content(der.OCTET_STRING, "signed content")
    explicit.finish("signed content")
    if reader.next_tag == der.context(0):
        reader.content(der.context(0), "certificates")  # allowed; whom we trust is configured
    infos = reader.inside(der.SET, "signer")
    reader.finish("SignedData")
    signer_info = infos.inside(der.SEQUENCE, "signer")
    infos.finish("list of signers")

    signer, attributes, signature = _read_signer_info(signer_info, signers)
    digest = sha256(content).digest()
    _check_signature(signer, attributes, signature)
    _check_attributes(attributes, kind, digest, profile)
    return Verified(content_type, content, signer, digest)


def _read_signer_info(reader: der.Reader, signers: Iterable[Certificate]) -> tuple[Certificate, bytes, bytes]:
    """The signer, the signed attributes as SET, and the signature."""
    reader.version(_VERSION, "signer")
    identifier = reader.content(der.context_primitive(0), "signer's key identifier")
    _read_sha256(reader)
    attributes = bytes((der.SET,)) + reader.whole(der.context(0), "signed attributes")[1:]
    if reader.whole(der.SEQUENCE, "signature algorithm") != _ECDSA:
        raise der.malformed("the signature algorithm is not ECDSA with SHA-256")
    signature = reader.content(der.OCTET_STRING, "signature")
    reader.finish("signer")
    for signer in signers:
        if key_identifier(signer) == identifier:
            return signer, attributes, signature
    raise WrongSignerError(
        f"the key {identifier.hex():.80} signed it, and no expected signer has it",
        "Pin the current signature certificate of the sender.",
        subject="CMS message",
    )


def _read_sha256(reader: der.Reader) -> None:
    if reader.whole(der.SEQUENCE, "digest algorithm") not in _SHA256_FORMS:
        raise der.malformed("the digest algorithm is not SHA-256")


def _check_signature(signer: Certificate, attributes: bytes, signature: bytes) -> None:
    digest = sha256(attributes).digest()
    try:
        signer.public_key.verify(signature, digest, ECDSA(Prehashed(SHA256())))
    except (InvalidSignature, ValueError):  # ValueError: it is not even DER
        raise _wrong_signature(signer, "its signature is wrong") from None


def _check_attributes(attributes: bytes, kind: bytes, digest: bytes, profile: Profile) -> None:
    """Content type and digest, each once and nothing else; RFC 5753's profile also allows the signing time."""
    reader = der.Reader(attributes).inside(der.SET, "signed attributes")
    found: dict[bytes, bytes] = {}
    while reader.next_tag is not None:
        attribute = reader.inside(der.SEQUENCE, "signed attribute")
        name = attribute.whole(der.OBJECT_IDENTIFIER, "name of a signed attribute")
        if name in found:
            raise der.malformed(f"the signed attribute {der.printed(name)} stands there twice")
        if name not in _ALLOWED[profile]:
            raise der.malformed(f"the signed attribute {der.printed(name)} is not allowed")
        found[name] = attribute.content(der.SET, "value of a signed attribute")
        attribute.finish("signed attribute")
    if found.get(_CONTENT_TYPE) != kind:
        raise der.malformed("the signed attribute content type is missing, or names another type than the content has")
    told = found.get(_MESSAGE_DIGEST)
    if told is None:
        raise der.malformed("the signed attribute message digest is missing")
    if not hmac.compare_digest(told, der.element(der.OCTET_STRING, digest)):
        raise _wrong_signature(None, "its content does not have the signed digest")


_ALLOWED: Final = {
    Profile.BSI: frozenset({_CONTENT_TYPE, _MESSAGE_DIGEST}),
    Profile.RFC5753: frozenset({_CONTENT_TYPE, _MESSAGE_DIGEST, _SIGNING_TIME}),
}


def _wrong_signature(signer: Certificate | None, fault: str) -> SignatureError:
    return SignatureError(
        fault,
        "It was changed on the way, or signed with another key. Let it be sent again.",
        subject=f"CMS message of {signer.subject}" if signer else "CMS message",
    )

"""Seals a payload for one recipient, and opens what a known signer sealed. No input or output happens here."""

from collections.abc import Iterable
from typing import Final, NamedTuple

from smgw.trust import oids
from smgw.trust.certificate import Certificate, Purpose
from smgw.trust.cms import der
from smgw.trust.cms.compressed import compress as compressed
from smgw.trust.cms.compressed import decompress, too_large
from smgw.trust.cms.enveloped import envelop, unwrap
from smgw.trust.cms.identity import check
from smgw.trust.cms.profile import Profile, Suite
from smgw.trust.cms.signed import sign, verify
from smgw.trust.keys import Keys

#: Largest payload in octets: as of one document (docs/document.md).
LARGEST_PAYLOAD: Final = 4 * 1024 * 1024
#: More than a message has besides its payload: structure, padding, and certificates that somebody put into it.
_OVERHEAD: Final = 64 * 1024


class Opened(NamedTuple):
    """A payload, who sealed it, and what tells this message apart from any other."""

    payload: bytes
    signer: Certificate
    digest: bytes
    """SHA-256 of the sealed content. Another signature, or a certificate put into the message, does not change it."""


def seal(
    payload: bytes,
    keys: Keys,
    signer: Certificate,
    recipient: Certificate,
    suite: Suite = Suite.AES_128_GCM,
    *,
    compress: bool = False,
    profile: Profile = Profile.BSI,
) -> bytes:
    """The DER of SignedData(AuthEnvelopedData([CompressedData](payload))).

    `keys` signs with the private key of `signer`, a signature certificate. `recipient` is an encryption certificate,
    checked by the caller (`chain`). Each message has an ephemeral key and content keys of its own.

    :raises WrongPurposeError, WrongCurveError, MalformedError: a certificate is not for this.
    :raises KeyMismatchError: `keys` does not have the private key of `signer`.
    """
    check(signer, Purpose.SIGNATURE)
    check(recipient, Purpose.ENCRYPTION)
    kind, content = (oids.COMPRESSED_DATA, compressed(payload)) if compress else (oids.DATA, payload)
    enveloped = envelop(content, kind, keys, recipient, suite, profile)
    return sign(enveloped, oids.AUTH_ENVELOPED_DATA, keys, signer)


def open_sealed(
    octets: bytes,
    keys: Keys,
    own: Certificate,
    signers: Iterable[Certificate],
    *,
    profile: Profile = Profile.BSI,
    largest: int = LARGEST_PAYLOAD,
) -> Opened:
    """The payload of a message, and who of `signers` sealed it; of both suites, compressed or not.

    The signature is checked first, then the recipient, then the MAC, and only then anything is decrypted.
    `signers` are signature certificates that the caller checked. Nothing of an error may go to the peer.

    :raises TrustError: it is not accepted. MalformedError: the structure. SignatureError, WrongSignerError,
        WrongRecipientError, IntegrityError (MAC), WrongCurveError, TooLargeError: what they say.
    """
    if len(octets) > largest + _OVERHEAD:
        raise too_large(largest)
    signers = tuple(signers)
    for one in signers:
        check(one, Purpose.SIGNATURE)
    check(own, Purpose.ENCRYPTION)
    verified = verify(octets, signers, profile)
    kind, content = unwrap(_bare(verified.content, verified.content_type), keys, own, profile)
    if kind == oids.COMPRESSED_DATA:
        content = decompress(content, largest)
    elif len(content) > largest:
        raise too_large(largest)
    return Opened(content, verified.signer, verified.digest)


def _bare(content: bytes, content_type: str) -> bytes:
    """AuthEnvelopedData without the ContentInfo that stands around it if the signed content is called data.

    OpenSSL's command line leaves it there in the other case too.
    """
    outer = der.Reader(content).inside(der.SEQUENCE, "AuthEnvelopedData")
    if content_type == oids.AUTH_ENVELOPED_DATA and outer.next_tag == der.INTEGER:
        return content
    reader = der.Reader(content)
    info = reader.inside(der.SEQUENCE, "ContentInfo of the envelope")
    reader.finish("signed content")
    kind = info.whole(der.OBJECT_IDENTIFIER, "type of the envelope")
    if kind != der.identifier(oids.AUTH_ENVELOPED_DATA):
        raise der.malformed(f"the envelope has the type {der.printed(kind)}, not authEnvelopedData")
    explicit = info.inside(der.context(0), "envelope")
    info.finish("ContentInfo of the envelope")
    bare = explicit.whole(der.SEQUENCE, "AuthEnvelopedData")
    explicit.finish("envelope")
    return bare

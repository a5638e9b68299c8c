"""CMS SignedData that carries its content, made of a detached signature or of none (RFC 5652, 5)."""

from typing import Final

from smgw.trust import oids
from smgw.trust.cms import der

_WITHOUT_SIGNER: Final = b"\x01"  # version 1: no certificate, content of type data
_ENCAPSULATED: Final = der.element(der.SEQUENCE, der.identifier(oids.DATA))


def attached(content: bytes, detached: bytes | None) -> bytes:
    """The DER of a ContentInfo. `detached`: SignedData over `content` without it; None: nobody signed.

    :raises MalformedError: `detached` is no such message.
    """
    inside = der.element(
        der.SEQUENCE, der.identifier(oids.DATA), der.element(der.context(0), der.element(der.OCTET_STRING, content))
    )
    if detached is None:
        nobody = der.element(der.SET)
        parts: tuple[bytes, ...] = (der.element(der.INTEGER, _WITHOUT_SIGNER), nobody, inside, nobody)
    else:
        parts = _around(detached, inside)
    signed_data = der.element(der.SEQUENCE, *parts)
    return der.element(der.SEQUENCE, der.identifier(oids.SIGNED_DATA), der.element(der.context(0), signed_data))


def _around(detached: bytes, inside: bytes) -> tuple[bytes, ...]:
    reader = der.Reader(detached).inside(der.SEQUENCE, "ContentInfo")
    reader.whole(der.OBJECT_IDENTIFIER, "the content type")
    fields = reader.inside(der.context(0), "the content").inside(der.SEQUENCE, "SignedData")
    before = (fields.whole(der.INTEGER, "the version"), fields.whole(der.SET, "the digest algorithms"))
    if fields.whole(der.SEQUENCE, "the encapsulated content") != _ENCAPSULATED:
        raise der.malformed("the signature is not detached, or not over data")
    after = []
    for tag in (der.context(0), der.context(1)):  # certificates, revocation lists
        if fields.next_tag == tag:
            after.append(fields.whole(tag, "certificates"))
    return (*before, inside, *after, fields.whole(der.SET, "the signers"))

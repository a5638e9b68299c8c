"""CompressedData with zlib (RFC 3274), with a limit for what comes out."""

import zlib
from typing import Final

from smgw.trust import oids
from smgw.trust.cms import der
from smgw.trust.errors import TooLargeError

_VERSION: Final = 0
_LEVEL: Final = 4  # as for gzip on the wire: higher levels cost a small board more than they save


def compress(payload: bytes) -> bytes:
    """The DER of CompressedData (without ContentInfo)."""
    packed = der.element(der.OCTET_STRING, zlib.compress(payload, _LEVEL))
    return der.element(
        der.SEQUENCE,
        der.element(der.INTEGER, bytes((_VERSION,))),
        der.element(der.SEQUENCE, der.identifier(oids.ZLIB_COMPRESSION)),
        der.element(der.SEQUENCE, der.identifier(oids.DATA), der.element(der.context(0), packed)),
    )


def decompress(octets: bytes, largest: int) -> bytes:
    """The payload. Takes no more memory than `largest` and the message.

    :raises TooLargeError: the payload has more than `largest` octets.
    :raises MalformedError: this is no CompressedData, or its stream is damaged or cut off.
    """
    outside = der.Reader(octets)
    reader = outside.inside(der.SEQUENCE, "CompressedData")
    outside.finish("CompressedData")
    reader.version(_VERSION, "CompressedData")
    algorithm = reader.inside(der.SEQUENCE, "compression algorithm")
    if algorithm.whole(der.OBJECT_IDENTIFIER, "compression algorithm") != der.identifier(oids.ZLIB_COMPRESSION):
        raise der.malformed("the compression algorithm is not zlib")
    if algorithm.next_tag is not None and algorithm.whole(der.NULL[0], "compression algorithm") != der.NULL:
        raise der.malformed("the compression algorithm has parameters")
    algorithm.finish("compression algorithm")
    content = reader.inside(der.SEQUENCE, "compressed content")
    reader.finish("CompressedData")
    kind = content.whole(der.OBJECT_IDENTIFIER, "type of the compressed content")
    if kind != der.identifier(oids.DATA):
        raise der.malformed(f"the compressed content has the type {der.printed(kind)}, not data")
    wrapped = content.inside(der.context(0), "compressed content")
    content.finish("compressed content")
    packed = wrapped.content(der.OCTET_STRING, "compressed content")
    wrapped.finish("compressed content")
    return _inflate(packed, largest)


def _inflate(packed: bytes, largest: int) -> bytes:
    inflater = zlib.decompressobj()
    try:
        payload = inflater.decompress(packed, largest + 1)
    except zlib.error:
        raise der.malformed("the compressed content is no zlib stream, or a damaged one") from None
    if len(payload) > largest:
        raise too_large(largest)
    if not inflater.eof:
        raise der.malformed("the compressed content is cut off")
    if inflater.unused_data:
        raise der.malformed("something follows the compressed content")
    return payload


def too_large(largest: int) -> TooLargeError:
    """The error for a message or a payload beyond the limit."""
    return TooLargeError(
        f"its content has more than {largest} octets",
        "The sender must divide it. A small message that grows so much was made to do harm.",
        subject="CMS message",
    )

"""A second decoder of sealed messages, written from the profile (TR-03109-1 CMS, TR-03116-3) and not from `smgw.trust`.

It shares no line with the encoder. A generic DER reader makes a tree, object identifiers stand in hex, and the KDF is
spelled out with hashlib. The key wrap of RFC 3394, CBC and CMAC are made of single AES blocks. Each demand of the
profile is an assertion.
"""

import hashlib
import zlib
from typing import NamedTuple

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.hashes import SHA256

SIGNED_DATA = "2a864886f70d010702"
DATA = "2a864886f70d010701"
AUTH_ENVELOPED_DATA = "2a864886f70d0109100117"
COMPRESSED_DATA = "2a864886f70d0109100109"
ZLIB = "2a864886f70d0109100308"
CONTENT_TYPE = "2a864886f70d010903"
MESSAGE_DIGEST = "2a864886f70d010904"
SHA_256 = "608648016503040201"
ECDSA_SHA_256 = "2a8648ce3d040302"
EC_PUBLIC_KEY = "2a8648ce3d0201"
ECKA_EG_X963KDF_SHA256 = "04007f000701010501" + "0103"
AES_128_WRAP = "608648016503040105"
AES_128_GCM = "608648016503040106"
AES_128_CBC_CMAC = "04007f00070103010102"


class Node(NamedTuple):
    """One element: its tag, its content, and all of its octets."""

    tag: int
    content: bytes
    whole: bytes

    @property
    def parts(self) -> "list[Node]":
        """The elements inside."""
        return parse(self.content)

    @property
    def hex(self) -> str:
        """The content."""
        return self.content.hex()


def parse(octets: bytes) -> list[Node]:
    """All elements that stand one after the other."""
    nodes = []
    while octets:
        tag, size, head = octets[0], octets[1], 2
        assert tag & 0x1F != 0x1F
        if size > 0x7F:
            head += size & 0x7F
            size = int(octets[2:head].hex(), 16)
            assert size > 0x7F, "not the shortest form"
        assert head + size <= len(octets)
        nodes.append(Node(tag, octets[head : head + size], octets[: head + size]))
        octets = octets[head + size :]
    return nodes


class Decoded(NamedTuple):
    """The payload, and what the message tells besides."""

    payload: bytes
    signer: bytes  # subjectKeyIdentifier
    recipient: bytes
    suite: str
    compressed: bool
    point: bytes


def decode(message: bytes, own: ec.EllipticCurvePrivateKey, signer: ec.EllipticCurvePublicKey) -> Decoded:
    """Verify and decrypt; AssertionError or InvalidSignature if a demand of the profile is not met."""
    enveloped, signer_id = _signed(message, signer)
    [whole] = parse(enveloped)
    version, recipients, info, *attributes, mac = whole.parts
    assert (whole.tag, version.hex, recipients.tag) == (0x30, "00", 0x31)
    [recipient] = recipients.parts
    assert recipient.tag == 0xA1
    version, originator, agreement, wrapped_keys = recipient.parts
    assert (version.hex, originator.tag) == ("03", 0xA0)
    [key] = originator.parts
    assert key.tag == 0xA1
    algorithm, bits = key.parts
    assert (algorithm.parts[0].hex, bits.tag, bits.content[:2]) == (EC_PUBLIC_KEY, 3, b"\x00\x04")
    point = bits.content[1:]
    scheme, wrap = agreement.parts
    assert scheme.hex == ECKA_EG_X963KDF_SHA256
    assert [part.hex for part in wrap.parts] == [AES_128_WRAP]
    [wrapped_key] = wrapped_keys.parts
    rid, encrypted_key = wrapped_key.parts
    assert (rid.tag, len(rid.parts)) == (0xA0, 1)

    secret = own.exchange(ec.ECDH(), ec.EllipticCurvePublicKey.from_encoded_point(own.curve, point))
    kek = hashlib.sha256(secret + (1).to_bytes(4, "big")).digest()[:16]
    content_key = _unwrapped(kek, encrypted_key.content)

    kind, cipher, text = info.parts
    assert text.tag == 0x80
    associated = b""
    if attributes:
        [attribute] = attributes[0].parts
        assert attributes[0].tag == 0xA1
        name, values = attribute.parts
        assert (name.hex, [value.hex for value in values.parts]) == (CONTENT_TYPE, [kind.hex])
        associated = b"\x31" + attributes[0].whole[1:]
    else:
        assert kind.hex == DATA
    suite = cipher.parts[0].hex
    if suite == AES_128_GCM:
        nonce, length = cipher.parts[1].parts
        assert (len(nonce.content), length.hex, len(content_key)) == (12, "10", 16)
        decryptor = Cipher(algorithms.AES(content_key), modes.GCM(nonce.content, mac.content)).decryptor()
        decryptor.authenticate_additional_data(associated)
        plain = decryptor.update(text.content) + decryptor.finalize()
    else:
        assert (suite, len(cipher.parts), len(content_key)) == (AES_128_CBC_CMAC, 1, 32)
        assert _cmac(content_key[16:], text.content + associated) == mac.content
        plain = _cbc(content_key[:16], text.content)
    if kind.hex == COMPRESSED_DATA:
        plain = _decompressed(plain)
    return Decoded(plain, signer_id, rid.parts[0].content, suite, kind.hex == COMPRESSED_DATA, point)


def _signed(message: bytes, signer: ec.EllipticCurvePublicKey) -> tuple[bytes, bytes]:
    [info] = parse(message)
    kind, explicit = info.parts
    assert kind.hex == SIGNED_DATA
    [signed] = explicit.parts
    version, digests, encapsulated, infos = signed.parts  # neither certificates nor revocation lists
    assert (version.hex, [one.parts[0].hex for one in digests.parts]) == ("03", [SHA_256])
    kind, explicit = encapsulated.parts
    assert kind.hex == AUTH_ENVELOPED_DATA
    [content] = explicit.parts
    assert content.tag == 4
    [one] = infos.parts
    version, sid, digest, attributes, algorithm, signature = one.parts
    assert (version.hex, sid.tag, digest.parts[0].hex) == ("03", 0x80, SHA_256)
    assert [part.hex for part in algorithm.parts] == [ECDSA_SHA_256]
    found = {}
    for attribute in attributes.parts:
        name, values = attribute.parts
        [value] = values.parts
        found[name.hex] = value.content
    assert found == {
        CONTENT_TYPE: bytes.fromhex(AUTH_ENVELOPED_DATA),
        MESSAGE_DIGEST: hashlib.sha256(content.content).digest(),
    }
    assert sorted(part.whole for part in attributes.parts) == [part.whole for part in attributes.parts]
    signer.verify(signature.content, b"\x31" + attributes.whole[1:], ec.ECDSA(SHA256()))
    return content.content, sid.content


def _decompressed(octets: bytes) -> bytes:
    [whole] = parse(octets)
    version, algorithm, encapsulated = whole.parts
    assert (version.hex, algorithm.parts[0].hex) == ("00", ZLIB)
    kind, explicit = encapsulated.parts
    assert (kind.hex, explicit.parts[0].tag) == (DATA, 4)
    return zlib.decompress(explicit.parts[0].content)


def _block(key: bytes, block: bytes, *, decrypt: bool = False) -> bytes:
    cipher = Cipher(algorithms.AES(key), modes.ECB())
    worker = cipher.decryptor() if decrypt else cipher.encryptor()
    return worker.update(block) + worker.finalize()


def _xor(one: bytes, other: bytes) -> bytes:
    return bytes(left ^ right for left, right in zip(one, other, strict=True))


def _unwrapped(kek: bytes, wrapped: bytes) -> bytes:
    """RFC 3394, 2.2.2."""
    count = len(wrapped) // 8 - 1
    check, parts = wrapped[:8], [wrapped[8 * number : 8 * number + 8] for number in range(1, count + 1)]
    for step in range(6 * count, 0, -1):
        place = (step - 1) % count
        block = _block(kek, _xor(check, step.to_bytes(8, "big")) + parts[place], decrypt=True)
        check, parts[place] = block[:8], block[8:]
    assert check == b"\xa6" * 8
    return b"".join(parts)


def _cmac(key: bytes, octets: bytes) -> bytes:
    """RFC 4493, 2.4."""

    def doubled(octets: bytes) -> bytes:
        number = int.from_bytes(octets, "big") << 1
        return ((number ^ 0x87 if number >> 128 else number) & ((1 << 128) - 1)).to_bytes(16, "big")

    sub_key = doubled(_block(key, bytes(16)))
    blocks = [octets[place : place + 16] for place in range(0, len(octets), 16)] or [b""]
    last = blocks.pop()
    if len(last) < 16:
        last = last + b"\x80" + bytes(15 - len(last))
        sub_key = doubled(sub_key)
    state = bytes(16)
    for block in [*blocks, _xor(last, sub_key)]:
        state = _block(key, _xor(state, block))
    return state


def _cbc(key: bytes, text: bytes) -> bytes:
    plain, before = b"", bytes(16)
    for place in range(0, len(text), 16):
        block = text[place : place + 16]
        plain += _xor(_block(key, block, decrypt=True), before)
        before = block
    assert 1 <= plain[-1] <= 16
    assert set(plain[-plain[-1] :]) == {plain[-1]}
    return plain[: -plain[-1]]

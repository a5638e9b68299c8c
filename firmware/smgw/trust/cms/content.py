"""The content of an envelope, encrypted and authenticated: the two suites of TR-03116-3."""

import hmac
from collections.abc import Callable
from typing import Final, NamedTuple

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CBC
from cryptography.hazmat.primitives.cmac import CMAC

from smgw.trust.cms import der
from smgw.trust.cms.profile import Suite
from smgw.trust.errors import IntegrityError

MAC_LENGTH: Final = 16
_NONCE_LENGTH: Final = 12
_BLOCK: Final = 16
_AES_128: Final = 16
#: Octets of the key that is wrapped. For CBC with CMAC: the key of the cipher, then the key of the MAC.
KEY_LENGTH: Final = {Suite.AES_128_GCM: _AES_128, Suite.AES_128_CBC_CMAC: 2 * _AES_128}
_ZERO_IV: Final = bytes(_BLOCK)  # right because each message has a key of its own
_ICV_LENGTH: Final = der.element(der.INTEGER, bytes((MAC_LENGTH,)))


class Sealed(NamedTuple):
    """The result of one suite; `algorithm` is the AlgorithmIdentifier with its nonce."""

    algorithm: bytes
    text: bytes
    mac: bytes


def encrypt(suite: Suite, key: bytes, plain: bytes, attributes: bytes, random: Callable[[int], bytes]) -> Sealed:
    """Encrypt `plain`. The MAC also covers `attributes`, the DER of the authenticated attributes, or nothing."""
    if suite is Suite.AES_128_GCM:
        nonce = random(_NONCE_LENGTH)
        sealed = AESGCM(key).encrypt(nonce, plain, attributes)
        parameters = der.element(der.SEQUENCE, der.element(der.OCTET_STRING, nonce), _ICV_LENGTH)
        algorithm = der.element(der.SEQUENCE, der.identifier(suite.value), parameters)
        return Sealed(algorithm, sealed[:-MAC_LENGTH], sealed[-MAC_LENGTH:])
    fill = _BLOCK - len(plain) % _BLOCK
    encryptor = Cipher(AES(key[:_AES_128]), CBC(_ZERO_IV)).encryptor()
    text = encryptor.update(plain) + encryptor.update(bytes((fill,)) * fill) + encryptor.finalize()
    algorithm = der.element(der.SEQUENCE, der.identifier(suite.value))
    return Sealed(algorithm, text, _cmac(key[_AES_128:], text, attributes))


class Algorithm(NamedTuple):
    """The AlgorithmIdentifier of a message."""

    suite: Suite
    nonce: bytes

    @classmethod
    def read(cls, reader: der.Reader) -> "Algorithm":
        """:raises MalformedError: it is none of the suites, or has parameters that the profile does not allow."""
        name = "content encryption algorithm"
        inside = reader.inside(der.SEQUENCE, name)
        identifier = inside.whole(der.OBJECT_IDENTIFIER, name)
        if identifier == der.identifier(Suite.AES_128_CBC_CMAC.value):
            inside.finish(name)
            return cls(Suite.AES_128_CBC_CMAC, b"")
        if identifier != der.identifier(Suite.AES_128_GCM.value):
            raise der.malformed(f"content encryption algorithm {der.printed(identifier)} is not allowed")
        parameters = inside.inside(der.SEQUENCE, "GCM parameters")
        nonce = parameters.content(der.OCTET_STRING, "GCM nonce")
        icv_length = parameters.whole(der.INTEGER, "GCM length of the MAC")
        parameters.finish("GCM parameters")
        inside.finish(name)
        if len(nonce) != _NONCE_LENGTH or icv_length != _ICV_LENGTH:
            raise der.malformed(f"GCM needs a nonce of {_NONCE_LENGTH} octets and a MAC of {MAC_LENGTH}")
        return cls(Suite.AES_128_GCM, nonce)


def decrypt(algorithm: Algorithm, key: bytes, text: bytes, attributes: bytes, mac: bytes) -> bytes:
    """The plain octets. The MAC is compared in constant time, and before anything is decrypted.

    :raises IntegrityError: the MAC is wrong. What is decrypted (such as its padding) plays no part in this.
    :raises MalformedError: the MAC is right, but the sender padded the content wrongly.
    """
    if len(mac) != MAC_LENGTH:
        raise wrong_mac()
    if algorithm.suite is Suite.AES_128_GCM:
        try:
            return AESGCM(key).decrypt(algorithm.nonce, text + mac, attributes)
        except InvalidTag:
            raise wrong_mac() from None
    if not hmac.compare_digest(_cmac(key[_AES_128:], text, attributes), mac):
        raise wrong_mac()
    if not text or len(text) % _BLOCK:
        raise der.malformed(f"encrypted content of {len(text)} octets is not a number of whole blocks")
    decryptor = Cipher(AES(key[:_AES_128]), CBC(_ZERO_IV)).decryptor()
    plain = decryptor.update(text) + decryptor.finalize()
    fill = plain[-1]
    if not 1 <= fill <= _BLOCK or plain[-fill:] != bytes((fill,)) * fill:
        raise der.malformed("the padding of the content is wrong, although its MAC is right")
    return plain[:-fill]


def wrong_mac() -> IntegrityError:
    """The one error for all that a changed envelope, or another key, may cause."""
    return IntegrityError(
        "its MAC is wrong: it was changed, or sealed with another key",
        "Check that the sender has the current encryption certificate; then let it be sent again.",
        subject="CMS message",
    )


def _cmac(key: bytes, text: bytes, attributes: bytes) -> bytes:
    mac = CMAC(AES(key))
    mac.update(text)
    mac.update(attributes)
    return mac.finalize()

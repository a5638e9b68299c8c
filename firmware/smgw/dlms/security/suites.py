"""DLMS security: suites, keys, and one protected octet string (IEC 62056-5-3, 5.7; Green Book 9.2.7).

This module imports `cryptography`. It is imported only for a meter that needs it.

    protected octets    security control (1) | invocation counter (4) | text | tag (12, if authenticated)
    security control    suite (low 4 bits) | 0x10 authenticated | 0x20 encrypted | 0x40 broadcast key | 0x80 compressed
    nonce of AES-GCM    system title of the sender (8) | invocation counter (4)
    associated data     security control | authentication key [| text, if it is not encrypted]
"""

import hmac
from collections.abc import Callable
from enum import IntEnum, IntFlag
from typing import NamedTuple

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import GCM

from smgw.dlms.apdus.acse import Mechanism
from smgw.dlms.errors import SecurityError
from smgw.dlms.security.hls import Proof
from smgw.dlms.security.secret import Secret
from smgw.errors import LocalProtocolError

TITLE_LENGTH = 8
TAG_LENGTH = 12
HEADER_LENGTH = 5
MAX_COUNTER = 0xFFFFFFFF
_SUITE_BITS = 0x0F
_BROADCAST = 0x40
_COMPRESSED = 0x80

#: Gives an invocation counter that was never used with this key. It is stored durably *before* it is given out.
Reserve = Callable[[], int]


class Suite(IntEnum):
    """Security suites (Green Book, table 20), with different key lengths and curves."""

    AES_GCM_128 = 0
    ECDH_ECDSA_AES_GCM_128_SHA_256 = 1  # P-256
    ECDH_ECDSA_AES_GCM_256_SHA_384 = 2  # P-384

    @property
    def key_length(self) -> int:
        """Octets of each symmetric key."""
        return 32 if self is Suite.ECDH_ECDSA_AES_GCM_256_SHA_384 else 16


class Protection(IntFlag):
    """The protection of an APDU: the bits of the security control octet."""

    NONE = 0
    AUTHENTICATED = 0x10
    ENCRYPTED = 0x20
    BOTH = 0x30


# Looked up: to make and test a flag costs more than to decrypt a short APDU.
_PROTECTION_BITS = int(Protection.BOTH)
_PROTECTIONS = {kind.value: kind for kind in (Protection.AUTHENTICATED, Protection.ENCRYPTED, Protection.BOTH)}


class Keys(NamedTuple):
    """The symmetric keys shared with one peer. No text form shows them."""

    suite: Suite
    encryption: Secret  # global unicast encryption key (GUEK), or the dedicated key
    authentication: Secret  # global authentication key (GAK); one for unicast and broadcast
    broadcast: Secret | None = None  # global broadcast encryption key (GBEK)

    @classmethod
    def of(cls, suite: Suite, encryption: bytes, authentication: bytes, broadcast: bytes | None = None) -> "Keys":
        """Keys of the suite's length; LocalProtocolError for another length."""
        given = (("encryption", encryption), ("authentication", authentication), ("broadcast", broadcast))
        for name, key in given:
            if key is not None and len(key) != suite.key_length:
                raise LocalProtocolError(
                    f"the {name} key has {len(key)} octets; security suite {suite.value} wants {suite.key_length}"
                )
        return cls(suite, Secret(encryption), Secret(authentication), Secret(broadcast) if broadcast else None)


class Opened(NamedTuple):
    """The content of protected octets, and their protection."""

    text: bytes
    protection: Protection
    counter: int
    broadcast: bool = False


def check_title(title: bytes) -> bytes:
    """The same title. LocalProtocolError if it has not 8 octets."""
    if len(title) != TITLE_LENGTH:
        raise LocalProtocolError(f"a system title has 8 octets, not {len(title)}: {title.hex()}")
    return title


def reserved(reserve: Reserve) -> int:
    """A fresh invocation counter. LocalProtocolError if the key has used all of them up."""
    counter = reserve()
    if not 0 <= counter <= MAX_COUNTER:
        raise LocalProtocolError(f"invocation counter {counter} is not one of 0 to {MAX_COUNTER}: the key is used up")
    return counter


def seal(keys: Keys, protection: Protection, title: bytes, counter: int, text: bytes) -> bytes:
    """Protected octets from the plain ones; `title` is the sender's, ours."""
    control = bytes((keys.suite.value | protection.value,))
    header = control + counter.to_bytes(4, "big")
    nonce = title + header[1:]
    if protection is Protection.BOTH:
        sealed = AESGCM(keys.encryption).encrypt(nonce, text, control + keys.authentication)
        return header + sealed[: len(text) + TAG_LENGTH]
    if protection is Protection.ENCRYPTED:
        return header + AESGCM(keys.encryption).encrypt(nonce, text, None)[: len(text)]
    if protection is Protection.AUTHENTICATED:
        return header + text + _tag(keys.encryption, nonce, control + keys.authentication + text)
    raise LocalProtocolError("octets are protected by authentication, by encryption or by both")


def gmac(keys: Keys, title: bytes, counter: int, text: bytes) -> bytes:
    """security control | counter | tag of a text that the receiver knows: pass 3 and 4 of HLS 5."""
    header = bytes((keys.suite | Protection.AUTHENTICATED,)) + counter.to_bytes(4, "big")
    return _gmac(keys, title, header, text)


def same_gmac(keys: Keys, title: bytes, text: bytes, answer: bytes) -> bool:
    """True if `answer` is what the holder of the keys with that system title makes of the text.

    The suite in its header is not checked: the tag covers it, and the keys belong to our suite.
    """
    if len(answer) != HEADER_LENGTH + TAG_LENGTH or len(title) != TITLE_LENGTH:
        return False
    if answer[0] & ~_SUITE_BITS != Protection.AUTHENTICATED:
        return False
    return hmac.compare_digest(_gmac(keys, title, answer[:HEADER_LENGTH], text), answer)


def _gmac(keys: Keys, title: bytes, header: bytes, text: bytes) -> bytes:
    return header + _tag(keys.encryption, title + header[1:], header[:1] + keys.authentication + text)


def unseal(keys: Keys, title: bytes, octets: bytes, *, verify: bool = True) -> Opened:
    """The plain octets. `title` is the title of the sender, the peer. SecurityError if they do not fit the keys.

    Without `verify` the authentication tag is removed and not checked: the octets may have been changed.
    """
    if len(octets) < HEADER_LENGTH:
        raise SecurityError(f"{len(octets)} octets are too few for a security header")
    if len(title) != TITLE_LENGTH:
        raise SecurityError(f"the peer's system title has {len(title)} octets, not 8: {title.hex()}")
    control = octets[0]
    if control & _SUITE_BITS != keys.suite:
        raise SecurityError(f"protected with security suite {control & _SUITE_BITS}; our keys are of {keys.suite}")
    if control & _COMPRESSED:
        raise SecurityError("compressed before it was protected, which no meter is known to do")
    broadcast = bool(control & _BROADCAST)
    key = keys.broadcast if broadcast else keys.encryption
    if key is None:
        raise SecurityError("protected with the broadcast key, which is not configured")
    protection = _PROTECTIONS.get(control & _PROTECTION_BITS)
    if protection is None:
        raise SecurityError("its security control octet says that it is neither authenticated nor encrypted")
    counter = int.from_bytes(octets[1:HEADER_LENGTH], "big")
    nonce = title + octets[1:HEADER_LENGTH]
    text, tag = octets[HEADER_LENGTH:], b""
    if protection is not Protection.ENCRYPTED:
        if len(text) < TAG_LENGTH:
            raise SecurityError("too short to hold an authentication tag of 12 octets")
        text, tag = text[:-TAG_LENGTH], text[-TAG_LENGTH:]
    associated = octets[:1] + keys.authentication
    if protection is Protection.BOTH and verify:
        text = _decrypt(key, nonce, text, tag, associated)
    elif protection is not Protection.AUTHENTICATED:
        text = Cipher(AES(key), GCM(nonce)).decryptor().update(text)  # there is no tag to verify
    elif verify and not hmac.compare_digest(_tag(key, nonce, associated + text), tag):
        raise _wrong_tag()
    return Opened(text, protection, counter, broadcast)


class Gmac:
    """Mechanism 5: security control, invocation counter and authentication tag over the challenge."""

    mechanism = Mechanism.HIGH_GMAC

    def __init__(self, keys: Keys, reserve: Reserve) -> None:
        self._keys = keys
        self._reserve = reserve

    def answer(self, proof: Proof) -> bytes:
        """17 octets; takes an invocation counter."""
        return gmac(self._keys, proof.prover, reserved(self._reserve), proof.challenge)

    def accepts(self, proof: Proof, answer: bytes) -> bool:
        """Compares in constant time."""
        return same_gmac(self._keys, proof.prover, proof.challenge, answer)


def _tag(key: bytes, nonce: bytes, associated: bytes) -> bytes:
    return AESGCM(key).encrypt(nonce, b"", associated)[:TAG_LENGTH]


def _decrypt(key: bytes, nonce: bytes, text: bytes, tag: bytes, associated: bytes) -> bytes:
    decryptor = Cipher(AES(key), GCM(nonce, tag, min_tag_length=TAG_LENGTH)).decryptor()
    decryptor.authenticate_additional_data(associated)
    try:
        return decryptor.update(text) + decryptor.finalize()
    except InvalidTag:
        raise _wrong_tag() from None


def _wrong_tag() -> SecurityError:
    return SecurityError("its authentication tag is wrong: another key or system title, or it was changed on the way")

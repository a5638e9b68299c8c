"""Authentication mechanisms 0 to 7 (IEC 62056-5-3, 7.2; Green Book 9.2.7.4).

Low level security sends the password. High level security has four passes: each side sends a challenge and answers the
other's challenge with its secret. Both answers follow the same rule with exchanged roles. Mechanism 5 needs ciphering
and is in `suites`; the keys of mechanism 7 are in `signatures`.
"""

from collections.abc import Callable
from typing import NamedTuple, Protocol

from smgw.dlms.apdus.acse import Mechanism
from smgw.dlms.security.secret import Secret

MIN_CHALLENGE, MAX_CHALLENGE = 8, 64  # octets; Green Book 9.2.7.4
_AES_BLOCK = 16  # octets, of a block and of the key


class Proof(NamedTuple):
    """The input of one side's answer."""

    prover: bytes  # system title of the prover; empty if it has none
    verifier: bytes  # system title of the verifier
    challenge: bytes  # the verifier's challenge
    other: bytes  # the prover's own challenge

    def turned(self) -> "Proof":
        """The input of the other side's answer."""
        return Proof(self.verifier, self.prover, self.other, self.challenge)


class Authentication(Protocol):
    """One side's secret and rule; high level only."""

    @property
    def mechanism(self) -> Mechanism:
        """Its number on the wire."""

    def answer(self, proof: Proof) -> bytes:
        """Our answer, as the prover."""

    def accepts(self, proof: Proof, answer: bytes) -> bool:
        """True if the answer of the peer, the prover, is correct."""


class Password(NamedTuple):
    """Low level security: the secret itself is sent."""

    secret: Secret
    mechanism: Mechanism = Mechanism.LOW


class Hashed(NamedTuple):
    """Mechanisms 3, 4 and 6: a digest over challenge and secret, with SHA-256 over both titles and challenges too."""

    mechanism: Mechanism
    secret: Secret

    def answer(self, proof: Proof) -> bytes:
        """16, 20 or 32 octets."""
        from hashlib import md5, sha1, sha256  # it loads OpenSSL, which a meter without secrets does not need

        if self.mechanism is Mechanism.HIGH_SHA256:
            return sha256(self.secret + b"".join(proof)).digest()
        # The mechanism's name gives the digest; the standard leaves no choice.
        digest = md5 if self.mechanism is Mechanism.HIGH_MD5 else sha1
        return digest(proof.challenge + self.secret, usedforsecurity=False).digest()

    def accepts(self, proof: Proof, answer: bytes) -> bool:
        """Compares in constant time."""
        return _same(self.answer(proof), answer)


class Encrypted(NamedTuple):
    """Mechanism 2: the standard leaves the rule to the maker. This is the common one, which no standard writes down.

    AES-128 in ECB mode. The key is the secret, the text is the challenge; zeros fill both up to whole blocks.
    """

    secret: Secret  # 16 octets at most
    mechanism: Mechanism = Mechanism.HIGH

    def answer(self, proof: Proof) -> bytes:
        """As long as the challenge, in whole blocks of 16 octets."""
        from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

        key, text = self.secret.ljust(_AES_BLOCK, b"\0"), proof.challenge
        text += bytes(-len(text) % _AES_BLOCK)
        encryptor = Cipher(algorithms.AES(key), modes.ECB()).encryptor()  # noqa: S305 - the meters' rule
        return encryptor.update(text) + encryptor.finalize()

    def accepts(self, proof: Proof, answer: bytes) -> bool:
        """Compares in constant time."""
        return _same(self.answer(proof), answer)


class Ecdsa(NamedTuple):
    """Mechanism 7: signatures r | s over both titles and challenges. Keys are behind an interface; see `signatures`."""

    sign: Callable[[bytes], bytes]
    verify: Callable[[bytes, bytes], bool]  # text, the peer's signature
    mechanism: Mechanism = Mechanism.HIGH_ECDSA

    def answer(self, proof: Proof) -> bytes:
        """64 octets with suite 1, 96 with suite 2."""
        return self.sign(b"".join(proof))

    def accepts(self, proof: Proof, answer: bytes) -> bool:
        """True if the signature is the peer's."""
        return self.verify(b"".join(proof), answer)


def _same(one: bytes, other: bytes) -> bool:
    from hmac import compare_digest

    return compare_digest(one, other)

"""What it costs to sign and seal a document of 100 rows, and to open and verify it, beside OpenSSL's own primitives.

The primitives are the calls of OpenSSL's library that such a message cannot do without, made through `cryptography` in
the same run, one after the other. Sealing: a digest, an ECDSA signature, an ephemeral key, an ECDH, a key wrap, and
GCM (or CBC and CMAC). Opening: a digest, a verification, an ECDH, a key unwrap, and the cipher. With compression zlib
counts as one of them. What counts is the least of many rounds, since a busy machine only adds to it.
Run alone: `python tests/bench/bench_trust.py`; exits 1 over a bar.
"""

import os
import sys
import time
import zlib
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "firmware"), str(ROOT / "tests" / "support"), str(Path(__file__).parent)]

from bench_emp import ROWS, body  # noqa: E402
from cryptography.hazmat.primitives.asymmetric import ec  # noqa: E402
from cryptography.hazmat.primitives.ciphers import Cipher  # noqa: E402
from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # noqa: E402
from cryptography.hazmat.primitives.ciphers.algorithms import AES  # noqa: E402
from cryptography.hazmat.primitives.ciphers.modes import CBC  # noqa: E402
from cryptography.hazmat.primitives.cmac import CMAC  # noqa: E402
from cryptography.hazmat.primitives.hashes import SHA256, Hash  # noqa: E402
from cryptography.hazmat.primitives.keywrap import aes_key_unwrap, aes_key_wrap  # noqa: E402
from result import Result, shown  # noqa: E402
from sealing import Peers  # noqa: E402
from smgw.trust.cms.message import open_sealed, seal  # noqa: E402
from smgw.trust.cms.profile import Suite  # noqa: E402

ROUNDS = 60
BAR = 1.5


class Primitives:
    """OpenSSL's calls for one message, with nothing around them."""

    def __init__(self, peers: Peers, payload: bytes, suite: Suite, *, compress: bool) -> None:
        self._signer, self._own, self._curve = peers.gateway.key, peers.emp.key, peers.emp.key.curve
        self._verifier, self._peer = peers.gateway.key.public_key(), peers.emp.key.public_key()
        self._payload, self._compress, self._gcm = payload, compress, suite is Suite.AES_128_GCM
        self._key, self._mac_key, self._kek = os.urandom(16), os.urandom(16), os.urandom(16)
        self._wrapped_key = self._key if self._gcm else self._key + self._mac_key
        self._nonce = os.urandom(12)
        self._packed = zlib.compress(payload, 4) if compress else payload
        self._blocks = self._packed + bytes(-len(self._packed) % 16)
        self._text = self._encrypt()
        self._wrapped = aes_key_wrap(self._kek, self._wrapped_key)
        self._signature = self._signer.sign(b"attributes", ec.ECDSA(SHA256()))

    def seal(self) -> None:
        """A digest, an ECDSA signature, an ephemeral key, an ECDH, a key wrap, and the cipher."""
        if self._compress:
            zlib.compress(self._payload, 4)
        ec.generate_private_key(self._curve).exchange(ec.ECDH(), self._peer)
        aes_key_wrap(self._kek, self._wrapped_key)
        self._encrypt()
        self._digest()
        self._signer.sign(b"attributes", ec.ECDSA(SHA256()))

    def open(self) -> None:
        """A digest, a verification, an ECDH, a key unwrap, and the cipher."""
        self._digest()
        self._verifier.verify(self._signature, b"attributes", ec.ECDSA(SHA256()))
        self._own.exchange(ec.ECDH(), self._peer)
        aes_key_unwrap(self._kek, self._wrapped)
        if self._gcm:
            AESGCM(self._key).decrypt(self._nonce, self._text, None)
        else:
            self._cmac(self._text)
            Cipher(AES(self._key), CBC(bytes(16))).decryptor().update(self._text)
        if self._compress:
            zlib.decompress(self._packed)

    def _encrypt(self) -> bytes:
        if self._gcm:
            return AESGCM(self._key).encrypt(self._nonce, self._packed, None)
        text = Cipher(AES(self._key), CBC(bytes(16))).encryptor().update(self._blocks)
        self._cmac(text)
        return text

    def _cmac(self, text: bytes) -> None:
        mac = CMAC(AES(self._mac_key))
        mac.update(text)
        mac.finalize()

    def _digest(self) -> None:
        digest = Hash(SHA256())
        digest.update(self._text)
        digest.finalize()


def least(*calls: Callable[[], object]) -> list[float]:
    """The least microseconds of each call. The calls take turns, so that a busy moment meets them all."""
    best = [float("inf")] * len(calls)
    for _ in range(ROUNDS):
        for place, call in enumerate(calls):
            begin = time.perf_counter()
            call()
            best[place] = min(best[place], (time.perf_counter() - begin) * 1e6)
    return best


def measured(peers: Peers, payload: bytes, suite: Suite, *, compress: bool) -> list[Result]:
    """Sealing and opening with one suite."""
    gateway, emp = peers
    keys, own = gateway.keys, emp.keys
    primitives = Primitives(peers, payload, suite, compress=compress)

    def sealed() -> bytes:
        return seal(payload, keys, gateway.certificate, emp.certificate, suite, compress=compress)

    octets = sealed()

    def opened() -> bytes:
        return open_sealed(octets, own, emp.certificate, [gateway.certificate]).payload

    assert opened() == payload
    ours, theirs, opening, their_opening = least(sealed, primitives.seal, opened, primitives.open)
    name = f"{suite.name}{', zlib' if compress else ''}"
    plain = len(zlib.compress(payload, 4)) if compress else len(payload)
    return [
        Result(f"{name}: sign and seal {ROWS} rows", ours, "us"),
        Result(f"{name}: the same over its primitives", ours / theirs, "times", BAR),
        Result(f"{name}: open and verify", opening, "us"),
        Result(f"{name}: the same over its primitives", opening / their_opening, "times", BAR),
        Result(f"{name}: octets added to {plain}", len(octets) - plain, "octets"),
    ]


def main() -> list[Result]:
    peers, payload = Peers.on(), body(1, 0)
    results = []
    for suite in Suite:
        for compress in (False, True):
            results += measured(peers, payload, suite, compress=compress)
    return results


if __name__ == "__main__":
    sys.exit(shown(main()))

"""Private keys behind one interface: who holds them signs and agrees on secrets, and never gives them out.

`pem` holds keys from PEM files. Two more holders fit the same interface later, and callers do not change:

- PKCS#11 (a security module). The name finds the object whose CKA_EC_POINT has this digest. `sign` is CKM_ECDSA, with
  R and S brought into DER. `agree` is CKM_ECDH1_DERIVE with CKD_NULL. `random` is C_GenerateRandom.
- An agent: a process of its own that holds either. One request on its socket is one call of this interface: a name and
  at most 65 octets. By SO_PEERCRED it decides which user may sign, and which may agree, with which name.
"""

from hashlib import sha256
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey


class Keys(Protocol):
    """A holder of private keys. A name is `key_name` of the public key, as it stands in a certificate."""

    def sign(self, name: str, digest: bytes) -> bytes:
        """The ECDSA signature of a digest of 32, 48 or 64 octets, in DER (X9.62).

        :raises KeyMismatchError: this holder does not have the key.
        """
        ...

    def agree(self, name: str, point: bytes) -> bytes:
        """The x-coordinate of the shared point (ECDH) with an uncompressed point of the peer, 04 | x | y.

        :raises KeyMismatchError: this holder does not have the key.
        :raises WrongCurveError: the point does not lie on the key's curve.
        """
        ...

    def random(self, count: int) -> bytes:
        """Random octets fit for keys and nonces."""
        ...


def key_name(public_key: "EllipticCurvePublicKey") -> str:
    """The name of the private key that belongs to a public one: the same in files, security modules and the agent.

    So a certificate names its key, keys of a renewal stand beside each other, and a wrong pair is found at first use.
    """
    # The process that reads meters reads private files, and does not load this library.
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    point = public_key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    return sha256(public_key.curve.name.encode() + point).hexdigest()[:40]

"""ECDSA in the form of DLMS: r | s, each as long as the curve's field (IEC 62056-5-3, 5.7.4; FIPS 186-4).

Suite 1 signs with P-256 and SHA-256, suite 2 with P-384 and SHA-384. The curve of the key decides.
"""

from collections.abc import Callable

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ec import (
    ECDSA,
    EllipticCurve,
    EllipticCurvePrivateKey,
    EllipticCurvePublicKey,
)
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256, SHA384, HashAlgorithm

from smgw.errors import LocalProtocolError

_DIGESTS: dict[str, type[HashAlgorithm]] = {"secp256r1": SHA256, "secp384r1": SHA384}


def signer(key: EllipticCurvePrivateKey) -> Callable[[bytes], bytes]:
    """A function that signs with this key."""
    length, algorithm = _parameters(key.curve)

    def sign(text: bytes) -> bytes:
        r, s = decode_dss_signature(key.sign(text, algorithm))
        return r.to_bytes(length, "big") + s.to_bytes(length, "big")

    return sign


def verifier(key: EllipticCurvePublicKey) -> Callable[[bytes, bytes], bool]:
    """A function that verifies signatures of this key."""
    length, algorithm = _parameters(key.curve)

    def verify(text: bytes, signature: bytes) -> bool:
        if len(signature) != 2 * length:
            return False
        r, s = int.from_bytes(signature[:length], "big"), int.from_bytes(signature[length:], "big")
        try:
            key.verify(encode_dss_signature(r, s), text, algorithm)
        except InvalidSignature:
            return False
        return True

    return verify


def _parameters(curve: EllipticCurve) -> tuple[int, ECDSA]:
    if curve.name not in _DIGESTS:
        raise LocalProtocolError(f"DLMS signs on the curves P-256 and P-384, not on {curve.name}")
    return (curve.key_size + 7) // 8, ECDSA(_DIGESTS[curve.name]())

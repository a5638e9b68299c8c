"""A signature over octets without a message around it: ECDSA with SHA-256 in the plain format of TR-03111, R | S.

R and S are as long as the order of the curve, big endian: 64 octets in all on a curve of 256 bits. Gateways in the
field show signatures of values in this form.
"""

from hashlib import sha256
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed, decode_dss_signature, encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256

from smgw.trust.certificate import Certificate
from smgw.trust.keys import Keys, key_name

_HASH: Final = ECDSA(Prehashed(SHA256()))


def sign(octets: bytes, keys: Keys, signer: Certificate) -> bytes:
    """The signature by the private key of this certificate.

    :raises KeyMismatchError: `keys` does not have it.
    :raises KeysUnavailableError: the agent of keys does not answer.
    """
    parts = decode_dss_signature(keys.sign(key_name(signer.public_key), sha256(octets).digest()))
    length = _length(signer)
    return b"".join(part.to_bytes(length, "big") for part in parts)


def is_signed(certificate: Certificate, octets: bytes, signature: bytes) -> bool:
    """True if the owner of this certificate signed these octets."""
    length = _length(certificate)
    if len(signature) != 2 * length:
        return False
    parts = (int.from_bytes(signature[:length], "big"), int.from_bytes(signature[length:], "big"))
    try:
        certificate.public_key.verify(encode_dss_signature(*parts), sha256(octets).digest(), _HASH)
    except InvalidSignature:
        return False
    return True


def _length(certificate: Certificate) -> int:
    return (certificate.public_key.curve.key_size + 7) // 8

"""AES of encrypted telegrams by wire and by radio. Imports `cryptography`: only a meter with a key needs it."""

import hmac

from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CBC, CTR
from cryptography.hazmat.primitives.cmac import CMAC

_ENCRYPTION, _AUTHENTICATION = 0x00, 0x01
_NO_START = bytes(16)


def start_of_mode_5(address: bytes, access: int) -> bytes:
    """The initial vector of mode 5: M and A of the meter, and eight times the access number."""
    return address + bytes((access,)) * 8


def decrypt(key: bytes, octets: bytes, start: bytes = _NO_START) -> bytes:
    """Whole blocks by AES-CBC."""
    decryptor = Cipher(AES(key), CBC(start)).decryptor()
    return decryptor.update(octets) + decryptor.finalize()


def encrypt(key: bytes, octets: bytes, start: bytes = _NO_START) -> bytes:
    """Whole blocks by AES-CBC."""
    encryptor = Cipher(AES(key), CBC(start)).encryptor()
    return encryptor.update(octets) + encryptor.finalize()


def count(key: bytes, octets: bytes, address: bytes, communication: int, session: bytes) -> bytes:
    """Encrypt or decrypt by AES-CTR of the extended link layer. The counter begins at zero in each telegram."""
    block = address + bytes((communication,)) + session + bytes(3)
    encryptor = Cipher(AES(key), CTR(block)).encryptor()
    return encryptor.update(octets) + encryptor.finalize()


def derived(key: bytes, counter: int, meter: bytes) -> tuple[bytes, bytes]:
    """The keys of one telegram in mode 7, for encryption and for its MAC. `meter`: M and A."""
    rest = counter.to_bytes(4, "little") + meter[2:6] + b"\x07" * 7
    return _cmac(key, bytes((_ENCRYPTION,)) + rest), _cmac(key, bytes((_AUTHENTICATION,)) + rest)


def mac(key: bytes, octets: bytes, length: int) -> bytes:
    """The MAC, cut to its length on the air."""
    return _cmac(key, octets)[:length]


def equal(one: bytes, other: bytes) -> bool:
    """True for equal octets, in a time that does not say where they differ."""
    return hmac.compare_digest(one, other)


def _cmac(key: bytes, octets: bytes) -> bytes:
    made = CMAC(AES(key))
    made.update(octets)
    return made.finalize()

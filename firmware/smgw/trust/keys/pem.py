"""Private keys from PEM files: PKCS#8, encrypted or not, or the older `EC PRIVATE KEY`."""

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Final, NamedTuple, Self

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from cryptography.hazmat.primitives.hashes import SHA256, SHA384, SHA512, HashAlgorithm
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from smgw.errors import LocalProtocolError
from smgw.trust.errors import FileError, KeyMismatchError, PassphraseError, TrustError, WrongCurveError
from smgw.trust.keys import key_name
from smgw.trust.keys.private_file import read_passphrase, read_private

_DIGESTS: Final[dict[int, HashAlgorithm]] = {32: SHA256(), 48: SHA384(), 64: SHA512()}
_ENCRYPTED: Final = (b"-----BEGIN ENCRYPTED PRIVATE KEY-----", b"Proc-Type: 4,ENCRYPTED")


class PemFile(NamedTuple):
    """A file with one private key, and the file with its passphrase if it has one (a credential)."""

    key: Path
    passphrase: Path | None = None


class PemKeys:
    """Holds the keys of PEM files in this process. Fulfils `Keys`; nothing gives a key out, and no text shows one."""

    __slots__ = ("_keys",)

    def __init__(self, keys: Iterable[ec.EllipticCurvePrivateKey] = ()) -> None:
        self._keys = {key_name(key.public_key()): key for key in keys}

    @classmethod
    def read(cls, files: Iterable[PemFile]) -> Self:
        """Read all files.

        :raises OpenToOthersError: others may use a file.
        :raises PassphraseError: the passphrase is missing or wrong.
        :raises FileError: a file cannot be read or holds no private key of an elliptic curve.
        """
        return cls(map(_read, files))

    @classmethod
    def joined(cls, several: Iterable["PemKeys"]) -> Self:
        """All keys of several holders."""
        return cls(key for one in several for key in one._keys.values())

    def __len__(self) -> int:
        return len(self._keys)

    def __contains__(self, name: object) -> bool:
        return name in self._keys

    def sign(self, name: str, digest: bytes) -> bytes:
        """See `Keys`."""
        algorithm = _DIGESTS.get(len(digest))
        if algorithm is None:
            raise LocalProtocolError(f"a digest has 32, 48 or 64 octets, not {len(digest)}")
        return self._key(name).sign(digest, ec.ECDSA(Prehashed(algorithm)))

    def agree(self, name: str, point: bytes) -> bytes:
        """See `Keys`."""
        key = self._key(name)
        return key.exchange(ec.ECDH(), peer_key(key.curve, point))

    def random(self, count: int) -> bytes:
        """See `Keys`."""
        return os.urandom(count)

    def _key(self, name: str) -> ec.EllipticCurvePrivateKey:
        try:
            return self._keys[name]
        except KeyError:
            raise KeyMismatchError(
                f"none of {len(self._keys)} private keys belongs to the certificate (key {name})",
                "Name the file with the private key that this certificate was made for.",
            ) from None

    def __repr__(self) -> str:
        return f"<{len(self._keys)} private keys>"

    def __reduce__(self) -> str:
        raise TypeError("private keys stay in this process")


def peer_key(curve: ec.EllipticCurve, point: bytes) -> ec.EllipticCurvePublicKey:
    """The public key of a peer, from an uncompressed point.

    :raises WrongCurveError: it does not lie on the curve.
    """
    try:
        if point[:1] != b"\x04":
            raise ValueError
        return ec.EllipticCurvePublicKey.from_encoded_point(curve, point)
    except (ValueError, UnsupportedAlgorithm):
        raise WrongCurveError(
            f"the peer's public key is no point of {curve.name}",
            "The peer must use the curve of this participant's encryption certificate.",
        ) from None


def _read(file: PemFile) -> ec.EllipticCurvePrivateKey:
    octets = read_private(file.key)
    passphrase = None if file.passphrase is None else read_passphrase(file.passphrase)
    encrypted = any(mark in octets for mark in _ENCRYPTED)
    if encrypted != (passphrase is not None):
        raise _wrong_passphrase(file, encrypted=encrypted)
    try:
        key: object = load_pem_private_key(octets, passphrase)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        if encrypted:
            raise PassphraseError(
                "the passphrase does not open this key",
                f"Check the first line of {file.passphrase}, and that the key is PKCS#8 in PEM.",
                file=file.key,
            ) from None
        key = None
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise FileError(
            "holds no private key of an elliptic curve",
            "Write one there in PEM, such as `openssl genpkey -algorithm EC` makes.",
            file=file.key,
        )
    return key


def _wrong_passphrase(file: PemFile, *, encrypted: bool) -> TrustError:
    if encrypted:
        return PassphraseError(
            "is encrypted and no passphrase is configured",
            "Name the file with its passphrase, such as a credential of systemd.",
            file=file.key,
        )
    return PassphraseError(
        "is not encrypted although a passphrase is configured",
        "Encrypt the key with it (`openssl pkcs8 -topk8`), or remove the passphrase from the configuration.",
        file=file.key,
    )

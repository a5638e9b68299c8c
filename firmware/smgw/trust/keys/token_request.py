"""Makes keys in a token of a security module, and lets them sign the requests for their certificates."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from hashlib import new as new_digest
from pathlib import Path
from typing import NoReturn

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from smgw.trust.certificate import Purpose
from smgw.trust.keys.pkcs11 import TokenSession


@contextmanager
def keys_in_token(
    module: Path, label: str, pin: bytes, number: int
) -> Iterator[Callable[[Purpose, ec.EllipticCurve], ec.EllipticCurvePrivateKey]]:
    """Makes keys in a token for the requests of the triple with this number.

    :raises KeysUnavailableError: the token is not there, refuses the PIN, or cannot make keys.
    """
    session = TokenSession(module, label, lambda: pin, write=True)
    try:
        yield lambda purpose, curve: RequestKey(
            session, f"smgw-{purpose.value}-{number}", curve, agrees=purpose is Purpose.ENCRYPTION
        )
    finally:
        session.close()


class RequestKey(ec.EllipticCurvePrivateKey):
    """A key in a token as the library of certificates knows keys, for the one signature of a request."""

    def __init__(self, session: TokenSession, label: str, curve: ec.EllipticCurve, *, agrees: bool) -> None:
        """Make the key in the token."""
        self._session = session
        self._public, self._key = session.make(label, curve, agrees=agrees)

    def sign(
        self, data: bytes | bytearray | memoryview, signature_algorithm: ec.EllipticCurveSignatureAlgorithm
    ) -> bytes:
        """Hash and sign. A key for encryption signs no more after that."""
        algorithm = signature_algorithm.algorithm
        digest = new_digest(algorithm.name, data).digest()  # type: ignore[union-attr]
        signature = encode_dss_signature(*self._session.sign(self._key, digest))
        if self._key.agrees:
            self._session.forbid_signing(self._key)
        return signature

    def public_key(self) -> ec.EllipticCurvePublicKey:
        """Its public key."""
        return self._public

    @property
    def curve(self) -> ec.EllipticCurve:
        """Its curve."""
        return self._public.curve

    @property
    def key_size(self) -> int:
        """In bits."""
        return self.curve.key_size

    def exchange(self, *_: object) -> NoReturn:
        """Not for a request."""
        raise TypeError("a request needs no agreement")

    def private_numbers(self) -> NoReturn:
        """The key does not leave the token."""
        raise TypeError("the key stays in the token")

    def private_bytes(self, *_: object) -> NoReturn:
        """The key does not leave the token."""
        raise TypeError("the key stays in the token")

    def __copy__(self) -> "RequestKey":
        return self

    def __deepcopy__(self, _: object) -> "RequestKey":
        return self

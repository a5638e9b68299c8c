"""Security of a meter with keys. Imported only if a client has keys, since it loads `cryptography`."""

from collections.abc import Callable

from cryptography.hazmat.primitives.asymmetric.ec import (
    SECP256R1,
    SECP384R1,
    EllipticCurve,
    EllipticCurvePublicKey,
    derive_private_key,
)
from smgw.dlms.security.ciphering import Ciphering, Received, Setting
from smgw.dlms.security.hls import Ecdsa
from smgw.dlms.security.secret import Secret
from smgw.dlms.security.signatures import signer, verifier
from smgw.dlms.security.suites import Gmac, Keys, Suite


class Counters(Received):
    """The counters that a client used, and the newest, which the public client may read."""

    def __init__(self) -> None:
        super().__init__()
        self.newest = 0

    def take(self, key: bytes, counter: int) -> None:
        """See Received."""
        super().take(key, counter)
        self.newest = max(self.newest, counter)


class Protected:
    """The security of one client. `reserve` gives the meter's invocation counters; `title` is its system title."""

    def __init__(
        self, suite: int, encryption: Secret, authentication: Secret, title: bytes, reserve: Callable[[], int]
    ) -> None:
        self._keys = Keys.of(Suite(suite), encryption, authentication)
        self._setting = Setting(self._keys, title, reserve)
        self._reserve = reserve
        self._counters = Counters()

    @property
    def newest_counter(self) -> int:
        """The newest invocation counter that the client used."""
        return self._counters.newest

    def ciphering(self) -> Ciphering:
        """The protection of one association that begins."""
        return Ciphering(self._setting, received=self._counters)

    def gmac(self) -> Gmac:
        """Mechanism 5."""
        return Gmac(self._keys, self._reserve)


def ecdsa(private: bytes, public: bytes) -> Ecdsa:
    """Mechanism 7: our private scalar (32 or 48 octets), the client's public point. ValueError if invalid."""
    curve: EllipticCurve = SECP384R1() if len(private) == SECP384R1.key_size // 8 else SECP256R1()
    key = derive_private_key(int.from_bytes(private, "big"), curve)
    return Ecdsa(signer(key), verifier(EllipticCurvePublicKey.from_encoded_point(curve, public)))

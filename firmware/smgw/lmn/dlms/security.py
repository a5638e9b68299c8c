"""Authentication and ciphering of DLMS associations, made from a meter's profile and secrets.

`cryptography` is imported only for a meter that ciphers or signs.
"""

from typing import TYPE_CHECKING, Any

from smgw.dlms.apdus.acse import Mechanism
from smgw.dlms.security.hls import Authentication as Mechanics
from smgw.dlms.security.hls import Ecdsa, Encrypted, Hashed, Password
from smgw.dlms.security.secret import Secret
from smgw.lmn.contract import CounterKeeper
from smgw.lmn.dlms.counters import Counters
from smgw.lmn.errors import PollError
from smgw.profiles.dlms import Authentication, DlmsProfile, Quirk
from smgw.profiles.meter import MeterProfile
from smgw.profiles.secrets import Secrets
from smgw.store.digest import sha256

if TYPE_CHECKING:
    from smgw.dlms.security.ciphering import Ciphering, Received

#: System title for a profile without a gateway, as in a scan.
_NOBODYS_TITLE = b"SMGW\x00\x00\x00\x01"
_HASHED = {
    Authentication.HIGH_MD5: Mechanism.HIGH_MD5,
    Authentication.HIGH_SHA1: Mechanism.HIGH_SHA1,
    Authentication.HIGH_SHA256: Mechanism.HIGH_SHA256,
}
#: In these both sides answer with one secret, and no title tells the answers apart. GMAC has a title in each answer,
#: and ECDSA has two keys.
_REFLECTED = frozenset((Authentication.HIGH_AES, *_HASHED))
_PROVING = frozenset(Authentication) - {Authentication.NONE, Authentication.LOW}


class Security:
    """Authentication and ciphering of one meter profile."""

    def __init__(self, profile: MeterProfile, secrets: Secrets, keeper: CounterKeeper | None) -> None:
        self._dlms = options_of(profile)
        self._secrets = secrets
        shared = self._dlms.authentication in _REFLECTED
        #: For `turn`: names the secret, where an answer of ours could prove the meter's; else empty.
        self.secret_id = sha256(repr(sorted(secrets.items())).encode()) if shared else b""
        self._received: Received | None = None  # the meter's counters
        key = secrets.get("encryption_key") if self._dlms.ciphered else None
        self.counters = Counters(profile.name, self._dlms.client, key, keeper) if key is not None else None

    def authentication(self) -> Password | Mechanics | None:
        """The authentication of a new association."""
        told = self._dlms.authentication
        secret = Secret(self._secrets.get("password", b""))
        if told is Authentication.NONE:
            return None
        if told is Authentication.LOW:
            return Password(secret)
        if told in _HASHED:
            return Hashed(_HASHED[told], secret)
        if told is Authentication.HIGH_AES:
            secret = Secret(self._secrets.get("challenge_key", secret))
            return Encrypted(secret)
        if told is Authentication.HIGH_ECDSA:
            return _ecdsa(self._secrets)
        from smgw.dlms.security.suites import Gmac

        assert self.counters is not None
        return Gmac(self._keys(), self.counters)

    def ciphering(self) -> "Ciphering | None":
        """The ciphering of a new association; None for APDUs in the clear."""
        if self.counters is None:
            return None
        from smgw.dlms.security.ciphering import Ciphering, Form, Received, Setting

        # A meter that authenticates itself each time may restart its counter, as after a power cut. An older answer
        # has a lower counter than the authentication. Without authentication a whole old association could be replayed.
        if self._received is None or self._dlms.authentication in _PROVING:
            self._received = Received()
        form = Form.GENERAL if Quirk.GENERAL_CIPHERING in self._dlms.quirks else Form.SERVICE
        setting = Setting(self._keys(), title(self._dlms), self.counters, form=form)
        return Ciphering(setting, received=self._received)

    def _keys(self) -> Any:
        return keys(self._dlms, self._secrets)


def options_of(profile: MeterProfile) -> DlmsProfile:
    """The section of a profile; defaults if it has none."""
    return profile.options if isinstance(profile.options, DlmsProfile) else DlmsProfile()


def title(dlms: DlmsProfile) -> bytes:
    """Our system title."""
    return bytes.fromhex(dlms.system_title) or _NOBODYS_TITLE


def meter_title(dlms: DlmsProfile) -> bytes:
    """The meter's system title; empty if the profile does not have it."""
    return bytes.fromhex(dlms.meter_title)


def keys(dlms: DlmsProfile, secrets: Secrets) -> Any:
    """The symmetric keys, as `smgw.dlms.suites.Keys`. What is pushed may be encrypted and not authenticated."""
    from smgw.dlms.security.suites import Keys, Suite

    suite = Suite(dlms.security_suite)
    return Keys.of(
        suite, secrets.get("encryption_key", b""), secrets.get("authentication_key", bytes(suite.key_length))
    )


def _ecdsa(secrets: Secrets) -> Ecdsa:
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey, EllipticCurvePublicKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key

    from smgw.dlms.security.signatures import signer, verifier

    try:
        ours: object = load_pem_private_key(secrets.get("signing_key", b""), None)
        meters: object = load_pem_public_key(secrets.get("meter_key", b""))
    except (ValueError, TypeError, UnsupportedAlgorithm):
        ours = meters = None
    if not isinstance(ours, EllipticCurvePrivateKey) or not isinstance(meters, EllipticCurvePublicKey):
        raise PollError(
            "signing_key_file or meter_key_file holds no key of an elliptic curve; write a private key in PEM without "
            "a password, and the meter's public key in PEM"
        )
    return Ecdsa(signer(ours), verifier(meters))

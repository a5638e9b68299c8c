"""What a DLMS association needs to prove and to cipher: built from a meter's profile and secrets for each association.

`cryptography` is imported only for a meter that ciphers or signs. An invocation counter is kept in the store before it
is used, some at a time, and never used twice: one that was kept and not used is lost (R10).
"""

import logging
from typing import TYPE_CHECKING, Any, Protocol

from smgw.dlms.hls import Authentication as Mechanics
from smgw.dlms.hls import Ecdsa, Hashed, Mechanism, Password
from smgw.dlms.secret import Secret
from smgw.errors import SmgwError
from smgw.lmn.errors import PollError
from smgw.profiles.dlms import Authentication, DlmsProfile, Quirk
from smgw.profiles.meter import MeterProfile
from smgw.profiles.secrets import Secrets
from smgw.store.digest import sha256
from smgw.store.records import CounterKind

if TYPE_CHECKING:
    from smgw.dlms.ciphering import Ciphering, Received

log = logging.getLogger(__name__)

#: So many counters are kept at a time, to spare the card.
_AT_A_TIME = 64
#: Counters end here; then the key is used up.
_END = 1 << 32
#: Whoever forges a meter's word about its counter burns those in between: a step of more is told.
_REMARKABLE_STEP = 1 << 20
#: For a profile of no gateway, as while ports are searched.
_NOBODYS_TITLE = b"SMGW\x00\x00\x00\x01"
_HASHED = {
    Authentication.HIGH_MD5: Mechanism.HIGH_MD5,
    Authentication.HIGH_SHA1: Mechanism.HIGH_SHA1,
    Authentication.HIGH_SHA256: Mechanism.HIGH_SHA256,
}
_PROVING = frozenset(Authentication) - {Authentication.NONE, Authentication.LOW}


class CounterKeeper(Protocol):
    """Where invocation counters are kept for good."""

    def reserve(self, kind: CounterKind, scope: str, holder: str, least: int, amount: int) -> int:
        """The first of `amount` counters that nobody had before, `least` at least. Raises StoreError."""


class Counters:
    """The invocation counters of one meter, client and key."""

    def __init__(self, profile: MeterProfile, key: bytes, keeper: CounterKeeper | None) -> None:
        self._meter = profile.name
        self._client = profile.dlms.client
        self._key_id = sha256(b"smgw key id" + key).hex()[:16]
        self._keeper = keeper
        self._next = self._left = 0
        self.least = 0

    def __call__(self) -> int:
        """The next one. Raises PollError if there is nowhere to keep it."""
        if self._left and self._next < self.least:
            self._left = 0
        if not self._left:
            self._reserve()
        self._left -= 1
        self._next += 1
        return self._next - 1

    def follow(self, expected: int) -> bool:
        """The meter says which counter it expects; False if that is no news.

        Raises PollError, and follows nothing, if it would take more than half of what is left of the key: nobody proves
        that the meter said so, and one forged answer must not use the key up. Also if no counter can be kept.
        """
        if not self.least < expected:
            return False
        if not self._next:
            self._reserve()  # to know where we stand
        step = expected - self._next
        if step > (_END - self._next) // 2:
            raise PollError(
                f"the meter is said to expect invocation counter {expected}, ours stands at {self._next}: to follow it "
                "would take more than half of what is left; the key is used up or the answer forged: give the meter "
                "new keys if it stays so"
            )
        if step > _REMARKABLE_STEP:
            log.warning(
                "meter %s: it is said to expect invocation counter %d, which is followed; ours stood at %d. If this "
                "comes again, somebody may forge its answers",
                self._meter,
                expected,
                self._next,
            )
        self.least = expected
        return True

    def learn(self, newest: int) -> str:
        """Follow the newest counter that the meter has seen, as its public client was told; what is wrong, or ""."""
        try:
            return (
                "" if self.follow(newest + 1) else f"what the meter tells as its invocation counter, {newest}, is none"
            )
        except PollError as error:
            return str(error)

    def _reserve(self) -> None:
        if self._keeper is None:
            raise PollError(
                "a ciphered meter is read with counters that are kept in the gateway's store, which this command "
                "may not write; stop the gateway, or read with the state directory at hand (--state)"
            )
        try:
            least = max(self.least, self._next)  # a store that was salvaged may have forgotten some
            holder = f"{self._meter} {self._client}"
            self._next = self._keeper.reserve(CounterKind.INVOCATION, self._key_id, holder, least, _AT_A_TIME)
        except SmgwError as error:
            raise PollError(f"no invocation counter can be kept, so none is used: {error}") from error
        self._left = _AT_A_TIME


class Security:
    """Authentication and ciphering of one meter profile."""

    def __init__(self, profile: MeterProfile, secrets: Secrets, keeper: CounterKeeper | None) -> None:
        self._dlms = profile.dlms
        self._secrets = secrets
        self._received: Received | None = None  # the meter's counters
        key = secrets.get("encryption") if profile.dlms.ciphered else None
        self.counters = Counters(profile, key, keeper) if key is not None else None

    def authentication(self) -> Password | Mechanics | None:
        """For a new association."""
        told = self._dlms.authentication
        secret = Secret(self._secrets.password or b"")
        if told is Authentication.NONE:
            return None
        if told is Authentication.LOW:
            return Password(secret)
        if told in _HASHED:
            return Hashed(_HASHED[told], secret)
        if told is Authentication.HIGH_ECDSA:
            return _ecdsa(self._secrets)
        from smgw.dlms.security import Gmac

        assert self.counters is not None
        return Gmac(self._keys(), self.counters)

    def ciphering(self) -> "Ciphering | None":
        """For a new association; None where APDUs go in the clear."""
        if self.counters is None:
            return None
        from smgw.dlms.ciphering import Ciphering, Form, Received, Setting

        # Who proves itself anew each time may count anew each time, as meters do that lost their power: an older answer
        # has a lower counter than that proof. Without a proof an old association could be played again as a whole.
        if self._received is None or self._dlms.authentication in _PROVING:
            self._received = Received()
        form = Form.GENERAL if Quirk.GENERAL_CIPHERING in self._dlms.quirks else Form.SERVICE
        setting = Setting(self._keys(), title(self._dlms), self.counters, form=form)
        return Ciphering(setting, received=self._received)

    def _keys(self) -> Any:
        return keys(self._dlms, self._secrets)


def title(dlms: DlmsProfile) -> bytes:
    """Our system title."""
    return bytes.fromhex(dlms.system_title) or _NOBODYS_TITLE


def keys(dlms: DlmsProfile, secrets: Secrets) -> Any:
    """The symmetric keys, as `smgw.dlms.security.Keys`. What is pushed may be encrypted and not authenticated."""
    from smgw.dlms.security import Keys, Suite

    suite = Suite(dlms.security_suite)
    return Keys.of(suite, secrets.get("encryption") or b"", secrets.get("authentication") or bytes(suite.key_length))


def _ecdsa(secrets: Secrets) -> Ecdsa:
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey, EllipticCurvePublicKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key

    from smgw.dlms.signatures import signer, verifier

    try:
        ours: object = load_pem_private_key(secrets.get("signing") or b"", None)
        meters: object = load_pem_public_key(secrets.get("meter") or b"")
    except (ValueError, TypeError, UnsupportedAlgorithm):
        ours = meters = None
    if not isinstance(ours, EllipticCurvePrivateKey) or not isinstance(meters, EllipticCurvePublicKey):
        raise PollError(
            "signing_key_file or meter_key_file holds no key of an elliptic curve; write a private key in PEM without "
            "a password, and the meter's public key in PEM"
        )
    return Ecdsa(signer(ours), verifier(meters))

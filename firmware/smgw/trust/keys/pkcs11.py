"""One session with a token of a security module (PKCS#11), by the binding PyKCS11, which is imported on demand.

Every failure is a TrustError. `LostError` says that the session is of no use any more.
"""

import hmac
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from hashlib import sha256
from pathlib import Path
from typing import Any, Final, NamedTuple

from cryptography.hazmat.primitives.asymmetric import ec

from smgw.trust.errors import FileError, KeysUnavailableError, PinError, TrustError
from smgw.trust.keys import key_name

#: CKA_EC_PARAMS, a named curve in DER (RFC 5480, RFC 5639).
CURVES: Final[dict[bytes, ec.EllipticCurve]] = {
    bytes.fromhex("06092b2403030208010107"): ec.BrainpoolP256R1(),
    bytes.fromhex("06092b240303020801010b"): ec.BrainpoolP384R1(),
    bytes.fromhex("06092b240303020801010d"): ec.BrainpoolP512R1(),
    bytes.fromhex("06082a8648ce3d030107"): ec.SECP256R1(),
    bytes.fromhex("06052b81040022"): ec.SECP384R1(),
}
_PIN = {"PIN_INCORRECT", "PIN_INVALID", "PIN_LEN_RANGE", "PIN_EXPIRED", "PIN_LOCKED", "USER_PIN_NOT_INITIALIZED"}
_LOST = {
    *("DEVICE_ERROR", "DEVICE_REMOVED", "TOKEN_NOT_PRESENT", "TOKEN_NOT_RECOGNIZED", "SLOT_ID_INVALID"),
    *("SESSION_CLOSED", "SESSION_HANDLE_INVALID", "USER_NOT_LOGGED_IN", "CRYPTOKI_NOT_INITIALIZED"),
    *("OBJECT_HANDLE_INVALID", "KEY_HANDLE_INVALID", "GENERAL_ERROR", "FUNCTION_FAILED"),
}
_CHECK_PIN: Final = (
    "Check it with `pkcs11-tool --module MODULE --login --list-objects`, then correct the file. The same PIN is not "
    "tried again, because the token would lock."
)
#: Octets before the point, by the length of the whole.
_HEADS: Final = {2 + 65: 2, 2 + 97: 2, 3 + 129: 3}
#: Each library with the number of its sessions.
_LOADED: dict[Path, tuple[Any, int]] = {}
_LOADING: Final = threading.Lock()
#: PINs that were refused: a digest with a key of this process.
_REFUSED: set[bytes] = set()
_SALT: Final = os.urandom(16)


class LostError(KeysUnavailableError):
    """The token does not answer as before: it was pulled out, or another program ended the session."""


class TokenKey(NamedTuple):
    """A private key in the token. `handle` is valid in this session only."""

    handle: Any
    curve: ec.EllipticCurve
    signs: bool
    agrees: bool


class TokenSession:
    """A login at a token."""

    def __init__(self, module: Path, label: str, pin: Callable[[], bytes], *, write: bool = False) -> None:
        """Load the library, find the token, and log in.

        :raises FileError: the library cannot be loaded.
        :raises PinError: the PIN is refused, or was refused before, or only one try is left.
        :raises KeysUnavailableError: the binding is missing, or there is no such token.
        """
        self.label = label
        self._api = _binding()
        self._module = module
        self._library = _load(self._api, module)
        self._session: Any = None
        try:
            self._log_in(self._slot(), pin, write)
            self.keys: dict[str, TokenKey] = {}
            self.look()
        except BaseException:
            self.close()
            raise

    def look(self) -> None:
        """Find the keys, perhaps new ones."""
        with self._told("find keys"):
            self.keys = dict(self._find())

    def sign(self, key: TokenKey, digest: bytes) -> tuple[int, int]:
        """CKM_ECDSA; R and S."""
        size = (key.curve.key_size + 7) // 8
        with self._told("sign"):
            mechanism = self._api.Mechanism(self._api.CKM_ECDSA, None)
            octets = bytes(self._session.sign(key.handle, digest[:size], mechanism))
        half = len(octets) // 2
        return int.from_bytes(octets[:half], "big"), int.from_bytes(octets[half:], "big")

    def agree(self, key: TokenKey, point: bytes) -> bytes:
        """CKM_ECDH1_DERIVE with CKD_NULL; the x-coordinate. The derived object is destroyed."""
        api, size = self._api, (key.curve.key_size + 7) // 8
        wanted = [
            (api.CKA_CLASS, api.CKO_SECRET_KEY),
            (api.CKA_KEY_TYPE, api.CKK_GENERIC_SECRET),
            (api.CKA_TOKEN, api.CK_FALSE),
            (api.CKA_SENSITIVE, api.CK_FALSE),
            (api.CKA_EXTRACTABLE, api.CK_TRUE),
            (api.CKA_VALUE_LEN, size),
        ]
        with self._told("agree"):
            mechanism = api.ECDH1_DERIVE_Mechanism(point, api.CKD_NULL)
            derived = self._session.deriveKey(key.handle, wanted, mechanism)
            try:
                octets = bytes(self._attribute(derived, api.CKA_VALUE))
            finally:
                self._session.destroyObject(derived)
        return octets.rjust(size, b"\0")

    def random(self, count: int) -> bytes:
        """C_GenerateRandom."""
        with self._told("make random octets"):
            return bytes(self._session.generateRandom(count))

    def make(self, label: str, curve: ec.EllipticCurve, *, agrees: bool) -> tuple[ec.EllipticCurvePublicKey, TokenKey]:
        """C_GenerateKeyPair: a key that never leaves the token. It signs; `agrees` says whether it also agrees."""
        api = self._api
        parameters = next(der for der, known in CURVES.items() if known.name == curve.name)
        shared = [
            (api.CKA_KEY_TYPE, api.CKK_EC),
            (api.CKA_TOKEN, api.CK_TRUE),
            (api.CKA_LABEL, label),
            (api.CKA_ID, os.urandom(8)),
        ]
        public = [(api.CKA_CLASS, api.CKO_PUBLIC_KEY), (api.CKA_EC_PARAMS, parameters), (api.CKA_VERIFY, api.CK_TRUE)]
        private = [
            (api.CKA_CLASS, api.CKO_PRIVATE_KEY),
            (api.CKA_PRIVATE, api.CK_TRUE),
            (api.CKA_SENSITIVE, api.CK_TRUE),
            (api.CKA_EXTRACTABLE, api.CK_FALSE),
            (api.CKA_SIGN, api.CK_TRUE),
            (api.CKA_DERIVE, api.CK_TRUE if agrees else api.CK_FALSE),
        ]
        with self._told("make a key"):
            mechanism = api.Mechanism(api.CKM_EC_KEY_PAIR_GEN, None)
            made, handle = self._session.generateKeyPair(public + shared, private + shared, mechanism)
            point = _point(bytes(self._attribute(made, api.CKA_EC_POINT)))
        public_key = ec.EllipticCurvePublicKey.from_encoded_point(curve, point)
        return public_key, TokenKey(handle, curve, signs=True, agrees=agrees)

    def forbid_signing(self, key: TokenKey) -> None:
        """From now on the key only agrees. A token that cannot change it leaves the right."""
        with suppress(self._api.PyKCS11Error):
            self._session.setAttributeValue(key.handle, [(self._api.CKA_SIGN, self._api.CK_FALSE)])

    @property
    def present(self) -> bool:
        """Whether the token is still there."""
        try:
            slot = self._session.getSessionInfo().slotID
            return _label(self._library.getTokenInfo(slot)) == self.label
        except self._api.PyKCS11Error:
            return False

    def close(self) -> None:
        """End the session. The library is unloaded with its last session: it may not notice a token that comes back."""
        if self._session is not None:  # the end of the last session of this process is the logout
            with suppress(self._api.PyKCS11Error):
                self._session.closeSession()
        self._session = None
        if self._library is not None:
            self._library = None
            _unload(self._module)

    def _slot(self) -> Any:
        with self._told("list tokens"):
            tokens = {slot: self._library.getTokenInfo(slot) for slot in self._library.getSlotList(tokenPresent=True)}
        slots = [slot for slot, found in tokens.items() if _label(found) == self.label]
        if len(slots) == 1:
            return slots[0]
        others = ", ".join(sorted({_label(found) for found in tokens.values()} - {""})) or "none"
        fault = "there are several tokens of this label" if slots else f"the token is not there (found: {others})"
        raise KeysUnavailableError(
            fault,
            "Plug it in, or correct `token` of [keys]. The service pcscd must run for a chip card.",
            subject=self._subject,
        )

    def _log_in(self, slot: Any, pin: Callable[[], bytes], write: bool) -> None:
        api = self._api
        with self._told("open a session"):
            flags = self._library.getTokenInfo(slot).flags
            rights = api.CKF_SERIAL_SESSION | (api.CKF_RW_SESSION if write else 0)
            self._session = self._library.openSession(slot, rights)
        octets = pin()
        mark = hmac.digest(_SALT, self.label.encode() + b"\0" + octets, sha256().name)
        if flags & api.CKF_USER_PIN_LOCKED:
            raise PinError("its PIN is locked", "Unlock it with the tool of its maker.", subject=self._subject)
        if flags & api.CKF_USER_PIN_FINAL_TRY:
            raise PinError("only one try is left for its PIN", _CHECK_PIN, subject=self._subject)
        if mark in _REFUSED:
            raise PinError("the PIN was refused", _CHECK_PIN, subject=self._subject)
        try:
            with self._told("log in"):
                self._give(octets)
        except PinError:
            _REFUSED.add(mark)
            raise

    def _give(self, pin: bytes) -> None:
        try:
            self._session.login(pin)
        except self._api.PyKCS11Error as error:
            if error.value != self._api.CKR_USER_ALREADY_LOGGED_IN:  # by another session of this process
                raise

    def _find(self) -> Iterator[tuple[str, TokenKey]]:
        """The keys by their names. The public key beside each says which one it is."""
        api, points = self._api, {}
        for public in self._session.findObjects([(api.CKA_CLASS, api.CKO_PUBLIC_KEY), (api.CKA_KEY_TYPE, api.CKK_EC)]):
            curve = CURVES.get(bytes(self._attribute(public, api.CKA_EC_PARAMS)))
            if curve is not None:
                point = _point(bytes(self._attribute(public, api.CKA_EC_POINT)))
                points[bytes(self._attribute(public, api.CKA_ID))] = curve, point
        for key in self._session.findObjects([(api.CKA_CLASS, api.CKO_PRIVATE_KEY), (api.CKA_KEY_TYPE, api.CKK_EC)]):
            if found := points.get(bytes(self._attribute(key, api.CKA_ID))):
                curve, point = found
                signs, agrees = (bool(self._attribute(key, one)) for one in (api.CKA_SIGN, api.CKA_DERIVE))
                with suppress(ValueError):  # no point of its curve
                    public_key = ec.EllipticCurvePublicKey.from_encoded_point(curve, point)
                    yield key_name(public_key), TokenKey(key, curve, signs, agrees)

    def _attribute(self, handle: Any, attribute: int) -> Any:
        (value,) = self._session.getAttributeValue(handle, [attribute])
        return () if value is None else value

    @property
    def _subject(self) -> str:
        return f"token {self.label}"

    @contextmanager
    def _told(self, what: str) -> Iterator[None]:
        try:
            yield
        except self._api.PyKCS11Error as error:
            raise _error(what, _name(error), self._subject) from None


def _error(what: str, name: str, subject: str) -> TrustError:
    if name in _PIN:
        return PinError(f"the PIN is refused ({name})", _CHECK_PIN, subject=subject)
    if name in _LOST:
        return LostError(
            f"it cannot {what}: it was removed or does not answer ({name})", "Plug it in again.", subject=subject
        )
    return KeysUnavailableError(
        f"it cannot {what} ({name})", "Check that it has ECDSA, ECDH and the curve of the keys.", subject=subject
    )


def _load(api: Any, module: Path) -> Any:
    """The library, initialized once for all sessions of this process."""
    with _LOADING:
        library, users = _LOADED.get(module, (None, 0))
        if library is None:
            library = api.PyKCS11Lib()
            try:
                library.load(str(module))
            except api.PyKCS11Error as error:
                if error.value > 0:
                    raise KeysUnavailableError(
                        f"the library of the security module does not start ({_name(error)})",
                        "Check its own configuration, and that the token is there.",
                        file=module,
                    ) from None
                raise FileError(
                    f"this library of a security module cannot be loaded ({_name(error)})",
                    "Install its package, and name the library in `module` of [keys].",
                    file=module,
                ) from None
        _LOADED[module] = library, users + 1
        return library


def _unload(module: Path) -> None:
    with _LOADING:
        library, users = _LOADED.pop(module)
        if users > 1:
            _LOADED[module] = library, users - 1
        elif hasattr(library, "unload"):
            library.unload()
        else:  # PyKCS11 1.5.12 of Debian 12
            library.lib.Unload()


def _binding() -> Any:
    try:
        import PyKCS11
    except ImportError:
        raise KeysUnavailableError(
            "a security module needs the package python3-pykcs11", "Install it: sudo apt-get install python3-pykcs11."
        ) from None
    return PyKCS11


def _name(error: Exception) -> str:
    """CKR_PIN_INCORRECT (0x000000A0) -> PIN_INCORRECT."""
    return str(error).partition(" ")[0].removeprefix("CKR_")


def _label(found: Any) -> str:
    return str(found.label).replace("\0", " ").strip()


def _point(octets: bytes) -> bytes:
    """CKA_EC_POINT is an OCTET STRING in DER that holds the point. Some tokens give the bare point."""
    return octets[_HEADS.get(len(octets), 0) :]

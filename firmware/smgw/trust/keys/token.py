"""Private keys in a token of a security module (PKCS#11). They never leave it."""

import threading
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from smgw.errors import LocalProtocolError
from smgw.trust.errors import KeyMismatchError, KeysUnavailableError, TrustError
from smgw.trust.keys.pem import peer_key
from smgw.trust.keys.pkcs11 import LostError, TokenKey, TokenSession
from smgw.trust.keys.private_file import read_passphrase

_Result = TypeVar("_Result")


class TokenKeys:
    """Fulfils `Keys`. A key that agrees never signs, and the other way round.

    A token that was pulled out is looked for again at the next call. A PIN that was refused is not tried again.
    """

    def __init__(self, module: Path, label: str, pin_file: Path) -> None:
        """Opens nothing yet."""
        self._module = module
        self._label = label
        self._pin_file = pin_file
        self._lock = threading.Lock()  # of a session only one thread may make use
        self._session: TokenSession | None = None
        self._closed = False
        self.faults: tuple[TrustError, ...] = ()

    def sign(self, name: str, digest: bytes) -> bytes:
        """See `Keys`.

        :raises KeysUnavailableError: the token is not there, or refuses the PIN.
        """
        if len(digest) not in (32, 48, 64):
            raise LocalProtocolError(f"a digest has 32, 48 or 64 octets, not {len(digest)}")
        return encode_dss_signature(*self._with_key(name, "signature", lambda session, key: session.sign(key, digest)))

    def agree(self, name: str, point: bytes) -> bytes:
        """See `Keys`.

        :raises KeysUnavailableError: the token is not there, or refuses the PIN.
        """

        def agree(session: TokenSession, key: TokenKey) -> bytes:
            peer_key(key.curve, point)  # what a token does with a point that is none, nobody knows
            return session.agree(key, point)

        return self._with_key(name, "encryption", agree)

    def random(self, count: int) -> bytes:
        """See `Keys`.

        :raises KeysUnavailableError: the token is not there, or refuses the PIN.
        """
        return self._use(lambda session: session.random(count))

    def refresh(self) -> bool:
        """Notice that the token was pulled out, or is back."""
        with self._lock:
            before, self.faults = bool(self.faults) or self._session is None, ()
            if self._session is not None and not self._session.present:
                self._drop()
            try:
                self._opened()
            except TrustError as error:
                self.faults = (error,)
            return before != bool(self.faults)

    @property
    def described(self) -> str:
        """What is held, for people."""
        if self._session is None:
            return f"token {self._label} is not open"
        keys = self._session.keys.values()
        counts = sum(not key.agrees for key in keys), sum(key.agrees for key in keys)
        return f"token {self._label}: {counts[0]} keys for signature, {counts[1]} for encryption"

    def close(self) -> None:
        """Log out."""
        with self._lock:
            self._closed = True
            self._drop()

    def _with_key(self, name: str, kind: str, act: Callable[[TokenSession, TokenKey], _Result]) -> _Result:
        def use(session: TokenSession) -> _Result:
            key = session.keys.get(name)
            if key is None:
                session.look()
                key = session.keys.get(name)
            if key is None or key.agrees != (kind == "encryption"):
                raise KeyMismatchError(
                    f"no private key for {kind} in it belongs to the certificate (key {name})",
                    "Plug in the token for which the certificate was made, or make new keys: `smgw keys request`.",
                    subject=f"token {self._label}",
                )
            return act(session, key)

        return self._use(use)

    def _use(self, act: Callable[[TokenSession], _Result]) -> _Result:
        with self._lock:
            try:
                return act(self._opened())
            except LostError:
                self._drop()
            try:
                return act(self._opened())  # perhaps it is back
            except LostError:
                self._drop()
                raise

    def _opened(self) -> TokenSession:
        if self._closed:
            raise KeysUnavailableError("the keys are being closed", "Try again.", subject=f"token {self._label}")
        if self._session is None:
            self._session = TokenSession(self._module, self._label, lambda: read_passphrase(self._pin_file))
        return self._session

    def _drop(self) -> None:
        if self._session is not None:
            self._session.close()
            self._session = None

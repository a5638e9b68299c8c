"""The accounts of han.db as the door asks for them, and new passwords."""

import hashlib
import logging
import secrets
from collections.abc import Callable
from typing import Final

from smgw.errors import SmgwError
from smgw.han.digest import MD5, SHA_256, secret_of
from smgw.han.exchange import Role, Who
from smgw.store.han.records import Account
from smgw.store.han.view import HanView

_log = logging.getLogger(__name__)

#: No letter or digit that looks like another one.
_LETTERS: Final = "abcdefghjkmnpqrstuvwxyz23456789"
_GROUPS, _GROUP = 4, 5


def new_password() -> str:
    """A password to hand over: 99 bits, in groups that can be read out."""
    return "-".join("".join(secrets.choice(_LETTERS) for _ in range(_GROUP)) for _ in range(_GROUPS))


def account_of(role: Role, name: str, realm: str, password: str | None, now_us: int) -> Account:
    """An account with this password; None: certificates only."""
    strong, weak = (secret_of(one, name, realm, password) if password else "" for one in (SHA_256, MD5))
    return Account(role.value, name, realm, strong, weak, now_us)


class Accounts:
    """Reads han.db again when it has changed. For one thread."""

    def __init__(self, view: HanView, realm: str, pinned: Callable[[list[bytes]], None] = lambda _: None) -> None:
        """`realm`: the gateway's id; `pinned` is told all certificates of clients, in DER, when they change."""
        self._view = view
        self._realm = realm
        self._told = pinned
        self._secrets: dict[tuple[str, str], str] = {}
        self._certificates: dict[bytes, Who] = {}
        self._ders: list[bytes] = []
        self._read()

    def secret(self, name: str, algorithm: str) -> str:
        """The hash of a consumer's password; "" if there is no such login."""
        self._refresh()
        return self._secrets.get((name, algorithm), "")

    def owner(self, certificate: bytes) -> Who | None:
        """Whose certificate this is."""
        self._refresh()
        return self._certificates.get(hashlib.sha256(certificate).digest())

    def refresh(self) -> None:
        """Look whether something changed."""
        self._refresh()

    def _refresh(self) -> None:
        try:
            if self._view.changed():
                self._read()
        except SmgwError as error:
            _log.warning("the accounts cannot be read, those before stay: %s", error)

    def _read(self) -> None:
        accounts, pins = self._view.accounts(), self._view.certificates()
        consumers = [one for one in accounts if one.role == Role.CONSUMER and one.realm == self._realm]
        self._secrets = {
            (one.name, algorithm): secret
            for one in consumers
            for algorithm, secret in ((SHA_256, one.sha256), (MD5, one.md5))
            if secret
        }
        known = {(one.role, one.name) for one in accounts}
        self._certificates = {
            pin.fingerprint: Who(Role(pin.role), pin.name)
            for pin in pins
            if (pin.role, pin.name) in known and pin.role in set(Role)
        }
        ders = [pin.der for pin in pins]
        if ders != self._ders:
            self._ders = ders
            self._told(ders)

"""Who asks: known by a certificate or by HTTP Digest, and locked out after wrong logins."""

import math
import time
from collections.abc import Callable
from datetime import datetime
from typing import Final

from smgw.han import digest
from smgw.han.accounts import Accounts
from smgw.han.digest import Freshness, Login, Nonces
from smgw.han.exchange import Role, View, Who
from smgw.han.locks import Locks
from smgw.han.refusal import Admitted, RefusedError
from smgw.han.server.head import Head
from smgw.han.server.rules import peer_of
from smgw.store.file.log_book import Level
from smgw.store.file.log_books import LOGIN_FAILED, LOGIN_LOCKED, LOGIN_MADE

#: note(event, level, text, account): an entry for the log book.
Note = Callable[[str, Level, str, Who], None]
#: A login is logged once in this time for each account, address and way.
_TOLD_S: Final = 12 * 3600.0
_TOLD_MOST: Final = 1024
_LOG_IN = "Log in with the name and the password that were printed for you, or with your certificate."
_TECHNICIAN = "This part is for technicians, who need a certificate: smgw technician add NAME --certificate FILE"
_OTHER = "This part is for consumers."


class HanDoor:
    """Asks accounts, nonces and locks; for the server's thread. It never waits."""

    def __init__(
        self,
        accounts: Accounts,
        realm: str,
        note: Note,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], float] = time.time,
    ) -> None:
        """`now`: the time in seconds, for the moment at which a lock opens."""
        self._accounts = accounts
        self._realm = realm
        self._note = note
        self._clock = clock
        self._now = now
        self._nonces = Nonces(clock)
        self._locks = Locks(clock)
        self._told: dict[tuple[Who, str, str], float] = {}

    def admit(self, view: View, head: Head, address: str, certificate: bytes | None) -> Admitted:
        """Whether this request may see the view."""
        if view.role is None:
            return Admitted()
        owner = self._accounts.owner(certificate) if certificate else None
        if owner is not None and owner.role is view.role:
            self._made(owner, address, "certificate")
            return Admitted(owner)
        if view.role is Role.TECHNICIAN:
            return Admitted(refused=RefusedError(403, _TECHNICIAN, closing=False))
        field = head.headers.get("authorization")
        if field is None and owner is not None:
            return Admitted(refused=RefusedError(403, _OTHER, closing=False))
        peer = peer_of(address)
        login = digest.read(field) if field is not None else None
        if login is None or login.realm != self._realm or login.uri != head.target:
            return self._challenge(peer)
        return self._judge(login, head.method, peer, address)

    def _judge(self, login: Login, method: str, peer: str, address: str) -> Admitted:
        if (seconds := self._locks.seconds(login.name, peer)) > 0:
            return Admitted(refused=self._locked(seconds))
        secret = self._accounts.secret(login.name, login.algorithm)
        right = digest.is_right(login, secret or "0" * 64, method) and bool(secret)
        who = Who(Role.CONSUMER, login.name)
        if not right:
            return self._failed(who, peer, address)
        self._locks.succeeded(login.name, peer)
        if self._nonces.use(login.nonce, peer, login.number) is not Freshness.FRESH:
            return self._challenge(peer, stale=True)
        self._made(who, address, f"password, {login.algorithm}")
        return Admitted(who)

    def _failed(self, who: Who, peer: str, address: str) -> Admitted:
        seconds = self._locks.failed(who.name, peer)
        if seconds:
            opens = self._opens(seconds)
            text = f"logins of {who.name} from {address} are locked until {opens} after wrong ones"
            self._note(LOGIN_LOCKED, Level.WARNING, text, who)
            return Admitted(refused=self._locked(seconds))
        self._note(LOGIN_FAILED, Level.WARNING, f"a login of {who.name} from {address} was wrong", who)
        return self._challenge(peer)

    def _challenge(self, peer: str, *, stale: bool = False) -> Admitted:
        lines = digest.challenges(self._realm, self._nonces.new(peer), stale=stale)
        return Admitted(refused=RefusedError(401, _LOG_IN, closing=False), lines=lines)

    def _locked(self, seconds: float) -> RefusedError:
        text = f"Too many wrong logins from this address. The login opens again at {self._opens(seconds)}."
        return RefusedError(403, text, closing=False, headers={"Retry-After": str(math.ceil(seconds))})

    def _opens(self, seconds: float) -> str:
        from smgw.cosem.zone import DEFAULT_ZONE, time_zone  # rarely needed

        opens = datetime.fromtimestamp(math.ceil(self._now() + seconds), time_zone(DEFAULT_ZONE))
        return opens.strftime("%H:%M:%S")

    def _made(self, who: Who, address: str, way: str) -> None:
        key = who, address, way
        now = self._clock()
        if now - self._told.get(key, float("-inf")) < _TOLD_S:
            return
        self._told.pop(key, None)
        self._told[key] = now
        if len(self._told) > _TOLD_MOST:
            del self._told[next(iter(self._told))]
        self._note(LOGIN_MADE, Level.INFO, f"{who.name} logged in from {address} ({way})", who)

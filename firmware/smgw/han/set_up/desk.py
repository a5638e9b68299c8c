"""The state of the set-up: the code, the browsers that know it, the order that is under way, and its answer."""

import contextlib
import hmac
import json
import os
import secrets
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, NamedTuple

from smgw.cosem import Stamp
from smgw.errors import SmgwError
from smgw.han.accounts import account_of, new_password
from smgw.han.exchange import Role
from smgw.han.locks import Locks
from smgw.han.set_up.orders import ANSWER, ORDER, Order, dump
from smgw.profiles.toml_importer import load
from smgw.store import paths
from smgw.store.errors import StoreAbsent
from smgw.store.han.accounts import put_account
from smgw.store.han.view import HanView

CODE: Final = "setup-code"
_LETTERS: Final = "abcdefghjkmnpqrstuvwxyz23456789"
_SESSION_S: Final = 3600.0
_MOST_SESSIONS: Final = 16
_LARGEST_ANSWER: Final = 65_536
_SETUP: Final = "set-up"


class Login(NamedTuple):
    """The first login, to be shown once."""

    name: str
    password: str


class Known:
    """What must outlast a new configuration: browsers that gave the code, and wrong codes. Thread-safe by the GIL."""

    def __init__(self) -> None:
        self.locks = Locks()
        self.sessions: dict[str, float] = {}
        self.order: Order | None = None


_KNOWN = Known()


class SetUp:
    """For the view. `file` is the configuration."""

    def __init__(
        self, state: Path, file: Path | None, stamp: Callable[[], Stamp], known: Known = _KNOWN,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:  # fmt: skip
        self._state, self._file, self._stamp, self._known, self._clock = state, file, stamp, known, clock

    def is_open(self) -> bool:
        """No consumer has a login yet."""
        try:
            with HanView.open(paths.han_directory(self._state)) as view:
                return not any(one.role == Role.CONSUMER for one in view.accounts())
        except StoreAbsent:
            return True

    def enter(self, code: str, address: str) -> str | float:
        """A session for the right code. For a wrong one the seconds for which this address is locked; 0: try again."""
        locks = self._known.locks
        if locked := locks.seconds(_SETUP, address):
            return locked
        own = make_code(self._state)
        if not hmac.compare_digest(plain(code).encode(), plain(own).encode()):
            return locks.failed(_SETUP, address)
        locks.succeeded(_SETUP, address)
        now = self._clock()
        sessions = {key: until for key, until in self._known.sessions.items() if until > now}
        self._known.sessions = dict(list(sessions.items())[-_MOST_SESSIONS + 1 :])
        session = secrets.token_hex(16)
        self._known.sessions[session] = now + _SESSION_S
        return session

    def knows(self, session: str) -> bool:
        """Whether this browser gave the code."""
        return self._known.sessions.get(session, 0.0) > self._clock()

    @property
    def order(self) -> Order | None:
        """The last order."""
        return self._known.order

    def give(self, order: Order) -> None:
        """Write an order; the helper takes it."""
        file = paths.han_directory(self._state) / ORDER
        fresh = file.with_name(f".{ORDER}")
        fresh.write_bytes(dump(order))
        fresh.replace(file)
        self._known.order = order

    def answer(self) -> dict[str, Any] | None:
        """The answer to the last order; None while there is none."""
        order = self._known.order
        if order is None:
            return None
        try:
            with (paths.run_directory(self._state) / "setup" / ANSWER).open("rb") as file:
                told = json.loads(file.read(_LARGEST_ANSWER))
        except (OSError, ValueError):
            return None
        return told if isinstance(told, dict) and told.get("id") == order.id else None

    def finish(self) -> Login:
        """Make the first login, after the configuration was written. SmgwError if it was not."""
        order, told = self._known.order, self.answer() or {}
        if order is None or told.get("consumer") != order.consumer or self._file is None:
            raise SmgwError("nothing was written yet")
        configuration = load(self._file)
        stamp, password = self._stamp(), new_password()
        realm = str(configuration.gateway.device_id).lower()
        account = account_of(Role.CONSUMER, order.consumer, realm, password, stamp.utc_us)
        text = f"consumer {order.consumer} was added by the set-up in a browser"
        put_account(paths.han_directory(self._state), account, text, stamp)
        self._known.order, self._known.sessions = None, {}
        with contextlib.suppress(OSError):
            (paths.han_directory(self._state) / CODE).unlink()
        return Login(order.consumer, password)


def make_code(state: Path) -> str:
    """The code of the set-up: 49 bits. It is made once, in a file that its owner and root can read."""
    file = paths.han_directory(state) / CODE
    try:
        return file.read_text(encoding="ascii").strip()
    except FileNotFoundError:
        code = "-".join("".join(secrets.choice(_LETTERS) for _ in range(5)) for _ in range(2))
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="ascii") as opened:
            opened.write(code + "\n")
        return code


def plain(code: str) -> str:
    """As a person may write it: capitals, blanks and dashes do not matter."""
    return "".join(one for one in code.lower()[:64] if one.isascii() and one.isalnum())

"""Accounts and a door for the HAN's server in a test, and a client's side of HTTP Digest."""

import contextlib
import hashlib
import re
from collections.abc import Callable, Iterator
from pathlib import Path

from han_server import GATEWAY
from smgw.clock import GatewayClock
from smgw.han.accounts import Accounts, account_of
from smgw.han.door import HanDoor
from smgw.han.exchange import Role, Who
from smgw.store.file.log_book import Level
from smgw.store.han.accounts import put_account
from smgw.store.han.records import Pinned
from smgw.store.han.view import HanView

REALM = GATEWAY.lower()
_HASHES = {"SHA-256": hashlib.sha256, "MD5": hashlib.md5}


class FakeClock:
    """Seconds that pass when the test says so."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now

    def pass_(self, seconds: float) -> None:
        """Let time pass."""
        self.now += seconds


def add_consumer(directory: Path, name: str, password: str) -> None:
    """As `smgw consumer add`, with a password of the test."""
    account = account_of(Role.CONSUMER, name, REALM, password, 1)
    put_account(directory, account, "added", GatewayClock().stamp())


def add_certificate(directory: Path, role: Role, name: str, der: bytes) -> None:
    """An account with a certificate and no password."""
    pin = Pinned(hashlib.sha256(der).digest(), role.value, name, der, 1)
    put_account(directory, account_of(role, name, REALM, None, 1), "added", GatewayClock().stamp(), (pin,))


@contextlib.contextmanager
def door_of(
    directory: Path,
    notes: list[tuple[str, str]] | None = None,
    clock: Callable[[], float] | None = None,
    pinned: Callable[[list[bytes]], None] = lambda _: None,
) -> Iterator[HanDoor]:
    """The door of the accounts in this directory; `notes` gets event and text of its entries."""

    def note(event: str, _level: Level, text: str, _who: Who) -> None:
        if notes is not None:
            notes.append((event, text))

    with HanView.open(directory) as view:
        yield HanDoor(Accounts(view, REALM, pinned), REALM, note, **({} if clock is None else {"clock": clock}))


def challenge_of(answer: bytes, algorithm: str = "SHA-256") -> dict[str, str]:
    """The fields of the challenge with this algorithm."""
    for line in answer.partition(b"\r\n\r\n")[0].decode().split("\r\n"):
        if line.startswith("WWW-Authenticate: Digest") and f'algorithm="{algorithm}"' in line:
            return {key: quoted or bare for key, quoted, bare in re.findall(r'(\w+)=(?:"([^"]*)"|([^,\s]+))', line)}
    raise AssertionError(f"no challenge with {algorithm} in {answer!r}")


def authorization(
    challenge: dict[str, str],
    name: str,
    password: str,
    target: str = "/",
    *,
    method: str = "GET",
    count: int = 1,
) -> str:
    """The header line with which a client answers a challenge."""

    def hashed(*parts: str) -> str:
        return _HASHES[challenge["algorithm"]](":".join(parts).encode()).hexdigest()

    secret = hashed(name, challenge["realm"], password)
    response = hashed(secret, challenge["nonce"], f"{count:08x}", "0a4f113b", "auth", hashed(method, target))
    return (
        f'Authorization: Digest username="{name}", realm="{challenge["realm"]}", nonce="{challenge["nonce"]}", '
        f'uri="{target}", algorithm={challenge["algorithm"]}, qop=auth, nc={count:08x}, cnonce="0a4f113b", '
        f'response="{response}"'
    )

"""HTTP Digest (RFC 7616): challenges with SHA-256 and MD5, qop=auth, nonces that are used once for each count.

A nonce has its time, a random part and a seal, so one that was only given out costs no memory. One that was used is
kept with the counts it was used with, until it is too old.
"""

import hashlib
import hmac
import os
import re
import time
from collections.abc import Callable, Mapping
from enum import Enum, auto
from typing import Final, NamedTuple

#: Algorithms by the words of the header, strongest first.
SHA_256, MD5 = "SHA-256", "MD5"
_HASHES: Final[Mapping[str, Callable[[bytes], "hashlib._Hash"]]] = {
    SHA_256: hashlib.sha256,
    MD5: lambda octets: hashlib.md5(octets, usedforsecurity=False),
}
#: Seconds for which a nonce can be used; a browser then gets another one without asking anybody.
NONCE_S: Final = 300.0
_USED_MOST: Final = 512
_COUNTS_KEPT: Final = 128
_PAIR: Final = re.compile(r'\s*([A-Za-z*-]{1,20})\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s",]+))\s*(?:,|$)')
_COUNT: Final = re.compile(r"[0-9a-fA-F]{8}")
_LONGEST: Final = 4096
_NEEDED: Final = ("username", "realm", "nonce", "uri", "response", "qop", "nc", "cnonce")


class Login(NamedTuple):
    """What a client says in a field Authorization."""

    name: str
    realm: str
    nonce: str
    uri: str
    response: str
    qop: str
    count_text: str  # eight hex digits
    client_nonce: str
    algorithm: str

    @property
    def number(self) -> int:
        """How often the client has used the nonce, this time included."""
        return int(self.count_text, 16)


class Freshness(Enum):
    """What a nonce is worth."""

    FRESH = auto()
    STALE = auto()  # too old, or not of this process
    REPLAYED = auto()  # with a count that was used


def read(field: str) -> Login | None:
    """The login of a field Authorization; None if it is none of Digest with all that is needed."""
    scheme, _, rest = field.partition(" ")
    if scheme.lower() != "digest" or len(rest) > _LONGEST:
        return None
    found: dict[str, str] = {}
    place = 0
    while place < len(rest):
        pair = _PAIR.match(rest, place)
        if pair is None or pair[1].lower() in found:
            return None
        quoted = pair[2]
        found[pair[1].lower()] = re.sub(r"\\(.)", r"\1", quoted) if quoted is not None else pair[3]
        place = pair.end()
    algorithm = {one.lower(): one for one in _HASHES}.get(found.get("algorithm", MD5).lower())
    if algorithm is None or any(key not in found for key in _NEEDED) or found["qop"].lower() != "auth":
        return None
    count = found["nc"]
    if not _COUNT.fullmatch(count):
        return None
    realm, nonce, uri, response, qop = (found[key] for key in ("realm", "nonce", "uri", "response", "qop"))
    return Login(_utf8(found["username"]), realm, nonce, uri, response, qop, count, found["cnonce"], algorithm)


def _utf8(text: str) -> str:
    """Octets of a header are read as Latin-1; names are UTF-8 where they can be."""
    try:
        return text.encode("latin-1").decode("utf-8")
    except UnicodeError:
        return text


def secret_of(algorithm: str, name: str, realm: str, password: str) -> str:
    """The hash that stands for a password, in hex."""
    return _HASHES[algorithm](f"{name}:{realm}:{password}".encode()).hexdigest()


def is_right(login: Login, secret: str, method: str) -> bool:
    """Whether a login was made with this secret, for a request of this method."""

    def hashed(*parts: str) -> str:
        return _HASHES[login.algorithm](":".join(parts).encode("latin-1", "replace")).hexdigest()

    wanted = hashed(secret, login.nonce, login.count_text, login.client_nonce, login.qop, hashed(method, login.uri))
    return hmac.compare_digest(wanted.encode(), login.response.lower().encode("latin-1", "replace"))


def challenges(realm: str, nonce: str, *, stale: bool) -> tuple[tuple[str, str], ...]:
    """The header lines of a 401. The algorithm is quoted, since some clients need it; both have the same nonce."""
    tail = ", stale=true" if stale else ""
    return tuple(
        (
            "WWW-Authenticate",
            f'Digest realm="{realm}", qop="auth", algorithm="{name}", nonce="{nonce}", charset=UTF-8{tail}',
        )
        for name in _HASHES
    )


class Nonces:
    """Gives out nonces for a peer, and knows which were used. For one thread."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._key = os.urandom(32)
        self._used: dict[str, tuple[float, int, int]] = {}  # nonce -> when made, highest count, bits of those below
        self._floor = float("-inf")  # nonces up to this moment were forgotten

    def new(self, peer: str) -> str:
        """A nonce that nobody had."""
        text = f"{int(self._clock() * 1000):012x}{os.urandom(8).hex()}"
        return text + self._seal(text, peer)

    def use(self, nonce: str, peer: str, count: int) -> Freshness:
        """Use a nonce with a count. Called only if the login is right, so strangers cannot fill the table."""
        now = self._clock()
        made = self._made(nonce, peer)
        if made is None or not 0 <= now - made < NONCE_S:
            return Freshness.STALE
        known = self._used.get(nonce)
        if known is None:
            if made <= self._floor:
                return Freshness.STALE
            self._used[nonce] = made, count, 1
            self._forget(now)
            return Freshness.FRESH
        _, highest, bits = known
        if count > highest:
            bits = ((bits << min(count - highest, _COUNTS_KEPT)) | 1) & ((1 << _COUNTS_KEPT) - 1)
            self._used[nonce] = made, count, bits
            return Freshness.FRESH
        bit = 1 << (highest - count) if highest - count < _COUNTS_KEPT else 0
        if not bit or bits & bit:
            return Freshness.REPLAYED
        self._used[nonce] = made, highest, bits | bit
        return Freshness.FRESH

    def _seal(self, text: str, peer: str) -> str:
        return hmac.new(self._key, f"{text} {peer}".encode(), "sha256").hexdigest()[:32]

    def _made(self, nonce: str, peer: str) -> float | None:
        text, seal = nonce[:28], nonce[28:]
        if not hmac.compare_digest(self._seal(text, peer).encode(), seal.encode("latin-1", "replace")):
            return None
        return int(text[:12], 16) / 1000

    def _forget(self, now: float) -> None:
        for nonce in list(self._used):
            made = self._used[nonce][0]
            if now - made < NONCE_S and len(self._used) <= _USED_MOST:
                break
            self._floor = max(self._floor, made)
            del self._used[nonce]

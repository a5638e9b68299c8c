"""Counters of the running head-end, for /metrics."""

from collections import Counter
from enum import Enum

_METHODS = frozenset({"GET", "HEAD", "PUT", "POST", "DELETE"})


class Handshake(Enum):
    """How a TLS handshake ended."""

    FULL = "full"
    RESUMED = "resumed"
    REFUSED = "refused"
    UNFINISHED = "unfinished"  # too slow, or the peer went away


class Counters:
    """The counters. Only the event loop's thread writes them."""

    def __init__(self) -> None:
        self.requests: Counter[tuple[str, str, int]] = Counter()  # by listener, method, status
        self.rows: Counter[str] = Counter()  # by outcome: stored, known
        self.events = 0
        self.sealed: Counter[str] = Counter()  # bodies in CMS by outcome: opened, refused
        self.handshakes: Counter[tuple[str, Handshake]] = Counter()  # by listener
        self.tls: list[str] = []  # listeners that speak TLS

    def request(self, listener: str, method: str, status: int) -> None:
        """Count an answered request; all unknown methods count as one."""
        self.requests[(listener, method if method in _METHODS else "other", status)] += 1

    def handshakes_of(self, listener: str) -> dict[str, int]:
        """The handshakes of a listener, by their outcome."""
        return {outcome.value: self.handshakes[(listener, outcome)] for outcome in Handshake}

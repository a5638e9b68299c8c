"""Counters of the running head-end, for /metrics."""

from collections import Counter

_METHODS = frozenset({"GET", "HEAD", "PUT", "POST", "DELETE"})


class Counters:
    """The counters. Only the event loop's thread writes them."""

    def __init__(self) -> None:
        self.requests: Counter[tuple[str, str, int]] = Counter()  # by listener, method, status
        self.rows: Counter[str] = Counter()  # by outcome: stored, known
        self.events = 0

    def request(self, listener: str, method: str, status: int) -> None:
        """Count an answered request; all unknown methods count as one."""
        self.requests[(listener, method if method in _METHODS else "other", status)] += 1

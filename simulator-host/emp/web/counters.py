"""What the head-end counts of itself while it runs, for /metrics."""

from collections import Counter

_METHODS = frozenset({"GET", "HEAD", "PUT", "POST", "DELETE"})


class Counters:
    """Written by the event loop's thread only."""

    def __init__(self) -> None:
        self.requests: Counter[tuple[str, str, int]] = Counter()  # by listener, method, status
        self.rows: Counter[str] = Counter()  # by what became of them: stored, known
        self.events = 0

    def request(self, listener: str, method: str, status: int) -> None:
        """Count an answered request; methods nobody knows count as one."""
        self.requests[(listener, method if method in _METHODS else "other", status)] += 1

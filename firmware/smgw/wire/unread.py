"""The octets of a line since its last telegram."""

#: Octets of the newest that are worth keeping for a guess.
SAMPLE = 1024


class Unread:
    """Counts octets without a telegram and keeps the newest. Times are seconds of any clock, handed in."""

    def __init__(self) -> None:
        self.octets = b""  #: the newest
        self.count = 0  #: all
        self.newest = float("-inf")  #: when the last octet came
        self._first = 0.0

    def take(self, octets: bytes, now: float) -> None:
        """Octets came."""
        if not self.count:
            self._first = now
        self.octets = (self.octets + octets)[-SAMPLE:]
        self.count += len(octets)
        self.newest = now

    def clear(self) -> None:
        """A telegram was in them."""
        self.octets, self.count = b"", 0

    def amount(self, now: float) -> str:
        """How many come, in words: `480 octets/s`, or all of few."""
        rate = self.count / max(now - self._first, 1.0)
        return f"{rate:.0f} octets/s" if rate >= 1 else f"{self.count} octets"

"""What meters that push telegrams have in common, whatever the protocol."""

from collections.abc import Sequence
from typing import Generic, Protocol, TypeVar

from smgw.cosem import Stamp
from smgw.lmn.contract import Heard
from smgw.wire import Refused

T = TypeVar("T")
Found = TypeVar("Found", covariant=True)


class Reader(Protocol[Found]):
    """Finds the telegrams of a protocol in the octets of a line."""

    @property
    def receiving(self) -> bool:
        """True while a telegram is unfinished."""

    def receive(self, octets: bytes, /) -> Sequence[Found | Refused]:
        """Take octets; the telegrams that they complete, and what was refused."""

    def finish(self) -> Sequence[Found | Refused]:
        """The line is silent: end an unfinished telegram."""


class TelegramPush(Generic[T]):
    """Telegrams in, values out. It knows when a telegram began, and how long the one before was."""

    def __init__(self, reader: Reader[T], now: Stamp) -> None:
        self._reader = reader
        self._began = now
        self._expected = self._received = 0

    def _heard(self, telegram: T, began: Stamp) -> list[Heard]:
        """The values of a telegram."""
        raise NotImplementedError

    @property
    def receiving(self) -> bool:
        """True while a telegram is unfinished."""
        return self._reader.receiving

    @property
    def lacks(self) -> int:
        """Missing octets until the telegram is as long as the one before."""
        return max(0, self._expected - self._received) if self.receiving else 0

    def receive(self, octets: bytes, stamp: Stamp) -> Sequence[Heard]:
        """Take octets; the values of the telegrams that they completed."""
        if not self._reader.receiving:
            self._began, self._received = stamp, 0
        self._received += len(octets)
        heard: list[Heard] = []
        for event in self._reader.receive(octets):
            heard += self._of(event)
            if not isinstance(event, Refused):
                self._expected = self._received
            # The next telegram began in these octets, however long the one before took.
            self._began, self._received = stamp, 0
        return heard

    def finish(self) -> Sequence[Heard]:
        """End an unfinished telegram; most protocols refuse it."""
        return [one for event in self._reader.finish() for one in self._of(event)]

    def _of(self, event: T | Refused) -> list[Heard]:
        return [event] if isinstance(event, Refused) else self._heard(event, self._began)

"""Wrong logins: after some of them an account is locked for the address that made them, and then the address itself."""

import time
from collections.abc import Callable
from typing import Final, NamedTuple

#: Wrong logins in a row of one account from one address, and of one address with any names.
OF_ACCOUNT, OF_ADDRESS = 5, 20
FIRST_S: Final = 300.0
_LONGEST_S: Final = 3600.0
_FORGOTTEN_S: Final = 3600.0
_MOST: Final = 4096
_Key = tuple[str, str]


class _Wrong(NamedTuple):
    number: int
    last: float
    locked_until: float


class Locks:
    """Counts wrong logins, in memory. For one thread.

    Not by account alone: then anybody in the house could lock anybody out. A made password has 99 bits, so many
    addresses do not help to guess it.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._wrong: dict[_Key, _Wrong] = {}  # the oldest first

    def seconds(self, name: str, peer: str) -> float:
        """Until the next login of this account from this address is looked at; 0 if it is not locked."""
        now = self._clock()
        return max(0.0, *(self._wrong[key].locked_until - now for key in _keys(name, peer) if key in self._wrong), 0.0)

    def failed(self, name: str, peer: str) -> float:
        """Count a wrong login; seconds for which it locks, 0 if it does not."""
        return max(
            self._count(key, most) for key, most in zip(_keys(name, peer), (OF_ACCOUNT, OF_ADDRESS), strict=True)
        )

    def succeeded(self, name: str, peer: str) -> None:
        """Forget the wrong logins of this account from this address."""
        self._wrong.pop(_keys(name, peer)[0], None)

    def _count(self, key: _Key, most: int) -> float:
        now = self._clock()
        known = self._wrong.pop(key, None)
        number = 1 + (known.number if known is not None and now - known.last < _FORGOTTEN_S else 0)
        times = number // most
        locks = number % most == 0
        seconds = min(_LONGEST_S, FIRST_S * 2.0 ** min(times - 1, 16)) if locks else 0.0
        self._wrong[key] = _Wrong(number, now, now + seconds if locks else 0.0)
        if len(self._wrong) > _MOST:
            del self._wrong[next(iter(self._wrong))]
        return seconds


def _keys(name: str, peer: str) -> tuple[_Key, _Key]:
    return (name[:64], peer), ("", peer)

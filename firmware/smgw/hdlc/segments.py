"""An APDU in segments: those still to be sent or acknowledged, and those received so far."""

from collections import deque
from typing import NamedTuple

from smgw.errors import RemoteProtocolError

#: A longer APDU is refused: its length has 16 bits. Three more octets for the LLC header.
MAX_APDU = 65_535
_MODULUS = 8


class Segment(NamedTuple):
    """The content of one I-frame; `more`: further segments of the same APDU follow."""

    information: bytes
    more: bool


def cut(octets: bytes, length: int) -> list[Segment]:
    """The segments of at most `length` octets."""
    starts = range(0, len(octets), length)
    return [Segment(octets[start : start + length], start + length < len(octets)) for start in starts]


class Outbox:
    """Segments in order: first those sent and not acknowledged, at most a window of them, then those that wait.

    V(S) of the standard is `first` + the number of the sent ones, modulo 8.
    """

    def __init__(self, information: int, window: int) -> None:
        self._information = information
        self._window = window
        self._segments: deque[Segment] = deque()
        self._first = 0  # N(S) of the first one
        self._sent = 0

    @property
    def waiting(self) -> bool:
        """True if segments wait to be sent, or to be sent again."""
        return len(self._segments) > self._sent

    def put(self, octets: bytes) -> None:
        """Take one APDU with its header."""
        self._segments.extend(cut(octets, self._information))

    def acknowledge(self, received: int) -> bool:
        """Apply the peer's N(R): all before it has arrived. True if this is new; an impossible number is ignored."""
        count = (received - self._first) % _MODULUS
        if not 0 < count <= self._sent:
            return False
        for _ in range(count):
            self._segments.popleft()
        self._sent -= count
        self._first = received
        return True

    def rewind(self) -> None:
        """Mark unacknowledged segments to be sent again."""
        self._sent = 0

    def window(self) -> list[tuple[int, Segment]]:
        """The segments that may be sent now, each with its N(S); they count as sent."""
        stop = min(self._window, len(self._segments))
        out = [((self._first + place) % _MODULUS, self._segments[place]) for place in range(self._sent, stop)]
        self._sent = max(self._sent, stop)
        return out


class Assembly:
    """The segments of the APDU that is being received."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._octets = 0

    @property
    def partial(self) -> bool:
        """True if more segments follow."""
        return bool(self._parts)

    def add(self, information: bytes, *, more: bool) -> bytes | None:
        """The whole APDU after its last segment. RemoteProtocolError if it is too long; it is then dropped."""
        if not more and not self._parts:
            return information
        self._octets += len(information)
        if self._octets > MAX_APDU + 3:
            raise RemoteProtocolError(f"an APDU of more than {MAX_APDU} octets; {self.clear()} dropped")
        self._parts.append(information)
        if more:
            return None
        whole = b"".join(self._parts)
        self.clear()
        return whole

    def clear(self) -> int:
        """Begin anew; return the number of dropped octets."""
        octets, self._octets = self._octets, 0
        self._parts = []
        return octets

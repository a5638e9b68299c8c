"""The two events that every protocol has."""

from typing import NamedTuple


class Transmit(NamedTuple):
    """Octets for the port, in this order."""

    octets: bytes


class Refused(NamedTuple):
    """Octets that are no frame, or no message in a frame. The decoder continues after them."""

    reason: str
    octets: int  # number of octets

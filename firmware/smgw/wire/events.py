"""The two events that every protocol has."""

from typing import NamedTuple


class Transmit(NamedTuple):
    """Octets for the port, in this order."""

    octets: bytes


class Refused(NamedTuple):
    """Octets that came and made nothing: no frame, or no message in a frame. The decoder goes on behind them."""

    reason: str
    octets: int  # how many

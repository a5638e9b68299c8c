"""Limits of one request."""

from typing import NamedTuple


class Bounds(NamedTuple):
    """Limits of one request."""

    body_octets: int = 4 * 1024 * 1024  # as sent, and again after unpacking
    held_octets: int = 128 * 1024 * 1024  # all bodies together
    header_timeout: float = 10.0  # seconds until the first request's headers must have arrived
    body_timeout: float = 30.0
    idle_timeout: float = 75.0  # a connection without a request

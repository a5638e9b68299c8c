"""Octets that must not be seen: keys and passwords."""


class Secret(bytes):
    """Octets whose text forms tell their number only, so that no log, message or trace holds them by accident."""

    __slots__ = ()

    def __repr__(self) -> str:
        return f"<{len(self)} secret octets>"

    __str__ = __repr__

    def __format__(self, specification: str) -> str:
        return format(repr(self), specification)

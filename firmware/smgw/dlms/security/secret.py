"""Secret octets: keys and passwords."""


class Secret(bytes):
    """Octets whose text form shows only their number, so that no log, message or trace can hold them."""

    __slots__ = ()

    def __repr__(self) -> str:
        return f"<{len(self)} secret octets>"

    __str__ = __repr__

    def __format__(self, specification: str) -> str:
        return format(repr(self), specification)

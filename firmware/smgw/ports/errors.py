"""What goes wrong with a port."""

from smgw.errors import SmgwError


class PortError(SmgwError):
    """A port that cannot be opened, set up or written to. `what` says what is wrong and what would be right."""

    def __init__(self, url: str, what: str) -> None:
        super().__init__(f"{url}: {what}")
        self.url = url
        self.what = what


class PortGone(PortError):  # noqa: N818  (a state of the port, as the driver names it)
    """A port that was there and is no more: unplugged, or closed by the other side. Close it and open it again."""


class PortWoken(PortError):  # noqa: N818  (no error at all)
    """Not a fault: another thread set the `Wake` while this port was being opened or written to."""

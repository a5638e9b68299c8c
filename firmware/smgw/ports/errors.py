"""Errors of a port."""

from smgw.errors import SmgwError


class PortError(SmgwError):
    """A port that cannot be opened, set up or written to. `what` holds the fault and the advice."""

    def __init__(self, url: str, what: str) -> None:
        super().__init__(f"{url}: {what}")
        self.url = url
        self.what = what


class PortBusy(PortError):  # noqa: N818  (a state of the port)
    """Another process holds the port. `pid` and `name` identify it if they can be found; else None and empty."""

    def __init__(self, url: str, what: str, pid: int | None = None, name: str = "") -> None:
        super().__init__(url, what)
        self.pid = pid
        self.name = name


class PortGone(PortError):  # noqa: N818  (a state of the port, as the driver names it)
    """An open port that is gone: unplugged, or closed by the other side. Close it and open it again."""


class PortWoken(PortError):  # noqa: N818  (no error at all)
    """Not a fault: another thread set the `Wake` while this port was opened or written to."""

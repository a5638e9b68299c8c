"""What goes back over plain HTTP; the server is in `han/server/house_ports.py`."""

from typing import NamedTuple


class Reply(NamedTuple):
    """Status, octets and media type."""

    status: int
    body: bytes
    media: str


NOT_FOUND = Reply(404, b"There is nothing at this address.\n", "text/plain; charset=utf-8")

"""How a request is refused, and what the door says of one."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import NamedTuple

from smgw.han.exchange import Who


class RefusedError(Exception):
    """A request that gets this status. `closing`: what follows on the connection cannot be understood."""

    def __init__(
        self, status: int, text: str, *, closing: bool = True, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(text)
        self.status = HTTPStatus(status)
        self.text = text
        self.closing = closing
        self.headers = headers or {}


class Admitted(NamedTuple):
    """What the door says: who asks, or why not, with further header lines of the refusal."""

    who: Who | None = None
    refused: RefusedError | None = None
    lines: tuple[tuple[str, str], ...] = ()

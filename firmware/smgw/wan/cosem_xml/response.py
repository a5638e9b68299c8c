"""The head of an HTTP answer, as far as `http.client` takes too much on trust."""

import http.client
import io
import socket
from typing import Any

#: Most octets of status lines, headers, chunk sizes and trailers in one answer.
_MOST_OCTETS = 128 * 1024
#: Most interim answers (1xx) before the final one.
_MOST_INTERIM = 20


class Response(http.client.HTTPResponse):
    """An answer whose head arrived whole. Interim answers (RFC 9110, 15.2) are skipped."""

    def __init__(self, sock: socket.socket, *arguments: Any, **named: Any) -> None:
        super().__init__(sock, *arguments, **named)
        self.fp = _Lines(self.fp.detach())

    def _read_status(self) -> tuple[str, int, str]:
        for _ in range(_MOST_INTERIM):
            version, status, reason = super()._read_status()  # type: ignore[misc]
            if not 100 <= status < 200 or status == http.HTTPStatus.SWITCHING_PROTOCOLS:
                return version, status, reason
            http.client.parse_headers(self.fp)
        raise http.client.HTTPException(f"more than {_MOST_INTERIM} interim answers")


class _Lines(io.BufferedReader):
    """Gives whole lines only, and not without end."""

    _taken = 0

    def readline(self, size: int | None = -1, /) -> bytes:
        line = super().readline(-1 if size is None else size)
        if not line.endswith(b"\n") and (line or self._taken):  # nothing at all is told apart by http.client
            raise http.client.HTTPException("the answer is cut off")
        self._taken += len(line)
        if self._taken > _MOST_OCTETS:
            raise http.client.HTTPException("the answer has no end")
        return line

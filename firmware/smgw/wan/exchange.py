"""One HTTP exchange at a time with one EMP, over a connection that is kept (TR-03109-1 Annex II, 7.1)."""

import contextlib
import gzip
import socket
import threading
import uuid
from typing import NamedTuple

import urllib3
from urllib3.connection import HTTPConnection
from urllib3.exceptions import HTTPError

from smgw.cosem import DeviceId

MEDIA_TYPE = "application/vnd.de-dke-k461-cosem+xml"
_READ_OF_ANSWER = 2048  # an error page is read so far; what it says goes into status and log
_MOST_RETRY_AFTER = 86_400


class Answer(NamedTuple):
    """What the EMP said. `status` None: no answer, `detail` says why."""

    status: int | None
    detail: str
    retry_after: int | None = None


class Exchange:
    """A client of one point of contact. One thread uses it; `abort` may come from another."""

    def __init__(self, url: str, timeout: float) -> None:
        self._base = (urllib3.util.parse_url(url).path or "").rstrip("/")
        self._timeout = timeout
        self._gzip = False  # until the EMP's answers announce it
        self._open: list[HTTPConnection] = []
        self._url = url
        self._pool: urllib3.HTTPConnectionPool | None = None

    def _connected(self) -> urllib3.HTTPConnectionPool:
        if self._pool is None:
            self._pool = self._new_pool()
        return self._pool

    def _new_pool(self) -> urllib3.HTTPConnectionPool:
        pool = urllib3.connection_from_url(
            self._url,
            maxsize=1,
            timeout=urllib3.Timeout(connect=min(self._timeout, 10.0), read=self._timeout),
            retries=False,
        )
        opened = self._open

        class Connection(HTTPConnection):
            """Known to `abort` from the moment it is open."""

            def connect(self) -> None:
                super().connect()
                opened[:] = [self]

        pool.ConnectionCls = Connection
        return pool

    def put(self, device: DeviceId, body: bytes) -> Answer:
        """PUT a document on the device's `ldev`. Never raises: what went wrong is the answer."""
        headers = {
            "Content-Type": MEDIA_TYPE,
            "Accept": MEDIA_TYPE,
            "x-CID": f"uuid:{uuid.uuid4()}",
        }
        if self._gzip:
            headers["Content-Encoding"] = "gzip"
            body = gzip.compress(body, compresslevel=4, mtime=0)
        # The pool's timeouts are for single reads: an EMP that drips its answer is cut off by this.
        guard = threading.Timer(2 * self._timeout, self.abort)
        guard.daemon = True
        guard.start()
        try:
            return self._exchange(f"{self._base}/cosem/ldevs/{device.uri}", body, headers)
        except (HTTPError, OSError, ValueError) as error:
            self.close()
            return Answer(None, _reason(error))
        finally:
            guard.cancel()

    def _exchange(self, path: str, body: bytes, headers: dict[str, str]) -> Answer:
        response = self._connected().urlopen(
            "PUT", path, body=body, headers=headers, redirect=False, preload_content=False, retries=False
        )
        text = response.read(_READ_OF_ANSWER, decode_content=False) or b""
        self._gzip = "gzip" in response.headers.get("Accept-Encoding", "").lower()
        if len(text) < _READ_OF_ANSWER:
            response.release_conn()
        else:
            response.close()  # a long page: not worth reading for the sake of the connection
        return Answer(response.status, _first_line(text), _seconds(response.headers.get("Retry-After")))

    def abort(self) -> None:
        """Break off an exchange under way; its answer will be "no answer"."""
        for connection in self._open:
            sock = connection.sock
            if sock is not None:
                with contextlib.suppress(OSError):
                    sock.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Let the connection go; the next `put` opens another."""
        if self._pool is not None:
            self._pool.close()
            self._pool = None


def _first_line(text: bytes) -> str:
    """What an error page says, short and fit for a log."""
    line = text.decode("utf-8", "replace").strip().partition("\n")[0]
    return "".join(character if character.isprintable() else " " for character in line)[:200]


def _seconds(retry_after: str | None) -> int | None:
    """Retry-After in delta-seconds (Annex II knows no dates), at most a day."""
    return min(int(retry_after), _MOST_RETRY_AFTER) if retry_after and retry_after.strip().isdecimal() else None


def _reason(error: Exception) -> str:
    """Why there was no answer, without urllib3's object addresses."""
    inner = error.__cause__ or error.__context__ or (error.args[-1] if error.args else None)
    text = str(inner) if isinstance(inner, OSError) and str(inner) else str(error)
    return text.rpartition(">: ")[2] or type(error).__name__

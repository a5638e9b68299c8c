"""One HTTP exchange at a time with one EMP, over a connection that is kept (TR-03109-1 Annex II, 7.1)."""

import gzip
import math
import re
import threading
import time
from collections.abc import Callable
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, NamedTuple

import urllib3
from urllib3.exceptions import ConnectTimeoutError, HTTPError, NewConnectionError, ProtocolError, SSLError

from smgw.cosem import DeviceId
from smgw.errors import reason
from smgw.trust.errors import TrustError
from smgw.trust.tls_rules import hung_up
from smgw.wan.cosem_xml.connection import PlainConnection, SecuredConnection, Watch
from smgw.wan.cosem_xml.guard import Guard
from smgw.wan.cosem_xml.idle import Idle
from smgw.webservice.headers import new_cid

if TYPE_CHECKING:
    from smgw.wan.cosem_xml.secure import Way

MEDIA_TYPE = "application/vnd.de-dke-k461-cosem+xml"
_READ_OF_ANSWER = 2048  # most octets read of an error page, for status and log
_MOST_RETRY_AFTER = 86_400
_CONNECT_S = 10.0
#: A connection with TLS and without an exchange is closed after this time. TR-03109-1 allows 20 s.
IDLE_S = 15.0
_UNSUPPORTED_MEDIA_TYPE = 415
_NOT_ACCEPTED = re.compile(r"\s*q\s*=\s*0(\.0*)?\s*")


class Answer(NamedTuple):
    """The answer of the EMP. `status` None: no answer; `detail` has the reason."""

    status: int | None
    detail: str
    retry_after: int | None = None


class Exchange:
    """A client of one point of contact. One thread uses it; `abort` and `end` may come from another."""

    def __init__(self, url: str, timeout: float, way: "Way | None" = None, media_type: str = MEDIA_TYPE) -> None:
        """`way`: with TLS. `media_type`: of the bodies; one that is not MEDIA_TYPE is never packed."""
        self._base = (urllib3.util.parse_url(url).path or "").rstrip("/")
        self._timeout = timeout
        self._media_type = media_type
        self._gzip = False  # until the EMP's answers announce gzip
        self._gzip_refused = media_type != MEDIA_TYPE
        self._watch = Watch(min(timeout, _CONNECT_S))
        self._guard = Guard(2 * timeout, self.abort)
        self._url = url
        self._way = way
        self._pool: urllib3.HTTPConnectionPool | None = None
        self._busy = threading.RLock()  # held while the connection is used, opened or closed
        self._idle = Idle(IDLE_S, self._busy, self.close)

    def _connected(self) -> urllib3.HTTPConnectionPool:
        if self._pool is None:
            self._pool = self._new_pool()
        return self._pool

    def _new_pool(self) -> urllib3.HTTPConnectionPool:
        pool = urllib3.connection_from_url(
            self._url,
            maxsize=1,
            timeout=urllib3.Timeout(connect=min(self._timeout, _CONNECT_S), read=self._timeout),
            retries=False,
        )
        own: dict[str, Any] = {"watch": self._watch}
        if self._way is None:
            pool.ConnectionCls = type("Connection", (PlainConnection,), own)
        else:
            own |= {"wrap": staticmethod(self._way.wrap), "handshake": staticmethod(self._way.handshake)}
            pool.ConnectionCls = type("Connection", (SecuredConnection,), own)
        return pool

    def put(self, device: DeviceId, body: bytes, meanwhile: Callable[[], None] | None = None) -> Answer:
        """PUT a document on the device's `ldev`. A failure of peer or network is the answer.

        `meanwhile` is called once the request is sent, before the answer is awaited. It is short, and never raises.

        :raises TrustError: nothing may be sent there before a user has mended something.
        """
        self._watch.meanwhile = meanwhile
        if not self._gzip:
            return self._put(device, body, {})
        packed = gzip.compress(body, compresslevel=4, mtime=0)
        answer = self._put(device, packed, {"Content-Encoding": "gzip"})
        if answer.status != _UNSUPPORTED_MEDIA_TYPE:
            return answer
        self._gzip, self._gzip_refused = False, True  # the EMP rejected the encoding, perhaps not the rows
        return self._put(device, body, {})

    def _put(self, device: DeviceId, body: bytes, more: dict[str, str]) -> Answer:
        if self._watch.ended.is_set():
            return Answer(None, "stopping")
        headers = {
            "Content-Type": self._media_type,
            "Accept": MEDIA_TYPE,
            "x-CID": new_cid(),
            **more,
        }
        with self._busy:
            try:
                with self._guard:  # ends an answer that arrives octet by octet
                    self._renew()
                    return self._exchange(f"{self._base}/cosem/ldevs/{device.uri}", body, headers)
            except TrustError:
                self.close()
                raise
            except (HTTPError, OSError, ValueError) as error:
                self.close()
                if self._way is not None and (refused := self._way.refusal(error)) is not None:
                    raise refused from None
                return Answer(None, _reason(error) + ("; its log says why" if self._hung_up(error) else ""))
            finally:
                if self._way is not None:
                    self._idle.used()

    def _hung_up(self, error: Exception) -> bool:
        """True if the peer closed TLS before an answer: perhaps it does not believe us, and Python sends no alert."""
        return self._way is not None and hung_up(_cause(error))

    def _renew(self) -> None:
        """Close a connection with TLS that cannot serve any more."""
        if self._way is not None and (secured := self._watch.secured) is not None and not self._way.goes_on(secured):
            self.close()

    def _exchange(self, path: str, body: bytes, headers: dict[str, str]) -> Answer:
        response = self._connected().urlopen(
            "PUT", path, body=body, headers=headers, redirect=False, preload_content=False, retries=False
        )
        text = response.read(_READ_OF_ANSWER, decode_content=False) or b""
        self._gzip = not self._gzip_refused and _takes_gzip(response.headers.get("Accept-Encoding", ""))
        if len(text) < _READ_OF_ANSWER:
            response.release_conn()
        else:
            response.close()  # a long page: closing the connection is cheaper than reading it
        return Answer(
            response.status,
            _first_line(text),
            _seconds(response.headers.get("Retry-After"), response.headers.get("Date")),
        )

    def abort(self) -> None:
        """Abort an exchange in progress; its answer is "no answer"."""
        self._watch.abort()

    def end(self) -> None:
        """Abort the exchange in progress and prevent new ones."""
        self._watch.ended.set()
        self._guard.end()
        self._idle.end()
        self.abort()

    def close(self) -> None:
        """Close the connection; the next `put` opens another."""
        with self._busy:
            if self._pool is not None:
                self._pool.close()
                self._pool = None


def _takes_gzip(accept_encoding: str) -> bool:
    """True if gzip is named, and not with quality 0 (RFC 9110, 12.5.3)."""
    codings = (coding.partition(";") for coding in accept_encoding.lower().split(","))
    return any(name.strip() == "gzip" and not _NOT_ACCEPTED.fullmatch(weight) for name, _, weight in codings)


def _first_line(text: bytes) -> str:
    """The text of an error page, short and safe for a log."""
    line = text.decode("utf-8", "replace").strip().partition("\n")[0]
    return "".join(character if character.isprintable() else " " for character in line)[:200]


def _seconds(retry_after: str | None, date: str | None) -> int | None:
    """Retry-After as seconds from now, at most a day: a number, or a date (RFC 9110, 10.2.3).

    A date counts from the `Date` of the same answer, so that the clocks of both sides need not agree.
    """
    if not retry_after:
        return None
    if retry_after.strip().isdecimal():
        seconds = int(retry_after.strip().lstrip("0")[:10] or "0")
    else:
        until, answered = _unix_time(retry_after), _unix_time(date or "")
        if until is None:
            return None
        seconds = max(0, math.ceil(until - (time.time() if answered is None else answered)))
    return min(seconds, _MOST_RETRY_AFTER)


def _unix_time(date: str) -> float | None:
    """A date of HTTP, which is UTC also in the form without a zone; None if it is none."""
    try:
        found = parsedate_to_datetime(date)
        return (found.replace(tzinfo=UTC) if found.tzinfo is None else found).timestamp()
    except (ValueError, TypeError, LookupError, ArithmeticError):  # a date of nonsense can raise any of them
        return None


def _reason(error: Exception) -> str:
    """Why there was no answer, in words: no number of an error, no object address of urllib3."""
    error = _cause(error)
    if hung_up(error):
        return "the other side closed the connection"
    return reason(error).rpartition(">: ")[2]


def _cause(error: Exception) -> Exception:
    """The error that urllib3 wrapped."""
    if isinstance(error, NewConnectionError | ConnectTimeoutError):
        return error.__cause__ or error.__context__ or error  # type: ignore[return-value]
    inner = error.args[-1] if isinstance(error, ProtocolError | SSLError) else None
    return inner if isinstance(inner, Exception) else error

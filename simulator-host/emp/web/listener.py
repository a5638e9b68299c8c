"""One listening address: reports errors in one place and closes stalled connections."""

import asyncio
import inspect
import logging
from collections.abc import Callable
from typing import Any, NamedTuple

from aiohttp import HttpVersion11, web
from aiohttp.web_protocol import RequestHandler
from smgw.errors import reason
from smgw.webservice import headers as rules
from smgw.webservice import uri
from smgw.webservice.error import ServiceError, Status, VersionNotSupported
from smgw.webservice.media_type import HTML

from emp.store.storage import RecordConflictError, StorageError, StorageFullError
from emp.web.bounds import Bounds
from emp.web.counters import Counters
from emp.web.door import Door, most_connections
from emp.web.handshakes import Handshakes
from emp.web.routes import Handler, Routes
from emp.web.seldom import Seldom

_LOG = logging.getLogger(__name__)

_SECURITY = {
    "Content-Security-Policy": "default-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Server": "emp",
}
#: Chromium shows XML by a page of its own, whose style and pictures stand in it. No script runs there.
_XML_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; frame-ancestors 'none'"
STOP_SECONDS = 1.0
#: In aiohttp 3.8 of Debian 12 the shutdown timeout belongs to the site, which is not used here.
_RUNNER_STOPS = "shutdown_timeout" in inspect.signature(web.BaseRunner.__init__).parameters
_MAX_LINE = 16 * 1024  # octets of a request line; so a URI of more than 4000 characters gets 414


#: Request, status and reason -> a page.
ErrorPage = Callable[[web.Request, int, str], str]


class Address(NamedTuple):
    """The address to listen on."""

    host: str = "127.0.0.1"
    port: int = 8080

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


class ListenError(ServiceError):
    """The server cannot listen on this address."""


class _Connections:
    """Closes a connection that sends its first request, or reads an answer, too slowly."""

    def __init__(self, bounds: Bounds, longest_s: float | None) -> None:
        self._bounds = bounds
        self._longest_s = longest_s
        self._born: dict[RequestHandler, float] = {}
        self._waiting_since: dict[RequestHandler, float] = {}
        self._busy: set[RequestHandler] = set()

    def begin(self, request: web.Request) -> None:
        self._busy.add(request.protocol)

    def end(self, request: web.Request) -> None:
        self._busy.discard(request.protocol)
        # The server closes idle connections itself. A connection open for longer does not read its answer.
        patience = self._bounds.idle_timeout + self._bounds.body_timeout - self._bounds.header_timeout
        self._waiting_since[request.protocol] = asyncio.get_running_loop().time() + patience

    def sweep(self, handlers: list[RequestHandler]) -> None:
        now = asyncio.get_running_loop().time()
        self._end_old(handlers, now)
        since = {handler: self._waiting_since.get(handler, now) for handler in handlers}
        for handler, moment in since.items():
            if handler not in self._busy and now - moment > self._bounds.header_timeout and handler.transport:
                handler.transport.abort()
        self._waiting_since = since

    def _end_old(self, handlers: list[RequestHandler], now: float) -> None:
        """A connection of TLS ends after a time, with the request in progress finished."""
        if self._longest_s is None:
            return
        self._born = {handler: self._born.get(handler, now) for handler in handlers}
        for handler, moment in self._born.items():
            if now - moment > self._longest_s and handler.transport is not None:
                if handler in self._busy:
                    handler.close()  # after the answer
                else:
                    handler.transport.close()

    async def watch(self, server: web.Server) -> None:
        while True:
            await asyncio.sleep(min(1.0, self._bounds.header_timeout / 4))
            self.sweep(server.connections)


class Listener:
    """Serves one set of routes at one address; they are added before `start`."""

    def __init__(
        self,
        name: str,
        bounds: Bounds,
        counters: Counters,
        handshakes: Handshakes | None = None,
        longest_s: float | None = None,
        page: ErrorPage | None = None,
    ) -> None:
        """`handshakes`: those of TLS, None: plain HTTP. `longest_s`: seconds after which a connection is closed.

        `page` makes the page that a browser gets of an error.
        """
        self._page = page
        self._name = name
        self._bounds = bounds
        self._counters = counters
        self._handshakes = handshakes
        self._connections = _Connections(bounds, longest_s)
        self.routes = Routes()
        # The routes of aiohttp stay empty: their answer 404 is replaced by that of our own.
        self._application = web.Application(middlewares=[self._middleware])
        self._application.on_response_prepare.append(_sign)
        self._runner: web.AppRunner | None = None
        self._told = Seldom(_LOG)
        self._door: Door | None = None
        self._watch: asyncio.Task[None] | None = None

    async def start(self, address: Address) -> Address:
        """Listen; returns the address with its port. ListenError if that fails."""
        stopping: dict[str, Any] = {"shutdown_timeout": STOP_SECONDS}
        self._runner = web.AppRunner(
            self._application,
            access_log=None,
            handle_signals=False,
            **(stopping if _RUNNER_STOPS else {}),
            keepalive_timeout=self._bounds.idle_timeout,
            auto_decompress=False,
            lingering_time=2.0,
            max_line_size=_MAX_LINE,
        )
        await self._runner.setup()
        server = self._runner.server
        assert server is not None
        self._door = Door(self._name, server, most_connections(), self._handshakes)
        try:
            port = await self._door.open(address.host, address.port)
        except OSError as error:
            raise ListenError(f"cannot listen on {address}: {reason(error)}; choose another HOST:PORT") from None
        self._watch = asyncio.create_task(self._connections.watch(server))
        return Address(address.host, port)

    async def stop(self) -> None:
        """Finish the requests in progress, for about a second at most."""
        if self._watch is not None:
            self._watch.cancel()
        if self._door is not None:
            self._door.close()
        if self._runner is not None:
            if not _RUNNER_STOPS and self._runner.server is not None:
                await self._runner.shutdown()
                await self._runner.server.shutdown(STOP_SECONDS)
            await self._runner.cleanup()

    @web.middleware
    async def _middleware(self, request: web.Request, handler: Handler) -> web.StreamResponse:  # noqa: ARG002
        self._connections.begin(request)
        status: int = 499  # the client went away
        try:
            response = await self._answer(request)
            status = response.status
            if self._page is not None and status >= Status.BAD_REQUEST and _wants_page(request, response):
                assert isinstance(response, web.Response)
                reason = (response.text or "").strip()
                response.text = self._page(request, response.status, reason)
                response.content_type = HTML.essence
        finally:
            self._connections.end(request)
            self._counters.request(self._name, request.method, status)
        return response

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        try:
            cid = request.headers.get(rules.CID)
            if cid is not None:
                rules.parse_cid(cid)
            uri.split(request.raw_path)
            if request.version > HttpVersion11:
                raise VersionNotSupported("HTTP/1.1 is spoken here", {"Connection": "close"})
            return await self.routes.serve(request)
        except ServiceError as error:
            return problem(error.status, str(error), error.headers)
        except RecordConflictError as error:
            return problem(Status.UNPROCESSABLE_CONTENT, str(error))
        except StorageError as error:
            full = isinstance(error, StorageFullError)
            status = Status.INSUFFICIENT_STORAGE if full else Status.SERVICE_UNAVAILABLE
            return problem(status, str(error), {"Retry-After": str(error.retry_after)})
        except web.HTTPException as error:
            return problem(Status(error.status), error.reason, _allow(error))
        except (ConnectionError, asyncio.CancelledError):
            raise
        except Exception as error:
            name = type(error).__name__
            self._told.say(logging.ERROR, name, "%s %.200s: %s: %s", request.method, request.raw_path, name, error)
            _LOG.debug("the error above came from here", exc_info=True)
            return problem(Status.APPLICATION_ERROR, "the head-end failed; its log says why")


def _wants_page(request: web.Request, response: web.StreamResponse) -> bool:
    """True if a person asked, by a browser, and gets an error as plain text."""
    accepted = request.headers.get("Accept", "").lower()
    return HTML.essence in accepted and response.content_type == "text/plain"


async def _sign(request: web.Request, response: web.StreamResponse) -> None:
    response.headers.update(_SECURITY)
    if response.content_type.endswith("xml"):
        response.headers["Content-Security-Policy"] = _XML_POLICY
    response.headers["Accept-Encoding"] = ", ".join(rules.ENCODINGS)
    cid = _safe_cid(request.headers.get(rules.CID))
    if cid is not None:
        response.headers[rules.CID] = cid


def problem(status: Status, reason: str, headers: dict[str, str] | None = None) -> web.Response:
    """An error answer as plain text: the fault, and the correct form."""
    response = web.Response(status=status, text=f"{reason}\n", headers=headers)
    if (headers or {}).get("Connection") == "close":
        response.force_close()
    return response


def _safe_cid(cid: str | None) -> str | None:
    try:
        return None if cid is None else rules.parse_cid(cid)
    except ServiceError:
        return None


def _allow(error: web.HTTPException) -> dict[str, str]:
    return {"Allow": error.headers["Allow"]} if "Allow" in error.headers else {}

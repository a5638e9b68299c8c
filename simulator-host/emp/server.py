"""The head-end's HTTP server: routes, errors told in one place, connections that stall closed, a clean stop."""

import asyncio
import logging
import resource
import signal
import sys
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

from aiohttp import web
from aiohttp.web_protocol import RequestHandler
from smgw.webservice import headers as rules
from smgw.webservice.error import MethodNotAllowed, ServiceError, Status

from emp.cosem_api import Bounds, CosemApi
from emp.json_api import JsonApi
from emp.pages import Pages
from emp.storage import RecordConflictError, Storage, StorageError, StorageFullError

_LOG = logging.getLogger(__name__)

_Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

_SECURITY = {
    "Content-Security-Policy": "default-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Server": "emp",
}
_STOP_SECONDS = 1.0
_MAX_LINE = 16 * 1024  # octets of a request line; a URI of more than 4000 characters then gets its 414


class Address(NamedTuple):
    """Where to listen."""

    host: str = "127.0.0.1"
    port: int = 8080

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


class ListenError(ServiceError):
    """The address cannot be listened on."""


class _Connections:
    """Closes a connection whose first request, or whose reading of an answer, takes too long."""

    def __init__(self, bounds: Bounds) -> None:
        self._bounds = bounds
        self._waiting_since: dict[RequestHandler, float] = {}
        self._busy: set[RequestHandler] = set()

    def begin(self, request: web.Request) -> None:
        self._busy.add(request.protocol)

    def end(self, request: web.Request) -> None:
        self._busy.discard(request.protocol)
        # Idle connections the server closes itself; what is open longer than that is not reading its answer.
        patience = self._bounds.idle_timeout + self._bounds.body_timeout - self._bounds.header_timeout
        self._waiting_since[request.protocol] = asyncio.get_running_loop().time() + patience

    def sweep(self, handlers: list[RequestHandler]) -> None:
        now = asyncio.get_running_loop().time()
        since = {handler: self._waiting_since.get(handler, now) for handler in handlers}
        for handler, moment in since.items():
            if handler not in self._busy and now - moment > self._bounds.header_timeout and handler.transport:
                handler.transport.abort()
        self._waiting_since = since

    async def watch(self, server: web.Server) -> None:
        while True:
            await asyncio.sleep(min(1.0, self._bounds.header_timeout / 4))
            self.sweep(server.connections)


class HeadEnd:
    """The application around one store."""

    def __init__(self, storage: Storage, poc: str = "", bounds: Bounds | None = None) -> None:
        self.bounds = bounds or Bounds()
        self._workers = ThreadPoolExecutor(2, "emp-worker")
        self._connections = _Connections(self.bounds)
        self._cosem = CosemApi(storage, self._workers, poc, self.bounds)
        self._json = JsonApi(storage, self._workers)
        self._pages = Pages(storage, self._workers, poc)
        self._runner: web.AppRunner | None = None
        self._watch: asyncio.Task[None] | None = None

    def application(self) -> web.Application:
        """The routes."""
        application = web.Application(middlewares=[self._middleware])
        router = application.router
        for path, handler in (
            ("/", self._pages.overview),
            ("/static/{name}", self._pages.static),
            ("/devices/{device}.json", self._json.rows),
            ("/devices/{device}", self._pages.device),
            ("/api/keys", self._json.keys),
            ("/healthz", self._json.health),
        ):
            router.add_get(path, handler)
            router.add_route("*", path, _only_get)
        router.add_route("*", "/{rest:.*}", self._cosem.serve)
        return application

    async def start(self, address: Address) -> Address:
        """Listen; returns the address with the port that was chosen. ListenError if it cannot be had."""
        asyncio.get_running_loop().set_exception_handler(_log_quietly)
        self._runner = web.AppRunner(
            self.application(),
            access_log=None,
            handle_signals=False,
            shutdown_timeout=_STOP_SECONDS,
            keepalive_timeout=self.bounds.idle_timeout,
            auto_decompress=False,
            lingering_time=2.0,
            max_line_size=_MAX_LINE,
        )
        await self._runner.setup()
        site = web.TCPSite(self._runner, address.host, address.port, backlog=512)
        try:
            await site.start()
        except OSError as error:
            reason = error.strerror or str(error)
            raise ListenError(f"cannot listen on {address}: {reason}; choose another --listen HOST:PORT") from None
        server = self._runner.server
        assert server is not None
        self._watch = asyncio.create_task(self._connections.watch(server))
        return Address(address.host, int(self._runner.addresses[0][1]))

    async def stop(self) -> None:
        """Finish the requests that are being answered, at most about a second, and close everything but the store."""
        if self._watch is not None:
            self._watch.cancel()
        if self._runner is not None:
            await self._runner.cleanup()
        self._workers.shutdown(wait=True, cancel_futures=True)

    @web.middleware
    async def _middleware(self, request: web.Request, handler: _Handler) -> web.StreamResponse:
        self._connections.begin(request)
        try:
            response = await self._answer(request, handler)
        finally:
            self._connections.end(request)
        for name, value in _SECURITY.items():
            response.headers.setdefault(name, value)
        response.headers["Accept-Encoding"] = ", ".join(rules.ENCODINGS)
        return response

    async def _answer(self, request: web.Request, handler: _Handler) -> web.StreamResponse:
        cid = request.headers.get(rules.CID)
        try:
            echoed = None if cid is None else rules.parse_cid(cid)
            response = await handler(request)
        except ServiceError as error:
            echoed, response = _safe_cid(cid), problem(error.status, str(error), error.headers)
        except RecordConflictError as error:
            echoed, response = _safe_cid(cid), problem(Status.UNPROCESSABLE_CONTENT, str(error))
        except StorageError as error:
            full = isinstance(error, StorageFullError)
            status = Status.INSUFFICIENT_STORAGE if full else Status.SERVICE_UNAVAILABLE
            echoed, response = _safe_cid(cid), problem(status, str(error), {"Retry-After": str(error.retry_after)})
        except web.HTTPException as error:
            echoed, response = _safe_cid(cid), problem(Status(error.status), error.reason, _allow(error))
        except (ConnectionError, asyncio.CancelledError):
            raise
        except Exception as error:
            _LOG.error("%s %.200s: %s: %s", request.method, request.raw_path, type(error).__name__, error)
            _LOG.debug("the error above came from here", exc_info=True)
            echoed, response = (
                _safe_cid(cid),
                problem(Status.APPLICATION_ERROR, "the head-end failed; its log says why"),
            )
        if echoed is not None:
            response.headers[rules.CID] = echoed
        return response


def problem(status: Status, reason: str, headers: dict[str, str] | None = None) -> web.Response:
    """An answer that says what was wrong and what would be right, as plain text."""
    response = web.Response(status=status, text=f"{reason}\n", headers=headers)
    if (headers or {}).get("Connection") == "close":
        response.force_close()
    return response


async def _only_get(request: web.Request) -> web.StreamResponse:
    raise MethodNotAllowed(request.method, ("GET", "HEAD"))


def _safe_cid(cid: str | None) -> str | None:
    try:
        return None if cid is None else rules.parse_cid(cid)
    except ServiceError:
        return None


def _allow(error: web.HTTPException) -> dict[str, str]:
    return {"Allow": error.headers["Allow"]} if "Allow" in error.headers else {}


def _log_quietly(_: asyncio.AbstractEventLoop, context: dict[str, object]) -> None:
    error = context.get("exception")
    _LOG.error("%s%s", context.get("message"), f": {error}" if error else "")


def _allow_many_connections() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 8192 if hard == resource.RLIM_INFINITY else min(8192, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


async def serve(storage: Storage, address: Address, poc: str = "", bounds: Bounds | None = None) -> None:
    """Listen until SIGTERM or SIGINT; says on standard output when it is ready."""
    _allow_many_connections()
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    head_end = HeadEnd(storage, poc, bounds)
    try:
        bound = await head_end.start(address)
        sys.stdout.write(f"emp: listening on http://{bound}{poc}/ (pages /, documents {poc}/cosem, keys /api/keys)\n")
        sys.stdout.flush()
        await stop.wait()
    finally:
        await head_end.stop()

"""The head-end: one store, one listener for gateways and one for users, a clean stop."""

import asyncio
import logging
import resource
import signal
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

from aiohttp import web
from smgw.webservice.error import NotFound
from smgw.webservice.uri import Node

from emp.answers.sending import Sender
from emp.pages.assets import Assets
from emp.pages.pages import Pages
from emp.store.storage import Storage
from emp.times import Zone
from emp.trust.gateway_tls import CONTEXT_S, GatewayTls
from emp.trust.opening import Opener
from emp.trust.room import Room
from emp.web.binding import CertificateGatekeeper, Gatekeeper, PeopleGatekeeper
from emp.web.bodies import Bodies, Seals
from emp.web.bounds import Bounds
from emp.web.cosem_api import OFFERED, OFFERED_TO_PEOPLE, CosemApi
from emp.web.counters import Counters
from emp.web.guard import Guard, is_loopback
from emp.web.handshakes import Handshakes
from emp.web.json_api import JsonApi
from emp.web.listener import Address, Listener, ListenError
from emp.web.metrics import Metrics
from emp.web.password import Password
from emp.web.peers import Turns
from emp.web.routes import Handler
from emp.web.seldom import Seldom

_LOG = logging.getLogger(__name__)


class Settings(NamedTuple):
    """The options of a head-end."""

    poc: str = ""
    bounds: Bounds = Bounds()
    password: Password | None = None
    zone: Zone = Zone()
    names: tuple[str, ...] = ()  # of this computer, in the header Host, besides localhost and loopback addresses
    room: Room | None = None  # the trust folder: gateways speak TLS
    seals_required: bool = True  # with `room`: gateways deliver in CMS only


class HeadEnd:
    """The application around one store."""

    def __init__(self, storage: Storage, settings: Settings | None = None) -> None:
        self._settings = settings or Settings()
        poc, bounds = self._settings.poc, self._settings.bounds
        self._workers = ThreadPoolExecutor(2, "emp-worker")
        self._guard = Guard(self._settings.password, self._settings.names)
        counters = Counters()
        sender = Sender(self._workers, bounds.body_timeout)
        self._room = self._settings.room
        self._gateways = Listener("gateways", bounds, counters, *self._gateways_tls(counters))
        self._people = Listener("people", bounds, counters)
        self._told = Seldom(_LOG)
        self._decoders = ThreadPoolExecutor(2, "emp-decoder")
        turns = Turns(self._decoders)
        opener = None if self._room is None else Opener(self._room)

        def cosem(keeper: Gatekeeper, offered: dict[Node, tuple[str, ...]], *, required: bool) -> CosemApi:
            bodies = Bodies(bounds, turns, counters, None if opener is None else Seals(opener, required))
            return CosemApi(storage, self._workers, sender, keeper, counters, poc, bodies, turns, offered)

        plain = self._room is None
        for_gateways = Gatekeeper(self._guard) if self._room is None else CertificateGatekeeper(self._guard, self._room)
        for_people = PeopleGatekeeper(self._guard)
        self._gateways.routes.add_get("/", _no_pages_here)
        self._gateways.routes.add_rest(cosem(for_gateways, OFFERED, required=self._settings.seals_required).serve)
        pages = Pages(storage, self._workers, poc, self._settings.zone)
        data = JsonApi(storage, self._workers, sender, self._settings.zone, counters)
        metrics = Metrics(storage, self._workers, counters)
        for path, handler in (
            ("/", pages.overview),
            ("/devices/{name}.{form:xml|json|csv}", data.export),
            ("/devices/{name}", pages.device),
            ("/devices/{name}/rows", pages.rows),
            ("/devices/{name}/registers/{register}.{form:json|csv}", data.curve),
            ("/devices/{name}/registers/{register}", pages.register),
            ("/api/keys", data.keys),
            ("/api/gateways", data.gateways),
            ("/api/events", data.events),
            ("/metrics", metrics.serve),
        ):
            self._people.routes.add_get(path, self._guarded(handler))
        self._people.routes.add_get("/healthz", data.health)
        self._people.routes.add_get("/static/{name:.+}", Assets().serve)
        self._people.routes.add_rest(cosem(for_people, OFFERED_TO_PEOPLE if plain else OFFERED, required=True).serve)

    def _gateways_tls(self, counters: Counters) -> tuple[Handshakes | None, float | None]:
        """The handshakes of gateways, and how long a connection lives; TrustError if a file cannot be used."""
        if self._room is None:
            return None, None
        counters.tls.append("gateways")
        return Handshakes("gateways", GatewayTls(self._room).current, counters), CONTEXT_S

    async def start(self, gateways: Address, people: Address) -> tuple[Address, Address]:
        """Listen for gateways and for users; returns both addresses with their ports.

        Raises ListenError if that fails, or if remote users would need no password.
        """
        if self._settings.password is None and not is_loopback(people.host):
            raise ListenError(
                f"people could read at {people} without a password: emp password FILE, then --password FILE; "
                "or listen on 127.0.0.1"
            )
        asyncio.get_running_loop().set_exception_handler(self._log_quietly)
        bound = await self._gateways.start(gateways), await self._people.start(people)
        for address in bound:
            self._guard.listens(*address)
        return bound

    async def stop(self) -> None:
        """Finish the requests in progress, for about a second at most, and close all but the store."""
        await asyncio.gather(self._gateways.stop(), self._people.stop())
        self._guard.close()
        for threads in (self._decoders, self._workers):
            threads.shutdown(wait=True, cancel_futures=True)

    def _log_quietly(self, _: asyncio.AbstractEventLoop, context: dict[str, object]) -> None:
        error = context.get("exception")
        message = str(context.get("message"))
        self._told.say(logging.ERROR, message, "%s%s", message, f": {error}" if error else "")

    def _guarded(self, handler: Handler) -> Handler:
        async def admit(request: web.Request) -> web.StreamResponse:
            await self._guard.admit(request)
            return await handler(request)

        return admit


async def _no_pages_here(_: web.Request) -> web.StreamResponse:
    raise NotFound("gateways deliver here; the pages for people are where --people says, http://127.0.0.1:8081 if not")


def _allow_many_connections() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 8192 if hard == resource.RLIM_INFINITY else min(8192, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


async def serve(storage: Storage, gateways: Address, people: Address, settings: Settings) -> None:
    """Listen until SIGTERM or SIGINT; prints a line when it is ready."""
    _allow_many_connections()
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    head_end = HeadEnd(storage, settings)
    try:
        bound, for_people = await head_end.start(gateways, people)
        scheme = "http" if settings.room is None else "https"
        sys.stdout.write(
            f"emp: listening on {scheme}://{bound}{settings.poc}/ for gateways, http://{for_people}/ for people\n"
        )
        if settings.password is not None and not is_loopback(people.host):
            sys.stdout.write("emp: there is no TLS yet: who listens on the wire can read the password\n")
        sys.stdout.flush()
        await stop.wait()
    finally:
        await head_end.stop()

"""The head-end: one store, one listener for gateways and one for users, a clean stop."""

import asyncio
import logging
import resource
import signal
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

from aiohttp import web
from smgw.look.times import Zone
from smgw.webservice.error import NotFound
from smgw.webservice.uri import Node

from emp.answers.sending import Sender
from emp.pages.assets import Assets
from emp.pages.pages import Pages
from emp.store.storage import Storage
from emp.trust.expiry import Expiries
from emp.trust.gateway_tls import CONTEXT_S, GatewayTls
from emp.trust.opening import Opener
from emp.trust.people_tls import Files, PeopleTls
from emp.trust.room import Room
from emp.trust.verdicts import Verdicts
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
_DAY_S = 86_400.0


class Settings(NamedTuple):
    """The options of a head-end."""

    poc: str = ""
    bounds: Bounds = Bounds()
    password: Password | None = None
    zone: Zone = Zone()
    names: tuple[str, ...] = ()  # of this computer, in the header Host, besides localhost and loopback addresses
    room: Room | None = None  # the trust folder: gateways speak TLS
    seals_required: bool = True  # with `room`: gateways deliver in CMS only
    people_files: Files | None = None  # certificate and key of the pages: people speak TLS
    insecure: bool = False  # plain HTTP also where other computers listen


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
        self._people_tls = None if self._settings.people_files is None else PeopleTls(self._settings.people_files)
        self._expiries = None if self._room is None else Expiries(self._room)
        verdicts = None if self._room is None else Verdicts(self._room.peers)
        pages = Pages(storage, self._workers, poc, self._settings.zone, self._expiries, self._notes, verdicts)
        handshakes = self._people_handshakes(counters)
        self._people = Listener("people", bounds, counters, handshakes, page=pages.error)
        self._plain: list[str] = []  # what is readable on the wire
        self._told_expiries: asyncio.Task[None] | None = None
        self._told = Seldom(_LOG)
        self._decoders = ThreadPoolExecutor(2, "emp-decoder")
        turns = Turns(self._decoders)
        opener = None if self._room is None else Opener(self._room)

        def cosem(keeper: Gatekeeper, offered: dict[Node, tuple[str, ...]], *, required: bool) -> CosemApi:
            bodies = Bodies(bounds, turns, counters, None if opener is None else Seals(opener, required))
            return CosemApi(storage, self._workers, sender, keeper, counters, poc, bodies, turns, offered)

        plain = self._room is None
        for_gateways = Gatekeeper(self._guard)
        if self._room is not None and self._expiries is not None:
            for_gateways = CertificateGatekeeper(self._guard, self._room, self._expiries)
        for_people = PeopleGatekeeper(self._guard)
        self._gateways.routes.add_get("/", _no_pages_here)
        self._gateways.routes.add_rest(cosem(for_gateways, OFFERED, required=self._settings.seals_required).serve)
        data = JsonApi(storage, self._workers, sender, self._settings.zone, counters, self._expiries)
        metrics = Metrics(storage, self._workers, counters, self._expiries)
        for path, handler in (
            ("/", pages.overview),
            ("/devices/{name}.{form:xml|json|csv}", data.export),
            ("/devices/{name}", pages.device),
            ("/devices/{name}/rows", pages.rows),
            ("/devices/{name}/bills", pages.bills),
            ("/devices/{name}/bills.json", data.bills),
            ("/bills", pages.all_bills),
            ("/bills.json", data.all_bills),
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

    def _people_handshakes(self, counters: Counters) -> Handshakes | None:
        if self._people_tls is None:
            return None
        counters.tls.append("people")
        return Handshakes("people", self._people_tls.current, counters, level=logging.INFO)

    def _notes(self) -> list[str]:
        """What people should know of the security of this head-end. It may read files."""
        ending = "" if self._people_tls is None else self._people_tls.ending()
        endings = [] if self._expiries is None else [one.text for one in self._expiries.endings()]
        return [*self._plain, *filter(None, [ending]), *endings]

    def _tell_expiries(self) -> None:
        if self._people_tls is not None and (text := self._people_tls.ending()):
            _LOG.warning("%s", text)
        if self._expiries is not None:
            self._expiries.tell()

    async def _watch_expiries(self) -> None:
        """Log what ends soon, at the start and each day."""
        loop = asyncio.get_running_loop()
        while True:
            await loop.run_in_executor(self._workers, self._tell_expiries)
            await asyncio.sleep(_DAY_S)

    async def start(self, gateways: Address, people: Address) -> tuple[Address, Address]:
        """Listen for gateways and for users; returns both addresses with their ports.

        Raises ListenError if that fails, if remote users would need no password, or if what other computers exchange
        with this one would be readable on the wire and `insecure` does not allow it.
        """
        if self._settings.password is None and not is_loopback(people.host):
            raise ListenError(
                f"people could read at {people} without a password: emp password FILE, then --password FILE; "
                "or listen on 127.0.0.1"
            )
        self._require_tls(gateways, people)
        asyncio.get_running_loop().set_exception_handler(self._log_quietly)
        bound = await self._gateways.start(gateways), await self._people.start(people)
        for address in bound:
            self._guard.listens(*address)
        self._told_expiries = asyncio.create_task(self._watch_expiries())
        return bound

    def _require_tls(self, gateways: Address, people: Address) -> None:
        remedies = []
        if self._room is None and not is_loopback(gateways.host):
            self._plain.append(f"Gateways deliver at {gateways} without TLS: others can read and forge it.")
            remedies.append("--trust DIR (smgw-pki makes one)")
        if self._people_tls is None and not is_loopback(people.host):
            self._plain.append(f"People read at {people} without TLS: others can read the password and the readings.")
            remedies.append("emp certificate --out DIR, then --people-certificate and --people-key")
        if remedies and not self._settings.insecure:
            raise ListenError(
                f"{' '.join(self._plain)} Give {' and '.join(remedies)}; or --insecure in a network of your own"
            )
        for one in self._plain:
            _LOG.warning("%s", one)

    async def stop(self) -> None:
        """Finish the requests in progress, for about a second at most, and close all but the store."""
        await asyncio.gather(self._gateways.stop(), self._people.stop())
        self._guard.close()
        if self._told_expiries is not None:
            self._told_expiries.cancel()
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


def _scheme(secured: object) -> str:
    return "http" if secured is None else "https"


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
        sys.stdout.write(
            f"emp: listening on {_scheme(settings.room)}://{bound}{settings.poc}/ for gateways, "
            f"{_scheme(settings.people_files)}://{for_people}/ for people\n"
        )
        sys.stdout.flush()
        await stop.wait()
    finally:
        await head_end.stop()

"""The COSEM tree over HTTP (TR-03109-1 Annex II, 7).

PUT stores a document, GET reads, DELETE removes a device. POST stores a notice, or calls the load profile's method
reset. Gateways may PUT and POST notices. The guard admits users who read, delete or reset.
"""

import asyncio
import logging
import time
from concurrent.futures import Executor
from typing import NamedTuple

from aiohttp import web
from smgw.cosem.data import Data, DataType
from smgw.cosemxml import document, reader, writer
from smgw.cosemxml.depth import cut
from smgw.cosemxml.error import CosemXmlError
from smgw.cosemxml.resources import MethodRequest, MethodResponse
from smgw.cosemxml.source import Limits
from smgw.webservice import headers as rules
from smgw.webservice import query as filters
from smgw.webservice import uri
from smgw.webservice.error import (
    BadRequest,
    ContentTooLarge,
    NotFound,
    Status,
    Unprocessable,
    UnsupportedMediaType,
)
from smgw.webservice.media_type import COSEM_XML, MediaType, is_bare_cosem_xml
from smgw.webservice.uri import Node, Target
from smgw.webservice.verbs import ALLOWED, check_verb

from emp.answers.forms import as_text, wanted
from emp.answers.resources import IDENTITY_ID, PROFILE_ID, RESET, answer
from emp.answers.sending import Sender, Text
from emp.store.storage import Notice, Receipt, Storage
from emp.web.body import Budget, read, unpack
from emp.web.counters import Counters
from emp.web.guard import Guard
from emp.web.peers import Turns, peer_of
from emp.web.routes import origin_form

_LOG = logging.getLogger(__name__)

#: The verbs of the annex that this head-end offers. Rows are put as whole documents, because their key needs gateway
#: and store. They are deleted with their whole device.
OFFERED: dict[Node, tuple[str, ...]] = {
    **dict.fromkeys(Node, ("GET",)),
    Node.LDEV: ALLOWED[Node.LDEV],
    Node.METHOD: ALLOWED[Node.METHOD],
}
#: The same for users, who deliver nothing.
OFFERED_TO_PEOPLE: dict[Node, tuple[str, ...]] = {**OFFERED, Node.LDEV: ("GET", "DELETE")}
MAX_NOTICE = 4096  # octets


class Bounds(NamedTuple):
    """Limits of one request."""

    body_octets: int = 4 * 1024 * 1024  # as sent, and again after unpacking
    held_octets: int = 128 * 1024 * 1024  # all bodies together
    header_timeout: float = 10.0  # seconds until the first request's headers must have arrived
    body_timeout: float = 30.0
    idle_timeout: float = 75.0  # a connection without a request


class CosemApi:
    """Serves every path below `<PoC>/cosem`."""

    def __init__(
        self,
        storage: Storage,
        workers: Executor,
        sender: Sender,
        guard: Guard,
        counters: Counters,
        poc: str,
        bounds: Bounds,
        turns: Turns,
        offered: dict[Node, tuple[str, ...]],
    ) -> None:
        self._storage = storage
        self._workers = workers
        self._sender = sender
        self._guard = guard
        self._counters = counters
        self._poc = poc
        self._bounds = bounds
        self._offered = offered
        self._turns = turns
        self._budget = Budget(bounds.held_octets, bounds.body_octets)

    async def serve(self, request: web.Request) -> web.StreamResponse:
        """Answer one request; ServiceError, StorageError and RecordConflictError are for the middleware."""
        path, query = uri.split(origin_form(request.raw_path))
        target = uri.parse(path, self._poc)
        check_verb(target.node, request.method, self._offered)
        length = rules.check_request(request.method, request.headers)
        if request.method != "GET":
            self._guard.refuse_other_sites(request)
        if request.method == "PUT":
            return await self._put(request, target, length)
        if request.method == "POST":
            return await self._post(request, target, length)
        await self._guard.admit(request)
        if request.method == "DELETE":
            return await self._delete(target)
        return await self._get(request, target, query)

    async def _put(self, request: web.Request, target: Target, length: int) -> web.Response:
        self._guard.refuse_other_names(request)
        if "Content-Range" in request.headers:
            raise BadRequest("a document is put as a whole, not in ranges")  # RFC 9110, 14.5
        encoding = self._check_body(request, length, self._bounds.body_octets)
        peer = peer_of(request)
        with self._budget.account(peer) as account:
            octets = await read(request.content, length, self._bounds.body_timeout, self._budget, account)
            found = await self._turns.decode(peer, lambda: self._decode(octets, encoding))
        if found.device != target.device:
            raise Unprocessable(f"the ldev is {found.device}, the URI names {target.device}")
        received_us = time.time_ns() // 1000
        async with self._turns.deposit(peer):
            receipt: Receipt = await asyncio.wrap_future(self._storage.deposit(found, received_us))
        self._counters.rows["stored"] += receipt.stored
        self._counters.rows["known"] += receipt.known
        _LOG.info(
            "gateway %s device %s: %d rows stored, %d known", found.gateway, found.device, receipt.stored, receipt.known
        )
        return web.Response(status=Status.CREATED if receipt.device_is_new else Status.OK)

    def _check_body(self, request: web.Request, length: int, most: int) -> str | None:
        """Check type and length of a body; returns its encoding."""
        media_type = MediaType.parse(request.headers.get("Content-Type", ""))
        if not is_bare_cosem_xml(media_type):
            raise UnsupportedMediaType(f"{media_type} is not read; {COSEM_XML} in UTF-8 is", {"Accept": str(COSEM_XML)})
        if length > most:
            raise ContentTooLarge(f"the body has {length} octets; at most {most} are taken", {"Connection": "close"})
        return rules.content_encoding(request.headers)

    def _decode(self, octets: bytes, encoding: str | None) -> document.Document:
        limit = self._bounds.body_octets
        try:
            return document.decode(unpack(octets, encoding, limit), Limits(octets=limit))
        except CosemXmlError as error:
            raise Unprocessable(str(error)) from None

    async def _post(self, request: web.Request, target: Target, length: int) -> web.Response:
        assert target.device is not None
        assert target.object is not None
        assert target.number is not None
        if target.object == PROFILE_ID:
            await self._guard.admit(request)
            return await self._reset(target, await self._parameter(request, length))
        self._guard.refuse_other_names(request)
        parameter = await self._parameter(request, length)
        async with self._turns.deposit(peer_of(request)):
            is_new = await self._notice(request, target, parameter)
        self._counters.events += is_new  # not across the await, which would lose those counted meanwhile
        return web.Response(status=Status.OK)

    async def _notice(self, request: web.Request, target: Target, parameter: Data | None) -> bool:
        """Store a notice; True if it is new."""
        assert target.device is not None
        assert target.object is not None
        assert target.number is not None
        await asyncio.get_running_loop().run_in_executor(self._workers, self._check_notice, target)
        text = None if parameter is None else writer.encode(MethodRequest(parameter))
        cid = request.headers.get(rules.CID)
        notice = Notice(
            target.device,
            target.object.class_id,
            target.object.logical_name,
            target.number,
            text,
            None if cid is None else rules.parse_cid(cid),
            time.time_ns() // 1000,
        )
        return await asyncio.wrap_future(self._storage.notify(notice))

    def _check_notice(self, target: Target) -> None:
        """Check a notice: its device is known, and its object is not one of those served here."""
        assert target.device is not None
        assert target.object is not None
        if not (self._storage.has(target.device) or self._storage.has_gateway(target.device)):
            raise NotFound(f"neither a gateway nor a device {target.device} is known here")
        served = {(register.class_id, register.obis) for register in self._storage.registers(target.device)}
        if target.object in {IDENTITY_ID, *served}:
            raise NotFound(f"object {target.object} has no methods")

    async def _parameter(self, request: web.Request, length: int) -> Data | None:
        if length == 0:
            return None
        encoding = self._check_body(request, length, MAX_NOTICE)
        with self._budget.account(peer_of(request)) as account:
            octets = await read(request.content, length, self._bounds.body_timeout, self._budget, account)
        try:
            found = reader.decode(unpack(octets, encoding, MAX_NOTICE))
        except CosemXmlError as error:
            raise Unprocessable(str(error)) from None
        if not isinstance(found, MethodRequest):
            raise Unprocessable("a methodRequestParameter belongs here")
        return found.parameter

    async def _reset(self, target: Target, parameter: Data | None) -> web.Response:
        assert target.device is not None
        loop = asyncio.get_running_loop()
        if target.number != RESET or not await loop.run_in_executor(self._workers, self._storage.has, target.device):
            raise NotFound(f"device {target.device} has no such method; its load profile has {RESET}, reset")
        if parameter not in (None, Data(DataType.INTEGER, 0)):
            raise Unprocessable("reset takes the parameter integer 0, or none")
        removed = await asyncio.wrap_future(self._storage.remove(target.device, whole=False))
        _LOG.warning("device %s: load profile reset, %d rows deleted", target.device, removed)
        return web.Response(body=writer.encode(MethodResponse(0)), headers={"Content-Type": str(COSEM_XML)})

    async def _delete(self, target: Target) -> web.Response:
        assert target.device is not None
        loop = asyncio.get_running_loop()
        if not await loop.run_in_executor(self._workers, self._storage.has, target.device):
            raise NotFound(f"no device {target.device} is known here")
        removed = await asyncio.wrap_future(self._storage.remove(target.device, whole=True))
        _LOG.warning("device %s: deleted with %d rows", target.device, removed)
        return web.Response(status=Status.NO_CONTENT)

    async def _get(self, request: web.Request, target: Target, query: str) -> web.StreamResponse:
        form, media_type = wanted(request.headers.get("Accept"), query)
        narrowed = filters.parse(query, listing=target.listing)

        def make() -> Text:
            found = answer(self._storage, target, narrowed)
            if narrowed.depth is not None:
                found = found._replace(resource=cut(found.resource, narrowed.depth))
            headers = {}
            if found.next_index is not None:
                headers["Link"] = f'<{_next(self._poc, target, query, found.next_index)}>; rel="next"'
            return as_text(self._storage, target.device, found, form, media_type, headers)

        text = await asyncio.get_running_loop().run_in_executor(self._workers, make)
        return await self._sender.send(request, text)


def _next(poc: str, target: Target, query: str, index: int) -> str:
    kept = [part for part in query.split("&") if part and not part.startswith("q.fromidx=")]
    return uri.build(target, poc) + "?" + "&".join([*kept, f"q.fromidx={index}"])

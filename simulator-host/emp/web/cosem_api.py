"""The COSEM tree over HTTP (TR-03109-1 Annex II, 7).

PUT stores a document, GET reads, DELETE removes a device. POST stores a notice, or calls the load profile's method
reset. Gateways may PUT and POST notices. The gatekeeper admits who reads, deletes or resets, and says whose resources
exist for a request.
"""

import asyncio
import logging
import time
from concurrent.futures import Executor

from aiohttp import web
from smgw.cosem.data import Data, DataType
from smgw.cosem.device_id import DeviceId
from smgw.cosemxml import writer
from smgw.cosemxml.depth import cut
from smgw.cosemxml.document import Document
from smgw.cosemxml.resources import MethodRequest, MethodResponse
from smgw.webservice import headers as rules
from smgw.webservice import query as filters
from smgw.webservice import uri
from smgw.webservice.error import BadRequest, NotFound, Status, Unprocessable
from smgw.webservice.media_type import COSEM_XML
from smgw.webservice.uri import Node, Target
from smgw.webservice.verbs import ALLOWED, check_verb

from emp.answers.forms import as_text, wanted
from emp.answers.resources import IDENTITY_ID, PROFILE_ID, RESET, answer
from emp.answers.sending import Sender, Text
from emp.store.storage import ForeignDeviceError, Notice, Proof, Receipt, Storage
from emp.web.binding import Gatekeeper, delivers, missing, own_resources
from emp.web.bodies import Bodies
from emp.web.counters import Counters
from emp.web.peers import Turns, turn_of
from emp.web.routes import origin_form

_LOG = logging.getLogger(__name__)

#: The verbs of the annex that this head-end offers. Rows are put as whole documents, because their key needs gateway
#: and store. They are deleted with their whole device.
OFFERED: dict[Node, tuple[str, ...]] = {
    **dict.fromkeys(Node, ("GET",)),
    Node.LDEV: ALLOWED[Node.LDEV],
    Node.METHOD: ALLOWED[Node.METHOD],
}
#: The same for users, who deliver nothing but what gateways have sealed (`emp import`).
OFFERED_TO_PEOPLE: dict[Node, tuple[str, ...]] = {**OFFERED, Node.LDEV: ("GET", "DELETE")}


class CosemApi:
    """Serves every path below `<PoC>/cosem`."""

    def __init__(
        self,
        storage: Storage,
        workers: Executor,
        sender: Sender,
        keeper: Gatekeeper,
        counters: Counters,
        poc: str,
        bodies: Bodies,
        turns: Turns,
        offered: dict[Node, tuple[str, ...]],
    ) -> None:
        self._storage = storage
        self._workers = workers
        self._sender = sender
        self._keeper = keeper
        self._counters = counters
        self._poc = poc
        self._offered = offered
        self._turns = turns
        self._bodies = bodies

    async def serve(self, request: web.Request) -> web.StreamResponse:
        """Answer one request; ServiceError, StorageError and RecordConflictError are for the middleware."""
        path, query = uri.split(origin_form(request.raw_path))
        target = uri.parse(path, self._poc)
        check_verb(target.node, request.method, self._offered)
        length = rules.check_request(request.method, request.headers)
        if request.method != "GET":
            self._keeper.refuse_other_sites(request)
        gateway = self._keeper.gateway(request)
        if request.method == "PUT":
            return await self._put(request, target, length, gateway)
        if request.method == "POST":
            return await self._post(request, target, length, gateway)
        await self._keeper.admit(request)
        shown = own_resources(self._storage, gateway)
        if request.method == "DELETE":
            return await self._delete(target, shown)
        return await self._get(request, target, query, shown)

    async def _put(self, request: web.Request, target: Target, length: int, gateway: DeviceId | None) -> web.Response:
        await self._keeper.admit_delivery(request)
        if "Content-Range" in request.headers:
            raise BadRequest("a document is put as a whole, not in ranges")  # RFC 9110, 14.5
        found, proof = await self._bodies.document(request, target, length, gateway)
        self._keeper.gateway(request)  # its certificate may have been revoked while the body arrived
        received_us = time.time_ns() // 1000
        async with self._turns.deposit(turn_of(request, gateway)):
            receipt = await self._deposit(found, received_us, proof)
        self._counters.rows["stored"] += receipt.stored
        self._counters.rows["known"] += receipt.known
        _LOG.info(
            "gateway %s device %s: %d rows stored, %d known", found.gateway, found.device, receipt.stored, receipt.known
        )
        return web.Response(status=Status.CREATED if receipt.device_is_new else Status.OK)

    async def _deposit(self, found: Document, received_us: int, proof: Proof | None) -> Receipt:
        """Store a document; NotFound if its device belongs to another gateway."""
        try:
            return await asyncio.wrap_future(self._storage.deposit(found, received_us, proof))
        except ForeignDeviceError as error:
            assert proof is not None
            loop = asyncio.get_running_loop()
            former = await loop.run_in_executor(self._workers, self._keeper.former, error.owners)
            if not former or former != error.owners:
                self._bodies.refused(found.gateway, str(error))
                raise missing(found.device) from None
        _LOG.warning("device %s: from now on of gateway %s", found.device, found.gateway)
        proof = proof._replace(former=former)
        return await asyncio.wrap_future(self._storage.deposit(found, received_us, proof))

    async def _post(self, request: web.Request, target: Target, length: int, gateway: DeviceId | None) -> web.Response:
        assert target.device is not None
        assert target.object is not None
        assert target.number is not None
        is_reset = target.object == PROFILE_ID
        await (self._keeper.admit(request) if is_reset else self._keeper.admit_delivery(request))
        parameter = await self._bodies.parameter(request, length, gateway)
        self._keeper.gateway(request)  # as of a PUT
        if is_reset:
            return await self._reset(target, parameter, own_resources(self._storage, gateway))
        async with self._turns.deposit(turn_of(request, gateway)):
            is_new = await self._notice(request, target, parameter, gateway)
        self._counters.events += is_new  # not across the await, which would lose those counted meanwhile
        return web.Response(status=Status.OK)

    async def _notice(
        self, request: web.Request, target: Target, parameter: Data | None, gateway: DeviceId | None
    ) -> bool:
        """Store a notice; True if it is new."""
        assert target.device is not None
        assert target.object is not None
        assert target.number is not None
        await asyncio.get_running_loop().run_in_executor(self._workers, self._check_notice, target, gateway)
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

    def _check_notice(self, target: Target, gateway: DeviceId | None) -> None:
        """Check a notice: its device is known and the gateway's own, and its object is not one of those served here."""
        assert target.device is not None
        assert target.object is not None
        shown = own_resources(self._storage, gateway)
        if not (shown.has_gateway(target.device) or self._delivers(target.device, gateway)):
            raise NotFound(f"neither a gateway nor a device {target.device} is known here")
        served = {(register.class_id, register.obis) for register in self._storage.registers(target.device)}
        if target.object in {IDENTITY_ID, *served}:
            raise NotFound(f"object {target.object} has no methods")

    def _delivers(self, device: DeviceId, gateway: DeviceId | None) -> bool:
        if gateway is None:
            return self._storage.has(device)
        return delivers(self._storage, device, gateway)

    async def _reset(self, target: Target, parameter: Data | None, shown: Storage) -> web.Response:
        assert target.device is not None
        loop = asyncio.get_running_loop()
        if target.number != RESET or not await loop.run_in_executor(self._workers, shown.has, target.device):
            raise NotFound(f"device {target.device} has no such method; its load profile has {RESET}, reset")
        if parameter not in (None, Data(DataType.INTEGER, 0)):
            raise Unprocessable("reset takes the parameter integer 0, or none")
        removed = await asyncio.wrap_future(self._storage.remove(target.device, whole=False))
        _LOG.warning("device %s: load profile reset, %d rows deleted", target.device, removed)
        return web.Response(body=writer.encode(MethodResponse(0)), headers={"Content-Type": str(COSEM_XML)})

    async def _delete(self, target: Target, shown: Storage) -> web.Response:
        assert target.device is not None
        loop = asyncio.get_running_loop()
        if not await loop.run_in_executor(self._workers, shown.has, target.device):
            raise missing(target.device)
        removed = await asyncio.wrap_future(self._storage.remove(target.device, whole=True))
        _LOG.warning("device %s: deleted with %d rows", target.device, removed)
        return web.Response(status=Status.NO_CONTENT)

    async def _get(self, request: web.Request, target: Target, query: str, shown: Storage) -> web.StreamResponse:
        form, media_type = wanted(request.headers.get("Accept"), query)
        narrowed = filters.parse(query, listing=target.listing)

        def make() -> Text:
            found = answer(shown, target, narrowed)
            if narrowed.depth is not None:
                found = found._replace(resource=cut(found.resource, narrowed.depth))
            headers = {}
            if found.next_index is not None:
                headers["Link"] = f'<{_next(self._poc, target, query, found.next_index)}>; rel="next"'
            return as_text(shown, target.device, found, form, media_type, headers)

        text = await asyncio.get_running_loop().run_in_executor(self._workers, make)
        return await self._sender.send(request, text)


def _next(poc: str, target: Target, query: str, index: int) -> str:
    kept = [part for part in query.split("&") if part and not part.startswith("q.fromidx=")]
    return uri.build(target, poc) + "?" + "&".join([*kept, f"q.fromidx={index}"])

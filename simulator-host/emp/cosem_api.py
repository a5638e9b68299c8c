"""The COSEM tree over HTTP: PUT of documents, GET of what they brought (TR-03109-1 Annex II, 7)."""

import asyncio
import logging
import time
from concurrent.futures import Executor
from typing import NamedTuple

from aiohttp import web
from multidict import CIMultiDict
from smgw.cosemxml import document, writer
from smgw.cosemxml.depth import cut
from smgw.cosemxml.error import CosemXmlError
from smgw.cosemxml.source import Limits
from smgw.webservice import headers as rules
from smgw.webservice import query as filters
from smgw.webservice import uri
from smgw.webservice.error import (
    ContentTooLarge,
    NotAcceptable,
    Status,
    Unprocessable,
    UnsupportedMediaType,
)
from smgw.webservice.media_type import COSEM_XML, HTML, MediaType, accepts, is_bare_cosem_xml
from smgw.webservice.uri import Node, Target
from smgw.webservice.verbs import ALLOWED, check_verb

from emp.body import Budget, read, unpack
from emp.resources import Answer, answer
from emp.storage import Receipt, Storage

_LOG = logging.getLogger(__name__)

#: What this head-end offers of the annex: rows come in whole documents, because their key needs gateway and store.
OFFERED: dict[Node, tuple[str, ...]] = {
    **dict.fromkeys(Node, ("GET",)),
    Node.LDEV: ("GET", "PUT"),
    Node.METHOD: ALLOWED[Node.METHOD],
}
_PLAIN_XML = MediaType("application", "xml")
_COMPRESS_FROM = 2048


class Bounds(NamedTuple):
    """What one request may cost."""

    body_octets: int = 4 * 1024 * 1024  # as sent, and again after unpacking
    held_octets: int = 128 * 1024 * 1024  # all bodies together
    header_timeout: float = 10.0  # seconds until the first request's headers are there
    body_timeout: float = 30.0
    idle_timeout: float = 75.0  # a connection without a request


class CosemApi:
    """Serves every path below `<PoC>/cosem`."""

    def __init__(self, storage: Storage, workers: Executor, poc: str, bounds: Bounds) -> None:
        self._storage = storage
        self._workers = workers
        self._poc = poc
        self._bounds = bounds
        self._budget = Budget(bounds.held_octets)

    async def serve(self, request: web.Request) -> web.StreamResponse:
        """Answer one request; raises ServiceError, StorageError or RecordConflictError for the middleware to tell."""
        path, query = uri.split(_origin_form(request.raw_path))
        target = uri.parse(path, self._poc)
        check_verb(target.node, request.method, OFFERED)
        length = rules.check_request(request.method, request.headers)
        if request.method == "PUT":
            return await self._put(request, target, length)
        return await self._get(request, target, query)

    async def _put(self, request: web.Request, target: Target, length: int) -> web.Response:
        media_type = MediaType.parse(request.headers.get("Content-Type", ""))
        if not is_bare_cosem_xml(media_type):
            raise UnsupportedMediaType(f"{media_type} is not read; {COSEM_XML} in UTF-8 is", {"Accept": str(COSEM_XML)})
        encoding = rules.content_encoding(request.headers)
        if length > self._bounds.body_octets:
            raise ContentTooLarge(
                f"the body has {length} octets; at most {self._bounds.body_octets} are taken", {"Connection": "close"}
            )
        loop = asyncio.get_running_loop()
        with self._budget.account() as take:
            octets = await read(request.content, length, self._bounds.body_timeout, take)
            found = await loop.run_in_executor(self._workers, self._decode, octets, encoding)
        if found.device != target.device:
            raise Unprocessable(f"the ldev is {found.device}, the URI names {target.device}")
        received_us = time.time_ns() // 1000
        receipt: Receipt = await asyncio.wrap_future(self._storage.deposit(found, received_us))
        _LOG.info(
            "gateway %s device %s: %d rows stored, %d known", found.gateway, found.device, receipt.stored, receipt.known
        )
        return web.Response(status=Status.CREATED if receipt.device_is_new else Status.OK)

    def _decode(self, octets: bytes, encoding: str | None) -> document.Document:
        limit = self._bounds.body_octets
        try:
            return document.decode(unpack(octets, encoding, limit), Limits(octets=limit))
        except CosemXmlError as error:
            raise Unprocessable(str(error)) from None

    async def _get(self, request: web.Request, target: Target, query: str) -> web.Response:
        media_type = negotiated(request.headers.get("Accept"))
        narrowed = filters.parse(query, listing=target.listing)
        loop = asyncio.get_running_loop()
        octets, next_index = await loop.run_in_executor(self._workers, self._answer, target, narrowed)
        headers: CIMultiDict[str] = CIMultiDict({"Content-Type": str(media_type)})
        if next_index is not None:
            headers["Link"] = f'<{_next(self._poc, target, query, next_index)}>; rel="next"'
        response = web.Response(body=octets, headers=headers)
        if len(octets) >= _COMPRESS_FROM:
            response.enable_compression()
        return response

    def _answer(self, target: Target, query: filters.Query) -> tuple[bytes, int | None]:
        found: Answer = answer(self._storage, target, query)
        resource = found.resource if query.depth is None else cut(found.resource, query.depth)
        return writer.encode(resource), found.next_index


def negotiated(accept: str | None) -> MediaType:
    """The media type of an answer: the annex's; plain XML for a browser, which would save the annex's to a file."""
    browser = accept is not None and HTML.essence in accept.lower()
    for media_type in (_PLAIN_XML, COSEM_XML) if browser else (COSEM_XML, _PLAIN_XML):
        if accepts(accept, media_type):
            return media_type
    raise NotAcceptable(f"{COSEM_XML} and {_PLAIN_XML} can be had")


def _origin_form(target: str) -> str:
    # A proxy may send the absolute form, http://host/path.
    if target.startswith("/"):
        return target
    _, marker, rest = target.partition("://")
    return "/" + rest.partition("/")[2] if marker else target


def _next(poc: str, target: Target, query: str, index: int) -> str:
    kept = [part for part in query.split("&") if part and not part.startswith("q.fromidx=")]
    return uri.build(target, poc) + "?" + "&".join([*kept, f"q.fromidx={index}"])

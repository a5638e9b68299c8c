"""Bodies of requests: their type and length, how they arrive, and what is in them."""

import logging
from collections.abc import Callable
from typing import TypeVar

from aiohttp import web
from smgw.cosem.data import Data
from smgw.cosem.device_id import DeviceId
from smgw.cosemxml import document, reader
from smgw.cosemxml.document import Document
from smgw.cosemxml.error import CosemXmlError
from smgw.cosemxml.resources import MethodRequest
from smgw.cosemxml.source import Limits
from smgw.webservice import headers as rules
from smgw.webservice.error import ContentTooLarge, Unprocessable, UnsupportedMediaType
from smgw.webservice.media_type import COSEM_XML, MediaType, is_bare_cosem_xml
from smgw.webservice.uri import Target

from emp.store.storage import Proof
from emp.web.binding import missing
from emp.web.body import Budget, read, unpack
from emp.web.bounds import Bounds
from emp.web.handshakes import one_line
from emp.web.peers import Turns, peer_of
from emp.web.seldom import Seldom

_LOG = logging.getLogger(__name__)
_Found = TypeVar("_Found")
MAX_NOTICE = 4096  # octets


class Bodies:
    """Reads the bodies of one listener."""

    def __init__(self, bounds: Bounds, turns: Turns) -> None:
        self._bounds = bounds
        self._turns = turns
        self._budget = Budget(bounds.held_octets, bounds.body_octets)
        self._told = Seldom(_LOG)

    async def document(
        self, request: web.Request, target: Target, length: int, gateway: DeviceId | None
    ) -> tuple[Document, Proof | None]:
        """The document of a PUT, and the proof who sent it. `gateway`: whose certificate the connection has."""
        encoding = self._check(request, length, self._bounds.body_octets)
        peer = peer_of(request)
        limit = self._bounds.body_octets

        def decode(octets: bytes) -> Document:
            return document.decode(unpack(octets, encoding, limit), Limits(octets=limit))

        with self._budget.account(peer) as account:
            octets = await read(request.content, length, self._bounds.body_timeout, self._budget, account)
            found = await self._turns.decode(peer, lambda: _explained(decode, octets))
        if found.device != target.device:
            raise Unprocessable(f"the ldev is {found.device}, the URI names {target.device}")
        if gateway is None:
            return found, None
        if found.gateway != gateway:
            self.refused(gateway, f"it names the gateway {found.gateway}")
            raise missing(target.device)
        return found, Proof()

    async def parameter(self, request: web.Request, length: int) -> Data | None:
        """The parameter of a method; None without a body."""
        if length == 0:
            return None
        encoding = self._check(request, length, MAX_NOTICE)
        with self._budget.account(peer_of(request)) as account:
            octets = await read(request.content, length, self._bounds.body_timeout, self._budget, account)
        found = _explained(lambda packed: reader.decode(unpack(packed, encoding, MAX_NOTICE)), octets)
        if not isinstance(found, MethodRequest):
            raise Unprocessable("a methodRequestParameter belongs here")
        return found.parameter

    def refused(self, gateway: DeviceId, why: str) -> None:
        """Log why a document is refused: its sender gets no reason."""
        self._told.say(logging.WARNING, str(gateway), "gateway %s: a document is refused: %s", gateway, one_line(why))

    def _check(self, request: web.Request, length: int, most: int) -> str | None:
        """Check type and length of a body; returns its encoding."""
        media_type = MediaType.parse(request.headers.get("Content-Type", ""))
        if not is_bare_cosem_xml(media_type):
            raise UnsupportedMediaType(f"{media_type} is not read; {COSEM_XML} in UTF-8 is", {"Accept": str(COSEM_XML)})
        if length > most:
            raise ContentTooLarge(f"the body has {length} octets; at most {most} are taken", {"Connection": "close"})
        return rules.content_encoding(request.headers)


def _explained(decode: Callable[[bytes], _Found], octets: bytes) -> _Found:
    try:
        return decode(octets)
    except CosemXmlError as error:
        raise Unprocessable(str(error)) from None
